"""What holds a wanted change back: each hold firing and not firing, in and out of an emergency."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import pytest

from rotator.core.lead import emergency_at
from rotator.core.model import (
    Action,
    Ask,
    Decision,
    Facts,
    History,
    Location,
    Mode,
    Owner,
    Pause,
    Stage,
    Violation,
)
from rotator.core.policy import decide
from rotator.core.reasons import Reason
from tests.builders import (
    DAY,
    HOUR,
    MINUTE,
    NOW,
    SECOND,
    attempt,
    chain,
    facts,
    holding,
    ours,
    seen_before,
    settings,
    spec,
    target,
    unseen,
)

GOOD = chain(lives=90 * DAY, left=60 * DAY)
DUE = chain(lives=90 * DAY, left=20 * DAY)
LATE = chain(lives=90 * DAY, left=4 * DAY)
ENDED = chain(lives=90 * DAY, left=-DAY)
ELSEWHERE = Location("host", "/etc/ssl/second.pem")
TWO = spec(targets=(target(), target(ELSEWHERE.address)))
LINE = emergency_at(DUE, spec(), settings())
CERT_MANAGER = Owner("cert-manager", "Certificate shop/web", "cmctl renew -n shop web")
ARGO = Owner("argocd", "Application shop", "argocd app sync shop")


def decided(look: Facts) -> Decision:
    """The decision of a second look that sees the same as the first."""
    return decide(seen_before(look), settings())


def due_with(history: History) -> Decision:
    """A certificate that is due, three weeks before its end, with this past."""
    return decided(facts(chain=DUE, history=history))


# ---------------------------------------------------------------- is it ours to do?


@pytest.mark.parametrize(
    ("look", "action", "reason", "command"),
    [
        pytest.param(
            facts(chain=DUE, installed=[holding(DUE, owner=CERT_MANAGER)]),
            Action.DELEGATE,
            Reason.OWNED,
            CERT_MANAGER.remedy,
            id="its owner renews it",
        ),
        pytest.param(
            facts(TWO, chain=DUE, installed=[holding(DUE), holding(DUE, ELSEWHERE, owner=ARGO)]),
            Action.REFUSE,
            Reason.OWNED,
            ARGO.remedy,
            id="one of its places belongs to somebody who does not renew",
        ),
        pytest.param(
            facts(spec(mode=Mode.OBSERVE), chain=DUE, installed=[holding(DUE, owner=ARGO)]),
            Action.REFUSE,
            Reason.OWNED,
            ARGO.remedy,
            id="observe mode shows it as well",
        ),
        pytest.param(
            facts(chain=DUE, installed=[holding(DUE, ignored=True)]),
            Action.REFUSE,
            Reason.PAUSED,
            "",
            id="somebody wrote rotator/ignore on it",
        ),
        pytest.param(
            facts(chain=DUE, installed=[holding(DUE, immutable=True)]),
            Action.REFUSE,
            Reason.IMMUTABLE,
            "",
            id="its place cannot be written",
        ),
        pytest.param(
            facts(chain=ENDED, installed=[holding(ENDED, immutable=True)]),
            Action.REFUSE,
            Reason.IMMUTABLE,
            "",
            id="not in an emergency either",
        ),
    ],
)
def test_it_is_never_written_where(look: Facts, action: Action, reason: Reason, command: str) -> None:
    """A place that is not ours is left to its owner, with what a person may run."""
    found = decided(look)

    assert (found.action, found.reason, found.command, found.wanted) == (action, reason, command, Action.RENEW)
    assert "shop" in found.message or "second" in found.message


@pytest.mark.parametrize(
    ("look", "refused"),
    [
        pytest.param(facts(chain=chain(lives=119 * SECOND, left=MINUTE / 2)), True, id="under four shortest ticks"),
        pytest.param(facts(chain=chain(lives=120 * SECOND, left=MINUTE / 2)), False, id="exactly four"),
        pytest.param(facts(spec(lifetime=MINUTE)), True, id="asked for so short"),
        pytest.param(
            facts(chain=chain(lives=MINUTE, left=MINUTE / 3), history=History(ask=Ask(NOW, force=True))),
            False,
            id="a person insists on another one",
        ),
        pytest.param(
            facts(spec(lifetime=MINUTE), history=History(ask=Ask(NOW, force=True))),
            True,
            id="a person insists, and asks for so short",
        ),
        pytest.param(facts(chain=chain(lives=-DAY, begins=NOW - DAY)), False, id="it ends before it begins"),
    ],
)
def test_lifetimes_that_no_look_can_keep_alive_are_refused_by_name(look: Facts, refused: bool) -> None:
    """Under four of the shortest ticks nothing is ordered; the sentence names the certificate."""
    found = decided(look)

    assert (found.reason is Reason.LIFETIME_TOO_SHORT) is refused
    assert not refused or ("shop lives" in found.message and found.action is Action.REFUSE)


@pytest.mark.parametrize(
    ("look", "reason"),
    [
        pytest.param(facts(chain=DUE, installed=[unseen()]), Reason.UNSEEN, id="no place answers"),
        pytest.param(facts(TWO, chain=DUE, installed=[holding(DUE), unseen(ELSEWHERE)]), Reason.DUE, id="one answers"),
        pytest.param(facts(chain=LATE, installed=[unseen()]), Reason.DUE, id="an emergency"),
        pytest.param(
            facts(chain=LATE, installed=[unseen()], history=replace(ours(GOOD), unfinished=True)),
            Reason.DUE,
            id="an emergency with an old unfinished bundle",
        ),
        pytest.param(
            facts(chain=GOOD, installed=[unseen()], history=replace(ours(GOOD), unfinished=True)),
            Reason.UNSEEN,
            id="an unfinished bundle has nowhere to go",
        ),
    ],
)
def test_where_nothing_can_be_written_nothing_is_ordered(look: Facts, reason: Reason) -> None:
    """Until the emergency line, and one place that answers is enough."""
    found = decided(look)

    assert found.reason is reason
    assert reason is not Reason.UNSEEN or (found.action is Action.WAIT and found.at == NOW + HOUR)


# ---------------------------------------------------------------- what people said


def test_observe_mode_says_what_it_would_do() -> None:
    """It waits, and nothing is ordered."""
    found = decide(facts(spec(mode=Mode.OBSERVE), chain=DUE), settings(mode=Mode.OBSERVE))

    assert (found.action, found.reason, found.wanted, found.because) == (
        Action.WAIT,
        Reason.OBSERVE,
        Action.RENEW,
        Reason.DUE,
    )
    assert found.message.endswith("would renew now; mode is observe")


def test_a_certificate_may_be_observed_in_a_fleet_that_is_rotated() -> None:
    """The sentence says whose mode it is."""
    assert decided(facts(spec(mode=Mode.OBSERVE), chain=ENDED)).message.endswith("its own mode is observe")


@pytest.mark.parametrize(
    ("pause", "action", "at"),
    [
        pytest.param(Pause("freeze", NOW - DAY), Action.HOLD, NOW + HOUR, id="until a person resumes it"),
        pytest.param(Pause("freeze", NOW - DAY, NOW + 5 * DAY), Action.WAIT, NOW + 5 * DAY, id="until a moment"),
        pytest.param(Pause("freeze", NOW - DAY, NOW + 99 * DAY), Action.WAIT, LINE, id="judged anew at the line"),
        pytest.param(Pause("freeze", NOW - DAY, NOW), Action.RENEW, NOW, id="over"),
    ],
)
def test_a_pause_holds(pause: Pause, action: Action, at: datetime) -> None:
    """With an end it waits, without one a person decides."""
    found = due_with(History(pause=pause))

    assert (found.action, found.at) == (action, at)
    assert not found.wanted or found.due or found.command == "rotator resume --match shop"


def test_a_pause_is_ended_as_it_was_given() -> None:
    """The command has the glob of the pause: with the name alone nothing would be resumed."""
    found = due_with(History(pause=Pause("freeze", NOW - DAY, match="shop-*")))
    assert found.command == "rotator resume --match 'shop-*'"


def test_a_pause_with_an_end_holds_in_an_emergency_too() -> None:
    """The line is past, so the pause's own end is named."""
    pause = Pause("freeze", NOW - DAY, NOW + 2 * HOUR)

    assert decided(facts(chain=LATE, history=History(pause=pause))).at == NOW + 2 * HOUR


