"""Dates: the lead of a certificate, when it is due, its emergency line, and how dates are said to people. Pure.

All of it follows from the certificate's own fields and the settings, never from "issued at": the same on every replica
and after every restart. Moments that are compared with stored ones are whole seconds.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Literal

from rotator.core.budget.limits import IssuerBudget, last_two_labels
from rotator.core.model import CertificateSpec, Chain, Mode, Suggestion

SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)

LONGEST_LEAD = timedelta(days=30)
SHORT_LIVED = timedelta(days=10)
"""Below this a third of the lifetime is too little to notice a failure and mend it, so half of it is the lead."""

FIXED_NEEDS = timedelta(days=60)
LONGEST_OFFSET = timedelta(hours=12)
ORDERS_A_DAY = 3

DueRule = Literal["lifetime", "fixed"]


@dataclass(frozen=True, slots=True)
class PolicySettings:
    """What the operator may say about when things are done.

    Attributes:
        mode: the config's own mode; a spec carries the one that counts for it.
        check_every: the longest time between two looks.
        shortest_tick: the shortest; a lifetime under four of them cannot be kept alive.
        due_rule: `lifetime` (a third of it, 30 days at most), or `fixed` for the literal 30 days.
        at_once: rotations in flight at the same time.
        an_hour: orders an hour; None for the larger of 20 and twice what the fleet's lifetimes need.
        issuer_limits: orders an hour, by issuer.
        budgets: what the CA of an issuer limits, by issuer.
        registered_domain: the registered domain of a name, by which CAs count.
        first_look_acts: carry out what the very first look finds due, without waiting for the second.
    """

    mode: Mode
    check_every: timedelta
    shortest_tick: timedelta = timedelta(seconds=30)
    due_rule: DueRule = "lifetime"
    at_once: int = 4
    an_hour: int | None = None
    issuer_limits: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    budgets: Mapping[str, IssuerBudget] = field(default_factory=lambda: MappingProxyType({}))
    registered_domain: Callable[[str], str] = field(default=last_two_labels, repr=False, compare=False)
    first_look_acts: bool = False

    @property
    def shortest_lifetime(self) -> timedelta:
        """Four shortest ticks: one to see that it is due, one to renew it, and the same again for a failure."""
        return 4 * self.shortest_tick


# ---------------------------------------------------------------- lead


def lead(lifetime: timedelta, renew_before: timedelta | None = None, *, due_rule: DueRule = "lifetime") -> timedelta:
    """The time between due and the end of a certificate.

    A third of the lifetime and at most 30 days; half of it below ten days. What the operator asks for explicitly is
    honoured up to two thirds of the lifetime: more would renew a certificate again soon after it was issued.
    `fixed` is refused below lifetimes of 60 days, where the rule by lifetime applies all the same.
    """
    if lifetime <= timedelta(0):
        return timedelta(0)
    if renew_before is not None:
        return min(renew_before, lifetime * 2 / 3)
    if due_rule == "fixed" and lifetime >= FIXED_NEEDS:
        return LONGEST_LEAD
    return lifetime / 2 if lifetime < SHORT_LIVED else min(LONGEST_LEAD, lifetime / 3)


def lead_capped(lifetime: timedelta, renew_before: timedelta | None) -> bool:
    """Whether `renew_before` asks for more than two thirds of the lifetime; the plan says so."""
    return renew_before is not None and renew_before > lifetime * 2 / 3


def lead_of(chain: Chain, spec: CertificateSpec, settings: PolicySettings) -> timedelta:
    """The lead of one certificate."""
    return lead(chain.lifetime, spec.renew_before, due_rule=settings.due_rule)


def why_this_lead(chain: Chain, spec: CertificateSpec, settings: PolicySettings) -> str:
    """The second half of the plan's sentence: "because it lives 47 d"."""
    lives = f"it lives {span(chain.lifetime)}"
    if lead_capped(chain.lifetime, spec.renew_before):
        assert spec.renew_before is not None
        return f"because {lives} and renew_before ({span(spec.renew_before)}) is capped at two thirds of that"
    if spec.renew_before is not None:
        return f"because renew_before is {span(spec.renew_before)}"
    if settings.due_rule == "fixed" and chain.lifetime >= FIXED_NEEDS:
        return "because due_rule is fixed"
    if settings.due_rule == "fixed":
        return f"because {lives}, and due_rule fixed is refused below {span(FIXED_NEEDS)}"
    return f"because {lives}"


