"""A CA that keeps to its limits (`rotator.core.budget.limits`), whatever rotator has counted. Pure."""

from __future__ import annotations

from collections.abc import Callable, Hashable

from rotator.core.budget.limits import WEEK, Bucket, CaLimits, last_two_labels
from rotator.core.simulate.fleet import Fleet, microseconds, shortest_cycle
from rotator.core.simulate.issuer import Refused


class LimitedCa:
    """A CA that refuses what is beyond its limits, and names the moment from which it is not.

    Args:
        moving: it has not issued for these names before; else every order is a renewal.
        registered_domain: by which it counts.
    """

    def __init__(
        self,
        limits: CaLimits,
        fleet: Fleet,
        *,
        moving: bool = False,
        registered_domain: Callable[[str], str] = last_two_labels,
    ) -> None:
        self._limits = limits
        self._registered_domain = registered_domain
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
        names = self._fleet.spec(one).names
        return [("domain", domain) for domain in dict.fromkeys(self._registered_domain(name) for name in names)]

    def _opens(self, bucket: Bucket | None, key: Hashable) -> int | None:
        """From when on there is a token; the moment at which all are back says how many are missing now."""
        if bucket is None:
            return None
        one_back = microseconds(bucket.per) // bucket.size
        return self._full.get(key, -(2**62)) - (bucket.size - 1) * one_back

    def _use(self, bucket: Bucket | None, key: Hashable, now: int) -> None:
        if bucket is not None:
            self._full[key] = max(self._full.get(key, now), now) + microseconds(bucket.per) // bucket.size


def limited(
    limits: CaLimits,
    fleet: Fleet,
    *,
    moving: bool,
    failures: float,
    registered_domain: Callable[[str], str] = last_two_labels,
) -> LimitedCa | None:
    """A CA with these limits; None where this fleet cannot reach any of them, so that nothing need be counted."""
    renewals_only = limits.renewals_exempt and not moving
    fits = limits.exact_set is None or (fleet.distinct and WEEK // shortest_cycle(fleet) + 1 < limits.exact_set.size)
    if renewals_only and fits and not failures:
        return None
    return LimitedCa(limits, fleet, moving=moving, registered_domain=registered_domain)
