"""Dates: lead, due, emergency line, the point in an issuer's window, and how long things are said to be."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from rotator.core.lead import (
    DueRule,
    due_at,
    emergency_at,
    gap,
    lead,
    lead_capped,
    offset,
    orders_a_day,
    redeploy_gap,
    renew_at,
    second_look_after,
    share,
    span,
    suggested_at,
    why_this_lead,
)
from tests.builders import DAY, HOUR, MINUTE, NOW, SECOND, chain, settings, spec, suggestion


@pytest.mark.parametrize(
    ("lifetime", "renew_before", "rule", "expected"),
    [
        pytest.param(398 * DAY, None, "lifetime", 30 * DAY, id="a year's certificate has 30 days"),
        pytest.param(90 * DAY, None, "lifetime", 30 * DAY, id="90 days is where a third is 30 days"),
        pytest.param(47 * DAY, None, "lifetime", 47 * DAY / 3, id="47 days get a third"),
        pytest.param(10 * DAY, None, "lifetime", 10 * DAY / 3, id="ten days still get a third"),
        pytest.param(6 * DAY, None, "lifetime", 3 * DAY, id="six days get half"),
        pytest.param(HOUR, None, "lifetime", 30 * MINUTE, id="an hour gets half"),
        pytest.param(90 * DAY, 10 * DAY, "lifetime", 10 * DAY, id="an explicit lead is honoured"),
        pytest.param(90 * DAY, 60 * DAY, "lifetime", 60 * DAY, id="up to two thirds of the lifetime"),
        pytest.param(90 * DAY, 80 * DAY, "lifetime", 60 * DAY, id="and no further"),
        pytest.param(70 * DAY, None, "fixed", 30 * DAY, id="fixed means the literal 30 days"),
        pytest.param(60 * DAY, None, "fixed", 30 * DAY, id="fixed holds from 60 days on"),
        pytest.param(59 * DAY, None, "fixed", 59 * DAY / 3, id="fixed is refused below 60 days"),
        pytest.param(90 * DAY, 10 * DAY, "fixed", 10 * DAY, id="an explicit lead beats fixed"),
        pytest.param(-DAY, 10 * DAY, "lifetime", 0 * DAY, id="what ends before it begins has none"),
    ],
)
def test_lead(lifetime: timedelta, renew_before: timedelta | None, rule: DueRule, expected: timedelta) -> None:
    """The lead follows the lifetime, and what the operator asks for within two thirds of it."""
    assert lead(lifetime, renew_before, due_rule=rule) == expected


@pytest.mark.parametrize(("renew_before", "expected"), [(None, False), (60 * DAY, False), (61 * DAY, True)])
def test_a_lead_that_was_capped_is_reported(renew_before: timedelta | None, expected: bool) -> None:
    """More than two thirds of the lifetime is capped, and says so."""
    assert lead_capped(90 * DAY, renew_before) is expected


@pytest.mark.parametrize(
    ("lives", "renew_before", "rule", "expected"),
    [
        (47 * DAY, None, "lifetime", "because it lives 47 d"),
        (90 * DAY, 20 * DAY, "lifetime", "because renew_before is 20 d"),
        (
            47 * DAY,
            40 * DAY,
            "lifetime",
            "because it lives 47 d and renew_before (40 d) is capped at two thirds of that",
        ),
        (90 * DAY, None, "fixed", "because due_rule is fixed"),
        (47 * DAY, None, "fixed", "because it lives 47 d, and due_rule fixed is refused below 60 d"),
    ],
)
def test_the_plan_says_why(lives: timedelta, renew_before: timedelta | None, rule: DueRule, expected: str) -> None:
    """The second half of the plan's sentence names what the date follows from."""
    found = why_this_lead(chain(lives=lives), spec(renew_before=renew_before), settings(due_rule=rule))

    assert found == expected


def test_due_is_the_end_less_the_lead_less_an_offset() -> None:
    """A 90-day certificate is due 30 days before its end, and a little earlier by its name's own offset."""
    one = chain(lives=90 * DAY)

    due = due_at(one, spec(), settings())

    assert one.not_after - 30 * DAY - HOUR <= due <= one.not_after - 30 * DAY
    assert due.microsecond == 0


def test_the_offset_is_stable_and_spreads_names() -> None:
    """The same name always gets the same offset, names differ, none is later than the smallest of the three bounds."""
    longest = min(12 * HOUR, 6 * HOUR, 3 * DAY / 20)
    several = settings(check_every=6 * HOUR)
    found = [offset(f"service-{number}", 3 * DAY, several) for number in range(40)]

    assert found == [offset(f"service-{number}", 3 * DAY, several) for number in range(40)]
    assert all(timedelta(0) <= one <= longest for one in found)
    assert len(set(found)) == 40
    assert max(found) - min(found) > longest / 2


@pytest.mark.parametrize(
    ("lives", "check_every", "before_the_end"),
    [
        pytest.param(90 * DAY, HOUR, 4.5 * DAY, id="a twentieth of 90 days"),
        pytest.param(398 * DAY, HOUR, 10 * DAY, id="never more than a third of the lead"),
        pytest.param(47 * DAY, HOUR, 2.35 * DAY, id="a twentieth of 47 days"),
        pytest.param(6 * DAY, 4 * HOUR, 20 * HOUR, id="room for five looks"),
        pytest.param(HOUR, HOUR, 10 * MINUTE, id="a third of the lead of an hour"),
    ],
)
def test_the_emergency_line(lives: timedelta, check_every: timedelta, before_the_end: timedelta) -> None:
    """The line lies a twentieth of the lifetime or five looks before the end, a third of the lead at most."""
    one = chain(lives=lives)

    line = emergency_at(one, spec(), settings(check_every=check_every))

    assert abs(one.not_after - before_the_end - line) <= 2 * SECOND