# ---------------------------------------------------------------- moments


def offset(name: str, lead: timedelta, settings: PolicySettings) -> timedelta:
    """How much earlier than its neighbours this certificate is due, so that those issued together spread out."""
    longest = min(LONGEST_OFFSET, settings.check_every, lead / 20)
    return longest * share(name)


def due_at(chain: Chain, spec: CertificateSpec, settings: PolicySettings) -> datetime:
    """When a certificate is due: its end, less the lead, less its own stable offset."""
    own = lead_of(chain, spec, settings)
    return _whole(chain.not_after - own - offset(spec.name, own, settings))


def emergency_at(chain: Chain, spec: CertificateSpec, settings: PolicySettings) -> datetime:
    """The emergency line: past it only what would do more harm than expiry still holds a renewal back.

    Far enough from the end for five looks, never more than a third of the lead before it.
    """
    room = max(chain.lifetime / 20, 5 * settings.check_every)
    return _whole(chain.not_after - min(lead_of(chain, spec, settings) / 3, room))


def suggested_at(suggestion: Suggestion, chain: Chain, spec: CertificateSpec, settings: PolicySettings) -> datetime:
    """The point in the issuer's window (RFC 9773, 4.2), the same at every look, never past the emergency line.

    RFC 9773 wants it random; it is drawn from the fingerprint, because a moment that is drawn anew at each look is
    skipped for ever. A window that ends before it begins is no answer (4.2): the due date stands.
    """
    if suggestion.end <= suggestion.start:
        return due_at(chain, spec, settings)
    point = suggestion.start + (suggestion.end - suggestion.start) * share(chain.fingerprint)
    return min(_whole(point), emergency_at(chain, spec, settings))


def renew_at(chain: Chain, spec: CertificateSpec, suggestion: Suggestion | None, settings: PolicySettings) -> datetime:
    """When a certificate is to be renewed if nothing else happens: as the issuer suggests, else when it is due."""
    if suggestion is None:
        return due_at(chain, spec, settings)
    return suggested_at(suggestion, chain, spec, settings)


# ---------------------------------------------------------------- spans


def second_look_after(lead: timedelta | None, settings: PolicySettings) -> timedelta:
    """How soon to look again at what one look alone does not prove, and after a first look."""
    soon = settings.check_every if lead is None else min(settings.check_every, lead / 20)
    return max(settings.shortest_tick, soon)


def gap(lifetime: timedelta | None, lead: timedelta) -> timedelta:
    """How long after an issuance there is no other; an hour where no lifetime is known."""
    return HOUR if lifetime is None else min(max(HOUR, lifetime / 6), lead / 4)


def orders_a_day(lifetime: timedelta | None, lead: timedelta) -> int:
    """At most so many orders in 24 hours: three, or three times what the lifetime needs."""
    if lifetime is None or lifetime <= lead:
        return ORDERS_A_DAY
    return max(ORDERS_A_DAY, math.ceil(3 * DAY / (lifetime - lead)))


def redeploy_gap(lead: timedelta) -> timedelta:
    """How long after a redeploy of a place there is no other."""
    return min(HOUR, lead / 8)


def share(text: str) -> float:
    """A number from 0 to 1 that depends on the text alone: the same on every replica and after every restart."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") / 2**64


def span(length: timedelta) -> str:
    """A length of time as people say it: "29 d", "5 h", "12 min", "40 s", rounded down."""
    seconds = int(abs(length).total_seconds())
    for unit, size, enough in (("d", 86400, 172800), ("h", 3600, 7200), ("min", 60, 120)):
        if seconds >= enough:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


def _whole(moment: datetime) -> datetime:
    return moment.replace(microsecond=0)
