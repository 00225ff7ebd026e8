"""What rotator itself can tell of the next renewal, without asking the issuer. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta

from rotator.core.caa_domains import allowed, are_of_public_ca
from rotator.core.csr import is_address
from rotator.core.lead import span
from rotator.core.model import Caa, Certificate, CertificateSpec, Chain
from rotator.core.pem import moment
from rotator.core.readiness import Line, Verdict
from rotator.core.trust import path_root

CAA, OUTLIVES, KEY, STATE, TRUST = "caa", "outlives", "key", "state", "trust"

_NEW_CA = (
    "put a CA there that lives longer, and have its root trusted before it signs; where that is done already, renew "
    "once by hand, so that rotator sees it"
)


def caa(issuer: str, domains: Sequence[str], sets: Mapping[str, Caa]) -> Line:
    """Whether the CAA records of every name let the issuer's CA issue (RFC 8659).

    Args:
        domains: what CAA records call it.
        sets: the set that counts for each name.
    """
    forbidden = {
        name: (found.domain, others)
        for name, found in sets.items()
        if not found.detail and (others := allowed(found, name)) is not None and not set(domains) & set(others)
    }
    if forbidden:
        name, (domain, others) = next(iter(forbidden.items()))
        more = f" and {len(forbidden) - 1} more" if len(forbidden) > 1 else ""
        who = ", ".join(filter(None, others)) or "nobody"
        kind = "issuewild" if name.startswith("*.") else "issue"
        text = f"the CAA records of {domain} allow {who} to issue, not {issuer}, for {name}{more}"
        return Line(CAA, Verdict.FAILS, text, f'add the record `{domain}. CAA 0 {kind} "{domains[0]}"`')
    unclear = {name: found.detail for name, found in sets.items() if found.detail}
    if unclear:
        name, why = next(iter(unclear.items()))
        text = f"the CAA records of {name} could not be looked up: {why}"
        return Line(CAA, Verdict.UNKNOWN, text, f"look by hand: `dig CAA {name.removeprefix('*.')}`; CAs ask, too")
    return Line(CAA, Verdict.WELL, f"{', '.join(domains[:2])} may issue")


def outlives(
    issuer: str, roots: Sequence[Certificate], chain: Chain | None, lifetime: timedelta, due: datetime
) -> Line:
    """Whether the issuer's CA certificates end after a certificate that is made when the renewal is due.

    Judged by the chain that is in use, where it ends in one of the roots; else by the root that lives longest.

    Args:
        roots: those that the issuer names; none where it has none of its own.
        due: when the renewal is due, or now where it is overdue.
    """
    if not roots:
        return Line(OUTLIVES, Verdict.UNTOLD, f"{issuer} names no roots of its own")
    root = _root_of(chain, roots) if chain else None
    above = (*chain.certificates[1:], root) if chain and root else (max(roots, key=lambda one: one.not_after),)
    first = min(above, key=lambda one: one.not_after)
    until = due + lifetime
    if first.not_after <= due:
        text = f"{first.subject} ends {moment(first.not_after)}, before the renewal is due ({moment(due)})"
        return Line(OUTLIVES, Verdict.FAILS, text, _NEW_CA)
    if first.not_after < until - _A_LITTLE * lifetime:
        text = (
            f"{first.subject} ends {moment(first.not_after)}; a certificate of {span(lifetime)} that is made when the "
            f"renewal is due ({moment(due)}) would outlive it"
        )
        return Line(OUTLIVES, Verdict.FAILS, text, _NEW_CA)
    return Line(OUTLIVES, Verdict.WELL, f"{first.subject} ends {moment(first.not_after)}")


_A_LITTLE = 0.01  # a certificate is dated back by minutes, and what is due is so to the hour


def _root_of(chain: Chain, roots: Sequence[Certificate]) -> Certificate | None:
    """Where the chain ends; a CA that has ended meanwhile is on its path all the same."""
    moments = (chain.not_before + chain.lifetime / 2, chain.not_before, chain.not_after - timedelta(seconds=1))
    return next((root for at in moments if (root := path_root(chain, roots, at)) is not None), None)


def key(spec: CertificateSpec) -> Line:
    """Whether a request with such a key and these names can be made at all."""
    said = f"{spec.key.algorithm} {spec.key.size or ''}".strip()
    foreign = next((name for name in spec.names if not name.isascii()), None)
    if foreign is not None:
        text = f"{foreign} cannot stand in a certificate"
        return Line(KEY, Verdict.FAILS, text, "write it in its ASCII form (xn--…)")
    if spec.key.algorithm == "rsa" and spec.key.size < _RSA_LEAST:
        return Line(KEY, Verdict.FAILS, f"{said} is too weak a key", "ask for rsa-2048 or ecdsa-256")
    return Line(KEY, Verdict.WELL, said)


def public(issuer: str, domains: Collection[str], spec: CertificateSpec) -> Line | None:
    """Why an issuer cannot sign such a key or one of these names because it is a public CA; None where it may.

    Args:
        domains: what CAA records call the issuer's CA. One of your own may have such, too, and signs what you like.
    """
    if not are_of_public_ca(domains):
        return None
    if spec.key.algorithm == "ed25519":
        text = f"{issuer} is a public CA, and these sign no ed25519 keys (Baseline Requirements, 6.1.1.3)"
        return Line(KEY, Verdict.FAILS, text, "ask for ecdsa-256")
    local = next((name for name in spec.names if not is_address(name) and _is_internal(name)), None)
    if local is not None:
        text = f"{local} is no public name; {issuer} cannot issue for it (Baseline Requirements, 4.2.2)"
        return Line(KEY, Verdict.FAILS, text, "take it out of the names, or use an internal issuer")
    return None


_RSA_LEAST = 2048
_INTERNAL = (".local", ".internal", ".localhost", ".localdomain", ".lan", ".home.arpa", ".corp", ".home", ".test")


def _is_internal(name: str) -> bool:
    """A name that no public CA can have proved: without a dot, or below a domain that is nobody's (RFC 6761, 6762)."""
    plain = name.lower().rstrip(".")
    return "://" not in plain and ("." not in plain or plain.endswith(_INTERNAL))
