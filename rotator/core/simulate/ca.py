"""What CAs limit, as they publish it, and a CA that keeps to it. Pure."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from types import MappingProxyType

from rotator.core.guards import WEEK
from rotator.core.lead import HOUR
from rotator.core.simulate.fleet import Fleet, microseconds, shortest_cycle
from rotator.core.simulate.issuer import Refused


@dataclass(frozen=True, slots=True)
class Bucket:
    """So many at once; what is used comes back one by one, all of it within `per`."""

    size: int
    per: timedelta


@dataclass(frozen=True, slots=True)
class CaLimits:
    """What a CA publishes of its limits; None is no limit.

    Attributes:
        orders: new orders of one account.
        domain: certificates for one registered domain.
        exact_set: certificates for exactly the same names.
        failures: failed validations of one name.
        renewals_exempt: an order for names that it issued for before is counted for neither `orders` nor `domain`.
    """

    orders: Bucket | None = None
    domain: Bucket | None = None
    exact_set: Bucket | None = None
    failures: Bucket | None = None
    renewals_exempt: bool = True


LETS_ENCRYPT = CaLimits(
    orders=Bucket(300, 3 * HOUR),
    domain=Bucket(50, WEEK),
    exact_set=Bucket(5, WEEK),
    failures=Bucket(5, HOUR),
)
"""https://letsencrypt.org/docs/rate-limits/ (2026-08-05). Renewals with ARI's `replaces` are exempt from all of them;
these are counted as without."""

STAGING = CaLimits(orders=Bucket(1500, 3 * HOUR), domain=Bucket(30_000, WEEK))
"""https://letsencrypt.org/docs/staging-environment/; only what is stated there in numbers."""

PRESETS: Mapping[str, CaLimits] = MappingProxyType({"letsencrypt": LETS_ENCRYPT, "letsencrypt-staging": STAGING})


class LimitedCa:
    """A CA that refuses what is beyond its limits, and names the moment from which it is not.

    Args:
        moving: it has not issued for these names before; else every order is a renewal.
    """

    def __init__(self, limits: CaLimits, fleet: Fleet, *, moving: bool = False) -> None:
        self._limits = limits
        self._fleet = fleet
        self._known = bytearray(len(fleet)) if moving else bytearray(b"\1" * len(fleet))
        self._full: dict[Hashable, int] = {}

    def refused(self, one: int, now: int) -> Refused | None:
        """Count an order; the refusal where a limit has no room for it, which counts as none."""
        limits, issuer = self._limits, self._fleet.issuer[one]
        wanted: list[tuple[str, Bucket | None, Hashable]] = [
            ("failed validations of one name", limits.failures, ("failures", issuer, one)),
            ("certificates for the same names", limits.exact_set, self._exact_set(one)),
        ]
        if self._counted(one):
            wanted += [("certificates for a registered domain", limits.domain, key) for key in self._domains(one)]
            wanted.append(("new orders of an account", limits.orders, ("orders", issuer)))
        for name, bucket, key in wanted:
            opens = self._opens(bucket, key)
            if opens is not None and opens > now:
                return Refused(name, opens)
        if self._counted(one):
            self._use(limits.orders, ("orders", issuer), now)
        return None

    def issued(self, one: int, now: int) -> None:
        """Count a certificate."""
        self._use(self._limits.exact_set, self._exact_set(one), now)
        if self._counted(one):
            for domain in self._domains(one):
                self._use(self._limits.domain, domain, now)
        self._known[one] = 1

    def failed(self, one: int, now: int) -> None:
        """Count an order that failed."""
        self._use(self._limits.failures, ("failures", self._fleet.issuer[one], one), now)

    def _counted(self, one: int) -> bool:
        return not (self._limits.renewals_exempt and self._known[one])

    def _exact_set(self, one: int) -> Hashable:
        return "set", one if self._fleet.distinct else frozenset(self._fleet.spec(one).names)

    def _domains(self, one: int) -> list[Hashable]:
        """The registered domains, taken to be the last two labels of each name."""
        names = self._fleet.spec(one).names
        return [("domain", domain) for domain in dict.fromkeys(".".join(name.split(".")[-2:]) for name in names)]

    def _opens(self, bucket: Bucket | None, key: Hashable) -> int | None:
        """From when on there is a token; the moment at which all are back says how many are missing now."""
        if bucket is None:
            return None
        one_back = microseconds(bucket.per) // bucket.size
        return self._full.get(key, -(2**62)) - (bucket.size - 1) * one_back

    def _use(self, bucket: Bucket | None, key: Hashable, now: int) -> None:
        if bucket is not None:
            self._full[key] = max(self._full.get(key, now), now) + microseconds(bucket.per) // bucket.size


def limited(limits: CaLimits, fleet: Fleet, *, moving: bool, failures: float) -> LimitedCa | None:
    """A CA with these limits; None where this fleet cannot reach any of them, so that nothing need be counted."""
    renewals_only = limits.renewals_exempt and not moving
    fits = limits.exact_set is None or (fleet.distinct and WEEK // shortest_cycle(fleet) + 1 < limits.exact_set.size)
    if renewals_only and fits and not failures:
        return None
    return LimitedCa(limits, fleet, moving=moving)
