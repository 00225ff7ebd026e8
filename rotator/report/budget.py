"""What the budgets have left and when they will run short, for people and for programs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from rich.console import RenderableType
from rich.text import Text

from rotator.core.budget.forecast import NO_OUTLOOK, Outlook, Shortage
from rotator.core.budget.telling import limit_said
from rotator.report.grid import grid, headed
from rotator.report.objects import Object
from rotator.report.words import iso, span

_MOST_ROWS = 12


def table(outlook: Outlook) -> Iterator[RenderableType]:
    """The limits with the least left, and every one that will run short."""
    if outlook.remaining:
        rows = grid("ISSUER", "LIMIT", "LEFT", right=("LEFT",))
        least = sorted(outlook.remaining, key=lambda one: one.left / one.bucket.size)
        for one in least[:_MOST_ROWS]:
            rows.add_row(
                one.issuer,
                limit_said(one.limit, one.what),
                f"{one.left} of {one.bucket.size} in {span(one.bucket.per)}",
            )
        more = len(least) - _MOST_ROWS
        yield headed("Budgets", rows)
        if more > 0:
            yield Text(f"and {more} more with as much left or more")
    for short in _together(outlook.shortages):
        yield Text(
            f"{short.issuer} will run short on {short.at:%Y-%m-%d}: {short.why}; {short.certificate} would wait until "
            f"{short.until:%Y-%m-%d %H:%M} UTC, {short.waiting} in all",
            "yellow",
        )
    for row in outlook.failing:
        yield Text(
            f"{row.issuer} pauses {row.name} after {row.most:,} failed validations in a row; there are {row.failures}",
            "yellow",
        )
    if outlook.uncounted:
        yield Text(f"Not counted: {', '.join(outlook.uncounted)} (no preset of its limits; set `limits:`)", "dim")
    if outlook != NO_OUTLOOK:
        yield Text("")


def json(outlook: Outlook) -> Object:
    """`remaining` (`issuer`, `limit`, `what`, `size`, `per_seconds`, `left`, `reserve`), `shortages` (`issuer`,
    `limit`, `what`, `at`, `certificate`, `until`, `waiting`, `why`): what will run short within six weeks, `failing`
    (`issuer`, `name`, `failures`, `most`): names that their CA will pause, `uncounted`: issuers without known limits.
    """
    return {
        "remaining": [
            {
                "issuer": one.issuer,
                "limit": one.limit,
                "what": one.what or None,
                "size": one.bucket.size,
                "per_seconds": one.bucket.per.total_seconds(),
                "left": one.left,
                "reserve": one.bucket.reserve,
            }
            for one in outlook.remaining
        ],
        "shortages": [_short(one) for one in outlook.shortages],
        "failing": [
            {"issuer": one.issuer, "name": one.name, "failures": one.failures, "most": one.most}
            for one in outlook.failing
        ],
        "uncounted": list(outlook.uncounted),
    }


def _short(one: Shortage) -> Object:
    return {
        "issuer": one.issuer,
        "limit": one.limit,
        "what": one.what or None,
        "at": iso(one.at),
        "certificate": one.certificate,
        "until": iso(one.until),
        "waiting": one.waiting,
        "why": one.why,
    }


def _together(shortages: Iterable[Shortage]) -> tuple[Shortage, ...]:
    """The soonest first; those for the same names as one for each issuer, since one profile has many."""
    found: dict[tuple[str, ...], Shortage] = {}
    for one in sorted(shortages, key=lambda one: one.at):
        key = (one.issuer, one.limit, "" if one.limit == "exact-set" else one.what)
        first = found.get(key)
        found[key] = replace(first, waiting=first.waiting + one.waiting) if first else one
    return tuple(found.values())
