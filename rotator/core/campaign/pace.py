"""How fast a campaign may go, and when each of its members will be done. Pure.

The estimate walks through the same limits that hold the orders: so many an hour in all and at each issuer, and so many
rotations side by side. It is a lower bound: CAs, people and servers take their own time.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import MappingProxyType

from rotator.core.budget.books import Books, Short
from rotator.core.budget.known import budget_of, known_at
from rotator.core.gates import read_issuers
from rotator.core.lead import DAY, HOUR, PolicySettings
from rotator.core.model import Facts, FleetHistory, Result
from rotator.core.pem import moment

A_ROTATION = timedelta(minutes=1)
"""How long one is taken to last where none was recorded lately."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast renewals may be ordered.

    Attributes:
        an_hour: orders in any hour.
        issuers: orders in any hour, by issuer; one that is not named is not limited by itself.
        at_once: rotations side by side.
        each: how long one rotation lasts.
        look: how long the next turn waits for the next look.
    """

    an_hour: int
    at_once: int
    each: timedelta = A_ROTATION
    look: timedelta = timedelta(seconds=30)
    issuers: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))


Recent = Sequence[tuple[datetime, str]]
"""Orders of the last hour: when, and where."""


def pace_of(fleet: FleetHistory, an_hour: int, settings: PolicySettings) -> Pace:
    """The pace that the settings allow; a rotation lasts as long as those of the last day did in the middle."""
    lasted = sorted(one.finished - one.started for one in fleet.outcomes if one.issued and one.result is Result.DONE)
    each = lasted[len(lasted) // 2] if lasted else A_ROTATION
    return Pace(
        an_hour=an_hour,
        at_once=settings.at_once,
        each=each,
        look=settings.shortest_tick,
        issuers=settings.issuer_limits,
    )


def recent_orders(fleet: FleetHistory, now: datetime) -> Recent:
    """The orders that count in this hour."""
    return [(order.at, order.issuer) for order in fleet.orders if now - HOUR < order.at <= now + DAY]


def room(pace: Pace, recent: Recent, now: datetime) -> tuple[int, Mapping[str, int]]:
    """How many more orders this hour bears: in all, and at each issuer that has a limit of its own."""
    within = [issuer for at, issuer in recent if at > now - HOUR]
    left = {issuer: max(0, limit - within.count(issuer)) for issuer, limit in pace.issuers.items()}
    return max(0, pace.an_hour - len(within)), left


def finished(orders: Iterable[tuple[str, str]], pace: Pace, recent: Recent, now: datetime) -> Mapping[str, datetime]:
    """When each certificate is done, at the earliest, if they are ordered in this order: (name, issuer) → moment."""
    all_orders = deque(sorted(at for at, _ in recent))
    by_issuer = {issuer: deque(sorted(at for at, who in recent if who == issuer)) for issuer in pace.issuers}
    busy = [now] * max(1, pace.at_once)
    heapq.heapify(busy)
    done: dict[str, datetime] = {}
    at = now
    for name, issuer in orders:
        at = max(at, heapq.heappop(busy))
        at = _when(at, all_orders, pace.an_hour)
        if issuer in by_issuer:
            at = _when(at, by_issuer[issuer], pace.issuers[issuer])
            by_issuer[issuer].append(at)
        all_orders.append(at)
        done[name] = at + pace.each
        heapq.heappush(busy, at + max(pace.each, pace.look))
    return MappingProxyType(done)


def _when(at: datetime, window: deque[datetime], most: int) -> datetime:
    """The first moment from `at` on at which a sliding hour has room for one more."""
    while window and window[0] <= at - HOUR:
        window.popleft()
    if len(window) < most:
        return at
    at = window[len(window) - most] + HOUR
    while window and window[0] <= at - HOUR:
        window.popleft()
    return at


BREAKER = "breaker"
HELD_AT_CA = ("budget: ", "breaker: ")
"""What the reasons of those begin with that wait for their CA: none of them takes the place of another one."""


def held_at_ca(short: Short) -> str:
    """The reason in words of a member that waits for its CA."""
    budget, breaker = HELD_AT_CA
    if short.kind == BREAKER:
        return f"{breaker}{short.why}, tried again {moment(short.at)}"
    return f"{budget}{short.why}, room again {moment(short.at)}"


class CaRoom:
    """What CAs have room for by their own limits, as the ledger and the orders of a campaign use them up; nothing where
    the breaker of an issuer is open."""

    def __init__(self, fleet: FleetHistory, now: datetime, settings: PolicySettings) -> None:
        self._books = Books(fleet.orders, now, settings)
        self._settings = settings
        issuers = read_issuers(fleet, now)
        self._open = {
            name: Short(BREAKER, f"{len(breaker.tried)} certificates failed at {name}", at, name)
            for name, breaker in issuers.broken.items()
            if (at := breaker.half_open_at(issuers.shortest_lead)) > now
        }

    def short(self, facts: Facts, issuers: Sequence[str]) -> Short | None:
        """Why none of these issuers has room for one more order; that which has room first. None where one has."""
        found = [self._short(facts, issuer) for issuer in issuers]
        return min((short for short in found if short), key=lambda short: short.at) if found and all(found) else None

    def spend(self, facts: Facts, issuers: Sequence[str]) -> str:
        """One more order, at the first of these issuers that has room: which; empty where none has."""
        for issuer in issuers:
            if self._short(facts, issuer) is None:
                renewal = issuer in known_at(facts, self._settings)
                self._books.spend(budget_of(issuer, self._settings), facts.spec.names, renewal=renewal)
                return issuer
        return ""

    def _short(self, facts: Facts, issuer: str) -> Short | None:
        return self._open.get(issuer) or self._books.short(
            budget_of(issuer, self._settings),
            issuer,
            facts.spec.names,
            renewal=issuer in known_at(facts, self._settings),
            emergency=False,
            ends=None,
        )
