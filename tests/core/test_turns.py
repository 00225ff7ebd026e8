"""When a preflight is due."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rotator.core.readiness import Kept, Readiness
from rotator.core.turns import OFTENEST, next_turn
from tests.builders import DAY, HOUR, MINUTE, NOW, spec

SHOP = spec()
NOTHING = Readiness("shop", NOW)


def kept(*, failing_for: timedelta | None = None, complete: bool = True) -> Kept:
    """Asked at NOW."""
    since = None if failing_for is None else NOW - failing_for
    return Kept(NOTHING, NOW, since, failures=int(since is not None), complete=complete)


def wait(known: Kept, *, due: timedelta | None = 60 * DAY, lead: timedelta | None = 30 * DAY) -> timedelta:
    """How long after NOW the next one is."""
    moment = None if due is None else NOW + due
    return next_turn(SHOP, known, moment, lead, NOW) - NOW


def test_never_asked_is_asked_now() -> None:
    """And so is one that was asked by a clock that ran ahead."""
    assert next_turn(SHOP, None, None, None, NOW) == NOW
    assert next_turn(SHOP, kept(), NOW + DAY, DAY, NOW - HOUR) == NOW - HOUR


@pytest.mark.parametrize(
    ("known", "due", "lead", "expected"),
    [
        (kept(failing_for=timedelta(0)), 90 * DAY, 30 * DAY, None),  # far from due: its day's moment, or the mark
        (kept(failing_for=2 * HOUR), 59 * DAY, 30 * DAY, HOUR),
        (kept(failing_for=25 * HOUR), 20 * DAY, 5 * DAY, None),
        (kept(complete=False), 20 * DAY, 30 * DAY, HOUR),
        (kept(), 3 * DAY, 3 * DAY, 18 * HOUR),
        (kept(), 6 * HOUR, 12 * HOUR, 3 * HOUR),
        (kept(), 10 * MINUTE, 30 * MINUTE, OFTENEST),
    ],
)
def test_how_often(known: Kept, due: timedelta, lead: timedelta, expected: timedelta | None) -> None:
    """Hourly after a failure, a quarter of a short lead, never oftener than a quarter of an hour; else daily."""
    found = wait(known, due=due, lead=lead)
    if expected is None:
        assert HOUR <= found <= 1.5 * DAY
    else:
        assert found == expected


def test_after_a_failure_it_is_asked_hourly_for_a_day() -> None:
    """However far the end is."""
    assert wait(kept(failing_for=timedelta(0)), due=300 * DAY) == HOUR
    assert wait(kept(failing_for=23 * HOUR), due=300 * DAY) == HOUR
    assert wait(kept(failing_for=24 * HOUR), due=300 * DAY) > HOUR


def test_at_twice_the_lead_it_is_asked() -> None:
    """A short-lived certificate is not left until its daily moment."""
    assert wait(kept(), due=4 * DAY, lead=1.9 * DAY) <= 0.2 * DAY + timedelta(seconds=1)


@given(st.integers(0, 400), st.integers(1, 30), st.integers(0, 23), st.text("abcdef", min_size=1, max_size=5))
def test_it_is_asked_daily_at_least(due: int, lead: int, hours: int, name: str) -> None:
    """The next one is later than the last and within a day and a half, whatever it is about."""
    one = spec(name, names=(f"{name}.example.com",))
    asked = NOW + hours * HOUR
    known = Kept(Readiness(name, asked), asked)
    found = next_turn(one, known, NOW + due * DAY, lead * DAY, asked)
    assert asked < found <= asked + 1.5 * DAY


def test_neighbours_have_their_turn_together() -> None:
    """Certificates of one zone and issuer are asked about at the same moment, others at another one."""
    moments = {
        next_turn(spec(f"c{n}", names=(f"c{n}.{zone}",)), kept(), NOW + 300 * DAY, DAY, NOW)
        for n in range(20)
        for zone in ("example.com", "example.org")
    }
    assert len(moments) == 2
