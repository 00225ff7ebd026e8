"""One program run as a whole: what it cost, start included."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile

ROOT = Path(__file__).resolve().parent.parent


class BenchmarkError(Exception):
    """A program under measurement failed; nothing is reported of it."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What one run of a program took, its own child processes included.

    Attributes:
        wall, user, system: seconds.
        peak: kilobytes, the largest of its processes (ru_maxrss).
        output: what it wrote to standard output.
    """

    wall: float
    user: float
    system: float
    peak: int
    output: str

    @property
    def cpu(self) -> float:
        """Seconds of processor time, user and system."""
        return self.user + self.system


def run(command: Sequence[str | Path], *, accepted: Sequence[int] = (0,), keep: bool = True) -> Cost:
    """Run a program to its end.

    Args:
        accepted: exit codes that are no failure; a scan that finds something ends with 1.
        keep: give back its output; that of a million lines is better left in the file it goes to.

    Raises:
        BenchmarkError: it ended otherwise; with the end of what it wrote to standard error.
    """
    with TemporaryFile() as output, TemporaryFile() as errors:
        began = time.monotonic()
        process = subprocess.Popen(
            [str(part) for part in command], cwd=ROOT, stdin=subprocess.DEVNULL, stdout=output, stderr=errors
        )
        # wait4 rather than getrusage(RUSAGE_CHILDREN): the latter adds up all that this process ever started.
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.monotonic() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        errors.seek(0)
        if process.returncode not in accepted:
            told = errors.read().decode(errors="replace").strip().splitlines()[-5:]
            raise BenchmarkError(f"{Path(command[0]).name} ended with {process.returncode}: {' / '.join(told)}")
        text = output.read().decode(errors="replace") if keep else ""
        return Cost(wall, usage.ru_utime, usage.ru_stime, usage.ru_maxrss, text)


def version_of(*command: str) -> str:
    """The first line of what a program says of its version; `missing` where it is not there."""
    try:
        said = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return "missing"
    return (said.stdout or said.stderr).strip().splitlines()[0]
