"""What `rotator simulate` was asked for, made into fleets, a policy and an issuer."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from rotator.cli.ending import Mistake
from rotator.cli.scanwishes import duration
from rotator.cli.screen import progress, remark
from rotator.core.budget.known import budget_of
from rotator.core.budget.limits import PRESETS, CaLimits
from rotator.core.lead import DAY, HOUR, PolicySettings, lead_capped, span
from rotator.core.model import Mode
from rotator.core.simulate import Fleet, ModelIssuer, Outage, Share, Simulation, TooShort, found, simulate, steady
from rotator.core.simulate.ca import limited
from rotator.core.simulate.fleet import microseconds

if TYPE_CHECKING:
    from rotator.core.model import Facts, Inventory

_CERTIFICATES = 1000
_MOST_CERTIFICATES = 10_000_000
_MOST_DAYS = 3650
_LONGEST = 36500 * DAY
_OUTAGE = re.compile(r"^(?P<length>[^@]+)@day(?P<day>\d{1,9})$")


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the command line says."""

    certificates: int | None
    lifetimes: tuple[str, ...]
    days: int
    compare: bool
    renew_before: str | None
    check_every: str | None
    an_hour: int | None
    limits: str | None
    domains: int
    moving: bool
    failures: str
    seed: int
    outages: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Fleets:
    """What is simulated: one fleet, or one for each lifetime.

    Attributes:
        unseen: something could not be looked at, and is missing in the fleet.
    """

    fleets: tuple[Fleet, ...]
    policy: PolicySettings
    unseen: bool = False

    @classmethod
    def given(cls, wishes: Wishes) -> Fleets:
        """A fleet that is only a number and lifetimes.

        Raises:
            Mistake: something about it makes no sense.
        """
        _check(wishes)
        policy = _policy(PolicySettings(mode=Mode.ROTATE, check_every=HOUR), wishes)
        lead = _length(wishes.renew_before, "--renew-before") if wishes.renew_before else None
        number = _CERTIFICATES if wishes.certificates is None else wishes.certificates
        words = wishes.lifetimes or ("47d",)
        groups = [[word] for word in words] if wishes.compare else [list(words)]
        with _sentences():
            return cls(
                tuple(
                    steady(_shares(group, number, lead), policy, domains=min(wishes.domains, number))
                    for group in groups
                ),
                policy,
            )

    @classmethod
    def found(cls, config: Path, wishes: Wishes) -> Fleets:
        """What a config finds now.

        Raises:
            Mistake: something about it makes no sense, or nothing is found.
            ConfigError: the config has mistakes.
        """
        _check(wishes)
        asked: list[timedelta | None] = [_length(word, "--lifetime") for word in wishes.lifetimes]
        asked = asked or [None]
        if len(asked) > 1 and not wishes.compare:
            raise Mistake("with --config one --lifetime says how long all live from now on; several need --compare")
        inventory, policy = _look(config)
        policy = _policy(replace(policy, mode=Mode.ROTATE), wishes)
        lead = _length(wishes.renew_before, "--renew-before") if wishes.renew_before else None
        facts = [_with_lead(one, lead) for one in inventory.facts]
        with _sentences():
            fleets = tuple(_found(facts, policy, inventory, wishes, lifetime) for lifetime in asked)
        if not all(map(len, fleets)):
            raise Mistake(f"{config} finds no certificate whose renewals could be simulated")
        for problem in inventory.problems:
            remark(f"rotator: {problem.source} could not be looked at: {problem.message}")
        return cls(fleets, policy, unseen=bool(inventory.problems))


def run(fleets: Fleets, wishes: Wishes) -> tuple[Simulation, ...]:
    """Simulate each.

    Raises:
        Mistake: what is said of the issuer makes no sense.
    """
    failures = _share(wishes.failures, "--failures")
    outages = tuple(_outage(word, wishes.days) for word in wishes.outages)
    limits = _limits(wishes)
    simulations: list[Simulation] = []
    _tell_of_caps(fleets)
    with progress("simulating"):
        for fleet in fleets.fleets:
            domain_of = fleets.policy.registered_domain
            ca = (
                limited(limits, fleet, moving=wishes.moving, failures=failures, registered_domain=domain_of)
                if limits
                else None
            )
            issuer = ModelIssuer(failures, wishes.seed, outages, ca)
            policy = _knowing(fleets.policy, limits, fleet)
            simulations.append(simulate(fleet, policy, issuer, wishes.days, moving=wishes.moving))
    return tuple(simulations)


def _tell_of_caps(fleets: Fleets) -> None:
    """A lead of more than two thirds of a lifetime is not what is simulated."""
    lives = {(life.lifetime, life.renew_before): life for fleet in fleets.fleets for life in fleet.lives}
    for (lifetime, asked), life in lives.items():
        if asked is not None and lead_capped(lifetime, asked):
            used = timedelta(microseconds=life.lead_us)
            remark(
                f"rotator: a lead of {span(asked)} is capped at two thirds of the lifetime: {span(used)} for those of "
                f"{span(lifetime)}"
            )


# ---------------------------------------------------------------- the fleet


def _shares(words: Sequence[str], number: int, lead: timedelta | None) -> list[Share]:
    """`47d:80%`, `6d:20%`; those without a share have equal parts of what is left."""
    parts = [word.partition(":") for word in words]
    lifetimes = [_length(text, "--lifetime") for text, _, _ in parts]
    said = [_share(share, "--lifetime") if colon else None for _, colon, share in parts]
    left, open_ones = 1 - sum(share for share in said if share is not None), said.count(None)
    if left < -1e-9 or (left > 1e-9 and not open_ones):
        raise Mistake(f"the shares of --lifetime are {1 - left:.0%} together; they make 100 %")
    shares = [left / open_ones if share is None else share for share in said]
    counts = _whole(shares, number)
    empty = [word for word, count in zip(words, counts, strict=True) if not count]
    if empty:
        raise Mistake(f"--lifetime {empty[0]} is no certificate of {number}; simulate more of them")
    return [Share(count, lifetime, lead) for count, lifetime in zip(counts, lifetimes, strict=True)]


