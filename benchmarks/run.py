"""Run the benchmarks: every `benchmarks/<name>/bench.py`, or those that are named, into `benchmarks/results.json`.

    python -m benchmarks.run [NAME…] [--long]

Each module has `measure() -> dict`, and where something takes minutes `measure_long() -> dict`. A result that is not
measured this time keeps its figures.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import platform
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.measuring import BenchmarkError, version_of

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results.json"
LONG = "-long"


def benchmarks() -> list[str]:
    """The names of all, in order."""
    return sorted(module.parent.name for module in HERE.glob("*/bench.py"))


def measured(name: str, *, long: bool) -> dict[str, Any] | None:
    """What one of them found, with the day; None where it has nothing that takes long."""
    module = importlib.import_module(f"benchmarks.{name}.bench")
    measure: Callable[[], dict[str, Any]] | None = getattr(module, "measure_long" if long else "measure", None)
    if measure is None:
        return None
    return {"at": datetime.now(UTC).date().isoformat(), **measure()}


def versions() -> dict[str, str]:
    """What the figures hang on beside rotator."""
    return {
        "python": platform.python_version(),
        "openssl": version_of("openssl", "version"),
        "nginx": version_of("nginx", "-v"),
        "openssl of cryptography": _bundled_openssl(),
        "machine": f"{platform.machine()}, {len(os.sched_getaffinity(0))} processors",
    }


def _bundled_openssl() -> str:
    from cryptography.hazmat.backends.openssl import backend

    return backend.openssl_version_text()


def main() -> int:
    """Measure, print and write; 1 when one of them could not be measured."""
    parser = argparse.ArgumentParser(description="Run the benchmarks.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(benchmarks())}; without: all")
    parser.add_argument("--long", action="store_true", help="also what takes minutes")
    asked = parser.parse_args()
    unknown = set(asked.names) - set(benchmarks())
    if unknown:
        parser.error(f"there is no benchmark {', '.join(sorted(unknown))}; there are {', '.join(benchmarks())}")
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    results["versions"] = versions()
    failed = False
    for name in asked.names or benchmarks():
        for long in (False, True) if asked.long else (False,):
            try:
                found = measured(name, long=long)
            except BenchmarkError as error:
                print(f"{name}: {error}", file=sys.stderr)
                failed = True
                continue
            if found is not None:
                results[name + LONG * long] = found
                print(json.dumps({name + LONG * long: found}, indent=2))
                RESULTS.write_text(json.dumps(results, indent=2) + "\n")
    return int(failed)


if __name__ == "__main__":
    raise SystemExit(main())
