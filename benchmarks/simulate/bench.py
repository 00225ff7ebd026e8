"""What a simulated year costs: `rotator simulate` as a whole, start included."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from benchmarks.measuring import BenchmarkError, run

ROTATOR = Path(sys.executable).parent / "rotator"
YEAR = 365


def measure() -> dict[str, Any]:
    """A hundred thousand certificates of 47 days."""
    return _year(100_000)


def measure_long() -> dict[str, Any]:
    """A million of them; and a million of which one order in a thousand fails and the CA is away for a day."""
    return {
        **_year(1_000_000),
        "with failures": _year(1_000_000, "--failures", "0.1%", "--outage", "24h@day100"),
    }


def _year(certificates: int, *words: str) -> dict[str, Any]:
    asked = ("--certificates", str(certificates), "--lifetime", "47d", "--days", str(YEAR), *words)
    cost = run([ROTATOR, "simulate", *asked, "--output", "json"])
    found = json.loads(cost.output)
    if found["certificates"] != certificates or sum(found["by_day"]) != found["rotations"]:
        raise BenchmarkError("the figures of the simulation do not agree")
    return {
        "certificates": certificates,
        "rotations": found["rotations"],
        "looks": found["looks"],
        "wall seconds": round(cost.wall, 1),
        "processor seconds": round(cost.cpu, 1),
        "microseconds a rotation": round(cost.cpu / found["rotations"] * 1e6, 2),
        "peak MB": round(cost.peak * 1024 / 1e6),
    }
