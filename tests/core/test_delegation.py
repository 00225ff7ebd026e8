"""When the owner of a place is asked to renew it: where it can be, for what that cures, and held like any order."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rotator.core.delegation import asked_owner, under_way
from rotator.core.guards import guard
from rotator.core.model import (
    Action,
    Ask,
    Decision,
    Facts,
    FleetHistory,
    History,
    Location,
    Mode,
    Owner,
    Pause,
    Result,
)
from rotator.core.policy import decide, places_to_write
from rotator.core.reasons import Reason
from tests.builders import (
    DAY,
    HOUR,
    MINUTE,
    NOW,
    attempt,
    chain,
    facts,
    holding,
    order,
    seen_before,
    settings,
    spec,
    target,
)

GOOD = chain(lives=90 * DAY, left=60 * DAY)
DUE = chain(lives=90 * DAY, left=20 * DAY)
FRESH = chain(lives=90 * DAY, left=90 * DAY - MINUTE)
ELSEWHERE = Location("host", "/etc/ssl/second.pem")
TWO = spec(targets=(target(), target(ELSEWHERE.address)))
OWNER = Owner("cert-manager", "Certificate shop/web", "cmctl renew -n shop web", asks="web")
DEAF = replace(OWNER, kind="openshift", asks="")

PENDING = attempt(NOW - 5 * MINUTE, action=Action.DELEGATE, result=Result.PENDING, issuer=OWNER.kind)
ASKED = order(NOW - 6 * MINUTE, issuer=OWNER.kind, result="pending")


def look(held: Facts | None = None, **changes: object) -> Facts:
    """A due certificate in one place that cert-manager keeps."""
    found = held or facts(chain=DUE, installed=[holding(DUE, owner=OWNER)])
    return replace(found, **changes)  # type: ignore[arg-type]  # any field of theirs


def decided(one: Facts) -> Decision:
    """The decision of a second look that sees the same as the first."""
    return decide(seen_before(one), settings())


def test_what_is_due_is_asked_of_its_owner() -> None:
    """It is carried out now, for the reason that made it due, and rotator writes nowhere."""
    found = decided(look())

    assert (found.action, found.wanted, found.reason, found.due) == (Action.DELEGATE, Action.DELEGATE, Reason.DUE, True)
    assert "cert-manager is asked to renew Certificate shop/web" in found.message
    assert places_to_write(found, look(), settings()) == ()


def test_what_a_person_asks_for_is_asked_of_its_owner() -> None:
    """`rotate --force` on a healthy one is passed on."""
    one = facts(chain=GOOD, installed=[holding(GOOD, owner=OWNER)], history=History(ask=Ask(NOW - MINUTE, force=True)))

    assert (decided(one).action, decided(one).due) == (Action.DELEGATE, True)


@pytest.mark.parametrize(
    "one",
    [
        pytest.param(facts(chain=DUE, installed=[holding(DUE, owner=DEAF)]), id="it cannot be asked"),
        pytest.param(
            facts(TWO, chain=DUE, installed=[holding(DUE, owner=OWNER), holding(DUE, ELSEWHERE)]),
            id="another place is ours",
        ),
        pytest.param(
            facts(chain=DUE, installed=[replace(holding(DUE, owner=OWNER), rivals=(DEAF,))]), id="two write it"
        ),
        pytest.param(
            facts(spec(names=("other.example.com",)), chain=GOOD, installed=[holding(GOOD, owner=OWNER)]),
            id="other names are for its own settings to say",
        ),
    ],
)
def test_otherwise_it_is_left_to_its_owner(one: Facts) -> None:
    """The plan says whose it is and what to run; nothing is begun."""
    found = decided(one)

    assert (found.action, found.reason, found.due) == (Action.DELEGATE, Reason.OWNED, False)
    assert found.command == OWNER.remedy


@pytest.mark.parametrize(
    ("one", "reason"),
    [
        pytest.param(
            facts(spec(mode=Mode.OBSERVE), chain=DUE, installed=[holding(DUE, owner=OWNER)]),
            Reason.OBSERVE,
            id="observe mode asks nobody",
        ),
        pytest.param(look(history=History(pause=Pause("freeze", NOW - DAY))), Reason.PAUSED, id="paused"),
        pytest.param(
            look(
                history=History(
                    attempts=(attempt(NOW - 30 * MINUTE - MINUTE, action=Action.DELEGATE, issuer=OWNER.kind),) * 3
                )
            ),
            Reason.BACKING_OFF,
            id="it failed a moment ago",
        ),
        pytest.param(
            look(history=History(orders=(order(NOW - HOUR, issuer=OWNER.kind),))), Reason.GAP, id="just renewed"
        ),
        pytest.param(
            look(history=History(orders=(order(NOW - 5 * HOUR, issuer=OWNER.kind, result="failed"),) * 3)),
            Reason.CAP,
            id="asked three times today",
        ),
        pytest.param(
            facts(chain=DUE, installed=[replace(holding(DUE, owner=OWNER), immutable=True)]),
            Reason.IMMUTABLE,
            id="its owner could not write it either",
        ),
    ],
)
def test_a_trigger_waits_like_an_order(one: Facts, reason: Reason) -> None:
    """Mode, pause, backoff, gap and cap hold a trigger back as they do an order of ours."""
    found = decided(one)

    assert (found.reason, found.wanted, found.due) == (reason, Action.DELEGATE, False)


def test_a_failure_has_no_other_issuer_to_go_to() -> None:
    """A permanent refusal waits for a day though the spec names issuers: none of them could write the place."""
    failed = attempt(NOW - 2 * HOUR, action=Action.DELEGATE, issuer=OWNER.kind, permanent=True)

    assert decided(look(history=History(attempts=(failed,)))).at == NOW - 2 * HOUR + DAY


def test_what_was_asked_for_is_followed_when_its_time_comes() -> None:
    """A pending one waits for the moment it named and then goes on without another order, cap or no cap."""
    history = History(
        attempts=(PENDING,), orders=(*(order(NOW - 5 * HOUR, issuer=OWNER.kind, result="failed"),) * 9, ASKED)
    )
    found = decided(look(history=history))

    assert (found.action, found.resumes, found.due) == (Action.DELEGATE, True, True)


@pytest.mark.parametrize("result", ["", "pending"])
def test_what_came_of_it_is_proved_also_after_a_crash(result: str) -> None:
    """The Secret holds the new one already and nothing else is wanted: it is still followed to its outcome."""
    one = facts(
        chain=FRESH,
        installed=[holding(FRESH, owner=OWNER)],
        history=History(orders=(order(NOW - MINUTE, issuer=OWNER.kind, result=result),)),
    )
    found = decided(one)

    assert (found.action, found.reason, found.resumes, found.due) == (Action.DELEGATE, Reason.UNFINISHED, True, True)


@pytest.mark.parametrize(
    "newest",
    [
        order(NOW - MINUTE, issuer=OWNER.kind, result="issued"),
        order(NOW - MINUTE, issuer=OWNER.kind, result="failed"),
        order(NOW - MINUTE, issuer="internal", result="pending"),
        order(NOW - MINUTE, of=spec(names=("other.example.com",)), issuer=OWNER.kind, result="pending"),
    ],
)
def test_what_has_ended_or_was_another_is_not_followed(newest: object) -> None:
    """An answered row, an issuer's own, or one of another digest is nothing under way."""
    one = facts(chain=FRESH, installed=[holding(FRESH, owner=OWNER)], history=History(orders=(newest,)))  # type: ignore[arg-type]  # rows

    assert under_way(one) is None
    assert not decided(one).due


def test_an_owner_that_went_away_is_not_followed() -> None:
    """Whoever takes cert-manager's marks off a Secret has it kept by rotator from then on."""
    one = facts(chain=DUE, installed=[holding(DUE)], history=History(orders=(ASKED,)))

    assert asked_owner(one) is None
    assert decided(one).action is Action.RENEW


def test_many_triggers_that_no_plan_foresaw_are_held() -> None:
    """A clock that jumps must not have a whole cluster reissued by its owner either."""
    many = [replace(decided(look()), spec=replace(spec(), name=f"shop-{number}")) for number in range(12)]
    held = guard(many, FleetHistory(), None, False, NOW, settings())

    assert {one.reason for one in held} == {Reason.SURGE}
