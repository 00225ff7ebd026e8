"""What holds a renewal back in a simulation: the policy's own limits by the words of people. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from rotator.core.reasons import Reason


class Limit(StrEnum):
    """A limit of rotator's own; each is one of the policy's reasons."""

    AN_HOUR = "orders an hour"
    ISSUER_HOUR = "orders an hour at the issuer"
    EXACT_SET = "the same names in a week"
    BREAKER = "breaker of the issuer"
    BACKOFF = "backoff after a failure"
    GAP = "gap after an issuance"
    CAP = "orders a day for one certificate"
    WINDOW = "maintenance windows"

    @property
    def reason(self) -> Reason:
        return _REASONS[self]


_REASONS: Mapping[Limit, Reason] = {
    Limit.AN_HOUR: Reason.BUDGET,
    Limit.ISSUER_HOUR: Reason.BUDGET,
    Limit.EXACT_SET: Reason.BUDGET,
    Limit.BREAKER: Reason.BREAKER,
    Limit.BACKOFF: Reason.BACKING_OFF,
    Limit.GAP: Reason.GAP,
    Limit.CAP: Reason.CAP,
    Limit.WINDOW: Reason.OUTSIDE_WINDOW,
}

OF_REASON: Mapping[Reason, Limit] = {reason: limit for limit, reason in _REASONS.items() if reason is not Reason.BUDGET}
"""The limit of each reason that `policy.decide` gives."""
