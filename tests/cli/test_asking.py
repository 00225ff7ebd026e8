"""Asking the daemon: what the CLI says when it answers late, or not at all. Time is the test's own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from rotator.cli.asking import follow, is_done
from rotator.core.model import Action, Result
from rotator.core.reasons import Reason
from rotator.ports import Clock, Store
from rotator.state.open import open_store
from tests.builders import NOW, decision, outcome, plan


@dataclass(slots=True)
class Time:
    """Passes only where somebody waits; `then` happens at the first wait."""

    passed: float = 0.0
    then: list[object] = field(default_factory=list)

    def wait(self, seconds: float) -> None:
        self.passed += seconds
        while self.then:
            happen = self.then.pop(0)
            assert callable(happen)
            happen()

    @property
    def clock(self) -> Clock:
        return Clock(self.now, lambda: self.passed, self.wait)

    def now(self) -> datetime:
        return NOW + timedelta(seconds=self.passed)


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def store(tmp_path: Path, time: Time) -> Iterator[Store]:
    with open_store(str(tmp_path / "state.db"), None, time.clock, writer=True) as opened:
        yield opened


def test_nobody_answers(store: Store, time: Time) -> None:
    """A daemon that never takes the request up: the person is told that it waits, not that it was done."""
    answer = follow(store, time.clock, store.enqueue("resume", {}, "ada@host", NOW))
    assert not answer.done
    assert "is in the queue" in answer.text
    assert time.passed >= 300


def test_answer_is_waited_for(store: Store, time: Time) -> None:
    """The answer is taken as soon as it is there; `not done` is a failure."""
    done = store.enqueue("resume", {"match": "shop"}, "ada@host", NOW)
    time.then.append(lambda: store.answer(done, "resumed: shop", NOW))
    answer = follow(store, time.clock, done)
    assert (answer.done, answer.subject, answer.text) == (True, "shop", "resumed: shop")
    assert time.passed < 1
    declined = store.enqueue("resume", {}, "ada@host", NOW)
    store.answer(declined, "not done: nothing is paused", NOW)
    answer = follow(store, time.clock, declined)
    assert (answer.done, answer.text) == (False, "nothing is paused")


def test_rotation_is_followed_to_its_outcome(store: Store, time: Time) -> None:
    """After the answer the outcome is waited for; only one that ended after the request counts."""
    store.record(outcome(finished=NOW - timedelta(hours=1)))
    asked = store.enqueue("rotate", {"certificate": "shop"}, "ada@host", NOW)
    store.answer(asked, "shop: renew begins now, because due", NOW)
    time.then.append(lambda: store.record(outcome(result=Result.FAILED, finished=NOW, error="the issuer said no")))
    answer = follow(store, time.clock, asked)
    assert answer.outcome is not None
    assert answer.outcome.error == "the issuer said no"
    assert not answer.done


def test_rotation_that_the_plan_holds_back(store: Store, time: Time) -> None:
    """Where the look after the request decides otherwise, its reason is the answer."""
    asked = store.enqueue("rotate", {"certificate": "shop"}, "ada@host", NOW)
    store.answer(asked, "shop: renew begins now, because due", NOW)
    held = decision(action=Action.WAIT, reason=Reason.BUDGET, wanted=Action.RENEW, message="the hour allows no more")
    time.then.append(lambda: store.keep_plan(plan(held, at=NOW + timedelta(seconds=1))))
    answer = follow(store, time.clock, asked)
    assert (answer.done, answer.text) == (False, "shop: budget: the hour allows no more")


def test_a_hold_names_what_lets_it_through(store: Store, time: Time) -> None:
    """The command of the decision, once: also where its sentence has it already."""
    asked = store.enqueue("rotate", {"certificate": "shop"}, "ada@host", NOW)
    store.answer(asked, "shop: renew begins now, because due", NOW)
    held = decision(action=Action.HOLD, reason=Reason.ROOT_CHANGED, wanted=Action.RENEW, message="it leads elsewhere")
    held = replace(held, command="rotator approve shop")
    store.keep_plan(plan(held, at=NOW + timedelta(seconds=1)))
    assert (
        follow(store, time.clock, asked).text
        == "shop: root-changed: it leads elsewhere; to let it through: rotator approve shop"
    )
    store.keep_plan(plan(replace(held, message="at once by `rotator approve shop`"), at=NOW + timedelta(seconds=2)))
    assert follow(store, time.clock, asked).text == "shop: root-changed: at once by `rotator approve shop`"


def test_rotation_that_takes_long(store: Store, time: Time) -> None:
    """A rotation that has not ended in time goes on without the CLI, which says so."""
    asked = store.enqueue("rotate", {"certificate": "shop"}, "ada@host", NOW)
    store.answer(asked, "shop: renew begins now, because due", NOW)
    answer = follow(store, time.clock, asked)
    assert not answer.done
    assert answer.text.endswith("it goes on in the daemon")


@pytest.mark.parametrize(
    ("result", "error", "done"),
    [
        (Result.DONE, "", True),
        (Result.UNPROVED, "", True),
        (Result.UNPROVED, "not reloaded", False),
        (Result.PENDING, "", False),
        (Result.ROLLED_BACK, "it was down", False),
    ],
)
def test_what_counts_as_done(result: Result, error: str, done: bool) -> None:
    """Deployed where there is no endpoint is done; deployed and not reloaded is not."""
    assert is_done(outcome(result=result, error=error)) is done
