"""What a scan costs beside `openssl s_time`, which does nothing but shake hands; see README.md."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.measuring import BenchmarkError, Cost, run
from benchmarks.scan.server import NAME, loopback_addresses, tls_server

ENDPOINTS = 5000
ROUNDS = 5
STARTS = 9
SECONDS = 4
MILLION = 1_000_000
ROTATOR = Path(sys.executable).with_name("rotator")
FOUND = (0, 1, 3)  # a scan says by its exit code what it found
_CONNECTIONS = re.compile(r"(\d+) connections in \d+ real seconds")


def measure() -> dict[str, Any]:
    """All but the million: each round has everything once, in turn, so that what slows one slows all."""
    with TemporaryDirectory() as folder, tls_server(Path(folder)) as port:
        targets = Path(folder, "targets")
        targets.write_text("".join(f"{address}:{port}\n" for address in loopback_addresses(ENDPOINTS)))
        rounds = [_round(port, targets) for _ in range(ROUNDS)]
        return {"endpoints": ENDPOINTS, "rounds": ROUNDS, **_compared(rounds), "starting": _starts(port)}


def measure_long() -> dict[str, Any]:
    """A million targets from a file, one in a hundred served, the others refused at once: time and memory."""
    with TemporaryDirectory() as folder, tls_server(Path(folder)) as port:
        targets = Path(folder, "targets")
        with targets.open("w") as lines:
            for number, address in enumerate(loopback_addresses(MILLION)):
                lines.write(f"{address}:{port if number % 100 == 0 else 1}\n")
        found = {}
        for processes in (0, 1):
            cost = run([sys.executable, "-m", "benchmarks.scan.from_file", targets, str(processes)])
            _expect(cost, f"'served': {MILLION // 100}", f"'refused': {MILLION - MILLION // 100}")
            found["library, 1 more process" if processes else "library"] = _whole(cost)
        scan: list[str | Path] = [ROTATOR, "scan", f"@{targets}", "--output", "jsonl"]
        found["rotator scan"] = _whole(run(scan, accepted=FOUND, keep=False))
    return {"endpoints": MILLION, **found}


# ---------------------------------------------------------------- handshakes


def _round(port: int, targets: Path) -> dict[str, tuple[float, float]]:
    """For each contestant the processor time (milliseconds) and the number of handshakes a second."""
    program = [sys.executable, "-m"]
    contestants: Mapping[str, Callable[[], Cost]] = {
        "pyOpenSSL loop": lambda: run([*program, "benchmarks.scan.bare_loop", str(port), str(ENDPOINTS)]),
        "library": lambda: run([*program, "benchmarks.scan.library", str(port), str(ENDPOINTS), "0"]),
        "library, 1 more process": lambda: run([*program, "benchmarks.scan.library", str(port), str(ENDPOINTS), "1"]),
        "rotator scan": lambda: run(
            [ROTATOR, "scan", f"@{targets}", "--server-name", NAME, "--output", "jsonl"], accepted=FOUND
        ),
    }
    found = {"openssl s_time": _s_time(port)}
    for name, contest in contestants.items():
        cost = contest()
        if name == "rotator scan":
            _expect(cost, f'"places":{ENDPOINTS}', '"unseen":0')
        else:
            _expect(cost, str(ENDPOINTS))
        found[name] = (cost.cpu / ENDPOINTS * 1000, ENDPOINTS / cost.wall)
    return found


def _s_time(port: int) -> tuple[float, float]:
    command = ["openssl", "s_time", "-new", "-connect", f"127.0.0.1:{port}", "-time", str(SECONDS)]
    cost = run(command)
    match = _CONNECTIONS.search(cost.output)
    if match is None or not int(match[1]):
        raise BenchmarkError("openssl s_time made no connection")
    return cost.cpu / int(match[1]) * 1000, int(match[1]) / cost.wall


def _expect(cost: Cost, *parts: str) -> None:
    if missing := [part for part in parts if part not in cost.output]:
        raise BenchmarkError(f"not everything was looked at: no {', '.join(missing)} in {cost.output[-200:]!r}")


def _compared(rounds: list[dict[str, tuple[float, float]]]) -> dict[str, Any]:
    base = [each["openssl s_time"][0] for each in rounds]
    return {
        name: {
            "cpu, of openssl s_time": _spread([each[name][0] / of for each, of in zip(rounds, base, strict=True)]),
            "cpu, ms an endpoint": _spread([each[name][0] for each in rounds]),
            "endpoints a second": _spread([each[name][1] for each in rounds], digits=0),
        }
        for name in rounds[0]
    }


def _spread(figures: list[float], *, digits: int = 3) -> dict[str, float]:
    lowest, middle, highest = (round(each, digits or None) for each in (min(figures), median(figures), max(figures)))
    return {"median": middle, "min": lowest, "max": highest}


# ---------------------------------------------------------------- starting, and a million


def _starts(port: int) -> dict[str, Any]:
    """Seconds of wall time for what a person waits for."""
    commands: dict[str, list[str | Path]] = {
        "rotator --help": [ROTATOR, "--help"],
        "rotator scan of one endpoint": [ROTATOR, "scan", f"{NAME}@127.0.0.1:{port}"],
        "python -c pass": [sys.executable, "-c", "pass"],
    }
    walls: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(STARTS):
        for name, command in commands.items():
            walls[name].append(run(command, accepted=FOUND).wall)
    return {f"{name}, s": _spread(figures) for name, figures in walls.items()}


def _whole(cost: Cost) -> dict[str, float]:
    return {
        "wall, s": round(cost.wall, 1),
        "cpu, s": round(cost.cpu, 1),
        "endpoints a second": round(MILLION / cost.wall),
        "largest process, MB": round(cost.peak / 1024, 1),
    }
