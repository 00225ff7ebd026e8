"""A disk of 64 KiB, for filling it up."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.servers.run import give_up

SIZE = 64 * 1024


@contextlib.contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    """Mount a tmpfs of 64 KiB; needs root."""
    if os.geteuid() != 0:
        give_up("a disk of its own needs root; run the tests as root")
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "rotator-test", folder], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)


def fill(disk: Path, *, leave: int = 0) -> Path:
    """Write until so many pages of 4 KiB are left; gives the file that takes the room."""
    filler = disk / "filler"
    status = os.statvfs(disk)
    with filler.open("wb") as file:
        file.write(b"x" * (status.f_bavail - leave) * status.f_frsize)
    return filler
