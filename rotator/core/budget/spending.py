"""Who may order where, while the decisions of one look are gone over, the most urgent first. Pure.

An issuer that is out of budget is waited for as long as that leaves half of the lead; else the next one of the list is
asked. An emergency does not wait where another one has room.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from rotator.core.budget.books import Books, Short
from rotator.core.budget.known import budget_of
from rotator.core.lead import DAY, HOUR, PolicySettings
from rotator.core.model import Decision, FleetHistory, Order

AN_HOUR = 20
"""Orders an hour where the operator names no number and the fleet's lifetimes need less than half of it."""


@dataclass(frozen=True, slots=True)
class Choice:
    """Who is asked.

    Attributes:
        issuer: empty where nobody has room; `short` says why.
        passed: issuers of the list that were passed over for their budget, and why.
    """

    issuer: str = ""
    short: Short | None = None
    passed: tuple[tuple[str, str], ...] = ()


class Spending:
    """What of the budgets is used up."""

    def __init__(self, fleet: FleetHistory, now: datetime, settings: PolicySettings) -> None:
        self._now = now
        self._settings = settings
        self._hour = [order for order in fleet.orders if now - HOUR < order.at <= now + DAY]
        self._all = len(self._hour)
        self._by_issuer = Counter(order.issuer for order in self._hour)
        self.books = Books(fleet.orders, now, settings)

    def hour_used_up(self) -> Short | None:
        """Whether the fleet's hour has no room for one more order that is no emergency."""
        an_hour = AN_HOUR if self._settings.an_hour is None else self._settings.an_hour
        if self._all < an_hour:
            return None
        return Short("hour", f"the hour's {an_hour} orders are used up", self._hour_over(self._hour))

    def short(self, decision: Decision, issuer: str) -> Short | None:
        """Why an issuer has no room for the order of a decision."""
        limit = self._settings.issuer_limits.get(issuer)
        if limit is not None and self._by_issuer[issuer] >= limit and not decision.emergency:
            theirs = [order for order in self._hour if order.issuer == issuer]
            why = f"the hour's {limit} orders at {issuer} are used up"
            return Short("hour", why, self._hour_over(theirs), issuer)
        return self.books.short(
            budget_of(issuer, self._settings),
            issuer,
            decision.spec.names,
            renewal=issuer in decision.known_at,
            emergency=decision.emergency,
            ends=decision.ends,
        )

    def choose(self, decision: Decision, ranked: Sequence[str]) -> Choice:
        """The first of these issuers that has room, or none where it is better to wait."""
        passed: dict[str, Short] = {}
        for issuer in ranked:
            short = self.short(decision, issuer)
            if short is None:
                return Choice(issuer, passed=tuple((name, why.why) for name, why in passed.items()))
            if _worth_waiting(short, decision):
                return Choice(short=short)
            passed[issuer] = short
        return Choice(short=min(passed.values(), key=lambda short: short.at, default=None))

    def spend(self, decision: Decision, issuer: str) -> None:
        """The order of a decision is placed now."""
        self._all += 1
        self._by_issuer[issuer] += 1
        own = budget_of(issuer, self._settings)
        self.books.spend(own, decision.spec.names, renewal=issuer in decision.known_at)

    def _hour_over(self, orders: Iterable[Order]) -> datetime:
        return min((order.at for order in orders), default=self._now) + HOUR


def _worth_waiting(short: Short, decision: Decision) -> bool:
    """Whether an issuer that comes first has room again while half of the lead is left."""
    if decision.emergency or decision.ends is None or decision.lead is None:
        return False
    return short.at <= decision.ends - decision.lead / 2
