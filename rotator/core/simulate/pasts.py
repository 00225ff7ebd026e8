"""Certificates with a past that matters: what failed, what was ordered lately. Pure.

Most renewals go well, and nothing of their past holds the next one back. The others are decided by the policy itself
(`policy.decide`), on facts that are made from the little that is kept here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from rotator.core.lead import DAY, PolicySettings
from rotator.core.limits import ISSUED
from rotator.core.model import Action, Attempt, Decision, Facts, History, Order, Result, Stage
from rotator.core.policy import decide
from rotator.core.reasons import Reason
from rotator.core.simulate.fleet import Fleet, Life, chain_of, microseconds
from rotator.core.simulate.issuer import Refused


@dataclass(slots=True)
class Past:
    """What of a certificate's past may hold it back: failures since its last success, orders of the last day."""

    attempts: list[Attempt] = field(default_factory=list)
    orders: list[Order] = field(default_factory=list)


class Pasts:
    """The pasts that matter, by certificate."""

    def __init__(self, fleet: Fleet, settings: PolicySettings) -> None:
        self._fleet = fleet
        self._settings = settings
        self._pasts: dict[int, Past] = {}

    def moment(self, at: int) -> datetime:
        """A moment of the virtual clock as the policy knows it."""
        return self._fleet.start + timedelta(microseconds=at)

    def microseconds(self, moment: datetime) -> int:
        """The same the other way round."""
        return microseconds(moment - self._fleet.start)

    def any_of(self, due: Sequence[tuple[int, int]]) -> bool:
        """Whether one of those that are due has a past at all."""
        return bool(self._pasts) and any(one in self._pasts for _, one in due)

    def hold_back(self, one: int, now: int) -> bool:
        """Whether a past may hold a certificate back: it failed since its last success, or within a day."""
        past = self._pasts.get(one)
        if past is None:
            return False
        since = self.moment(now) - DAY
        past.orders = [order for order in past.orders if order.at > since]
        if past.attempts or any(order.result != ISSUED for order in past.orders):
            return True
        if not past.orders:
            del self._pasts[one]
        return False

    def decide(self, one: int, life: Life, begins: int, now: int) -> Decision:
        """What the policy says of it now.

        Args:
            begins: when the validity of its certificate began, in seconds.
        """
        spec = self._fleet.spec(one)
        chain = chain_of(self._fleet.start + timedelta(seconds=begins), life.lifetime, spec.names)
        past = self._pasts.get(one, Past())
        history = History(
            attempts=tuple(past.attempts),
            orders=tuple(past.orders),
            foreseen_at=self._fleet.start,
            accepted=chain,
            accepted_digest=spec.digest,
            key_kept=True,
        )
        return decide(Facts(spec=spec, now=self.moment(now), newest=chain, history=history), self._settings)

    def ordered(self, one: int, now: int, refused: Refused | None, *, remember: bool) -> None:
        """Remember how an order ended.

        Args:
            remember: also if nothing has failed: a certificate of a few hours has several orders a day.
        """
        if refused is None and not remember and one not in self._pasts:
            return
        spec, at = self._fleet.spec(one), self.moment(now)
        past = self._pasts.setdefault(one, Past())
        past.orders = [order for order in past.orders if order.at > at - DAY]
        result = ISSUED if refused is None else "failed"
        past.orders.append(Order(spec.name, spec.issuers[0], spec.digest, spec.names, at, result))
        if refused is None:
            past.attempts.clear()
            return
        past.attempts.append(
            Attempt(
                at=at,
                action=Action.RENEW,
                reason=Reason.DUE,
                digest=spec.digest,
                result=Result.FAILED,
                stage=Stage.ISSUE,
                issuer=spec.issuers[0],
                issued=True,
                retry_at=None if refused.retry_at is None else self.moment(refused.retry_at),
                error=refused.limit or "the issuer failed",
            )
        )
