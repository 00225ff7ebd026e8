"""Is a new chain good enough to be put in place? Pure: every check looks at the facts alone, and all of them are run.

Two grades. A *block* says that deploying would harm or do no good. A *hold* says that a person should look first: an
approval, or the spec's `allow`, lifts it. The lists at the end of this module are the specification.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from rotator.core.lead import lead
from rotator.core.model import Certificate, CertificateSpec, Chain, Violation
from rotator.core.pem import moment
from rotator.core.reasons import Reason
from rotator.core.trust import (
    WEAK_HASHES,
    covers,
    mended,
    path_root,
    plain_name,
    verify_path,
    weak_key,
)
from rotator.core.usages import ANY_USAGE, CLIENT_AUTH, SERVER_AUTH

__all__ = ["ValidationFacts", "Verdict", "mended", "path_root", "validate", "verify_path"]

SECOND = timedelta(seconds=1)
CT_SHORT = timedelta(days=180)
"""Up to here two SCTs are enough for browsers, three beyond (Chrome's, Apple's and Mozilla's CT policies)."""

_MOST_NAMED = 5
_PASSING = frozenset({Reason.NOT_YET_VALID, Reason.QUARANTINED})


@dataclass(frozen=True, slots=True)
class ValidationFacts:
    """All that the judgement of a new chain may look at.

    Attributes:
        names: what was asked for.
        csr_spki: SHA-256 of the public key that the request was made with.
        current: the chain it succeeds, None at a first issuance.
        roots: what the clients trust.
        skew: how old a chain must be before it is deployed, for clients whose clocks run late. None by default:
            CAs backdate for this themselves, and what comes from one that does not would never pass at once.
        reason: why it was renewed.
        lead: the lead of `current`; zero where there is none.
        approvals: holds that a person approved.
        pinned_root: fingerprint of the root pinned at first use; empty when none is.
        quarantined: this bundle did harm at one of the targets.
        revoked: None when it could not be told.
        public: the trust is the system store, so the rules of the public web apply.
        issuer: the configured issuer that signed it; empty when unknown.
    """

    spec: CertificateSpec
    names: tuple[str, ...]
    csr_spki: str
    new: Chain
    current: Chain | None
    roots: tuple[Certificate, ...] = field(repr=False)
    now: datetime
    reason: Reason
    skew: timedelta = timedelta(0)
    lead: timedelta = timedelta(0)
    approvals: frozenset[Reason] = frozenset()
    pinned_root: str = ""
    quarantined: bool = False
    revoked: bool | None = None
    public: bool = False
    issuer: str = ""

    @property
    def leaf(self) -> Certificate:
        return self.new.leaf


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was found, all at once.

    Attributes:
        chain: the new chain, mended: this is what to deploy.
        passes_by_time: it is blocked, and every block ends by itself (or by an approval).
        passes_at: when the last block that has a known end does.
    """

    chain: Chain
    blocks: tuple[Violation, ...] = ()
    holds: tuple[Violation, ...] = ()
    passes_by_time: bool = False
    passes_at: datetime | None = None

    @property
    def accepted(self) -> bool:
        return not self.blocks and not self.holds


Check = Callable[[ValidationFacts], Iterator[str]]
"""Yields a sentence for each thing that is wrong."""


def validate(received: ValidationFacts) -> Verdict:
    """Judge a new chain by every check."""
    facts = replace(received, new=mended(received.new, received.roots))
    blocks = tuple(_found(BLOCKS, facts))
    lifted = facts.approvals | facts.spec.allow
    holds = tuple(violation for violation in _found(HOLDS, facts) if violation.reason not in lifted)
    early = any(violation.reason is Reason.NOT_YET_VALID for violation in blocks)
    return Verdict(
        chain=facts.new,
        blocks=blocks,
        holds=holds,
        passes_by_time=bool(blocks) and all(violation.reason in _PASSING for violation in blocks),
        passes_at=facts.leaf.not_before + facts.skew if early else None,
    )


def _found(checks: tuple[tuple[Reason, Check], ...], facts: ValidationFacts) -> Iterator[Violation]:
    for reason, check in checks:
        for message in check(facts):
            yield Violation(reason, message)


# ---------------------------------------------------------------- block


def _key_mismatch(facts: ValidationFacts) -> Iterator[str]:
    if not facts.leaf.spki or facts.leaf.spki != facts.csr_spki:
        yield "the issuer signed another key than the one it was asked to sign"


def _names_missing(facts: ValidationFacts) -> Iterator[str]:
    # A wildcard that would cover a name is not that name: what was asked for must be there literally.
    have = {plain_name(name) for name in facts.leaf.names}
    missing = [name for name in facts.names if plain_name(name) not in have]
    if missing:
        yield f"it does not name {', '.join(missing)}"


def _is_ca(facts: ValidationFacts) -> Iterator[str]:
    if facts.leaf.is_ca:
        yield "it is a CA certificate, which no server should hold"


def _weak(facts: ValidationFacts) -> Iterator[str]:
    if why := weak_key(facts.leaf):
        yield f"it has {why}"
    if any(problem.startswith("signature hash:") for problem in facts.leaf.problems):
        yield "it is signed in a way that is not known"
    for certificate in facts.new.certificates:
        if certificate.signature_hash in WEAK_HASHES and not certificate.self_signed:
            yield f"{certificate.subject} is signed with {certificate.signature_hash.upper()}"


def _server_auth(facts: ValidationFacts) -> Iterator[str]:
    # Without the extension a certificate may serve anything (RFC 5280, 4.2.1.12); public ones must have it
    # (Baseline Requirements, 7.1.2.7.10, which also rule out anyExtendedKeyUsage).
    usages = set(facts.leaf.extended_key_usages)
    enough = {SERVER_AUTH} if facts.public else {SERVER_AUTH, ANY_USAGE}
    if not usages & enough and (usages or facts.public):
        yield "it may not be used for servers (extended key usage serverAuth is missing)"


def _expired(facts: ValidationFacts) -> Iterator[str]:
    if facts.leaf.not_after <= facts.now:
        yield f"it ended {moment(facts.leaf.not_after)}"


def _not_yet_valid(facts: ValidationFacts) -> Iterator[str]:
    start = facts.leaf.not_before
    if start > facts.now:
        yield f"it is not valid before {moment(start)}; the issuer's clock, or this one, is wrong"
    elif start + facts.skew > facts.now:
        yield f"it is valid since {moment(start)} only; clients whose clocks run late would refuse it"


def _untrusted(facts: ValidationFacts) -> Iterator[str]:
    """Now and just before its end, so that an intermediate that ends earlier is found out today."""
    last = max(facts.leaf.not_after - SECOND, facts.leaf.not_before)
    first = min(max(facts.now, facts.leaf.not_before), last)  # dates are other checks' matter
    covered = [name for name in facts.names if covers(facts.leaf.names, name)]
    why = verify_path(facts.new, facts.roots, first, covered)
    if why:
        yield f"clients would not trust it: {why}"
        return
    why = verify_path(facts.new, facts.roots, last, covered)
    if why:
        yield f"clients will not trust it until its end: {why}"


def _revoked(facts: ValidationFacts) -> Iterator[str]:
    if facts.revoked:
        yield "its issuer has revoked it"


def _no_progress(facts: ValidationFacts) -> Iterator[str]:
    """A renewal that gains nothing would be repeated for ever."""
    old, new = facts.current, facts.new
    if old is not None and new.lifetime < facts.lead:
        return  # so short-lived by policy that it cannot outlive the old one
    if facts.reason is Reason.DUE and old is not None:
        if new.not_after <= old.not_after:
            yield f"it ends {moment(new.not_after)}, no later than the one it replaces ({moment(old.not_after)})"
        return
    own = lead(new.lifetime, facts.spec.renew_before)
    if new.not_after - facts.now < own:
        yield f"it ends {moment(new.not_after)} and would be due for renewal at once"


def _quarantined(facts: ValidationFacts) -> Iterator[str]:
    if facts.quarantined:
        yield "this very certificate did harm here before and was rolled back"


# ---------------------------------------------------------------- hold


def _client_auth_lost(facts: ValidationFacts) -> Iterator[str]:
    old, new = facts.current, set(facts.leaf.extended_key_usages)
    if old and CLIENT_AUTH in old.leaf.extended_key_usages and new and not new & {CLIENT_AUTH, ANY_USAGE}:
        yield "the old one could also be used as a client certificate (mTLS), the new one cannot"


def _root_changed(facts: ValidationFacts) -> Iterator[str]:
    """Clients of a private PKI know its root and no other; those of the web know every root of the system store."""
    reference = _reference_root(facts)
    root = path_root(facts.new, facts.roots, _inside(facts.new, facts.now))
    if facts.public or not reference or root is None or root.fingerprint == reference:
        return
    known = [candidate for candidate in facts.roots if candidate.fingerprint == reference]
    # Cross-signed chains lead to several roots; one of them being the known one is enough.
    if path_root(facts.new, known, _inside(facts.new, facts.now)) is None:
        before = known[0].subject if known else f"the root {reference[:16]}…"
        yield f"it leads to {root.subject}; clients were seen to trust {before}"


def _reference_root(facts: ValidationFacts) -> str:
    if facts.pinned_root or facts.current is None:
        return facts.pinned_root
    before = path_root(facts.current, facts.roots, _inside(facts.current, facts.now))
    return before.fingerprint if before else ""


def _inside(chain: Chain, now: datetime) -> datetime:
    return max(chain.not_before, min(now, chain.not_after - SECOND))


def _issuer_changed(facts: ValidationFacts) -> Iterator[str]:
    if facts.issuer and facts.issuer not in facts.spec.issuers:
        yield f"it was signed by {facts.issuer}, which is not among {', '.join(facts.spec.issuers)}"


def _key_type_changed(facts: ValidationFacts) -> Iterator[str]:
    if facts.spec.csr:
        return  # whatever kind its holder asks for, it is meant
    new, asked = _key_kind(facts.leaf), (facts.spec.key.algorithm, facts.spec.key.size)
    old = _key_kind(facts.current.leaf) if facts.current else None
    if new not in {asked, old}:
        yield f"its key is {new[0]} {new[1]}; asked for was {asked[0]} {asked[1]}"


def _key_kind(certificate: Certificate) -> tuple[str, int]:
    return certificate.key_algorithm, certificate.key_size


def _names_added(facts: ValidationFacts) -> Iterator[str]:
    """A name that nobody asked for is the CA's mistake, or somebody else's; one that the old one has is known."""
    old = facts.current.names if facts.current else ()
    known = {plain_name(name) for name in (*facts.names, *old)}
    added = [name for name in facts.leaf.names if plain_name(name) not in known]
    if added:
        yield f"it also names {', '.join(added[:_MOST_NAMED])}, which nobody asked for"


def _too_few_scts(facts: ValidationFacts) -> Iterator[str]:
    wanted = 2 if facts.new.lifetime <= CT_SHORT else 3
    if facts.public and facts.leaf.embedded_scts < wanted and not _never_had_scts(facts):
        yield (
            f"it has {facts.leaf.embedded_scts} signed certificate timestamps; browsers want {wanted} from a public "
            "CA (allow too-few-scts for a company's own root in the system store)"
        )


def _never_had_scts(facts: ValidationFacts) -> bool:
    """A company's own root in the system store logs nothing, and browsers ask it for nothing."""
    old = facts.current
    if old is None or old.leaf.embedded_scts:
        return False
    before = path_root(old, facts.roots, _inside(old, facts.now))
    return before is not None and before == path_root(facts.new, facts.roots, _inside(facts.new, facts.now))


BLOCKS: tuple[tuple[Reason, Check], ...] = (
    (Reason.KEY_MISMATCH, _key_mismatch),
    (Reason.NAMES_MISSING, _names_missing),
    (Reason.IS_CA, _is_ca),
    (Reason.WEAK, _weak),
    (Reason.SERVER_AUTH_MISSING, _server_auth),
    (Reason.EXPIRED, _expired),
    (Reason.NOT_YET_VALID, _not_yet_valid),
    (Reason.UNTRUSTED, _untrusted),
    (Reason.REVOKED, _revoked),
    (Reason.NO_PROGRESS, _no_progress),
    (Reason.QUARANTINED, _quarantined),
)

HOLDS: tuple[tuple[Reason, Check], ...] = (
    (Reason.CLIENT_AUTH_LOST, _client_auth_lost),
    (Reason.ROOT_CHANGED, _root_changed),
    (Reason.ISSUER_CHANGED, _issuer_changed),
    (Reason.KEY_TYPE_CHANGED, _key_type_changed),
    (Reason.NAMES_ADDED, _names_added),
    (Reason.TOO_FEW_SCTS, _too_few_scts),
)