def test_the_point_in_the_issuers_window_is_the_same_at_every_look() -> None:
    """It is drawn from the fingerprint, so it neither moves nor is the same for every certificate."""
    window = suggestion(NOW + DAY, NOW + 11 * DAY)
    points = {suggested_at(window, chain(label=str(n)), spec(), settings()) for n in range(20)}

    assert points == {suggested_at(window, chain(label=str(n)), spec(), settings()) for n in range(20)}
    assert len(points) == 20
    assert all(NOW + DAY <= point <= NOW + 11 * DAY for point in points)


def test_a_suggestion_never_moves_past_the_emergency_line() -> None:
    """An issuer that would like the renewal after the line gets it at the line."""
    one = chain(lives=90 * DAY, left=20 * DAY)
    late = suggestion(one.not_after - DAY, one.not_after)

    assert suggested_at(late, one, spec(), settings()) == emergency_at(one, spec(), settings())


@pytest.mark.parametrize("length", [0 * DAY, -DAY])
def test_a_window_that_ends_before_it_begins_is_no_answer(length: timedelta) -> None:
    """An invalid window leaves the due date as it is."""
    one, when = chain(), NOW + 2 * DAY

    assert suggested_at(suggestion(when, when + length), one, spec(), settings()) == due_at(one, spec(), settings())


def test_a_suggestion_moves_the_renewal_either_way() -> None:
    """With a window the renewal is at its point; without one it is at the due date."""
    one = chain(lives=90 * DAY, left=60 * DAY)
    early = suggestion(NOW, NOW + HOUR)

    assert renew_at(one, spec(), early, settings()) < renew_at(one, spec(), None, settings())
    assert renew_at(one, spec(), None, settings()) == due_at(one, spec(), settings())


@pytest.mark.parametrize(
    ("own", "expected"),
    [(30 * DAY, HOUR), (5 * HOUR, 15 * MINUTE), (MINUTE, 30 * SECOND), (None, HOUR)],
)
def test_the_second_look(own: timedelta | None, expected: timedelta) -> None:
    """A twentieth of the lead, between the shortest tick and the ordinary interval."""
    assert second_look_after(own, settings()) == expected


@pytest.mark.parametrize(
    ("lifetime", "own", "expected"),
    [
        (90 * DAY, 30 * DAY, 7.5 * DAY),
        (12 * DAY, 8 * DAY, 2 * DAY),
        (6 * DAY, 3 * DAY, 18 * HOUR),
        (HOUR, 30 * MINUTE, 7.5 * MINUTE),
        (None, 0 * DAY, HOUR),
    ],
)
def test_the_gap(lifetime: timedelta | None, own: timedelta, expected: timedelta) -> None:
    """A sixth of the lifetime and an hour at least, a quarter of the lead at most."""
    assert gap(lifetime, own) == expected


@pytest.mark.parametrize(
    ("lifetime", "own", "expected"),
    [
        (90 * DAY, 30 * DAY, 3),
        (6 * DAY, 3 * DAY, 3),
        (DAY, 12 * HOUR, 6),
        (HOUR, 30 * MINUTE, 144),
        (None, 0 * DAY, 3),
        (-DAY, 0 * DAY, 3),
    ],
)
def test_the_cap(lifetime: timedelta | None, own: timedelta, expected: int) -> None:
    """Three orders a day, or three times what the lifetime needs."""
    assert orders_a_day(lifetime, own) == expected


def test_redeploys_are_an_hour_apart_or_an_eighth_of_the_lead() -> None:
    """A short lead allows them more often."""
    assert (redeploy_gap(30 * DAY), redeploy_gap(2 * HOUR)) == (HOUR, 15 * MINUTE)


def test_a_share_depends_on_the_text_alone() -> None:
    """The value is fixed for ever: a restart, another host or another Python must not move a renewal."""
    assert share("shop") == pytest.approx(0.552979, abs=1e-6)


@pytest.mark.parametrize(
    ("length", "expected"),
    [
        (29 * DAY + 5 * HOUR, "29 d"),
        (47 * HOUR, "47 h"),
        (119 * MINUTE, "119 min"),
        (119 * SECOND, "119 s"),
        (-3 * DAY, "3 d"),
        (0 * DAY, "0 s"),
    ],
)
def test_a_span_is_said_as_people_say_it(length: timedelta, expected: str) -> None:
    """Rounded down, in the largest unit that there are two of."""
    assert span(length) == expected


@pytest.mark.parametrize("begins", [datetime(1, 1, 1, tzinfo=UTC), datetime(9998, 6, 1, tzinfo=UTC)])
def test_dates_at_the_ends_of_the_calendar(begins: datetime) -> None:
    """A certificate that begins in the year 1 or ends in 9999 has a due date and a line as any other."""
    one = chain(begins=begins, lives=365 * DAY)

    assert begins < due_at(one, spec(), settings()) < emergency_at(one, spec(), settings()) < one.not_after
