"""What of a fleet's past holds its next renewals back: orders of an hour and of a week, failures in a row. Pure.

The same rules as `guards` and `breakers`, which read them from the ledger at each look, but kept order by order.
Moments are microseconds from the start.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Mapping

from rotator.core.breakers import CERTIFICATES_TO_OPEN, WITHIN
from rotator.core.guards import WEEK
from rotator.core.lead import HOUR
from rotator.core.simulate.fleet import microseconds

_AN_HOUR = microseconds(HOUR)
_A_WEEK = microseconds(WEEK)
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


class Week:
    """Orders of the last week for exactly the same names that did not fail, where a CA limits them.

    Args:
        tokens: how often an issuer issues for the same names in a week.
        names: those of a certificate.
    """

    def __init__(self, tokens: Mapping[int, int], names: Callable[[int], frozenset[str]]) -> None:
        self._tokens = tokens
        self._names = names
        self._sets: dict[tuple[int, frozenset[str]], deque[int]] = {}

    @property
    def limited(self) -> bool:
        """Whether there is a limit that can be reached."""
        return bool(self._tokens)

    def held_until(self, issuer: int, one: int, now: int) -> int | None:
        """Until when the last token is kept for an emergency; None where there is another one."""
        tokens = self._tokens.get(issuer)
        if tokens is None:
            return None
        orders = self._orders(issuer, one)
        while orders and orders[0] <= now - _A_WEEK:
            orders.popleft()
        return (orders[0] if orders else now) + _A_WEEK if len(orders) >= tokens - 1 else None

    def add(self, issuer: int, one: int, now: int) -> None:
        """Count an order."""
        if issuer in self._tokens:
            self._orders(issuer, one).append(now)

    def take_back(self, issuer: int, one: int) -> None:
        """The order that was counted last failed, which does not count."""
        if issuer in self._tokens:
            self._orders(issuer, one).pop()

    def _orders(self, issuer: int, one: int) -> deque[int]:
        return self._sets.setdefault((issuer, self._names(one)), deque())


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
