"""Rules about the chain: whether clients find a path to a root they trust, and whether it is sent as it should be."""

from __future__ import annotations

from collections.abc import Iterator

from rotator.core.caa_domains import ca_domains
from rotator.core.distrusted import distrusted as why_distrusted
from rotator.core.lead import span
from rotator.core.model import Certificate, Chain, Severity
from rotator.core.pem import moment
from rotator.core.rules.rule import ChainFacts, Rule, Said
from rotator.core.trust import mended, signed_by

UNTRUSTED = Rule(
    "RT010", "untrusted", Severity.WARNING,
    "No path leads from the certificate to a root that clients trust.",
    "have clients trust its root, or have it issued by a CA that they do; a private root is told the audit by `--ca`",
    "RFC 5280, 6.1",
    notes="Trusted is what the system's store has, what `--ca` or `ca` in the config adds, and the `ca.crt` beside a "
    "stored certificate. Paths through cross-signed certificates count. What has ended is judged by its last moment.",
    cwe=296,
)  # fmt: skip


def untrusted(facts: ChainFacts) -> Iterator[Said]:
    if not facts.trust or facts.path or facts.leaf.self_signed or _is_incomplete(facts):
        return
    if all(said.severity is not Severity.ERROR for said in expired_intermediate(facts)):
        yield Said(Severity.WARNING, facts.refusal)


SELF_SIGNED = Rule(
    "RT011", "self-signed", Severity.WARNING,
    "The certificate vouches for itself, so clients have to trust this very one, and again after each renewal.",
    "have it issued by a CA that its clients trust",
    "RFC 5280, 3.2", cwe=295,
)  # fmt: skip


def self_signed(facts: ChainFacts) -> Iterator[Said]:
    is_root = facts.leaf.is_ca and not facts.leaf.names
    if facts.leaf.self_signed and not facts.path and facts.trust and not is_root:
        yield Said(Severity.WARNING, "it signed itself, and is not trusted")


INCOMPLETE = Rule(
    "RT012", "incomplete-chain", Severity.ERROR,
    "An intermediate is not sent along. Browsers may have it or fetch it; other clients refuse the connection.",
    "serve the whole chain, as the CA delivers it (`fullchain.pem`)",
    "RFC 8446, 4.4.2; RFC 5280, 4.2.2.1",
    notes="Told from a private root, which need not be sent, by what public CAs alone issue: timestamps in the "
    "certificate, or an issuer that is known as one. A private intermediate that is missing is told as RT010.", cwe=296,
)  # fmt: skip


def incomplete(facts: ChainFacts) -> Iterator[Said]:
    if facts.trust and not facts.path and _is_incomplete(facts):
        yield Said(Severity.ERROR, f"{facts.leaf.issuer}, which signed it, is not sent along")


def _is_incomplete(facts: ChainFacts) -> bool:
    """Whether an intermediate is missing: a public CA never signs a server's certificate with its root.

    Of a chain that ends in an intermediate it cannot be told: its issuer may be a root that is not trusted here.
    """
    leaf = facts.leaf
    return _reached(facts) == [leaf] and not leaf.self_signed and bool(leaf.embedded_scts or ca_domains(leaf.issuer))


def _reached(facts: ChainFacts) -> list[Certificate]:
    """From the leaf upwards as far as what was sent, and lies beside it, leads."""
    reached = [facts.leaf]
    known = (*facts.chain.certificates, *facts.beside)
    while True:
        above = (c for c in known if c not in reached and signed_by(reached[-1], c))
        if (found := next(above, None)) is None:
            return reached
        reached.append(found)


MISORDERED = Rule(
    "RT013", "misordered-chain", Severity.WARNING,
    "The chain is not in order: each certificate should be followed by the one that signed it. Old clients refuse it.",
    "serve the leaf first, then each issuer in turn; rotator mends the order of what it deploys",
    "RFC 5246, 7.4.2; RFC 8446, 4.4.2",
    notes="Cross-signed twins and certificates that belong to no path are no matter of order.", cwe=296,
)  # fmt: skip


