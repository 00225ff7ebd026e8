"""Make the pictures of what lifetimes cost, from real runs of `rotator simulate`.

    python docs/pictures/simulate.py

Writes `simulate.svg` (lifetimes side by side), `simulate-outage.svg` (a year with an outage) and `simulate.txt` (the
tables that the page quotes).
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

HERE = Path(__file__).resolve().parent
LIFETIMES = ("398d", "200d", "100d", "47d", "6d")
COMPARED = ("--compare", *(word for lifetime in LIFETIMES for word in ("--lifetime", lifetime)))
OUTAGE = ("--certificates", "20000", "--lifetime", "47d", "--outage", "24h@day100")


def main() -> int:
    """Make all of them."""
    (HERE / "simulate.svg").write_text(_run(*COMPARED, "--output", "svg"), encoding="utf-8")
    (HERE / "simulate-outage.svg").write_text(_run(*OUTAGE, "--output", "svg"), encoding="utf-8")
    shown = [f"$ rotator simulate {' '.join(words)}\n{_run(*words)}" for words in (COMPARED, OUTAGE)]
    (HERE / "simulate.txt").write_text("\n".join(shown), encoding="utf-8")
    return 0


def _run(*words: str) -> str:
    """What one run printed."""
    argv: Sequence[str] = (str(Path(sys.prefix) / "bin" / "rotator"), "simulate", *words)
    environment = {**os.environ, "COLUMNS": "80"}
    return subprocess.run(argv, check=True, stdout=subprocess.PIPE, text=True, timeout=600, env=environment).stdout


if __name__ == "__main__":
    raise SystemExit(main())
