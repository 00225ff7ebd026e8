"""What the whole fleet bears: first look, surge, budgets."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

import pytest

from rotator.core.budget.limits import LETS_ENCRYPT, WEEK, Bucket, CaLimits
from rotator.core.guards import foreseen, guard, urgency
from rotator.core.model import Action, Decision, FleetHistory, Order, Plan
from rotator.core.reasons import Reason
from tests.builders import DAY, HOUR, MINUTE, NOW, decision, fleet, order, plan, settings, spec


def renewals(number: int, *, foreseen: bool = False, emergency: bool = False, start: int = 0) -> list[Decision]:
    """So many renewals, the first one ending first."""
    return [
        decision(spec(f"shop-{n:03}"), ends=NOW + n * HOUR, foreseen=foreseen, emergency=emergency)
        for n in range(start, start + number)
    ]


def healthy(number: int) -> list[Decision]:
    return [decision(spec(f"healthy-{n:03}"), Action.KEEP, Reason.HEALTHY, at=NOW + DAY) for n in range(number)]


def held(decisions: Sequence[Decision], reason: Reason) -> list[str]:
    return [one.spec.name for one in decisions if one.reason is reason]


# ---------------------------------------------------------------- first look


def test_the_first_look_only_stores_its_plan() -> None:
    """What it finds due waits for the next look, a twentieth of the lead away at most."""
    short = decision(spec("short"), lead=5 * HOUR)
    redeploy = decision(spec("missing"), Action.REDEPLOY, Reason.MISSING)

    found = guard([*renewals(50), short, redeploy], fleet(), None, True, NOW, settings())

    assert {(one.action, one.reason) for one in found} == {(Action.WAIT, Reason.FIRST_LOOK)}
    assert {one.because for one in found} == {Reason.DUE, Reason.MISSING}
    assert [one.at for one in found[-2:]] == [NOW + 15 * MINUTE, NOW + HOUR]


def test_a_person_who_asks_does_not_wait_for_the_second_look() -> None:
    """`rotate` by hand is carried out at the first look."""
    asked = decision(spec("asked"), reason=Reason.ASKED, foreseen=True)

    found = guard([asked, *renewals(1)], fleet(), None, True, NOW, settings())

    assert [one.due for one in found] == [True, False]


def test_the_first_look_may_act_and_is_no_surge() -> None:
    """With `first_look: act` all of it is done, as the hour's budget allows."""
    found = guard(renewals(50), fleet(), None, True, NOW, settings(first_look_acts=True, an_hour=100))

    assert all(one.due for one in found)


# ---------------------------------------------------------------- surge


@pytest.mark.parametrize(
    ("decisions", "number"),
    [
        pytest.param(renewals(5), 0, id="five of five"),
        pytest.param(renewals(6), 6, id="six of six"),
        pytest.param([*renewals(10), *healthy(90)], 0, id="a tenth of a hundred"),
        pytest.param([*renewals(11), *healthy(89)], 11, id="more than a tenth"),
        pytest.param([*renewals(11), *healthy(99)], 0, id="eleven of a hundred and ten"),
        pytest.param(renewals(15, foreseen=True), 0, id="all foreseen"),
        pytest.param([*renewals(6), *renewals(9, foreseen=True, start=6)], 6, id="only the unforeseen ones are held"),
        pytest.param([*renewals(4), *renewals(4, emergency=True, start=4)], 4, id="an emergency counts, and passes"),
        pytest.param(
            [decision(spec(f"s{n}"), Action.REDEPLOY, Reason.MISSING) for n in range(15)],
            0,
            id="redeploys order nothing",
        ),
        pytest.param([decision(spec(f"s{n}"), resumes=True) for n in range(15)], 0, id="nor does what is carried on"),
    ],
)
def test_a_surge_is_held(decisions: list[Decision], number: int) -> None:
    """More than five and more than a tenth of the fleet at once, that no plan foresaw."""
    found = guard(decisions, fleet(), plan(), False, NOW, settings())

    assert len(held(found, Reason.SURGE)) == number
    assert all(one.action is Action.HOLD for one in found if one.reason is Reason.SURGE)
    assert all("rotator approve --surge" in one.command for one in found if one.reason is Reason.SURGE)


def test_without_a_stored_plan_nothing_was_foreseen() -> None:
    """A state that was lost must not lead to a wave of orders."""
    assert len(held(guard(renewals(6), fleet(), None, False, NOW, settings()), Reason.SURGE)) == 6


