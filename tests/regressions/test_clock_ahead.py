"""A clock that ran far ahead and was set right: what it wrote must hold nothing back until that day comes."""

from __future__ import annotations

from dataclasses import replace

from rotator.core.gates import pass_breakers
from rotator.core.limits import failures
from rotator.core.model import Ask, FleetHistory, Result
from rotator.core.policy import decide
from tests.builders import DAY, MINUTE, NOW, SECOND, attempt, chain, facts, order, ours, settings, spec

AHEAD = NOW + 40 * DAY


def test_an_order_left_pending_then_is_asked_for_today() -> None:
    """The wait that an issuer named by the wrong clock does not outlast the certificate."""
    held = chain(left=5 * DAY)
    waiting = attempt(AHEAD, result=Result.PENDING, retry_at=AHEAD + MINUTE)
    assert decide(facts(chain=held, history=replace(ours(held), attempts=(waiting,))), settings()).due


def test_failures_of_then_open_no_breaker_today() -> None:
    """Three failures in the future do not hold every certificate of the issuer until then."""
    ledger = tuple(order(AHEAD + number * SECOND, of=spec(f"s{number}"), result="failed") for number in range(3))
    held = chain(left=5 * DAY)
    (decision,) = pass_breakers(
        [decide(facts(chain=held, history=ours(held)), settings())], FleetHistory(orders=ledger), NOW
    )
    assert decision.due


def test_a_success_of_then_does_not_forget_the_failures_of_today() -> None:
    """What fails today is backed off from, whatever lies in the future."""
    held = chain(left=5 * DAY)
    past = (attempt(NOW - SECOND), attempt(AHEAD, result=Result.DONE))
    assert len(failures(facts(chain=held, history=replace(ours(held), attempts=past)))) == 1


def test_what_was_asked_then_does_not_lift_the_backoff_for_weeks() -> None:
    """A `rotate` of the wrong clock is no `rotate` of today."""
    held = chain(left=5 * DAY)
    look = facts(chain=held, history=replace(ours(held), attempts=(attempt(NOW - SECOND),), ask=Ask(AHEAD)))
    assert len(failures(look)) == 1
