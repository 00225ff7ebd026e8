"""What holds a wanted change back: each hold firing and not firing, in and out of an emergency."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from types import MappingProxyType

import pytest

from rotator.core.lead import due_at, emergency_at
from rotator.core.model import (
    Action,
    Ask,
    Attempt,
    Chain,
    Decision,
    Evidence,
    Facts,
    History,
    Location,
    MaintenanceWindow,
    Mode,
    Order,
    Owner,
    Pause,
    Result,
    Stage,
    Violation,
)
from rotator.core.policy import decide, reasons_seen
from rotator.core.reasons import Reason
from tests.builders import (
    DAY,
    HOUR,
    MINUTE,
    NOW,
    PLACE,
    SECOND,
    attempt,
    chain,
    facts,
    holding,
    order,
    ours,
    quarantine,
    seen,
    settings,
    showing,
    spec,
    suggestion,
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
MANAGER = Owner("cert-manager", "Certificate shop/web", "cmctl renew -n shop web")
ARGO = Owner("argocd", "Application shop", "argocd app sync shop")


def decided(look: Facts) -> Decision:
    """The decision of a second look that sees the same as the first."""
    reasons = reasons_seen(look, settings())
    history = replace(look.history, seen_since={**seen(*reasons), **look.history.seen_since})
    return decide(replace(look, history=history), settings())


def due_with(history: History) -> Decision:
    """A certificate that is due, three weeks before its end, with this past."""
    return decided(facts(chain=DUE, history=history))


# ---------------------------------------------------------------- is it ours to do?


@pytest.mark.parametrize(
    ("look", "action", "reason", "command"),
    [
        pytest.param(
            facts(chain=DUE, installed=[holding(DUE, owner=MANAGER)]),
            Action.DELEGATE,
            Reason.OWNED,
            MANAGER.remedy,
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
    assert not found.wanted or found.due or found.command == "rotator resume shop"


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


# ---------------------------------------------------------------- quarantine

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


# ---------------------------------------------------------------- windows

MONDAY = frozenset({0})
NIGHT = MaintenanceWindow(MONDAY, 22 * 60, 4 * HOUR)


@pytest.mark.parametrize(
    ("windows", "now", "opens"),
    [
        pytest.param((), NOW, None, id="no windows"),
        pytest.param((NIGHT,), NOW, datetime(2026, 3, 2, 22, tzinfo=NOW.tzinfo), id="tonight"),
        pytest.param((NIGHT,), NOW + 12 * HOUR, None, id="past midnight, still open"),
        pytest.param((NIGHT,), NOW + 14 * HOUR, datetime(2026, 3, 9, 22, tzinfo=NOW.tzinfo), id="just closed"),
        pytest.param(
            (NIGHT, MaintenanceWindow(frozenset({1}), 0, HOUR)),
            NOW,
            datetime(2026, 3, 2, 22, tzinfo=NOW.tzinfo),
            id="the next of two",
        ),
        pytest.param((MaintenanceWindow(frozenset(), 0, HOUR),), NOW, NOW + HOUR, id="never opens"),
    ],
)
def test_changes_wait_for_their_window(
    windows: tuple[MaintenanceWindow, ...], now: datetime, opens: datetime | None
) -> None:
    """Weekdays and minutes are UTC; a window may pass midnight."""
    found = decide(facts(spec(windows=windows), chain=DUE, now=now), settings())

    if opens is None:
        assert found.due
    else:
        assert (found.action, found.reason, found.at) == (Action.WAIT, Reason.OUTSIDE_WINDOW, opens)


def test_a_window_that_opens_too_late_is_not_waited_for() -> None:
    """At the emergency line the certificate is renewed whatever the window says."""
    waiting = decide(facts(spec(windows=(NIGHT,)), chain=chain(left=8 * DAY), now=NOW + DAY), settings())
    late = decide(facts(spec(windows=(NIGHT,)), chain=LATE), settings())

    assert waiting.at == emergency_at(chain(left=8 * DAY), spec(), settings())
    assert late.due


# ---------------------------------------------------------------- backoff


def failed(*ago: timedelta) -> tuple[Attempt, ...]:
    return tuple(attempt(NOW - one) for one in ago)


@pytest.mark.parametrize(
    ("attempts", "wait"),
    [
        pytest.param(failed(0 * DAY), MINUTE, id="a minute after the first failure"),
        pytest.param(failed(HOUR, 0 * DAY), 10 * MINUTE, id="ten after the second"),
        pytest.param(failed(2 * HOUR, HOUR, 0 * DAY), 100 * MINUTE, id="a hundred after the third"),
        pytest.param(failed(4 * HOUR, 3 * HOUR, 2 * HOUR, 0 * DAY), DAY, id="a day after the fourth"),
        pytest.param(failed(*[DAY] * 9, 0 * DAY), DAY, id="and after any later one"),
        pytest.param((attempt(permanent=True),), DAY, id="a day after an error for good"),
        pytest.param((attempt(retry_at=NOW + 5 * HOUR),), 5 * HOUR, id="as long as the issuer asks"),
        pytest.param((attempt(retry_at=NOW + 900 * DAY),), 10 * DAY, id="but half of what is left at most"),
        pytest.param((attempt(retry_at=NOW - DAY),), MINUTE, id="a moment that has passed changes nothing"),
        pytest.param((attempt(result=Result.PENDING, retry_at=NOW + HOUR),), HOUR, id="an order is not finished"),
        pytest.param((attempt(result=Result.PENDING),), MINUTE, id="and names no moment"),
        pytest.param((attempt(result=Result.ROLLED_BACK, stage=Stage.VERIFY),), MINUTE, id="a rollback counts too"),
    ],
)
def test_backoff(attempts: tuple[Attempt, ...], wait: timedelta) -> None:
    """1, 10, 100 minutes, then daily; what an issuer names is respected within bounds."""
    found = due_with(History(attempts=attempts))

    assert (found.action, found.reason) == (Action.WAIT, Reason.BACKING_OFF)
    assert abs(found.at - (NOW + wait)) <= SECOND


@pytest.mark.parametrize(
    "attempts",
    [
        pytest.param(failed(MINUTE), id="the wait is over"),
        pytest.param((*failed(0 * DAY), attempt(result=Result.DONE)), id="a success came after it"),
        pytest.param((*failed(0 * DAY), attempt(result=Result.UNPROVED)), id="a deploy without proof came after it"),
        pytest.param((attempt(of=spec(names=("b.test",))),), id="it was for another digest"),
        pytest.param((), id="nothing has failed"),
    ],
)
def test_no_backoff_once(attempts: tuple[Attempt, ...]) -> None:
    """A success and a changed digest end the row of failures."""
    assert due_with(History(attempts=attempts)).due


def test_a_persons_rotate_resets_the_backoff() -> None:
    """What failed before it is forgotten, what fails after it is not."""
    before = History(attempts=failed(HOUR, MINUTE / 2), ask=Ask(NOW - SECOND))
    after = History(attempts=failed(HOUR, MINUTE / 2), ask=Ask(NOW - 2 * MINUTE))

    assert due_with(before).due
    assert due_with(after).at == NOW - MINUTE / 2 + MINUTE


@pytest.mark.parametrize(
    ("one", "wait"),
    [
        pytest.param(chain(left=5 * HOUR), 30 * MINUTE, id="a tenth of five hours"),
        pytest.param(chain(left=5 * MINUTE), MINUTE, id="a minute at least"),
        pytest.param(ENDED, MINUTE, id="a minute after the end"),
    ],
)
def test_backoff_is_shorter_as_the_end_nears(one: Chain, wait: timedelta) -> None:
    """Never more than a tenth of what was left at the failure."""
    late = (attempt(NOW, permanent=True),)

    found = decided(facts(chain=one, history=History(attempts=late)))

    assert abs(found.at - (NOW + wait)) <= SECOND


def test_an_ended_certificate_still_respects_an_hour_of_retry_after() -> None:
    """Hammering an issuer that asks for patience would only make it block."""
    history = History(attempts=(attempt(retry_at=NOW + 5 * HOUR),))

    assert decided(facts(chain=ENDED, history=history)).at == NOW + HOUR


@pytest.mark.parametrize(
    ("permanent", "retry_at"),
    [
        pytest.param(True, None, id="refused for good"),
        pytest.param(False, NOW + 5 * HOUR, id="asked for patience"),
    ],
)
def test_another_issuer_of_the_list_is_not_waited_for(permanent: bool, retry_at: datetime | None) -> None:
    """The second issuer is for when the first cannot: only the ordinary step is waited."""
    two = spec(issuers=("first", "second"))
    once = attempt(of=two, issuer="first", permanent=permanent, retry_at=retry_at)
    twice = attempt(of=two, issuer="second", permanent=permanent, retry_at=retry_at)

    assert decided(facts(two, chain=DUE, history=History(attempts=(once,)))).at == NOW + MINUTE
    assert decided(facts(two, chain=DUE, history=History(attempts=(once, twice)))).at > NOW + HOUR


def test_a_redeploy_does_not_wait_for_an_issuers_failures() -> None:
    """An issuer that is down must not keep a valid certificate out of its place; a failing target does."""
    missing = facts(chain=GOOD, installed=[holding(None)])
    issuing = replace(ours(GOOD), attempts=failed(0 * DAY))
    deploying = replace(ours(GOOD), attempts=(attempt(stage=Stage.DEPLOY),))

    assert decided(replace(missing, history=issuing)).due
    assert decided(replace(missing, history=deploying)).reason is Reason.BACKING_OFF


# ---------------------------------------------------------------- gap and cap

FRESH = chain(lives=90 * DAY, begins=NOW - DAY)
REVOKED = Evidence(revoked=True, trusted=True)
FORCED = Ask(NOW - SECOND, force=True)


@pytest.mark.parametrize(
    ("look", "reason"),
    [
        pytest.param(
            facts(chain=FRESH, evidence=Evidence(trusted=False)), Reason.GAP, id="issued yesterday by its own dates"
        ),
        pytest.param(
            facts(chain=DUE, history=History(orders=(order(NOW - DAY),))),
            Reason.GAP,
            id="issued yesterday, dropped since",
        ),
        pytest.param(
            facts(history=History(orders=(order(NOW - MINUTE),))), Reason.GAP, id="issued and lost a minute ago"
        ),
        pytest.param(
            facts(history=History(orders=(order(NOW - 2 * HOUR),))),
            Reason.NOT_ISSUED,
            id="issued and lost two hours ago",
        ),
        pytest.param(
            facts(chain=DUE, history=History(orders=(order(NOW - DAY, result="failed"),))), Reason.DUE, id="only failed"
        ),
        pytest.param(
            facts(chain=DUE, history=History(orders=(order(NOW - DAY, of=spec(names=("b.test",))),))),
            Reason.DUE,
            id="issued yesterday for another digest",
        ),
        pytest.param(
            facts(
                chain=FRESH,
                evidence=Evidence(trusted=False),
                history=replace(ours(FRESH), accepted_digest="of another spec"),
            ),
            Reason.INCOMPLETE,
            id="its own dates are those of another digest",
        ),
        pytest.param(facts(chain=FRESH, evidence=REVOKED), Reason.REVOKED, id="revoked skips it"),
        pytest.param(
            facts(chain=FRESH, suggestion=suggestion(NOW - HOUR, NOW - MINUTE)),
            Reason.SUGGESTED,
            id="suggested skips it",
        ),
        pytest.param(facts(chain=FRESH), Reason.HEALTHY, id="nothing is wanted"),
        pytest.param(facts(spec(names=("b.test",)), chain=FRESH), Reason.NAMES_CHANGED, id="changed names skip it"),
        pytest.param(
            facts(chain=FRESH, evidence=REVOKED, history=History(orders=(order(NOW - DAY),))),
            Reason.REVOKED,
            id="the first skip passes",
        ),
        pytest.param(
            facts(chain=FRESH, evidence=REVOKED, history=History(orders=(order(NOW - DAY, skipped_gap=True),))),
            Reason.APPROVAL,
            id="the second waits for a person",
        ),
        pytest.param(
            facts(
                chain=FRESH,
                evidence=REVOKED,
                history=History(orders=(order(NOW - DAY, skipped_gap=True),), approvals=frozenset({Reason.APPROVAL})),
            ),
            Reason.REVOKED,
            id="who approves",
        ),
        pytest.param(
            facts(
                chain=FRESH,
                evidence=REVOKED,
                history=History(orders=(order(NOW - DAY, skipped_gap=True), order(NOW - HOUR))),
            ),
            Reason.REVOKED,
            id="a normal one between them",
        ),
        pytest.param(facts(chain=FRESH, history=History(ask=FORCED)), Reason.ASKED, id="a person's force skips it"),
        pytest.param(
            facts(chain=FRESH, history=History(ask=Ask(NOW)), evidence=Evidence(trusted=False)),
            Reason.GAP,
            id="a person without force does not",
        ),
        pytest.param(
            facts(chain=DUE, history=History(orders=(order(NOW - DAY),), received=True)),
            Reason.DUE,
            id="what was received is only carried on",
        ),
        pytest.param(
            facts(chain=ENDED, history=History(orders=(order(NOW - DAY),))),
            Reason.GAP,
            id="an emergency does not lift it",
        ),
        pytest.param(
            facts(chain=chain(begins=NOW + 300 * DAY), evidence=REVOKED),
            Reason.REVOKED,
            id="a beginning in a year is none",
        ),
    ],
)
def test_the_gap_after_an_issuance(look: Facts, reason: Reason) -> None:
    """After a success no new issuance for the same digest for a while; four reasons skip that once."""
    found = decided(look)

    assert found.reason is reason
    assert found.reason is not Reason.GAP or (found.action is Action.WAIT and found.at > NOW)
    assert found.reason is not Reason.APPROVAL or (
        found.action is Action.HOLD and found.command == "rotator approve shop"
    )


def orders(number: int, result: str = "failed") -> tuple[Order, ...]:
    """So many orders of the last hours, the oldest 20 hours ago."""
    return tuple(order(NOW - 20 * HOUR + n * MINUTE, result=result) for n in range(number))


@pytest.mark.parametrize(
    ("look", "held_until"),
    [
        pytest.param(facts(chain=DUE, history=History(orders=orders(2))), None, id="two orders leave room for one"),
        pytest.param(facts(chain=DUE, history=History(orders=orders(3))), NOW + 4 * HOUR, id="three are a day's"),
        pytest.param(
            facts(chain=DUE, history=History(orders=orders(5))),
            NOW + 4 * HOUR + 2 * MINUTE,
            id="more wait for the third last",
        ),
        pytest.param(facts(chain=ENDED, history=History(orders=orders(3))), NOW + 4 * HOUR, id="in an emergency too"),
        pytest.param(
            facts(chain=DUE, history=History(orders=orders(3), ask=FORCED)),
            NOW + 4 * HOUR,
            id="whoever asks, with force",
        ),
        pytest.param(
            facts(chain=DUE, history=History(orders=orders(3), received=True)), None, id="not what is carried on"
        ),
        pytest.param(
            facts(chain=chain(lives=HOUR, left=10 * MINUTE), history=History(orders=orders(100))),
            None,
            id="an hour's life needs more",
        ),
        pytest.param(facts(history=History(orders=orders(3))), NOW + 4 * HOUR, id="where nothing exists yet"),
        pytest.param(
            facts(chain=DUE, history=History(orders=tuple(order(NOW - 25 * HOUR) for _ in range(9)), ask=FORCED)),
            None,
            id="those of yesterday do not count",
        ),
    ],
)
def test_the_cap_on_a_days_orders(look: Facts, held_until: datetime | None) -> None:
    """Whatever happens, a day has only so many orders; nothing resets this."""
    found = decided(look)

    if held_until is None:
        assert found.due
    else:
        assert (found.action, found.reason, found.at) == (Action.WAIT, Reason.CAP, held_until)


def test_fresh_certificates_that_no_ledger_knows_count_as_orders() -> None:
    """A state that was lost, or another rotator, does not reset the cap."""
    several = [chain(lives=90 * DAY, begins=NOW - n * HOUR, label=str(n)) for n in (1, 2, 3)]
    places = [Location("host", f"/{n}") for n in range(3)]
    installed = [holding(one, place) for one, place in zip(several, places, strict=True)]
    of = spec(names=("b.test",), targets=tuple(target(place.address) for place in places))
    look = facts(of, chain=several[0], installed=installed)

    assert decided(look).reason is Reason.CAP
    assert decided(replace(look, history=History(orders=(order(NOW - HOUR, of=of),)))).reason is Reason.CAP
    assert decided(replace(look, installed=MappingProxyType({places[0]: installed[0]}))).due


# ---------------------------------------------------------------- redeploys


@pytest.mark.parametrize(
    ("written", "reason", "at"),
    [
        pytest.param((), Reason.MISSING, NOW, id="never before"),
        pytest.param((NOW - 61 * MINUTE,), Reason.MISSING, NOW, id="an hour ago"),
        pytest.param((NOW - 20 * MINUTE,), Reason.GAP, NOW + 40 * MINUTE, id="twenty minutes ago"),
        pytest.param(tuple(NOW - n * HOUR for n in (20, 10, 2)), Reason.CAP, NOW + 4 * HOUR, id="three times today"),
        pytest.param(tuple(NOW - n * DAY for n in (3, 2, 1)), Reason.MISSING, NOW, id="three times on other days"),
    ],
)
def test_a_place_is_not_put_back_again_and_again(written: tuple[datetime, ...], reason: Reason, at: datetime) -> None:
    """Once an hour and three times a day: then something else is writing there, and a person is told."""
    history = replace(ours(GOOD), redeploys=MappingProxyType({PLACE: written}))

    found = decided(facts(chain=GOOD, installed=[holding(None)], history=history))

    assert (found.reason, found.at) == (reason, at)
    assert found.due or "something else may be writing it" in found.message


def test_one_place_that_may_be_written_is_enough() -> None:
    """Another place's limit does not keep this one waiting."""
    history = replace(ours(GOOD, TWO), redeploys=MappingProxyType({PLACE: (NOW,)}))

    assert decided(facts(TWO, chain=GOOD, installed=[holding(None), holding(None, ELSEWHERE)], history=history)).due


def test_finishing_an_accepted_bundle_is_no_redeploy() -> None:
    """It is the same rotation, so its limits do not count."""
    history = replace(ours(GOOD), unfinished=True, redeploys=MappingProxyType({PLACE: (NOW,) * 5}))

    assert decided(facts(chain=GOOD, installed=[holding(DUE)], history=history)).reason is Reason.UNFINISHED
