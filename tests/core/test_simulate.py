"""What a simulated fleet comes to: figures that can be worked out by hand, and what disturbs them."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rotator.core.budget.limits import LETS_ENCRYPT, Bucket, CaLimits
from rotator.core.lead import PolicySettings, due_at, emergency_at, offset
from rotator.core.plan import orders_an_hour
from rotator.core.simulate import (
    Fleet,
    Limit,
    ModelIssuer,
    Outage,
    Share,
    Simulation,
    TooShort,
    found,
    simulate,
    steady,
)
from rotator.core.simulate.agenda import Agenda
from rotator.core.simulate.ca import LimitedCa, limited
from rotator.core.simulate.figures import spread
from rotator.core.simulate.fleet import START, chain_of, life_of, microseconds
from rotator.core.simulate.present import Present
from tests import builders
from tests.builders import DAY, HOUR, MINUTE, NOW, SECOND

POLICY = builders.settings()


def lived(
    certificates: int,
    lifetime: timedelta,
    days: int = 365,
    issuer: ModelIssuer | None = None,
    policy: PolicySettings = POLICY,
) -> Simulation:
    return simulate(steady([Share(certificates, lifetime)], policy), policy, issuer or ModelIssuer(), days)


def outage(begins: timedelta, lasts: timedelta) -> Outage:
    return Outage(microseconds(begins), microseconds(begins + lasts))


# ---------------------------------------------------------------- the load


@pytest.mark.parametrize(
    ("lifetime", "cycle"),
    [
        (398 * DAY, 368 * DAY),
        (200 * DAY, 170 * DAY),
        (100 * DAY, 70 * DAY),
        (47 * DAY, 47 * DAY * 2 / 3),
        (6 * DAY, 3 * DAY),
    ],
)
def test_a_year_has_as_many_rotations_as_its_cycles(lifetime: timedelta, cycle: timedelta) -> None:
    """The number of certificates, times the year, over the time from one renewal to the next, within a hundredth."""
    one = lived(500, lifetime)
    assert one.rotations == pytest.approx(500 * (365 * DAY / cycle), rel=0.01)
    assert one.a_day.mean == pytest.approx(one.rotations / 365)
    assert sum(one.by_day) == one.rotations
    assert one.late.ended is None


def test_even_ages_make_even_days() -> None:
    """No day has much more than the mean, and nothing waits for anything."""
    one = lived(3000, 47 * DAY, 100)
    assert one.a_day.peak <= 1.1 * one.a_day.mean
    assert not one.held
    assert one.late.worst < 30 * SECOND


def test_the_hand_work_is_that_of_the_rotations() -> None:
    """Four and a half minutes each, and a week is seven days of the whole."""
    one = lived(40, 47 * DAY, 70)
    assert one.toil == one.rotations * timedelta(minutes=4.5)
    assert one.toil_a_week == one.toil / 10


def test_the_busiest_hour_says_how_long_a_rotation_may_take() -> None:
    """Four at once have four hours of work in an hour."""
    one = lived(1000, 6 * DAY, 5)
    assert one.room == 4 * HOUR / one.an_hour.peak


def test_percentiles_are_numbers_that_occur() -> None:
    """The least number that so many do not exceed; the busiest is found, the first of equals."""
    found_spread = spread([1, 9, 3, 9, 2])
    assert (found_spread.mean, found_spread.median, found_spread.p95, found_spread.peak, found_spread.at) == (
        4.8, 3, 9, 9, 1,
    )  # fmt: skip


# ---------------------------------------------------------------- dates and fleets


@settings(max_examples=200, deadline=None, derandomize=True)
@given(
    st.timedeltas(2 * MINUTE, 800 * DAY),
    st.none() | st.timedeltas(SECOND, 900 * DAY),
    st.sampled_from([MINUTE, HOUR, DAY]),
    st.text(min_size=1, max_size=12),
)
def test_dates_are_those_of_the_policy(
    lifetime: timedelta, renew_before: timedelta | None, check_every: timedelta, name: str
) -> None:
    """Due, emergency line and end of any certificate are what `lead` says of one with these dates."""
    policy = builders.settings(check_every=check_every)
    life = life_of(lifetime, renew_before, policy)
    spec = builders.spec(name, renew_before=renew_before)
    chain = chain_of(NOW, life.lifetime)
    assert due_at(chain, spec, policy) == NOW + timedelta(seconds=life.cycle(name))
    assert emergency_at(chain, spec, policy) == NOW + timedelta(seconds=life.line)
    assert chain.not_after == NOW + timedelta(seconds=life.ends)
    assert life.spread * 2 >= offset(name, life.lead, policy) >= timedelta(0)


def test_orders_an_hour_are_those_of_the_policy() -> None:
    """What the fleet as a whole needs, twice, as `plan.orders_an_hour` reads it from every certificate."""
    looks = [
        builders.facts(builders.spec(f"c{number}"), chain=builders.chain(lives=lives))
        for lives in (HOUR, 6 * DAY, 47 * DAY)
        for number in range(30)
    ]
    fleet = found(looks, POLICY, start=NOW, lifetime=None)
    assert Present(fleet, POLICY).an_hour == orders_an_hour(looks, POLICY)


def test_ages_are_spread_over_the_cycle() -> None:
    """Of four, one is in the middle of each quarter of its cycle; none is due at the start."""
    fleet = steady([Share(4, 47 * DAY)], POLICY)
    ages = [-begins / cycle for begins, cycle in zip(fleet.begins, fleet.cycle, strict=True)]
    assert ages == pytest.approx([1 / 8, 3 / 8, 5 / 8, 7 / 8], abs=1e-4)


def test_a_mixed_fleet_is_the_sum_of_its_parts() -> None:
    """Each certificate lives by itself as long as no budget is short."""
    parts = [Share(300, 47 * DAY), Share(30, 6 * DAY)]
    both = simulate(steady(parts, POLICY), POLICY, ModelIssuer(), 90)
    alone = sum(simulate(steady([part], POLICY), POLICY, ModelIssuer(), 90).rotations for part in parts)
    assert both.rotations == pytest.approx(alone, rel=0.01)
    assert [part.certificates for part in both.living] == [300, 30]


def test_a_lifetime_too_short_is_refused() -> None:
    """Under four shortest ticks nothing can be kept alive; the sentence names the lifetime and what can be."""
    with pytest.raises(TooShort, match="a lifetime of 119 s is less than the 2 min that can be kept alive"):
        steady([Share(1, 119 * SECOND)], POLICY)


def test_a_found_certificate_has_its_own_age_and_then_the_lifetime_asked_for() -> None:
    """One of 398 days with a day to its due date is renewed tomorrow, and from then on every 31 days."""
    chain = builders.chain(lives=398 * DAY, left=31 * DAY)
    fleet = found([builders.facts(chain=chain)], POLICY, start=NOW, lifetime=47 * DAY)
    one = simulate(fleet, POLICY, ModelIssuer(), 64)
    assert [day for day, number in enumerate(one.by_day) if number] == [0, 32, 63]


def test_what_cannot_be_simulated_is_left_out_by_name() -> None:
    """A certificate that does not exist yet, of unknown lifetime, and one that lives a minute."""
    looks = [
        builders.facts(builders.spec("new"), chain=None, installed=()),
        builders.facts(builders.spec("brief"), chain=builders.chain(lives=MINUTE)),
        builders.facts(builders.spec("shop"), chain=builders.chain()),
    ]
    fleet = found(looks, POLICY, start=NOW, lifetime=None)
    assert len(fleet) == 1
    assert set(fleet.left_out) == {"new", "brief"}


# ---------------------------------------------------------------- what disturbs it


def test_the_hour_holds_what_is_too_much() -> None:
    """With four orders an hour for fourteen that fall due, most wait until their emergency line lets them through."""
    policy = builders.settings(an_hour=4)
    one = lived(1000, 6 * DAY, 20, policy=policy)
    assert one.held[Limit.AN_HOUR].times > 1000
    assert one.late.emergencies > 0
    assert one.late.ended is None
    assert one.late.worst_share > 0.5


def test_the_same_seed_is_the_same_year() -> None:
    """Failures are drawn from the seed alone; another one fails others."""
    first, again, other = (lived(200, 47 * DAY, 200, ModelIssuer(0.05, seed)) for seed in (1, 1, 2))
    assert first == again
    assert first != other


@pytest.mark.parametrize("failures", [0.01, 0.2])
def test_failures_are_as_many_as_asked_for(failures: float) -> None:
    """Of all orders, within a third; each failed one is tried again and none of them ends."""
    one = lived(2000, 47 * DAY, 120, ModelIssuer(failures, 7))
    assert one.failed / (one.rotations + one.failed) == pytest.approx(failures, rel=0.33)
    assert one.held[Limit.BACKOFF].times == pytest.approx(one.failed, abs=20)
    assert one.late.ended is None


def test_an_outage_opens_the_breaker_and_ends_nothing() -> None:
    """Twelve hours of silence: a handful of orders fail, the rest waits at the breaker, and all catch up."""
    one = lived(5000, 47 * DAY, 60, ModelIssuer(outages=[outage(30 * DAY, 12 * HOUR)]))
    assert one.failed < 20
    assert one.held[Limit.BREAKER].first >= 30 * DAY
    assert one.late.ended is None
    assert one.late.waiting == 0
    assert one.rotations == pytest.approx(lived(5000, 47 * DAY, 60).rotations, rel=0.01)


def test_an_outage_longer_than_the_lead_ends_certificates() -> None:
    """Four days without an issuer, for certificates that have three days left when they are due."""
    one = lived(100, 6 * DAY, 20, ModelIssuer(outages=[outage(5 * DAY, 4 * DAY)]))
    assert one.late.ended is not None
    assert one.late.ended.first > 8 * DAY
    assert one.late.worst > 3 * DAY


def test_what_still_waits_at_the_end_is_counted() -> None:
    """An issuer that never answers: nothing is renewed, everything that fell due waits, the ended ones are told."""
    one = lived(50, 6 * DAY, 30, ModelIssuer(1.0))
    assert one.rotations == 0
    assert one.late.waiting == 50
    assert one.late.ended is not None
    assert one.late.ended.times == 50
    assert one.late.worst_share > 1


# ---------------------------------------------------------------- what a CA refuses


def fleet_of(certificates: int, lifetime: timedelta, *, domains: int = 1) -> Fleet:
    return steady([Share(certificates, lifetime)], POLICY, domains=domains)


def test_six_days_under_lets_encrypts_limits() -> None:
    """A year of six-day certificates as renewals, each counted against the limits: not one order is refused."""
    fleet = fleet_of(50, 6 * DAY)
    policy = builders.settings(budgets={"ca": LETS_ENCRYPT})
    one = simulate(fleet, policy, ModelIssuer(limits=LimitedCa(LETS_ENCRYPT, fleet)), 365)
    assert one.rotations > 6000
    assert one.failed == 0
    assert not one.held


@pytest.mark.parametrize(
    ("services", "domains", "moving"),
    [(40, 1, False), (40, 1, True), (300, 8, True), (100, 1, True)],
    ids=["forty of one domain", "forty that are new", "three hundred of eight domains", "more than a domain may have"],
)
def test_a_year_of_six_days_without_a_refusal(services: int, domains: int, moving: bool) -> None:
    """The model of Let's Encrypt refuses not one order, also where more come at first than it gives: they wait here."""
    fleet = fleet_of(services, 6 * DAY, domains=domains)
    policy = builders.settings(budgets={"ca": LETS_ENCRYPT})
    ca = LimitedCa(LETS_ENCRYPT, fleet, moving=moving)
    one = simulate(fleet, policy, ModelIssuer(limits=ca), 365, moving=moving)
    assert one.rotations > 110 * services
    assert (one.failed, one.refused) == (0, {})
    assert bool(one.late.ended) is (services == 100), "a hundred of one domain cannot move within three days"


