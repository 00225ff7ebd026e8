"""How often and how soon: windows, backoff, gap, cap, redeploys, each holding and not holding."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rotator.core.lead import emergency_at
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
    Order,
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
    SECOND,
    attempt,
    chain,
    facts,
    holding,
    order,
    ours,
    seen_before,
    settings,
    spec,
    suggestion,
    target,
)

GOOD = chain(lives=90 * DAY, left=60 * DAY)
DUE = chain(lives=90 * DAY, left=20 * DAY)
LATE = chain(lives=90 * DAY, left=4 * DAY)
ENDED = chain(lives=90 * DAY, left=-DAY)
ELSEWHERE = Location("host", "/etc/ssl/second.pem")
TWO = spec(targets=(target(), target(ELSEWHERE.address)))


def decided(look: Facts, ledger_since: datetime | None = NOW - 30 * DAY) -> Decision:
    """The decision of a second look that sees the same as the first, with a ledger that is kept for so long."""
    history = replace(look.history, ledger_since=ledger_since)
    return decide(seen_before(replace(look, history=history)), settings())


def due_with(history: History) -> Decision:
    """A certificate that is due, three weeks before its end, with this past."""
    return decided(facts(chain=DUE, history=history))


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


def test_a_first_issuance_that_fails_backs_off_too() -> None:
    """Nothing is served yet, so no end shortens the wait."""
    history = History(attempts=failed(4 * HOUR, 3 * HOUR, 2 * HOUR, 0 * DAY))

    assert decided(facts(history=history)).at == NOW + DAY


@pytest.mark.parametrize(("ago", "waits"), [(MINUTE, False), (3 * HOUR, True)], ids=["asked since", "asked before"])
def test_whoever_asks_does_not_wait_for_an_order_in_flight(ago: timedelta, waits: bool) -> None:
    """A person's `rotate` looks at the order at once, once, though the issuer wished to be left alone for a day: new
    keys after a compromise do not wait for an order with the old one."""
    pending = attempt(NOW - HOUR, result=Result.PENDING, retry_at=NOW + DAY)
    decision = due_with(History(attempts=(pending,), ask=Ask(NOW - ago, force=True, key_after=NOW - ago)))
    assert (decision.reason is Reason.BACKING_OFF) is waits
    assert decision.due is not waits


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


@pytest.mark.parametrize(
    ("look", "ledger_since", "until"),
    [
        pytest.param(facts(chain=FRESH, evidence=REVOKED), NOW - HOUR, NOW + 23 * HOUR, id="a state of an hour"),
        pytest.param(facts(chain=FRESH, evidence=REVOKED), None, NOW + DAY, id="a state without a plan"),
        pytest.param(
            facts(chain=chain(lives=6 * DAY, begins=NOW - 2 * HOUR), evidence=REVOKED),
            NOW - HOUR,
            NOW + 23 * HOUR,
            id="the gap of a short life is over sooner, the day is not",
        ),
        pytest.param(
            facts(chain=chain(lives=20 * HOUR, begins=NOW - 2 * HOUR), evidence=REVOKED),
            NOW - HOUR,
            NOW + 7 * HOUR + 30 * MINUTE,
            id="what lives less than a day waits until it would be due",
        ),
        pytest.param(
            facts(chain=FRESH, suggestion=suggestion(NOW - HOUR, NOW - MINUTE)),
            NOW - HOUR,
            NOW + 23 * HOUR,
            id="suggested",
        ),
        pytest.param(facts(spec(names=("b.test",)), chain=FRESH), NOW - HOUR, NOW + 23 * HOUR, id="changed names"),
        pytest.param(facts(chain=FRESH, evidence=REVOKED), NOW - DAY, None, id="a state of a day counts by itself"),
        pytest.param(facts(chain=GOOD, evidence=REVOKED), NOW - HOUR, None, id="not fresh, so nothing was skipped"),
        pytest.param(
            facts(chain=chain(begins=NOW - HOUR), evidence=REVOKED), NOW - 2 * HOUR, None, id="younger than the state"
        ),
        pytest.param(facts(chain=FRESH, evidence=REVOKED, history=ours(FRESH)), NOW - HOUR, None, id="issued by it"),
        pytest.param(
            facts(chain=FRESH, evidence=REVOKED, history=History(approvals=frozenset({Reason.APPROVAL}))),
            NOW - HOUR,
            None,
            id="a person approves",
        ),
        pytest.param(
            facts(chain=FRESH, evidence=REVOKED, history=History(ask=FORCED)), NOW - HOUR, None, id="a person insists"
        ),
    ],
)
def test_a_state_that_is_too_new_to_know_of_a_skip_asks_a_person(
    look: Facts, ledger_since: datetime | None, until: datetime | None
) -> None:
    """Until the ledger has a whole day, nothing fresh that is older than it skips the gap by itself."""
    found = decided(look, ledger_since)

    if until is None:
        assert found.due
    else:
        assert (found.action, found.reason, found.at) == (Action.HOLD, Reason.APPROVAL, until)
        assert found.command == "rotator approve shop"
        assert "at once by `rotator approve shop` or `rotator rotate shop --force`" in found.message


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


@given(st.booleans(), st.booleans(), st.booleans(), st.booleans(), st.sampled_from(["", "key-compromise", "routine"]))
def test_nobody_takes_back_what_was_asked_by_asking_for_less(
    forced: bool, forces: bool, new_key: bool, again: bool, reason: str
) -> None:
    """Force and a new key stand until they are carried out; whoever does not repeat the new key wants none newer."""
    before = Ask(NOW - HOUR, force=forced, reason=reason, key_after=NOW - HOUR if new_key else None)
    later = Ask(NOW, force=forces, key_after=NOW if again else None)
    both = later.besides(before)
    assert (both.at, both.force) == (NOW, forced or forces)
    assert both.reason == reason
    assert both.wants_new_key is (before.wants_new_key or again)
    assert both.new_key_after == (NOW if again else before.new_key_after)
    assert later.besides(None) == later
    assert replace(later, reason="routine").besides(both).wants_new_key is both.wants_new_key
