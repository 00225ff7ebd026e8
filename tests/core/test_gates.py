"""Breakers: when they open and close, who passes half-open, and which issuer of a list is asked."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from rotator.core.breakers import issuer_breaker, kind_breakers
from rotator.core.gates import pass_breakers
from rotator.core.guards import choose, guard
from rotator.core.model import Action, Decision, FleetHistory, Order, Outcome, Result
from rotator.core.reasons import Reason
from tests.builders import (
    DAY,
    HOUR,
    MINUTE,
    NOW,
    decision,
    fleet,
    order,
    outcome,
    settings,
    spec,
    target,
)


def failed(name: str, ago: timedelta, issuer: str = "internal", *, permanent: bool = False) -> Order:
    """An order that the issuer failed."""
    return order(NOW - ago, of=spec(name), issuer=issuer, result="failed", permanent=permanent)


def issued(name: str, ago: timedelta, issuer: str = "internal") -> Order:
    return order(NOW - ago, of=spec(name), issuer=issuer)


def three_failed(ago: timedelta = 10 * MINUTE, issuer: str = "internal") -> tuple[Order, ...]:
    """Three certificates that failed within minutes."""
    return tuple(failed(name, ago + n * MINUTE, issuer) for n, name in enumerate(("c", "b", "a")))[::-1]


def harmed(name: str, ago: timedelta, kind: str = "files", result: Result = Result.ROLLED_BACK) -> Outcome:
    """A rotation at a place of this kind that ended so long ago."""
    return outcome(decision(spec(name, targets=(target(kind=kind),))), result, finished=NOW - ago)


def three_harmed(ago: timedelta = 10 * MINUTE, kind: str = "files") -> tuple[Outcome, ...]:
    return tuple(harmed(name, ago + n * MINUTE, kind) for n, name in enumerate(("c", "b", "a")))[::-1]


def actions(decisions: tuple[Decision, ...]) -> dict[str, tuple[Action, Reason]]:
    return {one.spec.name: (one.action, one.reason) for one in decisions}


# ---------------------------------------------------------------- opening and closing


@pytest.mark.parametrize(
    ("orders", "is_open"),
    [
        pytest.param((), False, id="nothing happened"),
        pytest.param(three_failed(), True, id="three certificates within an hour"),
        pytest.param(three_failed()[:2], False, id="two certificates"),
        pytest.param(tuple(failed("a", n * MINUTE) for n in (30, 20, 10)), False, id="one certificate three times"),
        pytest.param(
            tuple(failed(n, a * HOUR) for n, a in (("a", 5), ("b", 3), ("c", 1))), False, id="over five hours"
        ),
        pytest.param(
            tuple(failed(n, 10 * MINUTE, permanent=True) for n in ("a", "b", "c")), False, id="each refused for good"
        ),
        pytest.param(three_failed(issuer="other"), False, id="at another issuer"),
        pytest.param((*three_failed(), issued("d", MINUTE)), False, id="a success came after them"),
        pytest.param((*three_failed()[:2], issued("d", 11 * MINUTE), three_failed()[2]), False, id="a success between"),
        pytest.param((*three_failed(3 * DAY), failed("d", HOUR)), True, id="for days, with a failed try an hour ago"),
        pytest.param(
            (*three_failed(), order(NOW, of=spec("d"), result="pending"), order(NOW, of=spec("e"), result="")),
            True,
            id="what is not finished says nothing",
        ),
    ],
)
def test_an_issuers_breaker(orders: tuple[Order, ...], is_open: bool) -> None:
    """Three different certificates within an hour, none for good, no success between or after."""
    assert (issuer_breaker("internal", fleet(*orders)) is not None) is is_open


@pytest.mark.parametrize(
    ("outcomes", "kinds"),
    [
        pytest.param((), set(), id="nothing happened"),
        pytest.param(three_harmed(), {"files"}, id="three rolled back"),
        pytest.param((*three_harmed()[:2], harmed("x", MINUTE, result=Result.STRANDED)), {"files"}, id="one stranded"),
        pytest.param((*three_harmed()[:2], harmed("x", MINUTE, "command")), set(), id="one of another kind"),
        pytest.param((*three_harmed()[:2], harmed("x", MINUTE, result=Result.FAILED)), set(), id="one merely failed"),
        pytest.param(
            (*three_harmed()[:2], harmed("x", 11 * MINUTE, result=Result.DONE), three_harmed()[2]),
            {"files"},
            id="what went well between them changes nothing",
        ),
        pytest.param((*three_harmed(), harmed("x", 0 * DAY, result=Result.DONE)), set(), id="a later one went well"),
        pytest.param(
            (*three_harmed(), replace(harmed("x", MINUTE, result=Result.DONE), started=NOW - HOUR)),
            {"files"},
            id="one that had begun before went well",
        ),
        pytest.param((*three_harmed(), *three_harmed(kind="command")), {"files", "command"}, id="of two kinds"),
    ],
)
def test_a_target_kinds_breaker(outcomes: tuple[Outcome, ...], kinds: set[str]) -> None:
    """Three different certificates rolled back within an hour; only a success that began since closes it."""
    assert set(kind_breakers(fleet(outcomes=outcomes))) == kinds


# ---------------------------------------------------------------- who passes


def waiting(
    *names: str, lead: timedelta | None = 30 * DAY, issuers: tuple[str, ...] = ("internal",)
) -> tuple[Decision, ...]:
    return tuple(decision(spec(name, issuers=issuers), lead=lead) for name in names)


def test_an_open_breaker_holds_everything_that_needs_it() -> None:
    """Nothing is tried before the half-open moment, also in an emergency, and no attempt is spent."""
    urgent = decision(spec("x"), emergency=True)

    found = pass_breakers((*waiting("a", "y"), urgent), fleet(*three_failed()), NOW)

    assert set(actions(found).values()) == {(Action.WAIT, Reason.BREAKER)}
    assert {one.at for one in found} == {NOW - 10 * MINUTE + HOUR}
    assert all(one.wanted is Action.RENEW and one.because is Reason.DUE for one in found)
    assert "issuer internal failed 3 certificates" in found[0].message


def test_a_short_lead_makes_it_half_open_sooner() -> None:
    """A quarter of the shortest lead that waits, an hour at most."""
    found = pass_breakers((*waiting("a"), *waiting("y", lead=HOUR)), fleet(*three_failed(MINUTE)), NOW)

    assert {one.at for one in found} == {NOW - MINUTE + 15 * MINUTE}


def test_half_open_one_is_tried_and_each_time_a_different_one() -> None:
    """Certificates that have not been tried come first, then the one tried longest ago."""
    both = fleet(*three_failed(2 * HOUR))
    found = pass_breakers(waiting("a", "b", "c", "y"), both, NOW)
    again = pass_breakers(waiting("a", "b", "c", "y"), fleet(*three_failed(4 * HOUR), failed("y", 2 * HOUR)), NOW)

    assert [one.spec.name for one in found if one.due] == ["y"]
    assert [one.spec.name for one in again if one.due] == ["a"]
    assert next(one for one in found if one.due).trial == "internal"
    assert all(one.at == NOW + HOUR for one in found if not one.due)


def test_what_places_no_order_needs_no_issuer() -> None:
    """A redeploy, or a bundle that was received already, passes an issuer's open breaker."""
    redeploy = decision(spec("x"), Action.REDEPLOY, Reason.MISSING)
    carried_on = decision(spec("y"), resumes=True)

    assert all(one.due for one in pass_breakers((redeploy, carried_on), fleet(*three_failed()), NOW))


