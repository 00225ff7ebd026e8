"""The steps between versions of the tables."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import inspect

from rotator import state
from rotator.conformance.stores.examples import (
    DAY,
    NAME,
    accept,
    bundle,
    decision,
    order,
    outcome,
    pending,
    progress,
    stored,
)
from rotator.core.model import Ask, Pause, Plan
from rotator.errors import StateError
from rotator.ports import OrderEnd
from rotator.state import keyfile
from rotator.state.database import Database
from rotator.state.migrate import migrate, newest, require_newest
from rotator.state.store import SqlStore
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


def lived_in(store: SqlStore) -> None:
    """What months of work leave: a renewed certificate, one in flight, a person's wishes, notices, an audit."""
    made = bundle()
    store.audit("begun", "", "", NOW - 100 * DAY)
    store.keep_plan(Plan(NOW - 100 * DAY, (decision(),), first=True))
    store.close_order(store.open_order(order(at=NOW - 30 * DAY)), OrderEnd("issued"))
    store.keep_bundle(stored(made))
    accept(store, made)
    store.record(outcome(after=made.chain, at=NOW - 30 * DAY))
    store.close_order(store.open_order(order(at=NOW - 2 * DAY)), OrderEnd("failed", permanent=True))
    store.keep_pending(pending(made))
    store.keep_ask(NAME, Ask(NOW, force=True, reason="because"))
    store.pause("*", Pause("freeze", NOW, None))
    store.keep_progress(progress(made))
    store.put("drawer", b"sealed")


def read_back(store: SqlStore) -> tuple[object, ...]:
    """What the flow reads at each look."""
    return (
        store.histories([NAME], NOW), store.fleet(NOW), store.plan(), store.pending(NAME), store.bundles(NAME),
        store.outcomes(), store.pauses(), store.progress(NAME), store.get("drawer"), store.audited(),
    )  # fmt: skip


def brought_to(version: str, path: Path) -> None:
    """The tables as they were in an earlier version, empty."""
    with closing(Database(path)) as old, old.writing() as connection:
        config = Config()
        config.set_main_option("script_location", str(Path(state.__file__).parent / "migrations"))
        config.attributes["connection"] = connection
        command.upgrade(config, version)


@pytest.mark.parametrize("version", ["0001", "0002", "0003", "0004", "0005", "0006"])
def test_a_state_of_each_earlier_version_is_brought_up_to_date(tmp_path: Path, version: str) -> None:
    """With rows in every table that it had: all of them are read as they were written, and work goes on."""
    now, then = tmp_path / "now.db", tmp_path / "then.db"
    with writer(now) as store:
        lived_in(store)
        wanted = read_back(store)
    shutil.copy(keyfile.beside(now), keyfile.beside(then))
    then.touch(mode=0o600)
    brought_to(version, then)
    with closing(sqlite3.connect(then)) as raw, raw:
        raw.execute("ATTACH ? AS now", (str(now),))
        tables = [row[0] for row in raw.execute("SELECT name FROM main.sqlite_master WHERE type = 'table'")]
        for table in set(tables) - {"alembic_version"}:
            had, has = (
                {row[1] for row in raw.execute(f'PRAGMA {which}.table_info("{table}")')} for which in ("main", "now")
            )
            columns = ", ".join(f'"{column}"' for column in sorted(had & has))
            raw.execute(f'INSERT INTO main."{table}" ({columns}) SELECT {columns} FROM now."{table}"')
    with writer(then) as store:
        assert read_back(store) == wanted
        assert not store.campaigns()
        lived_in(store)


def test_a_new_key_that_was_asked_for_is_still_asked_for(tmp_path: Path) -> None:
    """What stood as a yes or no before stands with the moment of the ask, since which the key has to be made."""
    path = tmp_path / "state.db"
    with writer(path):
        pass
    path.unlink()
    path.touch(mode=0o600)
    brought_to("0006", path)
    with closing(sqlite3.connect(path)) as raw, raw:
        for name, new_key in (("shop", 1), ("till", 0), ("mail", None)):
            raw.execute(
                "INSERT INTO standing (certificate, asked_at, ask_force, ask_new_key) VALUES (?, ?, 1, ?)",
                (name, f"{NOW:%Y-%m-%d %H:%M:%S.%f}", new_key),
            )
    with writer(path) as store:
        asks = {name: history.ask for name, history in store.histories(["shop", "till", "mail"], NOW).items()}
    plain = Ask(NOW, force=True)
    assert asks == {"shop": Ask(NOW, force=True, key_after=NOW), "till": plain, "mail": plain}
