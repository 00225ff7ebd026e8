"""Failed validations of a name in a row, after which a CA pauses it for the account: counted, and told in time. Pure.

Let's Encrypt does so after 1,152, forgives one a day, and begins anew at a success. The ledger that is read here has
two weeks, which is enough for any row that grows fast enough to come there within months.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from rotator.core.budget.known import ISSUED, budget_of
from rotator.core.cases import Case
from rotator.core.lead import DAY, PolicySettings
from rotator.core.model import NoticeKind, Order, Severity
from rotator.core.noticetext import run

TOLD_FROM = 0.25
"""The share of the row from which on a person is told: at 120 failures a day, which is the most, a week is left."""


@dataclass(frozen=True, slots=True)
class Failing:
    """A name that its CA will pause for the account.

    Attributes:
        failures: in a row, those that were forgiven left out.
        most: how many the CA takes.
    """

    issuer: str
    name: str
    failures: int
    most: int


def failing(orders: Iterable[Order], now: datetime, settings: PolicySettings) -> tuple[Failing, ...]:
    """The names that are a quarter of the way to their pause or further, by issuer and name.

    Args:
        orders: of the ledger, oldest first.
    """
    rows: dict[tuple[str, str], tuple[float, datetime]] = {}
    whose: dict[str, tuple[str, int]] = {}
    for order in orders:
        own = budget_of(order.issuer, settings)
        if own.limits.in_a_row is None or order.at > now + DAY:
            continue
        whose[own.account] = order.issuer, own.limits.in_a_row
        for name in order.names if order.result == ISSUED else ():
            rows.pop((own.account, name), None)
        for name in order.failed_names:
            rows[own.account, name] = _forgiven(rows.get((own.account, name)), order.at) + 1, order.at
    found = []
    for (account, name), row in rows.items():
        issuer, most = whose[account]
        if (count := int(_forgiven(row, now))) >= most * TOLD_FROM:
            found.append(Failing(issuer, name, count, most))
    return tuple(sorted(found, key=lambda one: (one.issuer, one.name)))


def _forgiven(row: tuple[float, datetime] | None, now: datetime) -> float:
    """What is left of a row: one a day is forgiven."""
    if row is None:
        return 0.0
    count, at = row
    return max(0.0, count - max(timedelta(0), now - at) / DAY)


def of_failing(rows: Iterable[Failing], now: datetime) -> Iterator[Case]:
    """One case a name."""
    for one in rows:
        yield Case(
            kind=NoticeKind.BUDGET_SHORT,
            severity=Severity.WARNING,
            subject=f"{one.name} at {one.issuer}",
            owner="",
            since=now,
            headline=f"could not be verified {one.failures} times in a row; after {one.most:,} the CA issues nothing "
            "more for it",
            detail="The CA pauses the name for the account then, until a person lifts that on its web site. It "
            "forgives one failure a day, and all of them when the name is verified.\nTo do: mend why the name cannot "
            "be verified, or take it out of the certificates that have it.",
            command=run("history"),
            noun="budget",
        )
