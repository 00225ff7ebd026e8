"""Every store that comes with rotator passes the suite that third parties get."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from rotator.conformance.store import NOW, Opener, StoreConformance
from rotator.ports import Clock, Store
from rotator.state.open import open_store


def open_sqlite(path: str) -> Store:
    """Open a SQLite state whose clock stands still; a function of the module, so that a child process can have it."""
    clock = Clock(now=lambda: NOW, monotonic=lambda: 0.0, wait=lambda seconds: None)
    return open_store(path, None, clock, writer=True)


class TestStores(StoreConformance):
    """SQLite, the embedded default."""

    @pytest.fixture(params=["sqlite"])
    def folder(self, tmp_path: Path) -> Path:
        """Where the state lies."""
        return tmp_path

    @pytest.fixture
    def again(self, folder: Path) -> Opener:
        """Opens the same file."""
        return partial(open_sqlite, str(folder / "state.db"))

    @pytest.fixture
    def store(self, again: Opener) -> Iterator[Store]:
        """A new store."""
        with again() as store:
            yield store

    @pytest.fixture
    def at_rest(self, folder: Path) -> Callable[[], bytes]:
        """The database and its write-ahead log; the key file is what opens them and lies elsewhere in earnest."""
        return lambda: b"".join(path.read_bytes() for path in folder.iterdir() if path.suffix != ".key")
