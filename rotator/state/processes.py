"""Who a process is, so that its lock can be told from that of a later process with the same number."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Process:
    """A process for all time.

    Attributes:
        boot_id: of the machine's present run; empty where the system has none.
        born: when it started, in ticks since that boot; empty where it cannot be told.
    """

    pid: int
    boot_id: str
    born: str

    @property
    def lives(self) -> bool:
        """Whether this very process still runs on this machine; one of another boot does not."""
        if self.boot_id != _boot_id():
            return False
        born = _born(self.pid)
        return born == self.born if born or self.born else _answers(self.pid)


def process(pid: int) -> Process:
    """Who the process with this number is now."""
    return Process(pid, _boot_id(), _born(pid))


def this_process() -> Process:
    return process(os.getpid())


def _boot_id() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""


def _born(pid: int) -> str:
    """Field 22 of /proc/<pid>/stat (proc(5)); the name in field 2 may hold spaces and brackets."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    return stat.rpartition(")")[2].split()[19]


def _answers(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
