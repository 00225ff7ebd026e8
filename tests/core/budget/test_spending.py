"""Who may order where: limits that are shared, refusals that are remembered, the last of a budget."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rotator.core.budget.limits import LETS_ENCRYPT, WEEK, Bucket, CaLimits, IssuerBudget
from rotator.core.gates import urgency
from rotator.core.guards import choose, guard
from rotator.core.lead import PolicySettings
from rotator.core.model import Decision, Order
from rotator.core.reasons import Reason
from rotator.core.simulate.ca import LimitedCa
from rotator.core.simulate.fleet import Share, microseconds, steady
from tests import builders
from tests.builders import DAY, HOUR, NOW, decision, fleet, order, plan, spec


def of(name: str, *names: str, issuers: tuple[str, ...] = ("internal",)) -> Decision:
    """A renewal that somebody foresaw, so that no surge holds it."""
    return decision(spec(name, names=names or (f"{name}.example.com",), issuers=issuers), foreseen=True)


def policy(**issuers: IssuerBudget) -> PolicySettings:
    return replace(builders.settings(an_hour=10_000), budgets=issuers)


def guarded(decisions: Sequence[Decision], *orders: Order, settings: PolicySettings) -> dict[str, Decision]:
    found = guard(decisions, fleet(*orders), plan(), False, NOW, settings)
    return {one.spec.name: one for one in found}


def ordered(name: str, hours: float = 1, **what: object) -> Order:
    return replace(order(NOW - hours * HOUR, of=of(name).spec), **what)  # type: ignore[arg-type]  # fields of an order


# ---------------------------------------------------------------- what is shared


TWO_A_WEEK = CaLimits(domain=Bucket(2, WEEK))


def test_the_limit_of_a_registered_domain_is_shared_across_accounts() -> None:
    """What another account of the same CA has used of a domain's limit is gone for this one, too."""
    known = policy(internal=IssuerBudget(TWO_A_WEEK, "ca", "one"), other=IssuerBudget(TWO_A_WEEK, "ca", "two"))
    found = guarded([of("a")], ordered("b", issuer="other"), settings=known)
    assert found["a"].reason is Reason.BUDGET
    assert "issues 2 certificates for example.com in 7 d; the last one is kept" in found["a"].message


def test_the_limit_of_an_account_is_the_accounts_alone() -> None:
    """Two accounts at one CA have orders of their own; two issuers with one account have not."""
    limits = CaLimits(orders=Bucket(2, 3 * HOUR))
    apart = policy(internal=IssuerBudget(limits, "ca", "one"), other=IssuerBudget(limits, "ca", "two"))
    same = policy(internal=IssuerBudget(limits, "ca", "one"), other=IssuerBudget(limits, "ca", "one"))
    used = ordered("b", issuer="other")
    assert guarded([of("a")], used, settings=apart)["a"].due
    assert guarded([of("a")], used, settings=same)["a"].reason is Reason.BUDGET


def test_renewals_are_counted_for_neither_orders_nor_domains() -> None:
    """Let's Encrypt: an order for names that it has issued for before draws on the limit for the same names alone."""
    known = policy(internal=IssuerBudget(CaLimits(Bucket(2, 3 * HOUR), Bucket(2, WEEK), Bucket(5, WEEK)), "ca", "one"))
    renewal = replace(of("a"), known_at=frozenset({"internal"}))
    assert guarded([renewal], ordered("b"), settings=known)["a"].due
    assert guarded([of("a")], ordered("b", renewal=True), settings=known)["a"].due
    assert not guarded([of("a")], ordered("b"), settings=known)["a"].due


def test_a_successor_that_the_ca_took_is_counted_nowhere() -> None:
    """An order whose `replaces` was accepted uses nothing up, also of the same names."""
    known = policy(internal=IssuerBudget(LETS_ENCRYPT, "ca", "one"))
    used = [ordered("a", hours, exempt=True) for hours in (5, 4, 3, 2, 1)]
    assert guarded([of("a")], *used, settings=known)["a"].due


def test_failed_validations_of_a_name_are_counted() -> None:
    """Another certificate with the same name waits, before the CA refuses it."""
    known = policy(internal=IssuerBudget(LETS_ENCRYPT, "ca", "one"))
    failed = [ordered("b", n / 100, result="failed", failed_names=("a.example.com",)) for n in (4, 3, 2, 1)]
    found = guarded([of("a"), of("c")], *failed, settings=known)
    assert found["a"].reason is Reason.BUDGET
    assert "lets a.example.com fail 5 times" in found["a"].message
    assert found["c"].due


# ---------------------------------------------------------------- what the CA has refused