def misordered(facts: ChainFacts) -> Iterator[Said]:
    sent = list(dict.fromkeys(facts.chain.certificates))
    ordered = mended(facts.chain, ())
    needed = [certificate for certificate in sent if certificate in ordered.certificates]
    if ordered.leaf is not facts.leaf:
        yield Said(Severity.WARNING, f"{ordered.leaf.subject or 'the leaf'} should be first, and is not")
    elif any(not _follows(needed[:at], needed[at]) for at in range(1, len(needed))):
        yield Said(Severity.WARNING, "its certificates are not each followed by the one that signed it")


def _follows(before: list[Certificate], certificate: Certificate) -> bool:
    return any(signed_by(child, certificate) for child in before)


REDUNDANT = Rule(
    "RT014", "redundant-chain", Severity.INFO,
    "More is sent than clients need: a root, the same certificate twice, or one that signed nothing in the chain.",
    "leave it out; every handshake carries it",
    "RFC 8446, 4.4.2", cwe=0,
)  # fmt: skip


def redundant(facts: ChainFacts) -> Iterator[Said]:
    certificates = facts.chain.certificates
    needed = mended(facts.chain, ()).certificates
    for certificate in dict.fromkeys(certificates[1:]):
        name = certificate.subject or "a certificate without a name"
        if certificate.self_signed:
            yield Said(Severity.INFO, f"the root {name} is sent along; clients have it, or do not trust it", name)
        elif certificate not in needed:
            yield Said(Severity.INFO, f"{name} is sent along and signed nothing in the chain", name)
    if len(set(certificates)) < len(certificates):
        yield Said(Severity.INFO, "a certificate is in the chain more than once")
    if facts.left_out:
        total = len(certificates) + facts.left_out
        yield Said(
            Severity.INFO, f"it has {total} certificates; no more than the first {len(certificates)} were judged"
        )


EXPIRED_INTERMEDIATE = Rule(
    "RT015", "expired-intermediate", Severity.ERROR,
    "A certificate above the leaf has ended, or ends before the leaf does.",
    "serve the chain that the CA delivers today",
    "RFC 5280, 6.1.3",
    notes="Only a note where clients have a path without it, as with an old cross-signature that is still sent along.",
    cwe=298,
)  # fmt: skip


def expired_intermediate(facts: ChainFacts) -> Iterator[Said]:
    for certificate in facts.chain.certificates[1:]:
        name = certificate.subject or "a certificate without a name"
        if certificate.not_after <= facts.now:
            ended = f"{name} above it ended on {moment(certificate.not_after)}"
            if _is_needed(certificate, facts):
                yield Said(Severity.ERROR, ended, name)
            else:
                yield Said(Severity.INFO, f"{ended}; clients do not need it", name)
        elif certificate in facts.path and facts.now < certificate.not_after < facts.leaf.not_after:
            left = span(certificate.not_after - facts.now)
            yield Said(Severity.WARNING, f"{name} above it ends in {left}, before the certificate itself", name)


def _is_needed(certificate: Certificate, facts: ChainFacts) -> bool:
    """Whether clients need it for a path; where they have none at all, whether it is the only issuer of another."""
    if facts.path:
        return certificate in facts.path
    certificates = facts.chain.certificates
    children = [child for child in certificates if child is not certificate and signed_by(child, certificate)]
    return any(
        not any(other.not_after > facts.now and signed_by(child, other) for other in certificates if other is not child)
        for child in children
    )


DISTRUSTED = Rule(
    "RT016", "distrusted-ca", Severity.ERROR,
    "Browsers have withdrawn their trust from the CA, though this machine's store may still have it.",
    "have it issued by another CA",
    "the root programs of Chrome, Mozilla and Apple",
    notes="By the names of the chain's CAs and the day from which on each is distrusted.", cwe=295,
)  # fmt: skip


def distrusted(facts: ChainFacts) -> Iterator[Said]:
    if why := why_distrusted(Chain(facts.path) if facts.path else facts.chain):
        yield Said(Severity.ERROR, why)
