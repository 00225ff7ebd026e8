"""What others' clocks say of ours, and from where on it matters."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from rotator.core.clockskew import (
    MOST,
    by_certificate,
    by_date,
    estimate,
    severity_of,
    still_holds,
    tolerated,
)
from rotator.core.model import NoticeKind, PeerClock, Severity
from rotator.core.notices import NoticeSettings, notices
from tests.builders import DAY, HOUR, MINUTE, NOW, SECOND, chain, decision, facts, inventory, plan

SPAN = st.timedeltas(min_value=-4000 * DAY, max_value=4000 * DAY)


def clock(peer: str, ahead: timedelta, within: timedelta = SECOND) -> PeerClock:
    return PeerClock(peer, ahead, within, NOW)


@given(
    off=SPAN,
    there=st.timedeltas(min_value=timedelta(0), max_value=30 * SECOND),
    back=st.timedeltas(min_value=timedelta(0), max_value=30 * SECOND),
    fraction=st.integers(0, 999_999),
)
def test_the_truth_lies_within_what_is_said(off: timedelta, there: timedelta, back: timedelta, fraction: int) -> None:
    """Shows that whatever the way there and back takes, and however the date is cut, the bound holds."""
    stamped = NOW + timedelta(microseconds=fraction)  # the server's clock, at the moment of its answer
    received = stamped + off + back  # ours is `off` ahead of it
    reading = by_date("ca", stamped.replace(microsecond=0), received, there + back)
    assert abs(reading.ahead - off) <= reading.within


@given(st.lists(SPAN, min_size=1, max_size=9), st.lists(SPAN, max_size=4))
def test_a_minority_that_lies_moves_nothing(honest: list[timedelta], lies: list[timedelta]) -> None:
    """Shows that as long as more peers are honest than not, the answer lies between what honest ones say."""
    assume(len(lies) < len(honest))
    skew = estimate(
        [clock(f"h{n}", off) for n, off in enumerate(honest)] + [clock(f"l{n}", off) for n, off in enumerate(lies)]
    )
    assert skew is not None
    low, high = min(*honest, timedelta(0)), max(*honest, timedelta(0))
    assert low <= skew.ahead <= high


def test_of_two_that_disagree_neither_decides() -> None:
    """Shows that one wrong server among two makes no wrong clock of ours, whichever way it is wrong."""
    for lie in (40 * DAY, -40 * DAY):
        for truth in (SECOND, -SECOND):
            skew = estimate([clock("a", truth), clock("b", lie)])
            assert skew is not None
            assert severity_of(skew, 30 * DAY) is None


def test_nobody_heard_is_no_answer() -> None:
    """Shows that without a reading nothing is said."""
    assert estimate([]) is None


def test_a_certificate_from_the_future_counts_where_no_clock_was_heard() -> None:
    """Shows that its beginning says how far behind we are at least, and that a real clock is believed before it."""
    assert by_certificate("internal", NOW - SECOND, NOW) is None
    reading = by_certificate("internal", NOW + 2 * HOUR, NOW)
    assert reading is not None
    alone = estimate([reading])
    assert alone is not None
    assert (alone.ahead, alone.surely) == (-2 * HOUR, 2 * HOUR)
    with_clock = estimate([reading, clock("ca", SECOND)])
    assert with_clock is not None
    assert with_clock.ahead == SECOND


@pytest.mark.parametrize(
    ("lead", "limit"),
    [(None, MOST), (30 * DAY, MOST), (50 * MINUTE, MOST), (25 * MINUTE, 30 * SECOND), (10 * SECOND, SECOND)],
)
def test_short_lives_tolerate_less(lead: timedelta | None, limit: timedelta) -> None:
    """Shows a minute, or a fiftieth of the shortest lead."""
    assert tolerated(lead) == limit


@pytest.mark.parametrize(
    ("off", "lead", "severity"),
    [
        (MINUTE, 30 * DAY, None),
        (2 * MINUTE, 30 * DAY, Severity.WARNING),
        (6 * MINUTE, 30 * DAY, Severity.ERROR),
        (40 * DAY, 30 * DAY, Severity.CRITICAL),
        (3650 * DAY, None, Severity.CRITICAL),
        (3 * MINUTE, 25 * MINUTE, Severity.ERROR),
        (13 * MINUTE, 25 * MINUTE, Severity.CRITICAL),
    ],
)
@pytest.mark.parametrize("sign", [1, -1], ids=["ahead", "behind"])
def test_the_size_says_how_grave_it_is(off: timedelta, lead: timedelta | None, severity: Severity, sign: int) -> None:
    """Shows each step, both ways."""
    skew = estimate([clock("a", off * sign, timedelta(0))])
    assert skew is not None
    assert severity_of(skew, lead) is severity


@given(SPAN, st.timedeltas(min_value=timedelta(0), max_value=DAY))
def test_what_a_slow_answer_cannot_tell_is_not_told(off: timedelta, within: timedelta) -> None:
    """Shows that a skew that may as well be none is never a notice."""
    skew = estimate([clock("a", off, within)])
    assert skew is not None
    if abs(off) <= within:
        assert severity_of(skew, None) is None


def test_a_reading_ends_when_the_clock_is_set_or_the_machine_has_slept() -> None:
    """Shows that it holds for a day, and not beyond a jump of either clock."""
    reading = clock("a", 2 * HOUR)
    assert still_holds(reading, HOUR, NOW + HOUR)
    assert not still_holds(reading, HOUR, NOW - HOUR)
    assert not still_holds(reading, MINUTE, NOW + 8 * HOUR)
    assert not still_holds(reading, 25 * HOUR, NOW + 25 * HOUR)


def test_the_notice_says_whose_clock_and_stays_until_one_is_heard_again() -> None:
    """Shows the words, the key, and that silence does not end it."""
    look = facts(chain=chain(left=60 * DAY))
    wrong = replace(inventory(look), clocks=(clock("ca.example.com:443", -3 * HOUR),))
    decided = plan(decision())
    (told,) = notices(wrong, decided, (), {}, NoticeSettings())
    assert (told.kind, told.severity, told.key) == (
        NoticeKind.CLOCK_SKEWED,
        Severity.ERROR,
        "rotator/clock-skewed/clock",
    )
    assert told.title == "clock of this machine is 3 h behind ca.example.com:443"
    assert "renewals begin late by as much" in told.detail
    silent = replace(wrong, clocks=())
    assert notices(silent, decided, (), {told.key: told}, NoticeSettings()) == (told,)
    right = replace(wrong, clocks=(clock("ca.example.com:443", SECOND),))
    assert notices(right, decided, (), {told.key: told}, NoticeSettings()) == ()
