"""What CAs limit, as they publish it, and what of that is known of each configured issuer. Pure.

Only numbers that a CA has published, and that can be cited, are presets. For ZeroSSL, Google Trust Services, SSL.com
and Actalis there is none: nothing is counted there until the config says it; what they refuse is remembered all the
same.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from types import MappingProxyType

HOUR = timedelta(hours=1)
WEEK = timedelta(days=7)

REMEMBERED = 2 * WEEK
"""How far back the ledger is read: twice the longest time in which a bucket fills (see `tally`)."""


@dataclass(frozen=True, slots=True)
class Bucket:
    """So many at once; what is used comes back one by one, all of it within `per`."""

    size: int
    per: timedelta

    @property
    def reserve(self) -> int:
        """What of it is kept for emergencies: a tenth and at least one, but not the only one."""
        return 0 if self.size == 1 else max(1, self.size // 10)


@dataclass(frozen=True, slots=True)
class CaLimits:
    """What a CA publishes of its limits; None is no limit.

    Attributes:
        orders: new orders of one account.
        domain: certificates for one registered domain, of all accounts together.
        exact_set: certificates for exactly the same names, of all accounts together.
        failures: failed validations of one name by one account.
        in_a_row: failed validations of one name by one account without a success between them, after which the CA
            pauses the name for the account; one is forgiven each day.
        renewals_exempt: an order for names that it issued for before is counted for neither `orders` nor `domain`.
    """

    orders: Bucket | None = None
    domain: Bucket | None = None
    exact_set: Bucket | None = None
    failures: Bucket | None = None
    in_a_row: int | None = None
    renewals_exempt: bool = True

    def __bool__(self) -> bool:
        """Whether anything is limited."""
        return any((self.orders, self.domain, self.exact_set, self.failures))


NO_LIMITS = CaLimits()

LETS_ENCRYPT = CaLimits(
    orders=Bucket(300, 3 * HOUR),
    domain=Bucket(50, WEEK),
    exact_set=Bucket(5, WEEK),
    failures=Bucket(5, HOUR),
    in_a_row=1152,
)
"""https://letsencrypt.org/docs/rate-limits/ (2026-08-05): token buckets. An order whose `replaces` (RFC 9773, 5) it has
accepted is exempt from all of them; the ledger says which were.

The failures in a row hold no order back: backoff comes to one try a day, which the CA forgives as fast, so that only
many certificates with one name come that far (`failing`)."""

STAGING = CaLimits(orders=Bucket(1500, 3 * HOUR), domain=Bucket(30_000, WEEK))
"""https://letsencrypt.org/docs/staging-environment/; only what is stated there in numbers."""

PRESETS: Mapping[str, CaLimits] = MappingProxyType({"letsencrypt": LETS_ENCRYPT, "letsencrypt-staging": STAGING})


@dataclass(frozen=True, slots=True)
class IssuerBudget:
    """What is known of one configured issuer's budget.

    Attributes:
        limits: what its CA limits.
        ca: equal for issuers that ask the same CA: what it limits for all accounts together is shared by them.
        account: equal for issuers that ask as the same account.
        caa_domains: by which domains CAA records call the CA; empty where that is not known.
        unsaid: it is a public CA of whose limits nothing is known here, and the config says nothing.
    """

    limits: CaLimits = NO_LIMITS
    ca: str = ""
    account: str = ""
    caa_domains: frozenset[str] = frozenset()
    unsaid: bool = False


def last_two_labels(name: str) -> str:
    """The registered domain of a name where no list of public suffixes is at hand: right for most, not for `co.uk`."""
    return ".".join(name.removeprefix("*.").lower().split(".")[-2:])
