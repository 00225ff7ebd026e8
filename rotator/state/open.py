"""Open the state: where it is, who may change it, with which key, and in which version."""

from __future__ import annotations

import os
import secrets
import sqlite3
import stat
import tempfile
from collections.abc import Callable, Iterator, Set
from contextlib import ExitStack, closing, contextmanager
from functools import partial
from pathlib import Path
from urllib.parse import quote

from sqlalchemy import make_url, select
from sqlalchemy.exc import ArgumentError

from rotator.errors import StateError
from rotator.ports import Clock
from rotator.state import keyfile, locks
from rotator.state.database import Database, damaged, sentence
from rotator.state.flock import FileLock
from rotator.state.migrate import migrate, require_newest
from rotator.state.mounts import network_file_system
from rotator.state.seal import KEY_BYTES, Seal, StateKeySource, read_key
from rotator.state.store import SqlStore
from rotator.state.tables import SEALED

__all__ = ["StateKeySource", "open_copy", "open_store"]


def open_store(url_or_path: str, key: StateKeySource, clock: Clock, *, writer: bool) -> SqlStore:
    """Open the state.

    A writer takes the state for itself until `close` or the end of the process, makes the file where there is none,
    brings its tables to this version and clears the locks of a predecessor that died. A reader changes nothing but by
    `enqueue`, also while a writer runs. A missing or wrong key does not stop either: see `SqlStore.key_problem`.

    Args:
        url_or_path: a path, or `sqlite:///path`.
        key: where the key-encryption key is; None keeps it in `<path>.key`, made together with a new state.

    Raises:
        StateLocked: another writer holds it.
        StateError: it cannot be opened, was written by a newer version, or lies on a network file system.
    """
    path = locate(url_or_path)
    return _open_writer(path, key, clock) if writer else _open_reader(path, key, clock)


def open_copy(url_or_path: str, key: StateKeySource, clock: Clock) -> SqlStore:
    """Open a private copy of the state as it is now, or an empty one where there is none; `close` removes it.

    For `plan` and the like: the whole path may run on it and change nothing, also beside a running daemon.

    Raises:
        StateError: it cannot be read, or was written by a newer version.
    """
    path = locate(url_or_path)
    with ExitStack() as undo:
        copy = undo.enter_context(_private_folder()) / "state.db"
        _make_private(copy)
        if _is_there(path):
            _copy(path, copy)
        database = undo.enter_context(closing(Database(copy)))
        _prepare(database, path)
        seal = _passing_seal(database) if _has_no_key_yet(database, key, path) else _seal(database, key, path)
        return SqlStore(database, seal, clock, writer=True, ended=undo.pop_all().close)


def locate(url_or_path: str) -> Path:
    """The file that a state's URL or path names; links are followed, so that one state has one lock.

    Raises:
        StateError: it is no SQLite URL.
    """
    if "://" not in url_or_path:
        return Path(url_or_path).resolve()
    try:
        url = make_url(url_or_path)
    except ArgumentError as error:
        raise StateError(
            "the state's URL cannot be read; write a path, or sqlite:////var/lib/rotator/state.db"
        ) from error
    if url.get_backend_name() != "sqlite":
        raise StateError(
            f"this rotator keeps no state in {url.get_backend_name()}; write a path, such as /var/lib/rotator/state.db"
        )
    if not url.database or url.database == ":memory:":
        raise StateError("a state in memory is forgotten at once; write a path, such as /var/lib/rotator/state.db")
    return Path(url.database).resolve()


def _open_writer(path: Path, key: StateKeySource, clock: Clock) -> SqlStore:
    _require_folder(path)
    with ExitStack() as undo:
        lock = FileLock.take(path.with_name(path.name + ".lock"), path)
        undo.callback(lock.release)
        _make_private(path)
        database = undo.enter_context(closing(Database(path)))
        _prepare(database, path)
        if _has_no_key_yet(database, key, path):
            keyfile.create(keyfile.beside(path))
        seal = _seal(database, key, path)
        return SqlStore(database, seal, clock, writer=True, is_alone=True, ended=undo.pop_all().close)


