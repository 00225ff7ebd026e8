"""The model of an issuer: it issues, but for a share of failures, for outages, and for what its limits refuse. Pure.

Failures are drawn from the seed alone, so that the same words give the same year.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from rotator.core.lead import share

_ENOUGH = 2**62


@dataclass(frozen=True, slots=True)
class Outage:
    """A time in which an issuer answers nobody; microseconds from the start, the end not included."""

    begins: int
    ends: int


@dataclass(frozen=True, slots=True)
class Refused:
    """An order that came to nothing.

    Attributes:
        limit: the limit of the CA that refused it; empty for a failure.
        retry_at: the moment that the CA names, in microseconds; None where it names none.
    """

    limit: str = ""
    retry_at: int | None = None


FAILED = Refused()


class Limits(Protocol):
    """What a CA refuses (`rotator.core.simulate.ca`)."""

    def refused(self, one: int, now: int) -> Refused | None:
        """Count an order; the refusal where a limit has no room for it, which counts as none."""
        ...

    def issued(self, one: int, now: int) -> None:
        """Count a certificate."""
        ...

    def failed(self, one: int, now: int) -> None:
        """Count an order that failed."""
        ...


class ModelIssuer:
    """Who answers orders, each a certificate or nothing.

    Args:
        failures: the share of orders that fail, from 0 to 1.
        seed: which of them.
        outages: when nobody is answered.
        limits: what the CA refuses; None for nothing.
    """

    def __init__(
        self,
        failures: float = 0.0,
        seed: int = 0,
        outages: Sequence[Outage] = (),
        limits: Limits | None = None,
    ) -> None:
        self._failures = failures
        self._seed = seed
        self._drawn = 0
        self._outages = tuple(outages)
        self._limits = limits
        self._good = self._until_next_failure()

    @property
    def may_fail(self) -> bool:
        """Whether an order can come to nothing at all."""
        return bool(self._failures or self._outages or self._limits)

    def sure(self, now: int) -> int:
        """How many orders from now on are certain to be answered with a certificate, at this moment."""
        if self._limits is not None or self._out(now):
            return 0
        return self._good

    def passed(self, orders: int) -> None:
        """So many orders were answered; no more than are sure."""
        if self._failures:
            self._good -= orders

    def answer(self, one: int, now: int) -> Refused | None:
        """Answer an order: None is a certificate."""
        refused = self._limits.refused(one, now) if self._limits else None
        if refused is not None:
            return refused
        if self._out(now):
            return self._fail(one, now)
        if self._good:
            self.passed(1)
            if self._limits:
                self._limits.issued(one, now)
            return None
        self._good = self._until_next_failure()
        return self._fail(one, now)

    def _fail(self, one: int, now: int) -> Refused:
        if self._limits:
            self._limits.failed(one, now)
        return FAILED

    def _out(self, now: int) -> bool:
        return any(outage.begins <= now < outage.ends for outage in self._outages)

    def _until_next_failure(self) -> int:
        """How many orders go well before the next one fails: a geometric distribution, drawn from the seed."""
        if not self._failures:
            return _ENOUGH
        if self._failures >= 1:
            return 0
        self._drawn += 1
        drawn = share(f"{self._seed}/{self._drawn}")
        return int(math.log1p(-drawn) / math.log1p(-self._failures))
