"""A clock that is wrong: certificates from the future wait, and no jump makes more orders than a day may have."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from rotator.core.model import NoticeKind, Result, Severity, Stage
from rotator.core.reasons import Reason
from rotator.lib.clockwatch import ClockWatch
from tests.flow.issuers import Lie
from tests.flow.site import DAY, HOUR, MINUTE, Site

CAP = 3
"""Orders a day of a certificate that lives 90 days."""


def test_a_certificate_from_the_future_waits_and_is_not_ordered_again(site: Site) -> None:
    """Shows that nothing is deployed before it is valid here, that it then is, and that the plan says since when."""
    shop = site.service("shop", left=20 * DAY)
    issuer = site.lying()
    site.declare("shop", shop, issuers=(issuer.name,))
    before = shop.serves
    issuer.lie = Lie.NOT_YET_VALID
    first = site.outcome()
    assert (first.result, first.stage) == (Result.FAILED, Stage.VALIDATE)
    assert [violation.reason for violation in first.violations] == [Reason.NOT_YET_VALID]
    assert first.retry_at is not None
    assert first.retry_at == first.after.not_before if first.after else True
    issuer.lie = Lie.NONE
    decision = site.soon(HOUR).decision("shop")
    assert decision.reason is Reason.BACKING_OFF
    assert "it is kept, has waited since 2026-03-02 12:00 UTC" in decision.message
    ended = site.looks(40 * HOUR, every=4 * HOUR)
    assert [one.result for one in ended if one.result is not Result.FAILED] == []
    assert shop.serves == shop.held == before
    site.time.goes_by(8 * HOUR)
    outcome = site.outcome()
    assert outcome.result is Result.DONE, outcome.error
    assert outcome.after is not None
    assert outcome.after.not_before <= site.time.now
    assert shop.serves == outcome.after.fingerprint != before
    assert len(issuer.asked) == 1
    assert len(site.history("shop").orders) == 1


def test_a_certificate_from_the_future_tells_of_the_clock(site: Site) -> None:
    """Shows the notice where no other clock was heard, and that the next look with a right clock ends it."""
    watch = ClockWatch(site.clock)
    site.change = lambda world: replace(world, clocks=watch)
    shop = site.service("shop", left=20 * DAY)
    issuer = site.lying()
    site.declare("shop", shop, issuers=(issuer.name,))
    issuer.lie = Lie.NOT_YET_VALID
    site.look()
    site.look()
    (told,) = [one for one in site.inbox.notices if one.kind is NoticeKind.CLOCK_SKEWED]
    assert told.severity is Severity.CRITICAL
    assert "clock of this machine is at least 47 h behind double" in told.title
    watch.issued(issuer.name, site.time.now - HOUR)
    watch.heard("ca.example.com:443", f"{site.time.now:%a, %d %b %Y %H:%M:%S} GMT", 0.1)
    site.look()
    assert site.inbox.notices[-1].key == told.key
    assert site.inbox.notices[-1].resolved


JUMPS = [40 * DAY, -40 * DAY, 3650 * DAY, -3650 * DAY]


@pytest.mark.parametrize("jump", JUMPS, ids=lambda jump: f"{jump.days:+}d")
@pytest.mark.parametrize("renewed", [False, True], ids=["not due", "just renewed"])
def test_a_jump_of_the_clock_orders_no_more_than_a_day_may_have(site: Site, jump: timedelta, renewed: bool) -> None:
    """Shows that while the clock is wrong, and after it was set right, the orders stay within the cap, and what is
    served stays up."""
    shop = site.service("shop", left=29 * DAY if renewed else 60 * DAY)
    issuer = site.lying()
    site.declare("shop", shop, issuers=(issuer.name,))
    site.look()
    for step in (jump, -jump):
        before = len(issuer.asked)
        site.time.goes_by(step)
        site.looks(10 * HOUR, every=30 * MINUTE)
        assert len(issuer.asked) - before <= CAP
    assert shop.serves == shop.held != ""
    assert not any(one.result is Result.STRANDED for one in site.store.outcomes("shop"))


@pytest.mark.parametrize("off", [10 * MINUTE, -10 * MINUTE], ids=["ahead", "behind"])
def test_ten_minutes_off_is_one_order(site: Site, off: timedelta) -> None:
    """Shows that a clock ten minutes off its issuer's renews once all the same, at once or when it has begun."""
    shop = site.service("shop", left=20 * DAY)
    issuer = site.lying()
    site.declare("shop", shop, issuers=(issuer.name,))
    right = issuer._clock
    issuer._clock = replace(right, now=lambda: right.now() - off)
    ended = [*site.look()[1], *site.looks(2 * HOUR, every=5 * MINUTE)]
    assert [one.result for one in ended if one.result is not Result.FAILED] == [Result.DONE]
    assert len(issuer.asked) == 1
    assert shop.serves == shop.held