def test_a_second_issuer_that_is_whole_is_enough() -> None:
    """The breaker of the first holds nothing where the list has another."""
    found = pass_breakers(waiting("x", issuers=("internal", "second")), fleet(*three_failed()), NOW)

    assert found[0].due
    assert not found[0].trial


def test_where_all_issuers_are_broken_the_one_that_failed_longest_ago_is_tried() -> None:
    """Half-open, the trial goes where most time has passed."""
    broken = fleet(*three_failed(3 * HOUR, "second"), *three_failed(2 * HOUR))

    found = pass_breakers(waiting("x", issuers=("internal", "second")), broken, NOW)

    assert found[0].trial == "second"


def test_a_target_kinds_breaker_holds_redeploys_too() -> None:
    """Whatever is written there may do harm; other kinds go on."""
    here = decision(spec("x"), Action.REDEPLOY, Reason.MISSING)
    there = decision(spec("y", targets=(target(kind="command"),)))

    found = pass_breakers((here, there), fleet(outcomes=three_harmed()), NOW)

    assert actions(found) == {"x": (Action.WAIT, Reason.BREAKER), "y": (Action.RENEW, Reason.DUE)}


def test_two_broken_kinds_stop_the_whole_fleet() -> None:
    """Then it is not the kind: one certificate of the whole fleet at a time."""
    both = fleet(outcomes=(*three_harmed(2 * HOUR), *three_harmed(2 * HOUR, "command")))
    several = tuple(decision(spec(name, targets=(target(kind=kind),))) for name, kind in (("x", "k"), ("y", "files")))

    found = pass_breakers(several, both, NOW)

    assert [one.due for one in found] == [True, False]
    assert "the whole fleet" in found[1].message