def refused(name: str, hours: float = 1, until: timedelta = 3 * HOUR) -> Order:
    return ordered(name, hours, result="failed", limited=True, retry_at=NOW + until)


def test_a_refusal_holds_every_certificate_that_shares_the_limit() -> None:
    """Our count knew of nothing (the state was lost): others below the domain wait until the moment that it named."""
    known = policy(internal=IssuerBudget(LETS_ENCRYPT, "ca", "one"))
    found = guarded([of("a"), of("z", "z.example.org")], refused("b"), settings=known)
    assert (found["a"].reason, found["a"].at) == (Reason.BUDGET, NOW + 3 * HOUR)
    assert "has refused an order for example.com because of a limit of its own" in found["a"].message
    assert found["z"].due


def test_refusals_for_two_domains_are_the_accounts() -> None:
    """Then it is not the domain: nobody of the account orders anew, but renewals that are not counted do."""
    known = policy(internal=IssuerBudget(LETS_ENCRYPT, "ca", "one"))
    both = refused("b"), replace(refused("c"), names=("c.example.net",))
    renewal = replace(of("r", "r.example.org"), known_at=frozenset({"internal"}))
    found = guarded([of("z", "z.example.org"), renewal], *both, settings=known)
    assert found["z"].reason is Reason.BUDGET
    assert found["r"].due


def test_a_refusal_of_a_ca_without_known_limits_is_remembered_too() -> None:
    """Where no limit is published the account waits as long as the CA says."""
    known = policy(internal=IssuerBudget(ca="ca", account="one"))
    assert guarded([of("z", "z.example.org")], refused("b"), settings=known)["z"].at == NOW + 3 * HOUR


def test_a_certificate_after_a_refusal_ends_it() -> None:
    """The CA has issued since: there was room."""
    known = policy(internal=IssuerBudget(LETS_ENCRYPT, "ca", "one"))
    assert guarded([of("a")], refused("b", 2), ordered("c", 1), settings=known)["a"].due


@pytest.mark.parametrize(("left", "held_for"), [(40 * HOUR, 19.5 * HOUR), (HOUR, 0 * HOUR), (-DAY, 0 * HOUR)])
def test_an_emergency_believes_half_of_what_is_left(left: timedelta, held_for: timedelta) -> None:
    """A CA that names a week cannot cost a certificate: past the emergency line it is asked again."""
    known = policy(internal=IssuerBudget(LETS_ENCRYPT, "ca", "one"))
    urgent = replace(of("a"), emergency=True, ends=NOW + left)
    found = guarded([urgent], refused("b", until=7 * DAY), settings=known)["a"]
    assert (found.at - NOW if not found.due else 0 * HOUR) == held_for


# ---------------------------------------------------------------- the last of a budget


def test_an_emergency_has_the_reserve_and_waits_where_nothing_is_left() -> None:
    """Forty-five of fifty are used: only emergencies order; fifty are: not even they, for the CA would refuse."""
    known = policy(internal=IssuerBudget(LETS_ENCRYPT, "ca", "one"))
    used = [ordered(f"u{n}", 0.01) for n in range(45)]
    urgent = [replace(of(f"e{n}"), emergency=True, ends=NOW + HOUR) for n in range(6)]
    found = guarded([of("a"), *urgent], *used, settings=known)
    assert [name for name, one in found.items() if one.due] == ["e0", "e1", "e2", "e3", "e4"]
    assert "and none is left" in found["e5"].message
    assert found["e5"].at - NOW < 202 * timedelta(minutes=1)


domains = st.sampled_from(["example.com", "example.org"])
renewals = st.lists(
    st.builds(
        lambda name, domain, hours, emergency, known: replace(
            of(name, f"{name}.{domain}"),
            ends=NOW + hours * HOUR,
            emergency=emergency,
            known_at=frozenset({"internal"} if known else ()),
        ),
        st.sampled_from("abcdefghijklmnop"), domains, st.integers(-5, 100), st.booleans(), st.booleans(),
    ),
    unique_by=lambda one: one.spec.name, max_size=14,
)  # fmt: skip
small = st.none() | st.builds(Bucket, st.integers(1, 5), st.sampled_from([HOUR, WEEK]))
small_limits = st.builds(CaLimits, small, small, small, small, st.booleans())
pasts = st.lists(
    st.builds(
        lambda name, domain, hours, result: ordered(name, hours, names=(f"{name}.{domain}",), result=result),
        st.sampled_from("abcdefghijklmnop"), domains, st.floats(0.01, 300), st.sampled_from(["issued", "failed", ""]),
    ),
    max_size=12,
).map(lambda orders: sorted(orders, key=lambda one: one.at))  # fmt: skip


