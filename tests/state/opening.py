"""How the tests of the state open one."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from rotator.ports import Clock
from rotator.state.open import StateKeySource, open_store
from rotator.state.store import SqlStore

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
CLOCK = Clock(now=lambda: NOW, monotonic=lambda: 0.0, wait=lambda seconds: None)


def writer(path: Path, key: StateKeySource = None) -> SqlStore:
    return open_store(str(path), key, CLOCK, writer=True)


def reader(path: Path, key: StateKeySource = None) -> SqlStore:
    return open_store(str(path), key, CLOCK, writer=False)


@contextmanager
def small_disk(folder: Path, *, kilobytes: int) -> Iterator[None]:
    """A disk of its own on a folder, until the end; skipped where only root may mount."""
    mount = ["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("a small disk needs the right to mount; run as root")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
