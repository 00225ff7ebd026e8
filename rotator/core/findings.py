"""What an audit says of what was seen: a catalogue of rules with stable ids, each a small check. Pure.

A rule's id never changes its meaning; a rule that goes is not replaced by another of the same id. The list at the end
of this module is the catalogue, and the order in which findings of one place are shown.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import MappingProxyType

from rotator.core.lead import lead, span
from rotator.core.model import Chain, Endpoint, Finding, Location, Observation, ProblemKind, Severity
from rotator.core.pem import moment
from rotator.core.trust import WEAK_HASHES, plain_name, weak_key

SOON = timedelta(days=7)
"""Less than this left is an error; half the lead where a certificate lives so short that this is most of its life."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of the catalogue.

    Attributes:
        severity: the worst that it gives.
        cause: what it means, in a sentence.
        remedy: what to do about it, in a sentence.
    """

    id: str
    name: str
    severity: Severity
    cause: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Stored:
    """A certificate that is kept somewhere with its key, ready to be served."""

    location: Location
    chain: Chain


@dataclass(frozen=True, slots=True)
class AuditFacts:
    """All that a rule may look at.

    Attributes:
        expected: what an endpoint is known to belong to (by config, cluster or an earlier join).
        stored: what is kept with a key, by its set of names.
        copies: fingerprints of everything that is stored.
    """

    observation: Observation
    now: datetime
    expected: Mapping[Endpoint, Chain] = field(default_factory=lambda: MappingProxyType({}))
    stored: Mapping[frozenset[str], Sequence[Stored]] = field(default_factory=lambda: MappingProxyType({}))
    copies: frozenset[str] = frozenset()

    @property
    def chain(self) -> Chain | None:
        return self.observation.chain


Check = Callable[[AuditFacts], Iterator[tuple[Severity, str]]]
"""Yields severity and sentence for each thing that is wrong."""


def findings(
    observations: Iterable[Observation],
    now: datetime,
    *,
    expected: Mapping[Endpoint, Chain] = MappingProxyType({}),
) -> tuple[Finding, ...]:
    """Hold every observation against every rule, in the order of the observations.

    Args:
        expected: the current chain of the certificate that an endpoint belongs to, where that is known.
    """
    seen = tuple(observations)
    stored = _stored(seen)
    copies = frozenset(o.chain.fingerprint for o in seen if o.chain and o.endpoint is None)
    return tuple(
        Finding(rule.id, severity, observation.location, message, rule.remedy)
        for observation in seen
        for rule, check in CATALOGUE
        for severity, message in check(AuditFacts(observation, now, expected, stored, copies))
    )


def _stored(observations: Iterable[Observation]) -> Mapping[frozenset[str], Sequence[Stored]]:
    found: dict[frozenset[str], list[Stored]] = {}
    for o in observations:
        if o.chain and o.chain.names and o.endpoint is None and o.key is not None:
            found.setdefault(_name_set(o.chain), []).append(Stored(o.location, o.chain))
    return found


def _name_set(chain: Chain) -> frozenset[str]:
    return frozenset(plain_name(name) for name in chain.names)


def soon(lifetime: timedelta) -> timedelta:
    """How little left is an error: seven days, or half the lead where that is less."""
    return min(SOON, lead(lifetime) / 2)


# ---------------------------------------------------------------- checks


def _expired(facts: AuditFacts) -> Iterator[tuple[Severity, str]]:
    if facts.chain and facts.chain.not_after <= facts.now:
        ended = facts.chain.not_after
        yield Severity.CRITICAL, f"it ended {span(facts.now - ended)} ago, on {moment(ended)}"


def _expiring(facts: AuditFacts) -> Iterator[tuple[Severity, str]]:
    if facts.chain is None or facts.chain.not_after <= facts.now:
        return
    lifetime, left = facts.chain.lifetime, facts.chain.not_after - facts.now
    if left < soon(lifetime):
        yield Severity.ERROR, f"it ends in {span(left)}, on {moment(facts.chain.not_after)}"
    elif left < lead(lifetime):
        ends = moment(facts.chain.not_after)
        yield Severity.WARNING, f"it ends in {span(left)}, on {ends}; it lives {span(lifetime)}, so it is due"


def _key_mismatch(facts: AuditFacts) -> Iterator[tuple[Severity, str]]:
    if facts.chain and facts.observation.key and facts.observation.key.matches is False:
        yield Severity.CRITICAL, "the private key beside it belongs to another certificate"


def _weak_key(facts: AuditFacts) -> Iterator[tuple[Severity, str]]:
    if facts.chain is None:
        return
    if why := weak_key(facts.chain.leaf):
        yield Severity.ERROR, f"it has {why}"
    for certificate in facts.chain.certificates:
        # A root's own signature proves nothing to anybody: it is trusted for being in the store.
        if certificate.signature_hash in WEAK_HASHES and not certificate.self_signed:
            yield Severity.ERROR, f"{certificate.subject or 'it'} is signed with {certificate.signature_hash.upper()}"


def _unreadable(facts: AuditFacts) -> Iterator[tuple[Severity, str]]:
    problem = facts.observation.problem
    if problem is not None and problem.kind is ProblemKind.UNREADABLE:
        yield Severity.ERROR, problem.message
    for certificate in facts.chain.certificates if facts.chain else ():
        for line in certificate.problems:
            yield Severity.WARNING, f"a field cannot be read: {line}"


def _served_not_stored(facts: AuditFacts) -> Iterator[tuple[Severity, str]]:
    """Joined endpoints for certain; others by their names alone, which is a hint and says so."""
    endpoint, served = facts.observation.endpoint, facts.chain
    if endpoint is None or served is None:
        return
    current = facts.expected.get(endpoint)
    if current is not None:
        if current.fingerprint != served.fingerprint:
            yield (
                Severity.ERROR,
                f"it serves a certificate that ends {moment(served.not_after)}; the one stored for it ends "
                f"{moment(current.not_after)}",
            )
        return
    if served.fingerprint in facts.copies:
        return
    newer = [one for one in facts.stored.get(_name_set(served), ()) if one.chain.not_before > served.not_before]
    if newer:
        latest = max(newer, key=lambda one: one.chain.not_before)
        yield (
            Severity.WARNING,
            f"a newer certificate for the same names is stored at {latest.location} and not served here",
        )


# ---------------------------------------------------------------- the catalogue

CATALOGUE: tuple[tuple[Rule, Check], ...] = (
    (
        Rule(
            "RT001", "expired", Severity.CRITICAL,
            "The certificate has ended, so clients refuse the connection.",
            "renew it now: `rotator rotate NAME --force` where rotator manages it",
        ),
        _expired,
    ),
    (
        Rule(
            "RT002", "expiring", Severity.ERROR,
            "Less is left than the lead that its lifetime calls for; an error under seven days (or half the lead).",
            "renew it, or let rotator do so: declare it, or adopt it by a rule",
        ),
        _expiring,
    ),
    (
        Rule(
            "RT003", "key-mismatch", Severity.CRITICAL,
            "The private key beside the certificate is not its own: a server that loads both fails at its next start.",
            "put the right key back, or have a new certificate issued: `rotator rotate NAME --force`",
        ),
        _key_mismatch,
    ),
    (
        Rule(
            "RT004", "weak-key", Severity.ERROR,
            "The key (RSA under 2048 bits, EC under 256, DSA) or a signature (MD5, SHA-1) is one that clients refuse.",
            "have it issued again with an ecdsa-256 or rsa-2048 key",
        ),
        _weak_key,
    ),
    (
        Rule(
            "RT005", "unreadable", Severity.ERROR,
            "What is there is no certificate, or has a field that cannot be read.",
            "look at the place by hand; whatever reads it now will fail as rotator did",
        ),
        _unreadable,
    ),
    (
        Rule(
            "RT006", "served-not-stored", Severity.ERROR,
            "A server shows another certificate than the one stored for it: it has not loaded the renewed one.",
            "reload the server; where rotator manages the certificate it does so itself",
        ),
        _served_not_stored,
    ),
)  # fmt: skip

RULES: Mapping[str, Rule] = MappingProxyType({rule.id: rule for rule, _ in CATALOGUE})
