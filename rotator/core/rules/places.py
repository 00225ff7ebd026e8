"""Rules about one place: what is there, what it serves, who writes it, and who takes it from there."""

from __future__ import annotations

from collections.abc import Iterator

from rotator.core.csr import is_address
from rotator.core.lead import lead, span
from rotator.core.model import Certificate, ProblemKind, Severity, Use
from rotator.core.rules.rule import PlaceFacts, Rule, Said
from rotator.core.trust import covers
from rotator.core.usages import ANY_USAGE, SERVER_AUTH

OLD_PROTOCOLS = {"SSLv2", "SSLv3", "TLSv1", "TLSv1.0", "TLSv1.1"}
_OTHERS_MAY_READ = 0o004
_SERVING = frozenset({"Ingress", "Gateway"})
"""Consumers that serve what they take, also where they name no host."""

UNREADABLE = Rule(
    "RT005", "unreadable", Severity.ERROR,
    "What is there is no certificate, or has a field that cannot be read.",
    "look at the place by hand; whatever reads it now will fail as rotator did",
    "RFC 7468; RFC 5280, 4.1",
)  # fmt: skip


def unreadable(facts: PlaceFacts) -> Iterator[Said]:
    problem = facts.observation.problem
    if problem is not None and problem.kind is ProblemKind.UNREADABLE:
        yield Said(Severity.ERROR, problem.message)
    for remark in facts.observation.remarks:
        yield Said(Severity.WARNING, remark)


KEY_MISMATCH = Rule(
    "RT003", "key-mismatch", Severity.CRITICAL,
    "The private key beside the certificate is not its own: a server that loads both fails at its next start.",
    "put the right key back, or have a new certificate issued: `rotator rotate NAME --force`",
    "RFC 8446, 4.4.3", cwe=295,
)  # fmt: skip


def key_mismatch(facts: PlaceFacts) -> Iterator[Said]:
    if facts.chain and facts.observation.key and facts.observation.key.matches is False:
        yield Said(Severity.CRITICAL, "the private key beside it belongs to another certificate")


KEY_READABLE = Rule(
    "RT026", "key-readable", Severity.ERROR,
    "Every user of the machine may read the private key, and so be the service.",
    "`chmod o-r` the file and its copies, and renew with a new key if others have had access",
    "CA/B Forum TLS Baseline Requirements, 9.6.3",
    notes="A key that is sealed with a password, or lies in a folder that is closed to others, is none of them.",
    cwe=732,
)  # fmt: skip


def key_readable(facts: PlaceFacts) -> Iterator[Said]:
    key = facts.observation.key
    if key and not key.sealed and key.mode is not None and key.mode & _OTHERS_MAY_READ:
        yield Said(Severity.ERROR, f"its private key may be read by all (mode {key.mode & 0o7777:04o})")


NAME_MISMATCH = Rule(
    "RT009", "name-mismatch", Severity.ERROR,
    "The certificate does not cover the name that clients ask for.",
    "have it issued for that name too, or serve the certificate that has it",
    "RFC 9525, 6.3",
    notes="The name is the one that was asked for (SNI), or a host of an Ingress or Gateway that takes the "
    "certificate. An endpoint that is given by address alone has no name to compare.", cwe=297,
)  # fmt: skip


def name_mismatch(facts: PlaceFacts) -> Iterator[Said]:
    chain, endpoint = facts.chain, facts.observation.endpoint
    hosts = chain.leaf.hosts if chain else ()
    if not hosts:
        return
    asked = (endpoint.server_name or endpoint.host) if endpoint else ""
    if asked and not is_address(asked) and not covers(hosts, asked):
        yield Said(Severity.ERROR, f"it does not cover {asked}; it is for {_some(hosts)}")
    for consumer in facts.observation.consumers:
        uncovered = [host for host in consumer.hosts if not covers(hosts, host)]
        if uncovered:
            takes = f"{consumer} serves {_some(uncovered)} with it, which it does not cover"
            yield Said(Severity.ERROR, takes, str(consumer))


NO_SERVER_AUTH = Rule(
    "RT020", "no-server-auth", Severity.ERROR,
    "The certificate may not be used by servers: its extended key usage leaves server authentication out.",
    "have it issued with server authentication (serverAuth)",
    "RFC 5280, 4.2.1.12",
    notes="Only where it is served, or where something takes it to serve.", cwe=295,
)  # fmt: skip


def no_server_auth(facts: PlaceFacts) -> Iterator[Said]:
    seen, chain = facts.observation, facts.chain
    serves = seen.endpoint is not None or any(c.hosts or c.kind in _SERVING for c in seen.consumers)
    usages = set(chain.leaf.extended_key_usages) if chain else set()
    if serves and usages and not usages & {SERVER_AUTH, ANY_USAGE}:
        yield Said(Severity.ERROR, "its extended key usage does not allow servers")


OLD_TLS = Rule(
    "RT028", "old-tls", Severity.WARNING,
    "The server speaks nothing newer than TLS 1.1, which clients have dropped.",
    "switch TLS 1.2 and 1.3 on",
    "RFC 8996", cwe=327,
)  # fmt: skip