def test_a_pause_holds_in_an_emergency_too() -> None:
    """A person said so; another is paged by the emergency."""
    found = decided(facts(chain=ENDED, history=History(pause=Pause("freeze", NOW - DAY))))

    assert (found.reason, found.emergency) == (Reason.PAUSED, True)


@pytest.mark.parametrize(("approvals", "held"), [((), True), ((Reason.REPLACED_BY_HAND,), False)])
def test_what_a_person_put_back_is_not_overwritten(approvals: tuple[Reason, ...], held: bool) -> None:
    """Until a person approves, also in an emergency."""
    history = replace(ours(GOOD), held_by_hand="an older one was put back", approvals=frozenset(approvals))

    found = decided(facts(chain=GOOD, installed=[holding(LATE)], history=history))

    assert (found.reason is Reason.REPLACED_BY_HAND) is held
    assert found.emergency


@pytest.mark.parametrize(
    ("found_on_it", "past", "expected"),
    [
        pytest.param((Reason.ROOT_CHANGED,), History(received=True), Reason.ROOT_CHANGED, id="another root"),
        pytest.param(
            (Reason.CLIENT_AUTH_LOST, Reason.ROOT_CHANGED),
            History(received=True),
            Reason.CLIENT_AUTH_LOST,
            id="two findings",
        ),
        pytest.param(
            (Reason.ROOT_CHANGED,),
            History(received=True, approvals=frozenset({Reason.ROOT_CHANGED})),
            Reason.DUE,
            id="approved",
        ),
        pytest.param(
            (Reason.NOT_YET_VALID,), History(received=True), Reason.BACKING_OFF, id="what passes by time is tried again"
        ),
        pytest.param((Reason.ROOT_CHANGED,), History(), Reason.BACKING_OFF, id="the bundle was dropped"),
    ],
)
def test_a_finding_on_the_new_chain_waits_for_a_person(
    found_on_it: tuple[Reason, ...], past: History, expected: Reason
) -> None:
    """Nothing is ordered again meanwhile, and an approval is no failed attempt."""
    violations = tuple(Violation(reason, f"the new chain: {reason}") for reason in found_on_it)
    refused = attempt(NOW - SECOND, stage=Stage.VALIDATE, violations=violations)

    found = due_with(replace(past, attempts=(refused,)))

    assert found.reason is expected
    assert found.action is not Action.HOLD or found.command == "rotator approve shop"
    assert all(str(reason) in found.message for reason in found_on_it if found.action is Action.HOLD)


