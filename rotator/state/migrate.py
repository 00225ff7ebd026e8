"""Bring the tables to this version, or say why not. Alembic is imported only where a step has to be run."""

from __future__ import annotations

import logging
from pathlib import Path

from sqlalchemy import Connection, inspect, text

from rotator.errors import StateError

_FOLDER = Path(__file__).parent / "migrations"


def migrate(connection: Connection, where: str) -> None:
    """Run the missing steps in the connection's transaction.

    Raises:
        StateError: a newer rotator has written it, or it is another program's database.
    """
    current = _current(connection, where)
    if current == newest():
        return
    _refuse_unknown(current, where)
    _upgrade(connection)


def require_newest(connection: Connection, where: str) -> None:
    """Check without changing anything.

    Raises:
        StateError: the tables are not those of this version.
    """
    current = _current(connection, where)
    if current == newest():
        return
    _refuse_unknown(current, where)
    raise StateError(
        f"{where} has version {current or 'none'} of the tables, this rotator reads {newest()}; "
        "start `rotator run` (or `rotator run --once`) with this version, which brings it up to date"
    )


def newest() -> str:
    """The version of the tables that this rotator reads and writes."""
    return max(_known())


def _known() -> frozenset[str]:
    """The versions there are steps to: each step's file is named `<version>_<what>.py`, and the versions rise."""
    return frozenset(step.name.partition("_")[0] for step in (_FOLDER / "versions").glob("[0-9]*_*.py"))


def _upgrade(connection: Connection) -> None:
    logging.getLogger("alembic").setLevel(logging.WARNING)  # its plugins and dialects are nobody's news
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_FOLDER).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _current(connection: Connection, where: str) -> str | None:
    """The version of the tables, as Alembic keeps it; None for a new database."""
    tables = inspect(connection).get_table_names()
    if not tables:
        return None
    found = "alembic_version" in tables and connection.scalar(text("SELECT version_num FROM alembic_version"))
    if not found:
        raise StateError(f"{where} is the database of another program; name another file under `state`")
    return str(found)


def _refuse_unknown(current: str | None, where: str) -> None:
    if current is not None and current not in _known():
        raise StateError(
            f"{where} was written by a newer rotator (tables {current}; this one knows up to {newest()}); "
            "install that version, or restore the state from a backup made before the upgrade"
        )
