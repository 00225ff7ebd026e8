"""What a simulated time comes to: how many rotations and when, what held them back, how late they were. Pure."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Generic, TypeVar

from rotator.core.budget.limits import WEEK
from rotator.core.lead import DAY, HOUR, PolicySettings
from rotator.core.simulate.fleet import Fleet, microseconds
from rotator.core.simulate.issuer import ModelIssuer
from rotator.core.simulate.limit import Limit
from rotator.core.simulate.present import Present
from rotator.core.simulate.run import Look, Run
from rotator.core.toil import saved

Key = TypeVar("Key")

_DAY = microseconds(DAY)
_HOUR = microseconds(HOUR)


@dataclass(frozen=True, slots=True)
class Hit:
    """How often something happened, and how long after the start it did first."""

    times: int
    first: timedelta


@dataclass(frozen=True, slots=True)
class Spread:
    """How numbers of equal times (days, hours) are spread.

    Attributes:
        at: which of them was the busiest, the first one is 0.
    """

    mean: float
    median: int
    p95: int
    p99: int
    peak: int
    at: int


@dataclass(frozen=True, slots=True)
class Lateness:
    """How much later than due certificates were renewed.

    Attributes:
        worst: the longest, those that still wait at the end included.
        worst_share: the largest share of a lead that was used up; 1 and more is the whole.
        mean: of those that were renewed.
        emergencies: orders that were placed past the emergency line.
        ended: certificates that ended before they were renewed; None where none did.
        waiting: those that are due and not renewed at the end.
    """

    worst: timedelta
    worst_share: float
    mean: timedelta
    emergencies: int
    ended: Hit | None
    waiting: int


@dataclass(frozen=True, slots=True)
class Living:
    """A part of the fleet: so many certificates whose renewals give one lifetime, with one lead."""

    certificates: int
    lifetime: timedelta
    lead: timedelta


@dataclass(frozen=True, slots=True)
class Simulation:
    """What a simulated time came to.

    Attributes:
        living: the parts of the fleet, longest lifetime first.
        length: the simulated time.
        rotations: certificates that were renewed.
        failed: orders that came to nothing, refused ones included.
        by_day: rotations of each day.
        allowed: orders an hour that the policy allowed at the beginning.
        at_once: rotations that may be in flight at the same time.
        held: by rotator's own limits, each renewal counted once for each limit that began to hold it.
        refused: orders by the CA's limit that refused them.
        looks: how often the daemon looked.
        left_out: certificates that were not simulated, and why.
    """

    living: tuple[Living, ...]
    length: timedelta
    rotations: int
    failed: int
    by_day: tuple[int, ...]
    a_day: Spread
    an_hour: Spread
    allowed: int
    at_once: int
    held: Mapping[Limit, Hit]
    refused: Mapping[str, Hit]
    late: Lateness
    looks: int
    left_out: Mapping[str, str] = field(default_factory=dict)

    @property
    def certificates(self) -> int:
        return sum(part.certificates for part in self.living)

    @property
    def toil(self) -> timedelta:
        """The hand work that these rotations would have been (`rotator.core.toil`)."""
        return saved(self.rotations)

    @property
    def toil_a_week(self) -> timedelta:
        return self.toil * (WEEK / self.length)

    @property
    def room(self) -> timedelta | None:
        """How long a rotation may take on average, so that the busiest hour's are carried out within it."""
        return self.at_once * HOUR / self.an_hour.peak if self.an_hour.peak else None


