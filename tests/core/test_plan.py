"""The plan of a whole fleet, what it names for later, and when the daemon looks again."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from rotator.core.lead import due_at
from rotator.core.model import Action, Chain, Facts, History, Result
from rotator.core.plan import foreseen, make_plan, next_wake, orders_an_hour, wake_after
from rotator.core.reasons import Reason
from rotator.core.toil import MINUTES_PER_ROTATION, saved
from tests.builders import (
    DAY,
    HOUR,
    MINUTE,
    NOW,
    SECOND,
    attempt,
    chain,
    decision,
    facts,
    fleet,
    inventory,
    order,
    outcome,
    plan,
    settings,
    spec,
)


def look(name: str, lives: timedelta, left: timedelta, history: History | None = None) -> Facts:
    return facts(spec(name), chain=chain(lives=lives, left=left, label=name), history=history)


def test_the_plan_is_sorted_and_says_what_why_and_when() -> None:
    """A mixed fleet: what has ended first, then what is due, then what is healthy, each with its sentence."""
    several = (
        look("healthy", 47 * DAY, 29 * DAY),
        look("due", 90 * DAY, 29 * DAY, History(foreseen_at=NOW)),
        look("ended", 90 * DAY, -DAY),
        facts(spec("new")),
    )

    found = make_plan(inventory(*several), fleet(), plan(), settings())

    assert [(one.spec.name, one.action, one.reason) for one in found.decisions] == [
        ("ended", Action.RENEW, Reason.EXPIRED),
        ("due", Action.RENEW, Reason.DUE),
        ("new", Action.WAIT, Reason.SECOND_LOOK),
        ("healthy", Action.KEEP, Reason.HEALTHY),
    ]
    assert found.decisions[-1].message == "ends in 29 d, due in 13 d, because it lives 47 d"
    assert [one.spec.name for one in found.due] == ["ended", "due"]


def test_the_same_inventory_gives_the_same_plan() -> None:
    """Nothing random, and no order of the inventory shows through."""
    several = [look(f"shop-{n}", 90 * DAY, (20 + n) * DAY) for n in range(30)]

    forwards = make_plan(inventory(*several), fleet(), None, settings())
    backwards = make_plan(inventory(*several[::-1]), fleet(), None, settings())

    assert forwards == make_plan(inventory(*several), fleet(), None, settings())
    assert forwards == backwards


def test_a_first_plan_says_that_it_is_the_first() -> None:
    """So that the next look knows that what it found due is no surge."""
    several = [look(f"shop-{n}", 90 * DAY, 20 * DAY) for n in range(30)]

    first = make_plan(inventory(*several, first=True), fleet(), None, settings())
    second = make_plan(inventory(*several, at=NOW + HOUR), fleet(), first, settings())

    assert first.first
    assert not first.due
    assert foreseen(first) == {one.spec.name: NOW for one in several}
    assert len(second.due) == 20
    assert {one.reason for one in second.decisions} == {Reason.DUE, Reason.BUDGET}


def test_what_was_foreseen_once_stays_so_while_it_waits_its_turn() -> None:
    """The history keeps what an older plan named, for a fleet that takes hours to renew."""
    several = [look(f"shop-{n}", 90 * DAY, 20 * DAY, History(foreseen_at=NOW - DAY)) for n in range(60)]

    assert len(make_plan(inventory(*several), fleet(), plan(), settings()).due) == 20


def test_a_failing_issuer_holds_the_fleet_at_its_breaker() -> None:
    """Three different certificates have failed there: the others spend no attempt."""
    failed = [order(NOW - n * MINUTE, of=spec(f"x{n}"), result="failed") for n in (3, 2, 1)]
    several = (look("a", 90 * DAY, 20 * DAY), look("b", 90 * DAY, 20 * DAY))

    found = make_plan(inventory(*several), fleet(*failed), plan(), settings())

    assert {one.reason for one in found.decisions} == {Reason.BREAKER}


# ---------------------------------------------------------------- how many an hour


@pytest.mark.parametrize(
    ("several", "an_hour", "expected"),
    [
        pytest.param([], None, 20, id="an empty fleet"),
        pytest.param([look("a", 90 * DAY, 60 * DAY)] * 40, None, 20, id="forty services of 90 days"),
        pytest.param([look("a", HOUR, 50 * MINUTE)] * 40, None, 160, id="forty of an hour: twice two an hour each"),
        pytest.param([look("a", 90 * DAY, 60 * DAY)] * 28_800, None, 40, id="many of 90 days: twice one in sixty days"),
        pytest.param([facts(spec("new"))], None, 20, id="without a certificate there is no need to know"),
        pytest.param([look("a", MINUTE, SECOND)] * 100, None, 20, id="what is too short to keep alive needs nothing"),
        pytest.param([look("a", HOUR, 50 * MINUTE)] * 40, 7, 7, id="what the operator says"),
    ],
)
def test_orders_an_hour(several: list[Facts], an_hour: int | None, expected: int) -> None:
    """Twenty, or twice what the lifetimes need."""
    assert orders_an_hour(several, settings(an_hour=an_hour)) == expected


# ---------------------------------------------------------------- waking


@pytest.mark.parametrize(
    ("moments", "first", "expected"),
    [
        pytest.param([], False, NOW + HOUR, id="nothing to do"),
        pytest.param([NOW + 5 * DAY], False, NOW + HOUR, id="something in five days"),
        pytest.param([NOW + 20 * MINUTE, NOW + 40 * MINUTE], False, NOW + 20 * MINUTE, id="the next moment"),
        pytest.param([NOW, NOW - HOUR], False, NOW + 15 * MINUTE, id="what is being worked on, within its lead"),
        pytest.param([NOW + SECOND], False, NOW + 30 * SECOND, id="never under the shortest tick"),
        pytest.param([NOW + 5 * DAY], True, NOW + 15 * MINUTE, id="soon after a first look"),
    ],
)
def test_when_to_look_again(moments: list[datetime], first: bool, expected: datetime) -> None:
    """At the next future moment of the plan, after `check_every` at the latest."""
    stored = plan(*(decision(spec(f"s{n}"), at=at, lead=5 * HOUR) for n, at in enumerate(moments)))

    assert next_wake(stored, settings(), NOW, first=first) == expected


def test_a_first_look_at_nothing_known_wakes_as_usual() -> None:
    """Without a lead there is nothing to hurry for."""
    assert next_wake(plan(decision(lead=None)), settings(), NOW, first=True) == NOW + HOUR


def test_a_healthy_short_lived_certificate_wakes_the_daemon_when_it_is_due() -> None:
    """A certificate of an hour is renewed at its half, though looks are an hour apart."""
    one = look("a", HOUR, 50 * MINUTE)

    stored = make_plan(inventory(one), fleet(), plan(), settings())

    assert one.newest is not None
    assert next_wake(stored, settings(), NOW, first=False) == due_at(one.newest, one.spec, settings())


def test_a_retry_wakes_the_daemon() -> None:
    """The moment of the next attempt is one that the plan names."""
    failed = History(attempts=(attempt(NOW - MINUTE), attempt(NOW, result=Result.FAILED)))

    stored = make_plan(inventory(look("a", 90 * DAY, 20 * DAY, failed)), fleet(), plan(), settings())

    assert next_wake(stored, settings(), NOW, first=False) == NOW + 10 * MINUTE


@pytest.mark.parametrize(
    ("result", "after", "expected"),
    [
        pytest.param(
            Result.DONE, chain(begins=NOW, lives=HOUR), NOW + 27 * MINUTE, id="done, and due before the next look"
        ),
        pytest.param(
            Result.DONE, chain(begins=NOW, lives=MINUTE), NOW + 30 * SECOND, id="never under the shortest tick"
        ),
        pytest.param(Result.DONE, None, NOW + 30 * SECOND, id="done with nothing known of it"),
        pytest.param(Result.UNPROVED, chain(begins=NOW, lives=HOUR), NOW + 30 * SECOND, id="not proved"),
        pytest.param(Result.FAILED, None, NOW + 30 * SECOND, id="failed"),
    ],
)
def test_when_to_look_again_after_a_rotation(result: Result, after: Chain | None, expected: datetime) -> None:
    """A new certificate may be due before the next ordinary look; what is not done is looked at again at once."""
    found = wake_after(outcome(result=result, after=after), settings(), NOW)

    assert expected <= found <= expected + 3 * MINUTE


# ---------------------------------------------------------------- toil


def test_saved_hand_work() -> None:
    """Forty rotations are the three hours a week that rotator was made for."""
    assert saved(40) == 3 * HOUR
    assert saved(0) == timedelta(0)
    assert saved(2) == timedelta(minutes=2 * MINUTES_PER_ROTATION)


def test_a_negative_number_of_rotations_is_a_mistake() -> None:
    """It cannot have been counted."""
    with pytest.raises(ValueError, match="-1 rotations"):
        saved(-1)
