"""A bundle that did harm at a place: held there, tried once more when expiry would be worse."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from rotator.core.lead import due_at, emergency_at
from rotator.core.model import (
    Action,
    Attempt,
    Decision,
    Evidence,
    Facts,
    History,
    Location,
    Result,
    Stage,
)
from rotator.core.policy import decide
from rotator.core.reasons import Reason
from tests.builders import (
    DAY,
    HOUR,
    MINUTE,
    NOW,
    PLACE,
    attempt,
    chain,
    facts,
    holding,
    ours,
    quarantine,
    seen,
    seen_before,
    settings,
    showing,
    spec,
    suggestion,
    target,
)

GOOD = chain(lives=90 * DAY, left=60 * DAY)
DUE = chain(lives=90 * DAY, left=20 * DAY)
ELSEWHERE = Location("host", "/etc/ssl/second.pem")
TWO = spec(targets=(target(), target(ELSEWHERE.address)))


def decided(look: Facts) -> Decision:
    """The decision of a second look that sees the same as the first."""
    return decide(seen_before(look), settings())


def due_with(history: History) -> Decision:
    """A certificate that is due, three weeks before its end, with this past."""
    return decided(facts(chain=DUE, history=history))


HARMED = attempt(NOW - DAY, result=Result.ROLLED_BACK, stage=Stage.VERIFY)


def after_harm(
    held: Facts | None = None,
    *,
    attempts: tuple[Attempt, ...] = (HARMED,),
    since: datetime = NOW - DAY,
    until: datetime | None = None,
    by_hand: bool = False,
    left: timedelta = 20 * DAY,
) -> Facts:
    """The new certificate did harm at its place, which holds the old one again."""
    old = chain(left=left, label="old")
    history = replace(
        ours(GOOD),
        unfinished=True,
        attempts=attempts,
        quarantines=(quarantine(GOOD, since, until=until, by_hand=by_hand),),
    )
    return facts(chain=GOOD, installed=[holding(old)], served=[showing(old)], history=history)


def test_a_bundle_that_did_harm_is_not_deployed_there_again() -> None:
    """A person approves, or it is tried once more past the line of what is served; the plan names the moment."""
    look = after_harm()
    old = look.installed[PLACE].chain
    assert old is not None

    found = decided(look)

    assert (found.action, found.reason, found.command) == (Action.HOLD, Reason.QUARANTINED, "rotator approve shop")
    assert found.at == emergency_at(old, spec(), settings())
    assert "host:/etc/ssl/shop.pem" in found.message
    assert "tried once more" in found.message


@pytest.mark.parametrize(
    ("look", "due"),
    [
        pytest.param(after_harm(left=4 * DAY), True, id="past the line, harmed before it: the one try"),
        pytest.param(
            after_harm(left=4 * DAY, attempts=(HARMED, attempt(NOW - HOUR, result=Result.ROLLED_BACK))),
            False,
            id="past the line, and tried there",
        ),
        pytest.param(
            after_harm(left=4 * DAY, attempts=(HARMED, attempt(NOW - HOUR, stage=Stage.DEPLOY))),
            True,
            id="past the line, and only failed since",
        ),
        pytest.param(
            after_harm(left=4 * DAY, attempts=(attempt(NOW - MINUTE, result=Result.ROLLED_BACK),), since=NOW - MINUTE),
            False,
            id="harmed past the line, an hour has not gone by",
        ),
        pytest.param(
            after_harm(
                left=4 * DAY, attempts=(attempt(NOW - 2 * HOUR, result=Result.ROLLED_BACK),), since=NOW - 2 * HOUR
            ),
            True,
            id="harmed past the line, an hour has gone by",
        ),
        pytest.param(
            after_harm(left=4 * DAY, attempts=(attempt(NOW - HOUR, result=Result.STRANDED),), by_hand=True),
            False,
            id="rolled back by hand, and tried since",
        ),
        pytest.param(after_harm(left=4 * DAY, attempts=(), by_hand=True), True, id="rolled back by hand only"),
        pytest.param(after_harm(until=NOW), True, id="the bundle's own due time has come"),
    ],
)
def test_the_one_try_past_the_line(look: Facts, due: bool) -> None:
    """When expiry would be the worse outage it is tried once more, an hour after that could first be announced."""
    assert decided(look).due is due


def test_a_bundle_that_did_harm_is_not_ordered_anew() -> None:
    """Another certificate of the same kind would most likely do the same."""
    history = replace(ours(GOOD), attempts=(HARMED,), quarantines=(quarantine(GOOD),))

    found = decided(facts(spec(), chain=GOOD, suggestion=suggestion(NOW - HOUR, NOW - MINUTE), history=history))

    assert (found.action, found.reason, found.wanted) == (Action.HOLD, Reason.QUARANTINED, Action.RENEW)


def test_a_revoked_bundle_in_quarantine_is_replaced_after_an_hour() -> None:
    """Revoked counts as past the line; the hour is the announcement."""
    history = replace(ours(GOOD), attempts=(HARMED,), quarantines=(quarantine(GOOD),))
    look = facts(chain=GOOD, evidence=Evidence(revoked=True, trusted=True), history=history)
    fresh = replace(look, history=replace(history, seen_since=seen(Reason.REVOKED, since=NOW - MINUTE)))
    announced = replace(look, history=replace(history, seen_since=seen(Reason.REVOKED, since=NOW - HOUR)))

    assert decide(fresh, settings()).at == NOW - MINUTE + HOUR
    assert decide(announced, settings()).due


def test_a_certificate_without_an_end_has_no_one_try() -> None:
    """Nothing serves there, so no expiry can be the worse outage."""
    history = History(quarantines=(quarantine(GOOD),))

    found = decided(facts(history=history))

    assert (found.reason, found.at) == (Reason.QUARANTINED, NOW + HOUR)


@pytest.mark.parametrize(
    ("digest", "due"),
    [
        pytest.param(spec().digest, False, id="it stands"),
        pytest.param("another", True, id="the spec has changed since"),
        pytest.param("", False, id="of an unknown spec"),
    ],
)
def test_a_quarantine_ends_with_a_changed_digest(digest: str, due: bool) -> None:
    """Other names, keys or places are another bundle."""
    history = replace(ours(GOOD), quarantines=(replace(quarantine(GOOD), digest=digest),))

    assert decided(facts(chain=GOOD, installed=[holding(DUE)], history=history)).due is due


def test_a_quarantine_ends_when_its_own_bundle_is_due() -> None:
    """A renewal at its ordinary time is another bundle."""
    history = replace(ours(DUE), quarantines=(quarantine(DUE),))

    assert due_at(DUE, spec(), settings()) < NOW
    assert decided(facts(chain=DUE, history=history)).due


def test_other_places_get_the_bundle_that_did_harm_at_one() -> None:
    """The quarantine is of a bundle at a place, not of the certificate."""
    history = replace(ours(GOOD, TWO), unfinished=True, quarantines=(quarantine(GOOD, at=TWO),))
    look = facts(TWO, chain=GOOD, installed=[holding(DUE), holding(DUE, ELSEWHERE)], history=history)

    assert decided(look).due


def test_a_success_ends_the_row_of_harms() -> None:
    """What was harmed and then done well has its one try again."""
    done = attempt(NOW - 3 * HOUR, result=Result.DONE)
    row = (HARMED, HARMED, done, attempt(NOW - 2 * HOUR, result=Result.ROLLED_BACK))

    assert decided(after_harm(left=4 * DAY, attempts=row, since=NOW - 2 * HOUR)).due
