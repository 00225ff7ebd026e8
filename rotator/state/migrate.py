"""Bring the tables to this version, or say why not."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, inspect

from rotator.errors import StateError

if TYPE_CHECKING:
    from alembic.config import Config

_FOLDER = Path(__file__).parent / "migrations"


def migrate(connection: Connection, where: str) -> None:
    """Run the missing steps in the connection's transaction.

    Raises:
        StateError: a newer rotator has written it, or it is another program's database.
    """
    from alembic import command

    current = _current(connection, where)
    config = _config()
    if current == _newest(config):
        return
    _refuse_unknown(current, config, where)
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def require_newest(connection: Connection, where: str) -> None:
    """Check without changing anything.

    Raises:
        StateError: the tables are not those of this version.
    """
    current = _current(connection, where)
    config = _config()
    newest = _newest(config)
    if current == newest:
        return
    _refuse_unknown(current, config, where)
    raise StateError(
        f"{where} has version {current or 'none'} of the tables, this rotator reads {newest}; "
        "start `rotator run` (or `rotator run --once`) with this version, which brings it up to date"
    )


def _config() -> Config:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_FOLDER).replace("%", "%%"))
    return config


def _newest(config: Config) -> str | None:
    from alembic.script import ScriptDirectory

    return ScriptDirectory.from_config(config).get_current_head()


def _current(connection: Connection, where: str) -> str | None:
    """The version of the tables; None for a new database."""
    from alembic.runtime.migration import MigrationContext

    version = MigrationContext.configure(connection).get_current_revision()
    if version is None and inspect(connection).get_table_names():
        raise StateError(f"{where} is the database of another program; name another file under `state`")
    return version


def _refuse_unknown(current: str | None, config: Config, where: str) -> None:
    from alembic.script import ScriptDirectory

    known = {step.revision for step in ScriptDirectory.from_config(config).walk_revisions()}
    if current is not None and current not in known:
        raise StateError(
            f"{where} was written by a newer rotator (tables {current}; this one knows up to {max(known)}); "
            "install that version, or restore the state from a backup made before the upgrade"
        )