@pytest.mark.parametrize(
    ("stored", "surges"),
    [
        pytest.param(lambda d: keep(d, NOW - MINUTE), False, id="named for a minute ago"),
        pytest.param(lambda d: keep(d, NOW), False, id="named for now"),
        pytest.param(lambda d: keep(d, NOW + HOUR), True, id="named for later: it is too soon"),
        pytest.param(lambda d: waits(d, Reason.BUDGET), True, id="held by a budget"),
        pytest.param(lambda d: waits(d, Reason.SECOND_LOOK), True, id="seen once"),
    ],
)
def test_foreseen_is_what_a_stored_plan_named_for_that_time(
    stored: Callable[[Decision], Decision], surges: bool
) -> None:
    """Being seen once or held does not make it foreseen."""
    decisions = renewals(6)
    before = plan(*(stored(one) for one in decisions), at=NOW - HOUR)

    found = guard(decisions, fleet(), before, False, NOW, settings())

    assert bool(held(found, Reason.SURGE)) is surges


def keep(one: Decision, at: datetime) -> Decision:
    return decision(one.spec, Action.KEEP, Reason.HEALTHY, at=at)


def waits(one: Decision, reason: Reason) -> Decision:
    return decision(one.spec, Action.WAIT, reason, at=NOW, wanted=Action.RENEW, because=Reason.DUE)


@pytest.mark.parametrize(
    "reason", [Reason.FIRST_LOOK, Reason.OBSERVE, Reason.SECOND_LOOK], ids=["first look", "observe", "second look"]
)
def test_what_the_first_look_found_is_no_surge_at_the_next(reason: Reason) -> None:
    """People were told of all of it in one digest."""
    decisions = renewals(26)
    before = plan(*(waits(one, reason) for one in decisions), at=NOW - HOUR, first=True)

    assert not held(guard(decisions, fleet(), before, False, NOW, settings()), Reason.SURGE)


@pytest.mark.parametrize(("until", "surges"), [(NOW + HOUR, False), (NOW, True), (None, True)])
def test_a_person_lets_a_surge_through(until: datetime | None, surges: bool) -> None:
    """An approval holds until its moment."""
    history = FleetHistory(approved_surge_until=until)

    assert bool(held(guard(renewals(9), history, plan(), False, NOW, settings()), Reason.SURGE)) is surges


def test_what_a_plan_names_for_later() -> None:
    """Healthy certificates and such that could not be seen, with the moment of their next renewal; nothing wanted."""
    stored = Plan(
        NOW,
        (
            decision(spec("healthy"), Action.KEEP, Reason.HEALTHY, at=NOW + DAY),
            decision(spec("unseen"), Action.WAIT, Reason.UNSEEN, at=NOW + 2 * DAY),
            decision(spec("nothing"), Action.WAIT, Reason.UNSEEN, at=NOW + DAY, ends=None),
            decision(spec("due")),
            waits(decision(spec("held")), Reason.PAUSED),
        ),
    )

    wanted_none = [one if one.reason is not Reason.UNSEEN else without_want(one) for one in stored.decisions]

    assert foreseen(plan(*wanted_none)) == {"healthy": NOW + DAY, "unseen": NOW + 2 * DAY}


def without_want(one: Decision) -> Decision:
    return decision(one.spec, one.action, one.reason, at=one.at, ends=one.ends)


# ---------------------------------------------------------------- budgets


def test_the_hours_orders_go_to_the_most_urgent() -> None:
    """What is over the limit waits until the oldest order of the hour is an hour old."""
    placed = [order(NOW - 50 * MINUTE, of=spec(f"x{n}")) for n in range(7)]

    found = guard(renewals(30, foreseen=True)[::-1], fleet(*placed), plan(), False, NOW, settings(an_hour=20))

    assert [one.spec.name for one in found if one.due] == [f"shop-{n:03}" for n in range(12, -1, -1)]
    assert {(one.action, one.reason, one.at) for one in found if not one.due} == {
        (Action.WAIT, Reason.BUDGET, NOW + 10 * MINUTE)
    }


def test_twenty_an_hour_where_nobody_said_otherwise() -> None:
    """Without a plan's own number the default holds."""
    found = guard(renewals(30, foreseen=True), fleet(), plan(), False, NOW, settings())

    assert len(held(found, Reason.BUDGET)) == 10
    assert {one.at for one in found if not one.due} == {NOW + HOUR}