def old_tls(facts: PlaceFacts) -> Iterator[Said]:
    handshake = facts.observation.handshake
    if handshake is not None and handshake.version in OLD_PROTOCOLS:
        yield Said(Severity.WARNING, f"it speaks {handshake.version} to a client that knows TLS 1.3")


UNMANAGED_DUE = Rule(
    "RT008", "due-not-managed", Severity.WARNING,
    "The certificate is due, and no rule of the config has rotator renew it.",
    "declare it, or adopt it by a rule; `rotator config check` shows what each rule matches",
    "docs/explanation/due.md", notes="Only with a config: without one rotator manages nothing.", cwe=298,
)  # fmt: skip


def unmanaged_due(facts: PlaceFacts) -> Iterator[Said]:
    chain, seen = facts.chain, facts.observation
    if not facts.plan or facts.decision or chain is None or seen.use is Use.TRUST or seen.owner or seen.ignored:
        return
    due = chain.not_after - lead(chain.lifetime)
    if due <= facts.now:
        yield Said(Severity.WARNING, f"it is due since {span(facts.now - due)}, and nobody renews it")


REFERENCE_MISSING = Rule(
    "RT031", "reference-missing", Severity.ERROR,
    "Something takes its certificate from a place that is not there.",
    "make it, or correct the reference",
    "Kubernetes: Ingress `tls.secretName`, Gateway `certificateRefs`, pod volumes",
)  # fmt: skip


def reference_missing(facts: PlaceFacts) -> Iterator[Said]:
    seen = facts.observation
    if seen.chain is None and seen.problem is None:
        for consumer in seen.consumers:
            yield Said(Severity.ERROR, f"{consumer} refers to it, and it is not there", str(consumer))


REFERENCE_FOREIGN = Rule(
    "RT032", "reference-foreign", Severity.ERROR,
    "Something refers to a certificate that it may not take, so it serves another one, or none.",
    "grant the reference (ReferenceGrant), or copy the certificate into its namespace by a controller that keeps it",
    "Gateway API: ReferenceGrant",
)  # fmt: skip


def reference_foreign(facts: PlaceFacts) -> Iterator[Said]:
    for consumer in facts.observation.consumers:
        if consumer.foreign:
            yield Said(Severity.ERROR, f"{consumer} may not take it: {consumer.foreign}", str(consumer))


CONSUMER_STUCK = Rule(
    "RT029", "consumer-stuck", Severity.WARNING,
    "Something that uses the certificate will not pick up a renewed one by itself.",
    "mount the whole Secret as a volume, or have it restarted: `restart: [Deployment/NAME]` at the target",
    "Kubernetes: Secrets, mounted Secrets are updated automatically (not with subPath, not in the environment)",
)  # fmt: skip


def consumer_stuck(facts: PlaceFacts) -> Iterator[Said]:
    for consumer in facts.observation.consumers:
        if consumer.stuck:
            yield Said(Severity.WARNING, f"{consumer}: {consumer.stuck}", str(consumer))


OWNED_TWICE = Rule(
    "RT030", "owned-twice", Severity.WARNING,
    "Two controllers write the same place, and undo each other's work.",
    "leave it to one of them",
    "Kubernetes: field management",
)  # fmt: skip


def owned_twice(facts: PlaceFacts) -> Iterator[Said]:
    owner = facts.observation.owner
    for rival in facts.observation.rivals:
        first = f"{owner.name} ({owner.kind})" if owner else "somebody"
        yield Said(Severity.WARNING, f"{first} and {rival.name} ({rival.kind}) both write it", rival.name)


EXPIRED_ANCHOR = Rule(
    "RT033", "expired-anchor", Severity.WARNING,
    "A CA certificate that something trusts has ended, or is about to: what it vouches for is refused from then on.",
    "distribute its successor before it ends, and take it out afterwards; a system's own store by its package",
    "RFC 5280, 6.1.1 (d)",
    cwe=298,
)  # fmt: skip


def expired_anchor(facts: PlaceFacts) -> Iterator[Said]:
    chain = facts.chain
    if chain is None or facts.observation.use is not Use.TRUST:
        return
    ended = [c for c in chain.certificates if c.not_after <= facts.now]
    ending = [c for c in chain.certificates if c not in ended and c.not_after - facts.now < lead(c.lifetime)]
    if ended:
        yield Said(Severity.WARNING, f"{_each(ended)} ended", "ended")
    if ending:
        soonest = min(ending, key=lambda certificate: certificate.not_after)
        left = span(soonest.not_after - facts.now)
        yield Said(Severity.WARNING, f"{_each(ending)} ends soon, the first in {left}", "ending")


def _each(certificates: list[Certificate]) -> str:
    return _some([f"{c.subject or 'a CA without a name'} ({c.not_after:%Y-%m-%d})" for c in certificates])


def _some(names: tuple[str, ...] | list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
