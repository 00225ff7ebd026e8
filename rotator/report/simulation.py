"""What a simulated time comes to, for people and for programs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta

from rich.console import Group, RenderableType
from rich.text import Text

from rotator.core.lead import DAY, HOUR, MINUTE
from rotator.core.simulate import Hit, Limit, Living, Simulation, Spread
from rotator.core.toil import MINUTES_PER_ROTATION
from rotator.report.grid import grid, headed, unseen
from rotator.report.objects import Object
from rotator.report.words import span

WORKING_WEEK = 40
"""Hours of one person's week, to which hand work is compared."""


# ---------------------------------------------------------------- for people


def table(one: Simulation) -> RenderableType:
    """The load, what held it back, how late it came, and what it would be by hand."""
    return Group(
        Text(f"{lived(one)}: {one.rotations:,} rotations in {span(one.length)}", "bold"),
        "",
        _load(one),
        *_hits("Limits hit", one.held, "no limit was hit; nothing waited for its turn"),
        *_failures(one),
        headed("How late", _late(one)),
        headed("By hand", Text(by_hand(one))),
        *unseen(one.left_out.items()),
    )


def comparison(many: Sequence[Simulation]) -> RenderableType:
    """Simulations side by side, a row each."""
    rows = grid("LIFETIME", "ROTATIONS", "A DAY", "BUSIEST", "LATE", "ENDED", "BY HAND", right=_RIGHT)
    for one in many:
        rows.add_row(
            lifetimes(one),
            f"{one.rotations:,}",
            per_day(one.a_day.mean),
            f"{one.a_day.peak:,}",
            span(one.late.worst),
            f"{one.late.ended.times:,}" if one.late.ended else "-",
            f"{_hours(one.toil_a_week)} a week",
        )
    length, number = many[0].length, many[0].certificates
    title = f"{_count(number, 'certificate')}, {span(length)}, each lifetime by itself"
    return Group(Text(title, "bold"), "", rows)


_RIGHT = ("ROTATIONS", "A DAY", "BUSIEST", "LATE", "ENDED", "BY HAND")


def lifetimes(one: Simulation) -> str:
    """`47 d`, or `398 d and 47 d`."""
    return " and ".join(dict.fromkeys(span(part.lifetime) for part in one.living))


def lived(one: Simulation) -> str:
    """`1,000 certificates of 47 d`, with the number of each where there are several."""
    if len(one.living) == 1:
        return f"{_count(one.certificates, 'certificate')} of {lifetimes(one)}"
    parts = ", ".join(f"{part.certificates:,} of {span(part.lifetime)}" for part in _shown(one.living))
    return f"{one.certificates:,} certificates ({parts})"


_MOST_PARTS = 6


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _shown(living: Sequence[Living]) -> Sequence[Living]:
    """The largest parts, in their order; a real inventory may have hundreds."""
    largest = sorted(living, key=lambda part: -part.certificates)[:_MOST_PARTS]
    return [part for part in living if part in largest]


def per_day(number: float) -> str:
    """A mean, with as many digits behind the point as say something."""
    if number < 0.1:
        return f"{number:.2g}"
    return f"{number:,.1f}" if number < 100 else f"{number:,.0f}"


def by_hand(one: Simulation) -> str:
    """What it would be without rotator, in a sentence."""
    people = one.toil_a_week / HOUR / WORKING_WEEK
    whom = f", {people:.1f} people who do nothing else" if people >= 1 else ""
    each = f"{MINUTES_PER_ROTATION:g} minutes each"
    return f"{_hours(one.toil)} in {span(one.length)}, {_hours(one.toil_a_week)} a week{whom} ({each})"


def _hours(length: timedelta) -> str:
    if length < HOUR:
        return span(length)
    return f"{length / HOUR:,.1f} h" if length < 100 * HOUR else f"{length / HOUR:,.0f} h"


def _load(one: Simulation) -> RenderableType:
    rows = grid("ROTATIONS", "MEAN", "MEDIAN", "95 %", "99 %", "PEAK", "WHEN", right=_NUMBERS)
    rows.add_row("a day", *_spread(one.a_day), f"day {one.a_day.at + 1}")
    rows.add_row("an hour", *_spread(one.an_hour), moment(one.an_hour.at * HOUR))
    said = Text(f"\nThe policy allows {one.allowed:,} orders an hour")
    if one.room is not None:
        said.append(f"; {one.at_once} at once keep up if one takes less than {_length(one.room)}")
    return Group(rows, said.append("."))


_NUMBERS = ("MEAN", "MEDIAN", "95 %", "99 %", "PEAK")


def _spread(one: Spread) -> tuple[str, ...]:
    return (per_day(one.mean), *(f"{number:,}" for number in (one.median, one.p95, one.p99, one.peak)))


