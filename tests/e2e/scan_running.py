"""`rotator scan` as a person runs it: a process of its own, its answer read as the program that reads it would."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.e2e.path import SECONDS, program

PLAIN: Mapping[str, str] = {"COLUMNS": "100", "NO_COLOR": "1"}


@dataclass(frozen=True, slots=True)
class Ended:
    """One run that has ended."""

    code: int
    out: str
    err: str

    @property
    def audit(self) -> Any:
        """What it said with `--output json`."""
        assert "Traceback" not in self.err, self.err
        return json.loads(self.out)

    @property
    def lines(self) -> list[Any]:
        """What it said with `--output jsonl`."""
        assert "Traceback" not in self.err, self.err
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def findings(self) -> set[tuple[str, str]]:
        """Rules and places of the audit's findings."""
        return {(finding["rule"], finding["place"]) for finding in self.audit["findings"]}

    @property
    def unseen(self) -> dict[str, str]:
        """What could not be looked at, and why."""
        return {one["where"]: one["message"] for one in self.audit["unseen"]}

    @property
    def words(self) -> str:
        """All that it said to a person, as one line."""
        return " ".join((self.out + " " + self.err).split())


def environment(more: Mapping[str, str] | None = None) -> dict[str, str]:
    """That of this process, without what would point the program at another config, cluster or vault."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("ROTATOR_CONFIG", "VAULT_"))}
    return {**kept, **PLAIN, **(more or {})}


def scan(*words: str | Path, before: Sequence[str] = (), stdin: str = "", **more: str) -> Ended:
    """Run it to its end.

    Args:
        before: the beginning of a command that runs it elsewhere, as `Network.inside`.
        more: environment variables.
    """
    ended = subprocess.run(
        [*before, *program("scan", *map(str, words))],
        input=stdin,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
        env=environment(more),
    )
    return Ended(ended.returncode, ended.stdout, ended.stderr)


def audit(*words: str | Path, before: Sequence[str] = (), **more: str) -> Ended:
    """Run it with `--output json`."""
    return scan(*words, "--output", "json", before=before, stdin="", **more)


_WEIGHED = """\
import pathlib, resource, subprocess, sys
ended = subprocess.run(sys.argv[2:])
pathlib.Path(sys.argv[1]).write_text(str(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss))
sys.exit(ended.returncode)
"""


def weighed(told: Path) -> tuple[str, ...]:
    """The beginning of a command that has the most memory of what it runs, in KiB, written to a file."""
    return (sys.executable, "-c", _WEIGHED, str(told))
