"""Dates, lengths and counts as people and programs read them."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from rotator.core.model import Action
from rotator.core.reasons import Reason
from rotator.report.words import count, day, iso, kind_of, left, plan_counts, plan_line
from tests.builders import DAY, NOW, decision


def test_moments_are_said_in_utc() -> None:
    """A moment of another zone is the same moment, with a Z."""
    berlin = datetime(2026, 3, 2, 1, tzinfo=timezone(timedelta(hours=2)))
    assert iso(berlin) == "2026-03-01T23:00:00Z"
    assert day(berlin) == "2026-03-01"


def test_nothing_is_said_of_no_moment() -> None:
    """Where there is no end, a table has a dash and JSON a null."""
    assert (iso(None), day(None), left(None, NOW)) == (None, "-", "-")


def test_time_left_and_time_gone() -> None:
    """What has ended says how long ago."""
    assert left(NOW + 29 * DAY, NOW) == "29 d"
    assert left(NOW - 3 * DAY, NOW) == "3 d ago"


def test_counts() -> None:
    """One is not many."""
    assert (count(1, "place"), count(2, "place"), count(2, "critical", "critical")) == (
        "1 place",
        "2 places",
        "2 critical",
    )


def test_plan_line_names_what_is_there() -> None:
    """Renewals, reloads, waiting and fine are always counted, the rest where there is any."""
    fine = decision(action=Action.KEEP, reason=Reason.HEALTHY)
    assert plan_line([decision(), fine]) == "Plan: 1 to renew, 0 to reload, 0 waiting, 1 fine."
    held = decision(action=Action.HOLD, reason=Reason.QUARANTINED)
    assert plan_line([held]).startswith("Plan: 0 to renew, 0 to reload, 0 waiting, 1 held for a person")


def test_observed_is_counted_apart() -> None:
    """What only the mode holds back is no person's work."""
    observed = decision(action=Action.HOLD, reason=Reason.OBSERVE, wanted=Action.RENEW, because=Reason.DUE)
    assert kind_of(observed) == "observe"
    assert plan_counts([observed])["observe"] == 1
    assert plan_counts([observed])["hold"] == 0