def simulate(
    fleet: Fleet,
    settings: PolicySettings,
    issuer: ModelIssuer,
    days: int,
    *,
    moving: bool = False,
    passed: Callable[[timedelta], None] | None = None,
) -> Simulation:
    """Live through so many days.

    Args:
        moving: the CAs have not issued for these names before.
        passed: told the virtual time whenever another day has begun, so that somebody may watch.
    """
    run, tally = Run(fleet, settings, issuer, moving=moving), _Tally(days)
    length, told = days * DAY, -1
    for look in run.looks(length):
        tally.add(look)
        if passed is not None and look.at // _DAY > told:
            told = look.at // _DAY
            passed(told * DAY)
    for _, late, lead, ended in run.overdue(length):
        tally.overdue(late, lead, microseconds(length), ended=ended)
    return Simulation(
        living=_living(fleet),
        length=length,
        rotations=tally.rotations,
        failed=tally.failed,
        by_day=tuple(tally.days),
        a_day=spread(tally.days),
        an_hour=spread(tally.hours),
        allowed=Present(fleet, settings).an_hour,
        at_once=settings.at_once,
        held=tally.held.hits(),
        refused=tally.refused.hits(),
        late=tally.lateness(),
        looks=tally.looks,
        left_out=fleet.left_out,
    )


def spread(numbers: Sequence[int]) -> Spread:
    """How numbers are spread; a percentile is the least number that so many of them do not exceed."""
    ordered = sorted(numbers)
    peak = ordered[-1]

    def percentile(share: int) -> int:
        return ordered[max(0, -(-len(ordered) * share // 100) - 1)]

    return Spread(
        mean=sum(ordered) / len(ordered),
        median=percentile(50),
        p95=percentile(95),
        p99=percentile(99),
        peak=peak,
        at=list(numbers).index(peak),
    )


def _living(fleet: Fleet) -> tuple[Living, ...]:
    counts = Counter(fleet.later)
    parts = (Living(number, fleet.lives[life].lifetime, fleet.lives[life].lead) for life, number in counts.items())
    return tuple(sorted(parts, key=lambda part: (-part.lifetime, -part.lead)))


class _Times(Generic[Key]):
    """How often each thing happened, and when first."""

    def __init__(self) -> None:
        self._times: Counter[Key] = Counter()
        self._first: dict[Key, int] = {}

    def add(self, key: Key, at: int) -> None:
        self._times[key] += 1
        self._first.setdefault(key, at)

    def hits(self) -> dict[Key, Hit]:
        return {key: Hit(times, timedelta(microseconds=self._first[key])) for key, times in self._times.most_common()}


class _Tally:
    """The sums, look by look."""

    def __init__(self, days: int) -> None:
        self.days = array("q", bytes(8 * days))
        self.hours = array("q", bytes(8 * 24 * days))
        self.rotations = self.failed = self.looks = 0
        self.held: _Times[Limit] = _Times()
        self.refused: _Times[str] = _Times()
        self._worst = self._sum = self._emergencies = self._waiting = 0
        self._worst_share = 0.0
        self._ended: _Times[str] = _Times()

    def add(self, look: Look) -> None:
        """Add what a look did."""
        self.looks += 1 + look.idle
        if look.renewed:
            number = len(look.renewed)
            self.rotations += number
            self.days[look.at // _DAY] += number
            self.hours[look.at // _HOUR] += number
            for _, late, lead in look.renewed:
                self._sum += late
                self._note(late, lead)
        self._emergencies += look.emergencies
        self.failed += len(look.failed)
        for _, limit in look.failed:
            if limit:
                self.refused.add(limit, look.at)
        for _, held in look.held:
            self.held.add(held, look.at)
        for _ in look.ended:
            self._ended.add("", look.at)

    def overdue(self, late: int, lead: int, at: int, *, ended: bool) -> None:
        """Add one that still waits when the time is over."""
        self._waiting += 1
        self._note(late, lead)
        if ended:
            self._ended.add("", at)

    def _note(self, late: int, lead: int) -> None:
        if late > self._worst:
            self._worst = late
        if late > lead * self._worst_share:
            self._worst_share = late / lead

    def lateness(self) -> Lateness:
        """What is to be said of lateness."""
        return Lateness(
            worst=timedelta(microseconds=self._worst),
            worst_share=self._worst_share,
            mean=timedelta(microseconds=self._sum // self.rotations if self.rotations else 0),
            emergencies=self._emergencies,
            ended=self._ended.hits().get(""),
            waiting=self._waiting,
        )