def test_what_cannot_reach_a_limit_is_not_counted() -> None:
    """Renewals every three days use half of the week's five; those that come from elsewhere are counted."""
    fleet = fleet_of(10, 6 * DAY)
    assert limited(LETS_ENCRYPT, fleet, moving=False, failures=0) is None
    assert limited(LETS_ENCRYPT, fleet, moving=True, failures=0) is not None
    assert limited(LETS_ENCRYPT, fleet_of(10, 2 * DAY), moving=False, failures=0) is not None


def test_a_move_to_a_ca_meets_its_limits() -> None:
    """A hundred certificates of one registered domain come to Let's Encrypt: it gives fifty a week."""
    fleet = fleet_of(100, 6 * DAY)
    one = simulate(fleet, POLICY, ModelIssuer(limits=LimitedCa(LETS_ENCRYPT, fleet, moving=True)), 8)
    assert one.refused["certificates for a registered domain"].times > 20
    assert one.late.ended is not None


def test_a_bucket_gives_back_one_by_one() -> None:
    """Three orders of three at once; the next when a third of the time is over, which the refusal names."""
    fleet = fleet_of(9, 47 * DAY)
    ca = LimitedCa(CaLimits(orders=Bucket(3, 3 * HOUR)), fleet, moving=True)
    assert [ca.refused(one, 0) for one in range(3)] == [None] * 3
    refused = ca.refused(3, 0)
    assert refused is not None
    assert refused.retry_at == microseconds(HOUR)
    assert ca.refused(3, microseconds(HOUR)) is None
    assert ca.refused(4, microseconds(HOUR)) is not None


# ---------------------------------------------------------------- the calendar


@settings(max_examples=200, deadline=None, derandomize=True)
@given(
    st.lists(st.tuples(st.integers(-90_000, 90_000), st.integers(0, 9)), max_size=40),
    st.lists(st.integers(0, 20_000), max_size=20),
)
def test_the_calendar_gives_back_in_order(entries: list[tuple[int, int]], steps: list[int]) -> None:
    """Whatever is put in, before or between, comes out at its time, sorted, and nothing is lost."""
    agenda, waiting, now = Agenda(10), sorted(entries[::2]), -90_001
    later = iter(entries[1::2])
    for entry in waiting:
        agenda.put(*entry)
    for step in [*steps, 200_000]:
        now += step
        late = next(later, None)
        if late is not None and late[0] > now - step:
            agenda.put(*late)
            waiting = sorted([*waiting, late])
        expected = [entry for entry in waiting if entry[0] <= now]
        assert agenda.take(now) == expected
        waiting = waiting[len(expected) :]
        assert agenda.first() == (waiting[0][0] if waiting else None)


def test_the_start_is_a_whole_second() -> None:
    """Dates of certificates are whole seconds, and so are all moments that follow from them."""
    assert START.microsecond == 0