def test_what_the_spec_allows_needs_no_approval() -> None:
    """`allow` is an approval given beforehand."""
    lost = Violation(Reason.CLIENT_AUTH_LOST, "client auth is lost")
    refused = attempt(NOW - SECOND, stage=Stage.VALIDATE, violations=(lost,))
    allowing = spec(allow=(Reason.CLIENT_AUTH_LOST,))

    assert decided(facts(allowing, chain=DUE, history=History(attempts=(refused,), received=True))).due


def test_a_finding_on_a_chain_for_another_digest_is_forgotten() -> None:
    """What was found on a chain for other names says nothing of the next one."""
    lost = Violation(Reason.ROOT_CHANGED, "another root")
    refused = attempt(NOW - SECOND, of=spec(names=("b.test",)), stage=Stage.VALIDATE, violations=(lost,))

    assert due_with(History(attempts=(refused,), received=True)).due


@pytest.mark.parametrize(
    ("look", "ends"),
    [
        pytest.param(
            facts(chain=DUE, installed=[holding(DUE, owner=CERT_MANAGER)]),
            "which renews it; to do: cmctl renew -n shop web",
            id="its owner renews it",
        ),
        pytest.param(
            facts(chain=chain(lives=MINUTE, left=MINUTE / 3)),
            "; to do: rotator rotate shop --force",
            id="the found one lives too short",
        ),
        pytest.param(facts(spec(lifetime=MINUTE)), "ask for a longer lifetime", id="so short a one is asked for"),
        pytest.param(
            facts(chain=DUE, history=History(pause=Pause("freeze", NOW - DAY))),
            "; to let it through: rotator resume --match shop",
            id="it is paused",
        ),
    ],
)
def test_the_command_is_said_for_what_it_does(look: Facts, ends: str) -> None:
    """Only what lets the renewal itself through is called so; where no command helps, none is named."""
    assert decided(look).told.endswith(ends)
