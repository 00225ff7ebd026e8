"""The `ca.crt` beside a certificate: whether it signed the chain, and what it is to hold beside a new one.

It is renewed where it held the old issuer: when none of its certificates signed the new chain, those that signed the
old one give way to the topmost CA certificate of the new chain; all others stay. Where the new chain brings no CA
certificate, `ca.crt` stays as it is, and the log of the deploy says so.
"""

from __future__ import annotations

from collections.abc import Sequence

from cryptography.exceptions import InvalidSignature

from rotator.core.model import Certificate, Chain
from rotator.core.pem import PemError, certificate_pem, load, read_certificates


def signed_by(chain: Chain, anchors: Sequence[Certificate]) -> tuple[Certificate, ...]:
    """The anchors that signed the leaf, or an intermediate above it that stands in the chain."""
    if not anchors or {anchor.subject for anchor in anchors}.isdisjoint(each.issuer for each in chain.certificates):
        return ()  # no signature needs to be verified to know that
    current, rest = chain.leaf, list(chain.certificates[1:])
    while True:
        found = tuple(anchor for anchor in anchors if issued(anchor, current))
        above = next((each for each in rest if issued(each, current)), None)
        if found or above is None:
            return found
        rest.remove(above)
        current = above


def issued(issuer: Certificate, certificate: Certificate) -> bool:
    """Whether one certificate carries a valid signature of another's key, and its name as issuer."""
    if issuer.subject != certificate.issuer:
        return False
    try:
        load(certificate).verify_directly_issued_by(load(issuer))
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def renewed_ca(held: bytes | None, old: Chain | None, new: Chain) -> tuple[bytes | None, str]:
    """What `ca.crt` is to hold beside the new chain, and what to tell of it; None leaves it out where it was not."""
    anchors = _certificates(held)
    if not anchors or old is None:
        return held, ""
    replaced = {each.fingerprint for each in signed_by(old, anchors)}
    if not replaced or signed_by(new, anchors):
        return held, ""
    above = next((each for each in reversed(new.certificates[1:]) if each.is_ca), None)
    if above is None:
        return held, "; its ca.crt still holds the old issuer, because the new chain brings no CA certificate"
    kept = [each for each in anchors if each.fingerprint not in replaced]
    return b"".join(certificate_pem(each) for each in (above, *kept)), "; its ca.crt holds the new issuer now"


def _certificates(text: bytes | None) -> tuple[Certificate, ...]:
    try:
        return read_certificates(text) if text and text.strip() else ()
    except PemError:
        return ()  # not ours to mend; it stays as it is