def _open_reader(path: Path, key: StateKeySource, clock: Clock) -> SqlStore:
    if not _is_there(path):
        raise StateError(f"there is no state at {path} yet; `rotator run` makes it")
    with ExitStack() as undo:
        database = undo.enter_context(closing(Database(path)))
        with database.reading() as connection:
            require_newest(connection, f"the state {path}")
        return SqlStore(database, _seal(database, key, path), clock, writer=False, ended=undo.pop_all().close)


def _is_there(path: Path) -> bool:
    """Whether the file exists.

    Raises:
        StateError: that cannot be told, for a folder above it may not be entered.
    """
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise StateError(
            f"the state {path} cannot be read: {error.strerror}; run this as the user whose state it is, or check the "
            "owner and mode of its folder"
        ) from error
    return True


def _require_folder(path: Path) -> None:
    folder = path.parent
    if not os.path.isdir(folder):  # noqa: PTH112 - says no, where Path would raise for a folder it may not enter
        raise StateError(f"the folder {folder} of the state does not exist; make it, owned by the user rotator runs as")
    kind = network_file_system(folder)
    if kind:
        raise StateError(
            f"the state {path} lies on a network file system ({kind}), where SQLite's locks do not hold; "
            "put it on a local disk"
        )


def _make_private(path: Path) -> None:
    """Make the file where there is none; it is its owner's only, and so are the files SQLite makes beside it."""
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, keyfile.PRIVATE))
        if stat.S_IMODE(path.stat().st_mode) != keyfile.PRIVATE:
            path.chmod(keyfile.PRIVATE)
    except OSError as error:
        raise StateError(
            f"the state {path} cannot be opened: {error.strerror}; check the owner and mode of its folder"
        ) from error


def _prepare(database: Database, path: Path) -> None:
    """Check a file that nobody else writes, and bring its tables to this version in one transaction.

    Args:
        path: the state as the operator knows it, also where the database is a copy of it.
    """
    where = f"the state {path}"
    with database.settings() as pragma:
        if pragma("PRAGMA journal_mode = WAL") != "wal":
            raise StateError(f"{where} lies where SQLite's WAL does not work; put it on a local disk")
        found = pragma("PRAGMA quick_check(1)")
        if found != "ok":
            raise StateError(damaged(path, " ".join(str(found).replace("*", "").split())))
    with database.writing() as connection:
        migrate(connection, where)
        locks.clear(connection, store="")  # whoever held one is dead, or this file could not be had


def _seal(database: Database, key: StateKeySource, path: Path) -> Seal:
    read: Callable[[], bytes] = partial(read_key, key, keyfile.beside(path))
    return Seal(read, partial(_key_ids, database), str(path))


def _passing_seal(database: Database) -> Seal:
    """A seal for what ends with this process: a copy of a state that has no key yet makes none either."""
    key = secrets.token_bytes(KEY_BYTES)
    return Seal(lambda: key, partial(_key_ids, database), str(database.path))


def _has_no_key_yet(database: Database, key: StateKeySource, path: Path) -> bool:
    """Whether a key may be made: the config names none, there is none, and nothing was ever sealed."""
    return key is None and not _is_there(keyfile.beside(path)) and not _key_ids(database)


def _key_ids(database: Database) -> Set[str]:
    """Ids of the keys that sealed what is stored."""
    with database.reading() as connection:
        return {
            key_id
            for table in SEALED
            for key_id in connection.execute(
                select(table.c.key_id).where(table.c.key_id.is_not(None)).distinct()
            ).scalars()
        }


@contextmanager
def _private_folder() -> Iterator[Path]:
    try:
        folder = tempfile.TemporaryDirectory(prefix="rotator-")
    except OSError as error:
        raise StateError(f"there is no room for a copy of the state: {error}; set TMPDIR to a folder") from error
    with folder as name:
        yield Path(name)


def _copy(path: Path, copy: Path) -> None:
    try:
        with (
            closing(sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True)) as source,
            closing(sqlite3.connect(copy)) as target,
        ):
            source.backup(target)
    except sqlite3.Error as error:
        raise StateError(sentence(path, error)) from error
