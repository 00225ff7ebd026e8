"""What the budgets have left and when they will run short, for people and for programs."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import RenderableType
from rich.text import Text

from rotator.core.budget.forecast import Outlook, Remaining, Shortage
from rotator.report.grid import grid, headed
from rotator.report.objects import Object
from rotator.report.words import iso, span

_MOST_ROWS = 12

_SAID = {
    "orders": "orders of the account",
    "domain": "certificates for {what}",
    "exact-set": "certificates for {first} and its names",
    "failures": "failed validations of {what}",
}


def table(outlook: Outlook) -> Iterator[RenderableType]:
    """The limits with the least left, and every one that will run short."""
    if outlook.remaining:
        rows = grid("ISSUER", "LIMIT", "LEFT", right=("LEFT",))
        least = sorted(outlook.remaining, key=lambda one: one.left / one.bucket.size)
        for one in least[:_MOST_ROWS]:
            rows.add_row(one.issuer, _said(one), f"{one.left} of {one.bucket.size} in {span(one.bucket.per)}")
        more = len(least) - _MOST_ROWS
        yield headed("Budgets", rows)
        if more > 0:
            yield Text(f"and {more} more with as much left or more")
    for short in outlook.shortages:
        yield Text(
            f"{short.issuer} will run short on {short.at:%Y-%m-%d}: {short.why}; {short.certificate} would wait until "
            f"{short.until:%Y-%m-%d %H:%M} UTC, {short.waiting} in all",
            "yellow",
        )
    if outlook.remaining or outlook.shortages:
        yield Text("")


def json(outlook: Outlook) -> Object:
    """`remaining` (`issuer`, `limit`, `what`, `size`, `per_seconds`, `left`, `reserve`), `shortages` (`issuer`,
    `limit`, `what`, `at`, `certificate`, `until`, `waiting`, `why`): what will run short within six weeks."""
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


def _said(one: Remaining) -> str:
    return _SAID[one.limit].format(what=one.what, first=one.what.partition(" ")[0])
