"""Histories of a fleet, and of the odd cases that the suite of the port does not know."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import event, insert

from rotator.conformance.stores.examples import (
    DAY,
    NAME,
    accept,
    bundle,
    decision,
    order,
    outcome,
    progress,
    spec,
    stored,
)
from rotator.core.model import Action, Pause, Plan, Result
from rotator.core.reasons import Reason
from rotator.errors import Busy, StateError
from rotator.state.people import pause_of
from rotator.state.processes import Process, this_process
from rotator.state.store import SqlStore
from rotator.state.tables import locks, seen
from tests.state.opening import NOW, writer


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqlStore]:
    """A new store."""
    with writer(tmp_path / "state.db") as store:
        yield store


def test_a_fleet_is_read_with_a_handful_of_queries(store: SqlStore) -> None:
    """A thousand histories take as many queries as one."""
    names = [f"service-{number}" for number in range(1000)]
    made = bundle()
    for name in names[:20]:
        store.keep_bundle(stored(made, "accepted", name=name))
        store.open_order(order(name=name, result="issued"))
        store.record(outcome(what=decision(name=name), at=NOW))
    queries: list[str] = []
    event.listen(store._database.engine, "before_cursor_execute", lambda *of: queries.append(of[2]))
    one = store.histories(names[:1], NOW)
    for_one = len(queries)
    queries.clear()
    found = store.histories(names, NOW)
    assert len(queries) == for_one <= 13
    assert len(found) == 1000
    assert found[names[0]] == one[names[0]]
    assert sum(history.accepted is not None for history in found.values()) == 20


def test_a_row_that_no_version_wrote_is_said(store: SqlStore) -> None:
    """A row that cannot be understood stops what reads it with one sentence, and is not taken for something else."""
    with store._database.writing() as connection:
        connection.execute(insert(seen).values(certificate=NAME, reason="no such reason", since=NOW))
    with pytest.raises(StateError, match="a row that cannot be read"):
        store.histories([NAME], NOW)


def test_a_hold_by_hand_ends_when_its_end_was_approved(store: SqlStore) -> None:
    """A success ends a hold by hand only where a person approved overwriting; else the person's certificate stays."""
    store.hold_by_hand(NAME, "an older one was put back", NOW)
    store.record(outcome(what=decision(Action.REDEPLOY, Reason.DIFFERS)))
    assert store.histories([NAME], NOW)[NAME].held_by_hand
    store.approve(NAME, NOW)
    store.hold_by_hand(NAME, "the next look saw it again", NOW)
    store.record(outcome(what=decision(Action.REDEPLOY, Reason.DIFFERS)))
    history = store.histories([NAME], NOW)[NAME]
    assert (history.held_by_hand, history.approvals) == ("", frozenset())


def test_a_roll_back_does_not_finish_a_bundle(store: SqlStore) -> None:
    """A bundle that was rolled back, or whose rotation failed, is still unfinished."""
    made = bundle()
    accept(store, made)
    for result in (Result.ROLLED_BACK, Result.STRANDED, Result.FAILED, Result.PENDING):
        store.record(outcome(result, after=made.chain))
        assert store.histories([NAME], NOW)[NAME].unfinished


def test_another_certificate_in_place_does_not_finish_a_bundle(store: SqlStore) -> None:
    """A success with another chain than the accepted one says nothing of the accepted one."""
    made = bundle()
    accept(store, made)
    store.record(outcome(what=decision(Action.REDEPLOY, Reason.DIFFERS), after=bundle().chain))
    assert store.histories([NAME], NOW)[NAME].unfinished


def test_a_retired_certificate_keeps_no_key(store: SqlStore) -> None:
    """The keys of a retired certificate go after their time, unless it is declared now."""
    for name in (NAME, "declared"):
        store.keep_adopted(spec(name), NOW)
        store.keep_bundle(stored(bundle(), "accepted", name=name))
        store.retire(name, NOW)
    store.keep_plan(Plan(NOW, (decision(Action.KEEP, Reason.HEALTHY, name="declared"),)))
    store.purge(NOW + DAY, keep_superseded=2 * DAY, keep_keys=True)
    assert store.bundles(NAME)
    store.purge(NOW + 3 * DAY, keep_superseded=2 * DAY, keep_keys=True)
    assert (len(store.bundles(NAME)), len(store.bundles("declared"))) == (0, 1)


def test_a_superseded_bundle_stays_while_its_successor_is_under_way(store: SqlStore) -> None:
    """The key of the bundle before is not erased while a rotation that may need it has not ended."""
    old, new = bundle(NOW - 60 * DAY), bundle()
    accept(store, old, at=NOW - 60 * DAY)
    accept(store, new)
    store.keep_progress(progress(new))
    store.purge(NOW + 30 * DAY, keep_superseded=DAY, keep_keys=False)
    assert [one.keys_kept for one in store.bundles(NAME)] == [True, True]


@pytest.mark.parametrize(
    ("known", "holds"),
    [
        ({}, None),
        ({"mail": Pause("a", NOW)}, None),
        ({"*": Pause("a", NOW, NOW + DAY), "shop": Pause("b", NOW, NOW + 2 * DAY)}, "b"),
        ({"*": Pause("a", NOW, NOW + DAY), "sh?p": Pause("b", NOW)}, "b"),
        ({"*": Pause("later", NOW + timedelta(1)), "s*": Pause("sooner", NOW)}, "sooner"),
    ],
)
def test_the_longest_pause_holds(known: dict[str, Pause], holds: str | None) -> None:
    """Of several pauses the one that ends last is shown, of endless ones the oldest."""
    pause = pause_of("shop", known)
    assert (pause.reason if pause else None) == holds
    assert pause is None or replace(pause, match="") == known[pause.match]


def _held_by(store: SqlStore, holder: Process) -> None:
    with store._database.writing() as connection:
        connection.execute(
            insert(locks).values(
                certificate=NAME, store="another", pid=holder.pid, boot_id=holder.boot_id, born=holder.born, at=NOW
            )
        )


def test_a_lock_of_a_living_process_holds(store: SqlStore) -> None:
    """A lock of another store counts while its process lives, and the sentence names it; cleared, it does not."""
    _held_by(store, this_process())
    with pytest.raises(Busy, match=f"process {this_process().pid}"), store.lock(NAME):
        pass
    assert store.clear_dead_locks() == (NAME,)
    with store.lock(NAME):
        pass


def test_a_lock_of_another_boot_does_not_hold(store: SqlStore) -> None:
    """A lock from before the machine was started again is taken over."""
    _held_by(store, Process(this_process().pid, "another boot", this_process().born))
    with store.lock(NAME):
        pass
