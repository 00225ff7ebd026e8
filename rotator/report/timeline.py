"""When certificates end, as a picture: columns of weeks, and the services that come next. Geometry alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from rotator.core.audit import Audit, Line, service_of
from rotator.core.model import Severity
from rotator.report.lines import ends_in
from rotator.report.plain import visible
from rotator.report.words import count, day

KINDS = (*(severity.value for severity in reversed(Severity)), "fine")
"""What a certificate is coloured by: the worst finding at any of its places."""

PLOT = 150
"""Height of the columns, in pixels; their numbers stand above."""

_TOP = 30
_LEAST = 3
_WEEK = timedelta(weeks=1)
_HORIZONS = (13, 26, 53)
_LANE_HORIZONS = (2, 4, 8, 13, 26, 53)
_COVERED = 0.8
"""The picture reaches as far as so many of the certificates do that have not ended."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A part of a column, in pixels from the top."""

    kind: str
    y: float
    height: float


@dataclass(frozen=True, slots=True)
class Column:
    """The certificates that end within a week, or before today, or beyond the picture.

    Attributes:
        x, width: in percent.
        label: of the time.
        month: named below where a month begins; every second one is `odd`, and may go where there is little room.
    """

    label: str
    x: float
    width: float
    number: int
    counts: Mapping[str, int]
    segments: tuple[Segment, ...]
    month: str = ""
    odd: bool = False

    @property
    def top(self) -> float:
        return min((segment.y for segment in self.segments), default=float(_TOP + PLOT))

    @property
    def title(self) -> str:
        kinds = ", ".join(f"{number} {kind}" for kind, number in self.counts.items() if number)
        return f"{self.label}: {count(self.number, 'certificate')}{f' ({kinds})' if kinds else ''}"


@dataclass(frozen=True, slots=True)
class Lane:
    """A service, and how far away the first end of its certificates is.

    Attributes:
        reach: percent of the picture; 100 where it is beyond.
    """

    service: str
    kind: str
    reach: float
    when: str
    date: str


@dataclass(frozen=True, slots=True)
class Timeline:
    """The picture.

    Attributes:
        services: how many there are.
        today: in percent.
        weeks: how far the lanes reach.
    """

    columns: tuple[Column, ...]
    lanes: tuple[Lane, ...]
    services: int
    today: float
    weeks: int
    height: int = _TOP + PLOT
    top: int = _TOP


def timeline(one: Audit, lanes: int = 15) -> Timeline:
    """The columns of all certificates, and the services whose first end is soonest."""
    ends = _certificates(one.lines)
    weeks = _horizon([moment for moment, _ in ends.values()], one.at)
    buckets: dict[int, Counter[str]] = {}
    for moment, kind in ends.values():
        week = -1 if moment <= one.at else min((moment - one.at) // _WEEK, weeks)
        buckets.setdefault(week, Counter())[kind] += 1
    shown = [*([-1] if -1 in buckets else []), *range(weeks), *([weeks] if weeks in buckets else [])]
    most = max((sum(counts.values()) for counts in buckets.values()), default=0)
    width = 100 / len(shown)
    columns = tuple(
        _column(week, buckets.get(week, Counter()), number * width, width, most, weeks, one.at)
        for number, week in enumerate(shown)
    )
    services = _services(one.lines)
    first = sorted(services.items(), key=lambda item: item[1][0])[:lanes]
    reach = _lane_horizon([moment for _, (moment, _) in first], one.at)
    return Timeline(
        columns,
        tuple(_lane(service, moment, kind, one.at, reach) for service, (moment, kind) in first),
        len(services),
        round(width, 3) if -1 in buckets else 0,
        reach,
    )


def _certificates(lines: Sequence[Line]) -> Mapping[str, tuple[datetime, str]]:
    """Each certificate once: its end, and the worst that is said of it anywhere."""
    found: dict[str, tuple[datetime, str]] = {}
    for line in lines:
        if line.ends and line.observation.chain:
            fingerprint = line.observation.chain.fingerprint
            kind = line.worst.value if line.worst else "fine"
            before = found.get(fingerprint, (line.ends, kind))
            found[fingerprint] = (min(line.ends, before[0]), min(kind, before[1], key=KINDS.index))
    return found


def _services(lines: Sequence[Line]) -> Mapping[str, tuple[datetime, str]]:
    found: dict[str, tuple[datetime, str]] = {}
    for line in lines:
        if line.ends:
            kind = line.worst.value if line.worst else "fine"
            service = service_of(line.observation)
            before = found.get(service)
            if before is None or line.ends < before[0]:
                found[service] = (line.ends, kind)
            elif line.ends == before[0]:
                found[service] = (line.ends, min(kind, before[1], key=KINDS.index))
    return found


def _horizon(ends: Sequence[datetime], now: datetime) -> int:
    coming = [moment for moment in ends if moment > now]
    for weeks in _HORIZONS:
        if sum(moment - now < weeks * _WEEK for moment in coming) >= _COVERED * len(coming):
            return weeks
    return _HORIZONS[-1]


def _lane_horizon(ends: Sequence[datetime], now: datetime) -> int:
    last = max(ends, default=now)
    return next((weeks for weeks in _LANE_HORIZONS if last - now <= weeks * _WEEK), _LANE_HORIZONS[-1])


def _column(
    week: int, counts: Mapping[str, int], x: float, width: float, most: int, weeks: int, now: datetime
) -> Column:
    begins = now.astimezone(UTC) + week * _WEEK
    label = "ended" if week < 0 else f"{day(begins)} and later" if week == weeks else f"week from {day(begins)}"
    is_first = 0 < week < weeks - 2 and begins.month != (begins - _WEEK).month
    month = "ended" if week < 0 else "later" if week == weeks else f"{begins:%b}" if is_first else ""
    if month == "Jan":
        month = f"{begins:%Y}"
    in_order = {kind: counts[kind] for kind in KINDS if counts.get(kind)}
    segments = tuple(_segments(in_order, most))
    return Column(
        label, round(x, 3), round(width, 3), sum(counts.values()), in_order, segments, month, begins.month % 2 == 1
    )


def _segments(counts: Mapping[str, int], most: int) -> Iterator[Segment]:
    """The worst at the bottom; a single certificate beside thousands is still seen."""
    bottom = float(_TOP + PLOT)
    for kind, number in counts.items():
        height = max(_LEAST, number / most * PLOT)
        bottom -= height
        yield Segment(kind, round(max(bottom, 0), 1), round(height, 1))


def _lane(service: str, ends: datetime, kind: str, now: datetime, weeks: int) -> Lane:
    reach = max(0.0, min(1.0, (ends - now) / (weeks * _WEEK))) * 100
    return Lane(visible(service, 200), kind, round(reach, 2), ends_in(ends, now), day(ends))
