"""What holds a renewal back in a simulation: the policy's own limits by the words of people. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from rotator.core.reasons import Reason


class Limit(StrEnum):
    """A limit of rotator's own; each is one of the policy's reasons."""

    AN_HOUR = "orders an hour"
    ISSUER_HOUR = "orders an hour at the issuer"
    EXACT_SET = "certificates for the same names"
    DOMAIN = "certificates for a registered domain"
    ACCOUNT = "orders of an account"
    FAILED_NAME = "failed validations of a name"
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
    Limit.DOMAIN: Reason.BUDGET,
    Limit.ACCOUNT: Reason.BUDGET,
    Limit.FAILED_NAME: Reason.BUDGET,
    Limit.BREAKER: Reason.BREAKER,
    Limit.BACKOFF: Reason.BACKING_OFF,
    Limit.GAP: Reason.GAP,
    Limit.CAP: Reason.CAP,
    Limit.WINDOW: Reason.OUTSIDE_WINDOW,
}

OF_REASON: Mapping[Reason, Limit] = {reason: limit for limit, reason in _REASONS.items() if reason is not Reason.BUDGET}
"""The limit of each reason that `policy.decide` gives."""

OF_KIND: Mapping[str, Limit] = {
    "exact-set": Limit.EXACT_SET,
    "domain": Limit.DOMAIN,
    "orders": Limit.ACCOUNT,
    "failures": Limit.FAILED_NAME,
}
"""The limit of a CA by its kind in `budget.books`."""