@settings(max_examples=300, deadline=None, derandomize=True)
@given(renewals, small_limits, pasts)
def test_no_less_urgent_order_takes_what_a_more_urgent_one_needs(
    wanted: list[Decision], limits: CaLimits, past: list[Order]
) -> None:
    """Whoever is held would be held as well if all that are less urgent did not exist, and for the same reason."""
    known = policy(internal=IssuerBudget(limits, "ca", "one"))
    found = guarded(wanted, *past, settings=known)
    in_order = sorted(wanted, key=lambda one: urgency(one, NOW))
    for number, one in enumerate(in_order):
        alone = guarded(in_order[: number + 1], *past, settings=known)
        assert alone[one.spec.name] == found[one.spec.name]


@settings(max_examples=300, deadline=None, derandomize=True)
@given(renewals, small_limits, pasts)
def test_ordinary_orders_leave_a_token_for_an_emergency(
    wanted: list[Decision], limits: CaLimits, past: list[Order]
) -> None:
    """After all ordinary orders of a look one emergency more finds room, if it would have found it without them.

    A limit of one token has nothing to keep.
    """
    buckets = (limits.orders, limits.domain, limits.exact_set)
    if any(bucket is not None and bucket.size == 1 for bucket in buckets):
        return
    known = policy(internal=IssuerBudget(limits, "ca", "one"))
    ordinary = [replace(one, emergency=False) for one in wanted]
    urgent = replace(of("urgent", "new.example.com"), emergency=True)
    placed = [
        order(NOW, of=one.spec, renewal="internal" in one.known_at)
        for one in guarded(ordinary, *past, settings=known).values()
        if one.due
    ]
    assert guarded([urgent], *past, *placed, settings=known)["urgent"].due == (
        guarded([urgent], *past, settings=known)["urgent"].due
    )


# ---------------------------------------------------------------- the next issuer of a list


BOTH = ("internal", "second")


def test_the_next_issuer_is_asked_where_waiting_costs_half_of_the_lead() -> None:
    """A budget that has room soon is waited for; one that has it too late is not, and the choice says why."""
    known = policy(internal=IssuerBudget(TWO_A_WEEK, "ca", "one"), second=IssuerBudget(ca="b", account="b"))
    patient = of("a", issuers=BOTH)
    late = replace(of("a", issuers=BOTH), ends=NOW + 16 * DAY)
    assert guarded([patient], ordered("b"), settings=known)["a"].reason is Reason.BUDGET
    assert guarded([late], ordered("b"), settings=known)["a"].due
    choice = choose(late, fleet(ordered("b")), NOW, known)
    assert choice.issuer == "second"
    assert [name for name, _ in choice.passed] == ["internal"]
    assert "2 certificates for example.com" in choice.passed[0][1]


def test_an_emergency_goes_to_whoever_has_room() -> None:
    """Nothing is left at the first: the second is asked at once."""
    known = policy(internal=IssuerBudget(TWO_A_WEEK, "ca", "one"), second=IssuerBudget(ca="b", account="b"))
    urgent = replace(of("a", issuers=BOTH), emergency=True)
    assert choose(urgent, fleet(ordered("b"), ordered("c")), NOW, known).issuer == "second"
    assert choose(urgent, fleet(ordered("b")), NOW, known).issuer == "internal"


# ---------------------------------------------------------------- against the model of a CA


@settings(max_examples=60, deadline=None, derandomize=True)
@given(small_limits, st.lists(st.tuples(st.integers(0, 3), st.floats(0, 40)), max_size=60))
def test_the_model_ca_refuses_no_ordinary_order(limits: CaLimits, asked: list[tuple[int, float]]) -> None:
    """However orders come, none that the budget lets pass is refused by a CA that keeps to its limits."""
    shown = steady([Share(4, 47 * DAY)], builders.settings())
    ca = LimitedCa(limits, shown, moving=True)
    known = policy(ca=IssuerBudget(limits, "ca", "one"))
    history: list[Order] = []
    now = NOW
    for one, hours in asked:
        now += hours * HOUR
        spec_of = shown.spec(one)
        issued = {past.names for past in history}
        wanted = replace(
            decision(spec_of, foreseen=True), known_at=frozenset({"ca"} if spec_of.names in issued else ())
        )
        if choose(wanted, fleet(*history), now, known).issuer:
            assert ca.refused(one, microseconds(now - NOW)) is None
            ca.issued(one, microseconds(now - NOW))
            history.append(order(now, of=spec_of, issuer="ca", renewal=bool(wanted.known_at)))