def _whole(shares: Sequence[float], number: int) -> list[int]:
    """Whole numbers in these shares, that are the number together: the largest remainders are rounded up."""
    counts = [int(share * number + 1e-9) for share in shares]
    by_remainder = sorted(range(len(shares)), key=lambda one: counts[one] - shares[one] * number)
    for one in by_remainder[: number - sum(counts)]:
        counts[one] += 1
    return counts


def _look(config: Path) -> tuple[Inventory, PolicySettings]:
    from rotator.app import look_and_plan
    from rotator.cli.opening import log_to_stderr, on_a_copy, read_config

    log_to_stderr()
    with on_a_copy(read_config(config)) as wiring, progress("looking"):
        inventory, _ = look_and_plan(wiring.world, wiring.world.clock.now())
        return inventory, wiring.world.policy


def _with_lead(facts: Facts, lead: timedelta | None) -> Facts:
    return facts if lead is None else replace(facts, spec=replace(facts.spec, renew_before=lead))


def _found(
    facts: Sequence[Facts], policy: PolicySettings, inventory: Inventory, wishes: Wishes, lifetime: timedelta | None
) -> Fleet:
    """The inventory as it is, or as many as are asked for in its proportions, with ages spread evenly."""
    fleet = found(facts, policy, start=inventory.at, lifetime=lifetime)
    if wishes.certificates is None or not len(fleet):
        return fleet
    lives = [fleet.lives[life] for life in fleet.later]
    different = list(dict.fromkeys(lives))
    counts = _whole([lives.count(life) / len(lives) for life in different], wishes.certificates)
    shares = [
        Share(count, life.lifetime, life.renew_before) for count, life in zip(counts, different, strict=True) if count
    ]
    return steady(shares, policy, domains=min(wishes.domains, wishes.certificates))


# ---------------------------------------------------------------- the policy and the issuer


def _policy(policy: PolicySettings, wishes: Wishes) -> PolicySettings:
    every = _length(wishes.check_every, "--check-every") if wishes.check_every else policy.check_every
    return replace(policy, check_every=every, an_hour=wishes.an_hour or policy.an_hour)


def _limits(wishes: Wishes) -> CaLimits | None:
    if wishes.limits is None:
        if wishes.moving:
            raise Mistake("--moving says what counts at a CA; name its limits with --limits")
        return None
    if wishes.limits not in PRESETS:
        raise Mistake(f"no limits of {wishes.limits!r} are known; there are those of {' and '.join(PRESETS)}")
    return PRESETS[wishes.limits]


def _knowing(policy: PolicySettings, limits: CaLimits | None, fleet: Fleet) -> PolicySettings:
    """The policy, with what it knows of the CA's limits."""
    if limits is None:
        return policy
    known = {name: replace(budget_of(name, policy), limits=limits) for name in fleet.issuers}
    return replace(policy, budgets={**policy.budgets, **known})


def _length(text: str, option: str) -> timedelta:
    """A length of time that a certificate could live.

    Raises:
        Mistake: it is none, or of more than a lifetime of people.
    """
    found = duration(text, option)
    if found > _LONGEST:
        raise Mistake(f"{option} {text!r} is too long; up to {_LONGEST // DAY:,} days can be simulated")
    return found


def _outage(word: str, days: int) -> Outage:
    matched = _OUTAGE.match(word)
    if matched is None or matched["day"] == "0":
        raise Mistake(f"--outage {word!r} is no outage; write how long and when, like 12h@day30 (the first day is 1)")
    day = int(matched["day"])
    if day > _MOST_DAYS:
        raise Mistake(f"--outage {word!r} is after the last day that can be simulated, {_MOST_DAYS:,}")
    if day > days:
        raise Mistake(f"--outage {word!r} begins after the {days:,} days that are simulated; raise --days")
    begins = microseconds((day - 1) * DAY)
    return Outage(begins, begins + microseconds(_length(matched["length"], "--outage")))


def _share(text: str, option: str) -> float:
    """`1%`, from 0 to 100 %."""
    number = text.strip().removesuffix("%").strip()
    try:
        share = float(number) / 100
    except ValueError:
        share = -1.0
    if not text.strip().endswith("%") or not 0 <= share <= 1:
        raise Mistake(f"{option}: {text!r} is no share; write it like 1%, from 0% to 100%")
    return share


# ---------------------------------------------------------------- what makes no sense


def _check(wishes: Wishes) -> None:
    number = wishes.certificates
    if number is not None and not 1 <= number <= _MOST_CERTIFICATES:
        raise Mistake(f"--certificates {number}: from 1 to {_MOST_CERTIFICATES:,} can be simulated")
    if not 1 <= wishes.days <= _MOST_DAYS:
        raise Mistake(f"--days {wishes.days}: from 1 to {_MOST_DAYS:,} can be simulated")
    if wishes.domains < 1:
        raise Mistake(f"--domains {wishes.domains}: the names belong to one registered domain at least")
    if wishes.an_hour is not None and wishes.an_hour < 1:
        raise Mistake(f"--an-hour {wishes.an_hour}: with no order nothing is ever renewed")


@contextmanager
def _sentences() -> Iterator[None]:
    try:
        yield
    except TooShort as error:
        raise Mistake(str(error)) from error