def _hits(title: str, hits: Mapping[str, Hit] | Mapping[Limit, Hit], none: str) -> Iterator[RenderableType]:
    if not hits:
        yield headed(title, Text(none))
        return
    rows = grid("", "", "")
    for what, hit in hits.items():
        rows.add_row(Text(str(what), "yellow"), f"{hit.times:,} times", f"first on {moment(hit.first)}")
    yield headed(title, rows)


def _failures(one: Simulation) -> Iterator[RenderableType]:
    if one.refused:
        yield from _hits("Refused by the CA", one.refused, "")
    others = one.failed - sum(hit.times for hit in one.refused.values())
    if others:
        yield headed("Failed at the issuer", Text(_count(others, "order")))


def _late(one: Simulation) -> RenderableType:
    late = one.late
    lines = [
        Text(f"at worst {_length(late.worst)} after it was due, {_percent(late.worst_share)} of its lead"),
        Text(f"on average {_length(late.mean)}"),
    ]
    if late.emergencies:
        lines.append(Text(f"{_count(late.emergencies, 'order')} past the emergency line, for which a person is paged"))
    if late.ended:
        one_ended, many_ended = (
            "a certificate ended before its",
            f"{late.ended.times:,} certificates ended before their",
        )
        ended = one_ended if late.ended.times == 1 else many_ended
        lines.append(Text(f"{ended} renewal, first on {moment(late.ended.first)}", "bold red"))
    else:
        lines.append(Text("no certificate ended", "green"))
    if late.waiting:
        lines.append(Text(f"{_count(late.waiting, 'certificate')} still due when the time was over", "yellow"))
    return Group(*lines)


def moment(after: timedelta) -> str:
    """`day 31, 04:10`: the first day is 1."""
    minutes = after % DAY // MINUTE
    return f"day {after // DAY + 1}, {minutes // 60:02}:{minutes % 60:02}"


def _length(length: timedelta) -> str:
    """As `span`, but with what is below a second, and nothing as nothing."""
    return f"{length.total_seconds():.1f} s" if timedelta(0) < length < 10 * timedelta(seconds=1) else span(length)


def _percent(share: float) -> str:
    percent = share * 100
    return f"{percent:.0f} %" if percent >= 10 else f"{percent:.1f} %" if percent >= 0.1 else "less than 0.1 %"


# ---------------------------------------------------------------- for programs


def json(one: Simulation) -> Object:
    """`certificates`, `lifetimes`, `days`, `rotations`, `failed`, `a_day`, `an_hour` (with the orders that are
    `allowed`), `by_day`, `limits` and `refused` (what, how often, first after so many seconds), `late`, `toil`,
    `looks`, `left_out`. Lengths are seconds."""
    return {
        "certificates": one.certificates,
        "lifetimes": [
            {
                "certificates": part.certificates,
                "lifetime_seconds": part.lifetime.total_seconds(),
                "lead_seconds": part.lead.total_seconds(),
            }
            for part in one.living
        ],
        "days": one.length // DAY,
        "rotations": one.rotations,
        "failed": one.failed,
        "a_day": _spread_json(one.a_day),
        "an_hour": {
            **_spread_json(one.an_hour),
            "allowed": one.allowed,
            "at_once": one.at_once,
            "seconds_each": None if one.room is None else one.room.total_seconds(),
        },
        "limits": [
            {"limit": limit.value, "reason": limit.reason.value, **_hit(hit)} for limit, hit in one.held.items()
        ],
        "refused": [{"limit": limit, **_hit(hit)} for limit, hit in one.refused.items()],
        "late": {
            "worst_seconds": one.late.worst.total_seconds(),
            "worst_share_of_lead": one.late.worst_share,
            "mean_seconds": one.late.mean.total_seconds(),
            "emergencies": one.late.emergencies,
            "ended": one.late.ended.times if one.late.ended else 0,
            "first_ended_seconds": one.late.ended.first.total_seconds() if one.late.ended else None,
            "waiting": one.late.waiting,
        },
        "toil": {
            "minutes_each": MINUTES_PER_ROTATION,
            "hours": one.toil / HOUR,
            "hours_a_week": one.toil_a_week / HOUR,
        },
        "by_day": list(one.by_day),
        "looks": one.looks,
        "left_out": [{"certificate": name, "why": why} for name, why in one.left_out.items()],
    }


def comparison_json(many: Sequence[Simulation]) -> Object:
    """`simulations`, one for each lifetime, as `rotator simulate` says them singly."""
    return {"simulations": [json(one) for one in many]}


def _spread_json(one: Spread) -> Object:
    """`at`: which day or hour was the busiest, from 0."""
    return {
        "mean": one.mean, "median": one.median, "p95": one.p95, "p99": one.p99, "peak": one.peak, "at": one.at,
    }  # fmt: skip


def _hit(hit: Hit) -> Object:
    return {"times": hit.times, "first_seconds": hit.first.total_seconds()}