def test_a_certificate_passes_all_its_breakers_or_none() -> None:
    """Half-open at its target kind is not enough while its issuer is not half-open yet."""
    both = fleet(*three_failed(), outcomes=three_harmed(2 * HOUR))

    found = pass_breakers(waiting("x", "y"), both, NOW)

    assert all(one.reason is Reason.BREAKER for one in found)
    assert all(one.at == NOW - 10 * MINUTE + HOUR for one in found)


def test_what_is_not_due_is_left_as_it_is() -> None:
    """Breakers concern what would be done now."""
    kept = decision(spec("x"), Action.KEEP, Reason.HEALTHY, at=NOW + DAY)

    assert guard([kept], fleet(*three_failed()), None, False, NOW, settings()) == (kept,)


# ---------------------------------------------------------------- which issuer


@pytest.mark.parametrize(
    ("history", "now", "trial", "expected"),
    [
        pytest.param(fleet(), NOW, "", "first", id="the first of the list"),
        pytest.param(fleet(*three_failed(issuer="first")), NOW, "", "second", id="the second when the first is broken"),
        pytest.param(
            fleet(order(NOW - HOUR, of=spec(), issuer="first", result="failed", permanent=True)),
            NOW,
            "",
            "second",
            id="or refused this very certificate today",
        ),
        pytest.param(
            fleet(order(NOW - 2 * DAY, of=spec(), issuer="first", result="failed", permanent=True)),
            NOW,
            "",
            "first",
            id="but not for ever",
        ),
        pytest.param(
            fleet(outcomes=[outcome(result=Result.FAILED, issuer="first", retry_at=NOW + HOUR)]),
            NOW,
            "",
            "second",
            id="or asked it to come back later",
        ),
        pytest.param(
            fleet(outcomes=[outcome(result=Result.FAILED, issuer="first", retry_at=NOW - HOUR)]),
            NOW,
            "",
            "first",
            id="which is over",
        ),
        pytest.param(
            fleet(*three_failed(issuer="first"), *three_failed(issuer="second")),
            NOW,
            "",
            None,
            id="none when all are broken",
        ),
        pytest.param(
            fleet(*three_failed(issuer="first"), *three_failed(issuer="second")),
            NOW,
            "second",
            "second",
            id="the one that the plan tries again",
        ),
        pytest.param(
            fleet(*three_failed(issuer="first"), *three_failed(issuer="second")),
            NOW,
            "other",
            None,
            id="not a foreign one",
        ),
        pytest.param(
            fleet(*three_failed(issuer="first"), *three_failed(issuer="second")),
            NOW + HOUR,
            "",
            "first",
            id="the first again at its half-open moment",
        ),
        pytest.param(
            fleet(
                *three_failed(issuer="first"),
                *three_failed(issuer="second"),
                outcomes=[outcome(decision(spec("z"), lead=HOUR), Result.FAILED)],
            ),
            NOW + 10 * MINUTE,
            "",
            "first",
            id="which is sooner where short leads wait",
        ),
    ],
)
def test_the_first_issuer_that_can(history: FleetHistory, now: datetime, trial: str, expected: str | None) -> None:
    """The list is gone through in order: whole and willing, else whole, else half-open."""
    listed = spec(issuers=("first", "second"))
    orders = tuple(replace(one, digest=listed.digest) if one.certificate == "shop" else one for one in history.orders)
    outcomes = tuple(
        replace(one, decision=replace(one.decision, spec=listed)) if one.decision.spec.name == "shop" else one
        for one in history.outcomes
    )

    one = decision(listed, trial=trial)
    found = choose(one, replace(history, orders=orders, outcomes=outcomes), now, settings())

    assert found.issuer == (expected or "")


def test_a_reluctant_issuer_is_better_than_none() -> None:
    """With a single issuer a refusal is not a reason to ask nobody."""
    refused = order(NOW - HOUR, result="failed", permanent=True)

    assert choose(decision(), fleet(refused), NOW, settings()).issuer == "internal"