def test_an_emergency_passes_the_budget_and_uses_it_up() -> None:
    """The others have what is left."""
    several = [*renewals(3, foreseen=True), *renewals(4, emergency=True, foreseen=True, start=3)]

    found = guard(several, fleet(), plan(), False, NOW, settings(an_hour=5))

    assert held(found, Reason.BUDGET) == ["shop-001", "shop-002"]


def test_what_places_no_order_needs_no_budget() -> None:
    """Redeploys and what is carried on are free."""
    free = [decision(spec("a"), Action.REDEPLOY, Reason.MISSING), decision(spec("b"), resumes=True)]

    assert all(one.due for one in guard(free, fleet(), plan(), False, NOW, settings(an_hour=0)))


def test_each_issuer_may_have_its_own_limit() -> None:
    """One that is used up holds its own certificates, also where they fall back to it, and no others."""
    several = [
        decision(spec(name, issuers=issuers))
        for name, issuers in (("a", ("small",)), ("b", ("small", "big")), ("c", ("big",)))
    ]
    limited = settings(issuer_limits={"small": 1})

    found = guard(several, fleet(order(NOW - 30 * MINUTE, issuer="small")), plan(), False, NOW, limited)

    assert held(found, Reason.BUDGET) == ["a", "b"]
    assert "at small are used up" in found[0].message
    assert found[0].at == NOW + 30 * MINUTE


@pytest.mark.parametrize(
    ("orders", "emergency", "is_held"),
    [
        pytest.param([order(NOW - n * HOUR) for n in (3, 2, 1)], False, False, id="two of five are left"),
        pytest.param([order(NOW - n * HOUR) for n in (4, 3, 2, 1)], False, True, id="the last one is kept"),
        pytest.param([order(NOW - n * HOUR) for n in (4, 3, 2, 1)], True, False, id="for an emergency"),
        pytest.param([order(NOW - n * DAY) for n in (6, 5, 4, 3)], False, False, id="they come back one by one"),
        pytest.param(
            [order(NOW - n * HOUR, result="failed") for n in (4, 3, 2, 1)], False, False, id="failed ones are free"
        ),
        pytest.param([order(NOW - n * HOUR, exempt=True) for n in (4, 3, 2, 1)], False, False, id="so are successors"),
        pytest.param([order(NOW - n * HOUR, renewal=True) for n in (4, 3, 2, 1)], False, True, id="not renewals"),
        pytest.param([order(NOW - n * HOUR, issuer="other") for n in (4, 3, 2, 1)], False, False, id="another CA's"),
        pytest.param(
            [order(NOW - n * HOUR, of=spec(names=("shop.example.com", "b"))) for n in (4, 3, 2, 1)],
            False,
            False,
            id="not exactly the same names",
        ),
    ],
)
def test_the_last_token_for_the_same_names_is_kept(orders: list[Order], emergency: bool, is_held: bool) -> None:
    """A CA that issues five times a week for the same names is asked a fifth time only past the emergency line."""
    limited = settings(budgets={"internal": LETS_ENCRYPT})
    one = decision(emergency=emergency, foreseen=True)

    found = guard([one], FleetHistory(orders=tuple(orders)), plan(), False, NOW, limited)

    assert bool(held(found, Reason.BUDGET)) is is_held
    assert not is_held or found[0].at == NOW + 7 * DAY / 5 - 4 * HOUR


def test_two_certificates_with_the_same_names_share_the_tokens() -> None:
    """The set of names counts, not the name of the certificate."""
    limited = settings(budgets={"internal": CaLimits(exact_set=Bucket(3, WEEK))})

    found = guard([decision(spec(n)) for n in ("a", "b", "c")], fleet(), plan(), False, NOW, limited)

    assert held(found, Reason.BUDGET) == ["c"]


# ---------------------------------------------------------------- urgency


def test_the_most_urgent_come_first() -> None:
    """Emergencies, then what is done now, then what waits, then what is healthy; each by its end."""
    expected = [
        decision(spec("expired"), ends=NOW - DAY, emergency=True),
        decision(spec("new"), ends=None),
        decision(spec("soon"), ends=NOW + DAY),
        decision(spec("later"), ends=NOW + 2 * DAY),
        decision(spec("paused"), Action.HOLD, Reason.PAUSED, wanted=Action.RENEW, ends=NOW + HOUR),
        decision(spec("healthy"), Action.KEEP, Reason.HEALTHY, ends=NOW + 3 * DAY),
    ]

    assert sorted(expected[::-1], key=lambda one: urgency(one, NOW)) == expected
