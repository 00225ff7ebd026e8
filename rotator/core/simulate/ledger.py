"""What of a fleet's past holds its next renewals back: orders of an hour, limits of CAs, failures in a row. Pure.

The same rules as `guards` and `breakers`, which read them from the ledger at each look, but kept order by order.
Moments are microseconds from the start.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from rotator.core.breakers import CERTIFICATES_TO_OPEN, WITHIN
from rotator.core.budget.books import Books
from rotator.core.budget.known import budget_of
from rotator.core.budget.limits import IssuerBudget
from rotator.core.lead import HOUR, PolicySettings
from rotator.core.model import Order
from rotator.core.simulate.fleet import Fleet, microseconds, shortest_cycle
from rotator.core.simulate.issuer import Refused
from rotator.core.simulate.limit import OF_KIND, Limit

_AN_HOUR = microseconds(HOUR)
_WITHIN = microseconds(WITHIN)


class Hour:
    """Orders of the last hour, in all and by issuer.

    Args:
        limits: orders an hour, by issuer; `an_hour` of all is the caller's, since it moves with the fleet.
    """

    def __init__(self, limits: Mapping[int, int]) -> None:
        self._orders: deque[tuple[int, int, int]] = deque()
        self._limits = limits
        self._by_issuer: Counter[int] = Counter()
        self.all = 0

    @property
    def limited(self) -> bool:
        """Whether an issuer has an hour of its own."""
        return bool(self._limits)

    def forget(self, now: int) -> None:
        """Drop what is an hour old."""
        since = now - _AN_HOUR
        while self._orders and self._orders[0][0] <= since:
            _, issuer, number = self._orders.popleft()
            self.all -= number
            self._by_issuer[issuer] -= number

    def add(self, now: int, issuer: int, number: int = 1) -> None:
        """Count orders."""
        if number:
            self._orders.append((now, issuer, number))
            self.all += number
            self._by_issuer[issuer] += number

    def over(self, now: int, issuer: int | None = None) -> int:
        """When the oldest order of the hour (of an issuer) is an hour old."""
        orders = (at for at, of, _ in self._orders if at < now and (issuer is None or of == issuer))
        return next(orders, now) + _AN_HOUR

    def issuer_full(self, issuer: int) -> bool:
        """Whether an issuer's hour has no room for an order that is no emergency."""
        limit = self._limits.get(issuer)
        return limit is not None and self._by_issuer[issuer] >= limit


class Purse:
    """What the CAs of the fleet limit, counted by the very books of the policy (`budget.books`).

    Args:
        known: the CA has issued for the names of all certificates before; else the first order of each is no renewal.
    """

    def __init__(self, fleet: Fleet, settings: PolicySettings, *, known: bool) -> None:
        settings = replace(settings, budgets=_reachable(fleet, settings, known=known))
        self._fleet = fleet
        self._books = Books((), fleet.start, settings)
        self._known = bytearray((b"\1" if known else b"\0") * len(fleet))
        self._budgets = [budget_of(name, settings) for name in fleet.issuers]
        self.limited = any(own.limits for own in self._budgets)
        self.why: dict[int, Limit] = {}
        """What held a certificate when it was asked for last."""

    def look(self, now: int) -> None:
        """A look begins."""
        if self._active:
            self._books.turn_to(self._moment(now))

    def held_until(self, issuer: int, one: int, now: int, *, urgent: bool, ends: int) -> int | None:
        """Until when a limit has no room for the order of a certificate; None where it has."""
        if not self._active:
            return None
        short = self._books.short(
            self._budgets[issuer],
            self._fleet.issuers[issuer],
            self._fleet.spec(one).names,
            renewal=bool(self._known[one]),
            emergency=urgent,
            ends=self._fleet.start + timedelta(seconds=ends),
        )
        if short is None:
            return None
        self.why[one] = OF_KIND[short.kind]
        return microseconds(short.at - self._fleet.start)

    def spend(self, issuer: int, one: int) -> None:
        """An order is placed."""
        if self.limited:
            self._books.spend(self._budgets[issuer], self._fleet.spec(one).names, renewal=bool(self._known[one]))

    def ended(self, issuer: int, one: int, now: int, refused: Refused | None) -> None:
        """How an order ended; in the ledger nothing else stands in its place."""
        if refused is None and not self._active:
            self._known[one] = 1
            return
        spec, at = self._fleet.spec(one), self._moment(now)
        if self.limited:
            self._books.take_back(self._budgets[issuer], spec.names, renewal=bool(self._known[one]))
        retry_at = None if refused is None or refused.retry_at is None else self._moment(refused.retry_at)
        order = Order(
            spec.name, spec.issuers[0], spec.digest, spec.names, at,
            result="issued" if refused is None else "failed",
            renewal=bool(self._known[one]), limited=bool(refused and refused.limit), retry_at=retry_at,
        )  # fmt: skip
        self._books.turn_to(at)
        self._books.read(order)
        if refused is None:
            self._known[one] = 1

    @property
    def _active(self) -> bool:
        return self.limited or self._books.shut

    def _moment(self, at: int) -> datetime:
        return self._fleet.start + timedelta(microseconds=at)


def _reachable(fleet: Fleet, settings: PolicySettings, *, known: bool) -> Mapping[str, IssuerBudget]:
    """The budgets without the limits that such a fleet can never reach, so that they need not be counted."""
    cycle = shortest_cycle(fleet)

    def needed(own: IssuerBudget) -> IssuerBudget:
        limits = own.limits
        exact = limits.exact_set
        if exact is not None and fleet.distinct and cycle > exact.per / exact.size:
            exact = None
        if known and limits.renewals_exempt:
            limits = replace(limits, orders=None, domain=None)
        return replace(own, limits=replace(limits, exact_set=exact))

    return {name: needed(budget_of(name, settings)) for name in fleet.issuers}


class Row:
    """Failures at one issuer without a success between them: the breaker of `breakers.issuer_breaker`.

    Attributes:
        open: whether the breaker is open.
        last: the newest failure.
        tried: certificates that failed since it opened or made it open, the longest ago first.
    """

    def __init__(self) -> None:
        self.open = False
        self.last = 0
        self.tried: dict[int, int] = {}

    def succeed(self) -> None:
        """A success ends the row and shuts the breaker."""
        self.open = False
        self.tried.clear()

    def fail(self, one: int, now: int) -> None:
        """A failure that is not about the certificate."""
        if not self.open:
            self.tried = {past: at for past, at in self.tried.items() if now - at <= _WITHIN}
        self.tried.pop(one, None)
        self.tried[one] = now
        self.last = now
        self.open = self.open or len(self.tried) >= CERTIFICATES_TO_OPEN
