"""Rules about the leaf itself: its key, names and uses, and what its CA and its domain say of it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from rotator.core.caa_domains import allowed, ca_domains
from rotator.core.model import RevocationState, Severity
from rotator.core.pem import moment
from rotator.core.rules.rule import ChainFacts, Rule, Said
from rotator.core.trust import WEAK_HASHES, weak_key

LONG_LIVED = timedelta(days=180)
SCTS_SHORT, SCTS_LONG = 2, 3
"""How many SCTs browsers ask for up to and beyond 180 days (Chrome's and Apple's CT policies)."""

WEAK = Rule(
    "RT004", "weak-key", Severity.ERROR,
    "The key (RSA under 2048 bits, EC under 256, DSA) or a signature (MD5, SHA-1) is one that clients refuse.",
    "have it issued again with an ecdsa-256 or rsa-2048 key",
    "CA/B Forum TLS Baseline Requirements, 6.1.5 and 7.1.3.2",
    notes="The signature of a self-signed certificate proves nothing to anybody, so its hash does not matter; nor does "
    "what is sent along and is on no path that clients take.", cwe=326,
)  # fmt: skip


def weak(facts: ChainFacts) -> Iterator[Said]:
    for certificate in facts.counted:
        is_leaf = certificate is facts.leaf
        who = "it" if is_leaf else certificate.subject or "a certificate above it"
        about = "" if is_leaf else certificate.subject
        if why := weak_key(certificate):
            yield Said(Severity.ERROR, f"{who} has {why}", about)
        if certificate.signature_hash in WEAK_HASHES and not certificate.self_signed:
            signed = f"{certificate.subject or 'it'} is signed with {certificate.signature_hash.upper()}"
            yield Said(Severity.ERROR, signed, about)


NO_SAN = Rule(
    "RT018", "no-san", Severity.ERROR,
    "The certificate names no host in its subject alternative names; clients have not read the common name for years.",
    "have it issued again with every name as a subject alternative name",
    "RFC 9525, 6.3; CA/B Forum TLS Baseline Requirements, 7.1.4.3", cwe=297,
)  # fmt: skip


def no_san(facts: ChainFacts) -> Iterator[Said]:
    unread = any(line.startswith(("names:", "extensions:")) for line in facts.leaf.problems)
    if not facts.leaf.hosts and facts.is_for_servers and not facts.leaf.is_ca and not unread:
        yield Said(
            Severity.ERROR, f"it has no subject alternative name (its subject is {facts.leaf.subject or 'empty'})"
        )


WILDCARD = Rule(
    "RT019", "wildcard", Severity.INFO,
    "One certificate covers every name below a domain: whoever gets its key can be any of them.",
    "one certificate for each service; that costs nothing where a machine renews them",
    "RFC 9525, 7.1", cwe=0,
)  # fmt: skip


def wildcard(facts: ChainFacts) -> Iterator[Said]:
    names = [name for name in facts.leaf.names if name.startswith("*.")]
    if names:
        yield Said(Severity.INFO, f"it covers {', '.join(names[:3])}{' …' if len(names) > 3 else ''}")


REVOKED = Rule(
    "RT021", "revoked", Severity.CRITICAL,
    "Its CA has revoked the certificate; clients that look it up refuse it.",
    "replace it now, with a new key if the old one may be known: `rotator rotate NAME --force`",
    "RFC 5280, 6.3; RFC 6960",
    notes="Asked only with `--revocation`: the CRL first, then OCSP. An answer that cannot be had is RT034.", cwe=299,
)  # fmt: skip


def revoked(facts: ChainFacts) -> Iterator[Said]:
    told = facts.revocation
    if told is not None and told.state is RevocationState.REVOKED:
        since = f" on {moment(told.at)}" if told.at else ""
        why = f", {told.reason}" if told.reason else ""
        yield Said(Severity.CRITICAL, f"it was revoked{since}{why} ({told.by})")


REVOCATION_UNKNOWN = Rule(
    "RT034", "revocation-unknown", Severity.INFO,
    "Whether the certificate is revoked could not be told.",
    "look at the CA's CRL by hand; allow an internal address by `revocation.allow_internal`",
    "RFC 5280, 6.3", notes="A certificate that names neither CRL nor OCSP responder cannot be revoked: no finding.",
    cwe=299,
)  # fmt: skip


def revocation_unknown(facts: ChainFacts) -> Iterator[Said]:
    told = facts.revocation
    if told is not None and told.state is RevocationState.UNKNOWN and told.by:
        yield Said(Severity.INFO, f"{told.by}: {told.detail}")


TOO_FEW_SCTS = Rule(
    "RT022", "too-few-scts", Severity.WARNING,
    "A publicly trusted certificate has fewer signed certificate timestamps in it than browsers ask for.",
    "have it issued again; unless the server sends them beside it (TLS extension or stapled OCSP)",
    "RFC 6962, 3.3; Chrome's and Apple's certificate transparency policies: 2 up to 180 days, 3 beyond",
    notes="Only below a root of the system's store.", cwe=295,
)  # fmt: skip


def too_few_scts(facts: ChainFacts) -> Iterator[Said]:
    if not facts.public or any(line.startswith("SCTs:") for line in facts.leaf.problems):
        return
    wanted = facts.thresholds.scts
    if wanted is None:
        wanted = SCTS_LONG if facts.leaf.lifetime > LONG_LIVED else SCTS_SHORT
    if facts.leaf.embedded_scts < wanted:
        yield Said(Severity.WARNING, f"it has {facts.leaf.embedded_scts} of {wanted} timestamps")


CAA_FORBIDS = Rule(
    "RT023", "caa-forbids-issuer", Severity.WARNING,
    "The CAA records of a name do not allow the CA that issued the certificate, so it will not renew it.",
    "add the CA to the CAA records, or move to one that they allow",
    "RFC 8659, 4",
    notes="Asked only with `--caa`; keeps quiet for CAs whose CAA domains are not known. What was allowed at the time "
    "of issue cannot be told.", cwe=295,
)  # fmt: skip


def caa_forbids(facts: ChainFacts) -> Iterator[Said]:
    ours = ca_domains(facts.leaf.issuer) if facts.caa else frozenset()
    if not ours:
        return
    for name, caa in facts.caa.items():
        others = None if caa.detail else allowed(caa, name)
        if others is not None and not ours & set(others):
            who = ", ".join(filter(None, others)) or "nobody"
            yield Said(Severity.WARNING, f"CAA at {caa.domain} allows {who} to issue for {name}", name)


CAA_UNKNOWN = Rule(
    "RT035", "caa-unknown", Severity.INFO,
    "Whether the CAA records of a name allow the CA could not be told.",
    "look at the records by hand: `dig CAA NAME`; mend the name server where it does not answer, for CAs ask it, too",
    "RFC 8659, 3 and 4.1",
    notes="Asked only with `--caa`. A CA that gets no answer must not issue; nor may one that does not know a critical "
    "property.",
)  # fmt: skip


def caa_unknown(facts: ChainFacts) -> Iterator[Said]:
    for name, caa in facts.caa.items():
        if caa.detail:
            yield Said(Severity.INFO, f"{name}: {caa.detail}", name)


def field_unreadable(facts: ChainFacts) -> Iterator[Said]:
    for certificate in facts.chain.certificates:
        about = "" if certificate is facts.leaf else certificate.subject
        of = f" of {certificate.subject}" if about else ""
        for line in certificate.problems:
            yield Said(Severity.WARNING, f"a field{of} cannot be read: {line}", about or line.partition(":")[0])
