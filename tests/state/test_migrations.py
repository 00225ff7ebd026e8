"""The steps between versions of the tables."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import inspect

from rotator import state
from rotator.errors import StateError
from rotator.state.database import Database
from rotator.state.migrate import migrate, newest, require_newest
from rotator.state.tables import metadata
from tests.state.opening import NOW, writer


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """A file without tables."""
    path = tmp_path / "state.db"
    path.touch()
    database = Database(path)
    yield database
    database.close()


def test_the_steps_lead_to_the_tables(database: Database) -> None:
    """After all steps the tables are those that the code reads and writes, to the last column and index."""
    with database.writing() as connection:
        migrate(connection, "the state")
    with database.reading() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
        require_newest(connection, "the state")


def test_a_step_happens_whole_or_not_at_all(database: Database) -> None:
    """A crash in the middle of the steps leaves the file as it was, and they are run again."""
    with pytest.raises(ZeroDivisionError), database.writing() as connection:
        migrate(connection, "the state")
        raise ZeroDivisionError
    with database.reading() as connection:
        assert inspect(connection).get_table_names() == []
    with database.writing() as connection:
        migrate(connection, "the state")
        migrate(connection, "the state")


@pytest.mark.parametrize("statement", ["UPDATE audit SET detail = 'nothing happened'", "DELETE FROM audit"])
def test_the_audit_cannot_be_rewritten(tmp_path: Path, statement: str) -> None:
    """Whoever tries, the database itself refuses to change or delete what was audited."""
    with writer(tmp_path / "state.db") as store:
        store.audit("rotate", "checkout", "done", NOW)
        with pytest.raises(StateError, match="append-only"), store._database.writing() as connection:
            connection.exec_driver_sql(statement)
        assert [entry.detail for entry in store.audited()] == ["done"]


def test_the_newest_version_is_that_of_the_steps() -> None:
    """What readers compare with, without Alembic, is what Alembic would bring the tables to."""
    config = Config()
    config.set_main_option("script_location", str(Path(state.__file__).parent / "migrations"))
    assert newest() == ScriptDirectory.from_config(config).get_current_head()


def test_reading_needs_no_alembic(tmp_path: Path) -> None:
    """What only reads the state does not wait for Alembic to be imported, and neither does a second start."""
    path = tmp_path / "state.db"
    writer(path).close()
    script = (
        "import sys; from pathlib import Path; from tests.state.opening import reader, writer; "
        f"p = Path({str(path)!r}); reader(p).close(); writer(p).close(); print('alembic' in sys.modules)"
    )
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=60)
    assert ended.stdout == "False\n", ended.stderr
