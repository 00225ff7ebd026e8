"""The simulation is the policy: small fleets, stepped look by look by the real one, do the same at the same moments."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from itertools import islice

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rotator.core.budget.limits import WEEK, Bucket, CaLimits
from rotator.core.lead import DueRule, PolicySettings, due_at
from rotator.core.model import Facts, MaintenanceWindow
from rotator.core.simulate.ca import LimitedCa
from rotator.core.simulate.fleet import Fleet, Share, found, microseconds, steady
from rotator.core.simulate.issuer import ModelIssuer, Outage
from rotator.core.simulate.run import Look, Run
from tests import builders
from tests.builders import DAY, HOUR, MINUTE, NOW, SECOND
from tests.core.stepped import Stepped, World

MINE = settings(max_examples=30, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
LOOKS = 70

RULES: tuple[DueRule, ...] = ("lifetime", "fixed")

lifetimes = st.one_of(
    st.sampled_from([2 * MINUTE, HOUR, 6 * HOUR, DAY, 6 * DAY, 47 * DAY, 90 * DAY, 398 * DAY]),
    st.timedeltas(2 * MINUTE, 100 * DAY),
)
leads = st.none() | st.timedeltas(MINUTE, 60 * DAY)


buckets = st.none() | st.builds(Bucket, st.integers(1, 3), st.sampled_from([HOUR, DAY, WEEK]))
limits = st.builds(
    CaLimits, buckets, buckets, st.none() | st.builds(Bucket, st.integers(1, 5), st.just(WEEK)), buckets, st.booleans()
)


@st.composite
def policies(draw: st.DrawFn) -> PolicySettings:
    return builders.settings(
        check_every=draw(st.sampled_from([5 * MINUTE, HOUR, 6 * HOUR, DAY])),
        due_rule=draw(st.sampled_from(RULES)),
        an_hour=draw(st.none() | st.integers(1, 4)),
        issuer_limits=draw(st.dictionaries(st.sampled_from(["ca", "other"]), st.integers(1, 3))),
        budgets=draw(st.dictionaries(st.sampled_from(["ca", "other"]), limits)),
    )


@dataclass(frozen=True)
class Model:
    """An issuer that is made anew for each of the two worlds."""

    failures: float = 0.0
    seed: int = 0
    outages: tuple[Outage, ...] = ()
    limits: CaLimits | None = None
    moving: bool = False

    def issuer(self, fleet: Fleet) -> ModelIssuer:
        ca = LimitedCa(self.limits, fleet, moving=self.moving) if self.limits else None
        return ModelIssuer(self.failures, self.seed, self.outages, ca)


outages = st.builds(
    lambda begins, lasts: Outage(microseconds(begins), microseconds(begins + lasts)),
    st.timedeltas(timedelta(0), 3 * DAY),
    st.sampled_from([10 * MINUTE, 3 * HOUR, DAY]),
)
models = st.builds(
    Model,
    failures=st.sampled_from([0.0, 0.05, 0.3, 0.8]),
    seed=st.integers(0, 9),
    outages=st.lists(outages, max_size=1).map(tuple),
    limits=st.none() | limits,
    moving=st.booleans(),
)


@st.composite
def given_fleets(draw: st.DrawFn) -> tuple[Fleet, PolicySettings]:
    policy = draw(policies())
    shares = draw(st.lists(st.builds(Share, st.integers(1, 6), lifetimes, leads), min_size=1, max_size=3))
    return steady(shares, policy), policy


windows = st.lists(
    st.builds(
        MaintenanceWindow,
        st.frozensets(st.integers(0, 6), min_size=1),
        st.integers(0, 1439),
        st.timedeltas(MINUTE, 2 * DAY),
    ),
    max_size=2,
).map(tuple)


@st.composite
def found_facts(draw: st.DrawFn, name: str) -> Facts:
    """A certificate of any age, that may be due, past its line, or have ended already."""
    lives = draw(lifetimes)
    left = draw(st.floats(-0.2, 0.7)) * lives
    spec = builders.spec(
        name,
        names=(draw(st.sampled_from(["shop.example.com", f"{name}.example.com"])),),
        issuers=(draw(st.sampled_from(["ca", "other"])),),
        lifetime=draw(st.sampled_from([None, lives, 2 * HOUR, 47 * DAY])),
        renew_before=draw(leads),
        windows=draw(st.just(()) | windows),
    )
    return builders.facts(spec, chain=builders.chain(*spec.names, lives=lives, left=left))


@st.composite
def found_fleets(draw: st.DrawFn) -> tuple[Fleet, PolicySettings]:
    policy = draw(policies())
    names = draw(st.lists(st.sampled_from("abcdefgh"), min_size=1, max_size=7, unique=True))
    facts = [draw(found_facts(name)) for name in names]
    return found(facts, policy, start=NOW, lifetime=draw(st.sampled_from([None, 47 * DAY, 3 * HOUR]))), policy


def named(looks: Iterable[Look], fleet: Fleet, policy: PolicySettings) -> Iterator[Stepped]:
    """What the simulation did, in the words of the stepped world."""
    name = [fleet.spec(one).name for one in range(len(fleet))]
    for look in looks:
        at = fleet.start + timedelta(microseconds=look.at)
        yield Stepped(
            at=at,
            renewed={name[one]: timedelta(microseconds=late) for one, late, _ in look.renewed},
            failed={name[one] for one, _ in look.failed},
            held={(name[one], limit.reason) for one, limit in look.held},
            emergencies=look.emergencies,
            ended={name[one] for one in look.ended},
        )
        every = max(policy.check_every, policy.shortest_tick)
        yield from (Stepped(at=at + number * every) for number in range(1, look.idle + 1))


def held_to_the_policy(fleet: Fleet, policy: PolicySettings, model: Model) -> None:
    run = Run(fleet, policy, model.issuer(fleet), moving=model.moving)
    simulated = named(run.looks(3650 * DAY), fleet, policy)
    stepped = islice(World(fleet, policy, model.issuer(fleet), moving=model.moving).looks(), LOOKS)
    for number, (real, ours) in enumerate(zip(stepped, simulated, strict=False)):
        assert ours == real, f"look {number}"


@MINE
@given(given_fleets(), models)
def test_a_given_fleet_does_what_the_policy_says(fleet: tuple[Fleet, PolicySettings], model: Model) -> None:
    """Looks, orders, failures, emergencies and holds of a steady fleet are those of the stepped policy."""
    held_to_the_policy(*fleet, model)


@MINE
@given(found_fleets(), models)
def test_a_found_fleet_does_what_the_policy_says(fleet: tuple[Fleet, PolicySettings], model: Model) -> None:
    """So are those of a found one: any age, two issuers, windows, shared names, other lifetimes from now on."""
    held_to_the_policy(*fleet, model)


def test_a_failed_order_gives_back_the_weeks_token() -> None:
    """Of two with the same names the second is held by the first one's order, and no longer once that has failed."""
    policy = builders.settings(budgets={"ca": CaLimits(exact_set=Bucket(2, WEEK))})
    facts = [
        builders.facts(builders.spec(name, issuers=("ca",)), chain=builders.chain(lives=47 * DAY, left=9 * DAY))
        for name in "ab"
    ]
    away = Outage(0, microseconds(10 * MINUTE))
    held_to_the_policy(found(facts, policy, start=NOW, lifetime=None), policy, Model(outages=(away,)))


@pytest.mark.parametrize("after", [timedelta(0), SECOND, 29 * SECOND, 30 * SECOND, 31 * SECOND])
def test_what_falls_due_shortly_after_a_look_waits_for_the_next(after: timedelta) -> None:
    """Also where hours of looks at which nothing was to be done lie before it."""
    policy, spec = builders.settings(), builders.spec(issuers=("ca",))
    chain = builders.chain(lives=90 * DAY, left=40 * DAY)
    moved = builders.chain(lives=90 * DAY, left=40 * DAY - (due_at(chain, spec, policy) - NOW) + 5 * HOUR + after)
    assert due_at(moved, spec, policy) == NOW + 5 * HOUR + after
    fleet = found([builders.facts(spec, chain=moved)], policy, start=NOW, lifetime=None)
    held_to_the_policy(fleet, policy, Model())
