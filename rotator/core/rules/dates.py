"""Rules about time: ended, ending, not begun, and longer than a CA may issue."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from rotator.core.lead import lead, span
from rotator.core.model import Severity
from rotator.core.pem import moment
from rotator.core.rules.rule import ChainFacts, Rule, Said

SOON = timedelta(days=7)
"""Less than this left is an error; half the lead where a certificate lives so short that this is most of its life."""

LONGEST_LIFETIMES = (
    (datetime(2029, 3, 15, tzinfo=UTC), 47),
    (datetime(2027, 3, 15, tzinfo=UTC), 100),
    (datetime(2026, 3, 15, tzinfo=UTC), 200),
    (datetime(2020, 9, 1, tzinfo=UTC), 398),
    (datetime(2018, 3, 1, tzinfo=UTC), 825),
)
"""Days that a publicly trusted certificate may live, by its first day (CA/B Forum TLS BR 6.3.2, ballot SC-081v3)."""


def soon(lifetime: timedelta) -> timedelta:
    """How little left is an error: seven days, or half the lead where that is less."""
    return min(SOON, lead(lifetime) / 2)


EXPIRED = Rule(
    "RT001", "expired", Severity.CRITICAL,
    "The certificate has ended, so clients refuse the connection.",
    "renew it now: `rotator rotate NAME --force` where rotator manages it",
    "RFC 5280, 4.1.2.5 and 6.1.3", cwe=298,
)  # fmt: skip


def expired(facts: ChainFacts) -> Iterator[Said]:
    ended = facts.leaf.not_after
    if ended <= facts.now:
        yield Said(Severity.CRITICAL, f"it ended {span(facts.now - ended)} ago, on {moment(ended)}")


EXPIRING = Rule(
    "RT002", "expiring", Severity.ERROR,
    "Less is left than the lead that its lifetime calls for; an error under seven days (or half the lead).",
    "renew it, or let rotator do so: declare it, or adopt it by a rule",
    "docs/explanation/due.md",
    notes="The lead is a third of the lifetime and at most 30 days, half of it below ten days. What ends within "
    "`expiring_within` is an error, too, whatever its lifetime.", cwe=298,
)  # fmt: skip


def expiring(facts: ChainFacts) -> Iterator[Said]:
    ends, lifetime = facts.leaf.not_after, facts.leaf.lifetime
    left = ends - facts.now
    if left <= timedelta(0):
        return
    when = f"it ends in {span(left)}, on {moment(ends)}"
    within = facts.thresholds.expiring_within
    if left < soon(lifetime):
        yield Said(Severity.ERROR, when)
    elif within is not None and left < within:
        yield Said(Severity.ERROR, f"{when}, within the {span(within)} asked for")
    elif left < lead(lifetime):
        yield Said(Severity.WARNING, f"{when}; it lives {span(lifetime)}, so it is due")


NOT_YET_VALID = Rule(
    "RT007", "not-yet-valid", Severity.ERROR,
    "The certificate begins in the future, so clients refuse it until then.",
    "serve the one before it until then, or put the clock right: the issuer's, the server's, or that of this machine",
    "RFC 5280, 4.1.2.5 and 6.1.3", cwe=298,
)  # fmt: skip


def not_yet_valid(facts: ChainFacts) -> Iterator[Said]:
    begins = facts.leaf.not_before
    if begins > facts.now:
        yield Said(Severity.ERROR, f"it begins in {span(begins - facts.now)}, on {moment(begins)}")


LIFETIME_TOO_LONG = Rule(
    "RT017", "lifetime-too-long", Severity.WARNING,
    "A publicly trusted certificate lives longer than CAs may issue for its first day; browsers refuse it.",
    "have it issued again; a CA that issued it has to revoke it",
    "CA/B Forum TLS Baseline Requirements, 6.3.2 (398 days from 2020-09-01, 200 from 2026-03-15, 100 from 2027-03-15, "
    "47 from 2029-03-15)",
    notes="Only below a root of the system's store: a private CA may issue for as long as it likes.", cwe=295,
)  # fmt: skip


def lifetime_too_long(facts: ChainFacts) -> Iterator[Said]:
    begins, lifetime = facts.leaf.not_before, facts.leaf.lifetime
    longest = next((days for since, days in LONGEST_LIFETIMES if begins >= since), None)
    if facts.public and longest is not None and lifetime > timedelta(days=longest):
        yield Said(Severity.WARNING, f"it lives {span(lifetime)}; what begins on {begins:%Y-%m-%d} may {longest} d")
