"""One SQLite file behind SQLAlchemy: connections as rotator needs them, transactions, and errors in plain words."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import Connection, Engine, QueuePool, Table, create_engine, event
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError, SQLAlchemyError, StatementError

from rotator.errors import StateError

BUSY_SECONDS = 10.0
"""How long a statement waits for another process's transaction before it gives up."""

_WRITING = "rotator_writing"

_SENTENCES = {
    "SQLITE_BUSY": "{path} stayed locked for {busy:.0f} s by another process; find it with `fuser {path}`",
    "SQLITE_LOCKED": "{path} stayed locked for {busy:.0f} s by another process; find it with `fuser {path}`",
    "SQLITE_FULL": "there is no space left for {path}; nothing was changed; free some space on its disk",
    "SQLITE_READONLY": "{path} cannot be written; check the owner and mode of the file and of its folder",
    "SQLITE_PERM": "{path} cannot be opened; check the owner and mode of the file and of its folder",
    "SQLITE_CANTOPEN": "{path} cannot be opened; check the owner and mode of the file and of its folder",
    "SQLITE_IOERR": "{path} cannot be read or written ({detail}); check its disk; nothing was changed",
    "SQLITE_NOTADB": "{path} is damaged or no rotator state ({detail}); {damaged}",
    "SQLITE_CORRUPT": "{path} is damaged ({detail}); {damaged}",
}
_DAMAGED = "restore it from a backup, or move it away: rotator then takes stock anew, and its first look issues nothing"


class Database:
    """A SQLite file. Threads may share it: each transaction has a connection of its own.

    Attributes:
        path: the file.
        engine: SQLAlchemy's engine on it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._closed = False
        self.engine: Engine = create_engine(
            "sqlite://",
            creator=self._connect,
            poolclass=QueuePool,
            pool_size=8,
            max_overflow=-1,  # a thread never waits for another one's connection
            json_serializer=_json,
        )
        event.listen(self.engine, "begin", _begin)
        self._writer = self.engine.execution_options(**{_WRITING: True})

    def _connect(self) -> sqlite3.Connection:
        """Open an existing file; making one is `rotator.state.open`'s business."""
        connection = sqlite3.connect(
            f"file:{quote(str(self.path))}?mode=rw",
            uri=True,
            timeout=BUSY_SECONDS,
            isolation_level=None,  # transactions begin where `_begin` says, not where the driver guesses
            check_same_thread=False,  # the pool hands a connection to one thread at a time
        )
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA synchronous = FULL")  # what was committed survives a power cut
        return connection

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """One consistent view of the state.

        Raises:
            StateError: it cannot be read, or holds what this version cannot read.
        """
        with self._plainly(), self.engine.connect() as connection, connection.begin():
            try:
                yield connection
            except (ValueError, KeyError, TypeError, IndexError) as error:
                raise StateError(
                    f"the state {self.path} has a row that cannot be read ({error!r}); {_DAMAGED}"
                ) from error

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """One transaction that has the write lock from its beginning; all of it happens, or nothing.

        Raises:
            StateError: it cannot be written; nothing was changed.
        """
        with self._plainly(), self._writer.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def settings(self) -> Iterator[Callable[[str], object]]:
        """Run PRAGMAs outside of a transaction; each gives the first value of its answer.

        Raises:
            StateError: the file cannot be opened, or is no database.
        """
        with self._plainly(), closing(self._connect()) as connection:
            yield lambda pragma: connection.execute(pragma).fetchone()[0]

    def close(self) -> None:
        """Close every connection for good; safe to repeat."""
        self._closed = True
        self.engine.dispose()

    @contextmanager
    def _plainly(self) -> Iterator[None]:
        if self._closed:  # the pool would open it anew, without the file lock
            raise StateError(f"the state {self.path} was closed already")
        try:
            yield
        except DBAPIError as error:
            raise StateError(sentence(self.path, error.orig)) from error
        except StatementError as error:
            # A value that no column takes (a naive moment) is a mistake of the caller's, not of the state.
            raise error.orig or error from error
        except (SQLAlchemyError, sqlite3.Error) as error:
            raise StateError(sentence(self.path, error)) from error


def sentence(path: Path, error: BaseException | None) -> str:
    """What went wrong with a SQLite file, where, and what to do."""
    name = getattr(error, "sqlite_errorname", "") or ""
    where = f"the state {path}"
    for prefix, text in _SENTENCES.items():
        if name.startswith(prefix):
            return text.format(path=where, busy=BUSY_SECONDS, detail=error, damaged=_DAMAGED)
    return f"{where} refused: {error}"


def damaged(path: Path, found: str) -> str:
    """What to say of a file whose content contradicts itself."""
    return _SENTENCES["SQLITE_CORRUPT"].format(path=f"the state {path}", detail=found, damaged=_DAMAGED)


def upsert(connection: Connection, table: Table, values: dict[str, Any]) -> None:
    """Write a row, over the one with the same primary key; columns that are not given keep what they hold."""
    insert = _insert(connection, table).values(values)
    keys = [column.name for column in table.primary_key]
    rest = {name: insert.excluded[name] for name in values if name not in keys}
    connection.execute(
        insert.on_conflict_do_update(index_elements=keys, set_=rest)
        if rest
        else insert.on_conflict_do_nothing(index_elements=keys)
    )


def _insert(connection: Connection, table: Table) -> Any:
    dialects: dict[str, Any] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}
    return dialects[connection.dialect.name](table)


def _begin(connection: Connection) -> None:
    # A transaction that reads first and writes later would fail, not wait, when another wrote in between.
    writing = connection.get_execution_options().get(_WRITING, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
