"""What a certificate tells, wherever it was found, of whether it may be adopted. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from cryptography.exceptions import InvalidSignature

from rotator.core.model import Certificate, Chain, Use
from rotator.core.pem import load
from rotator.core.usages import use_of

_COMMON_NAME = re.compile(r"(?:^|,)CN=((?:\\.|[^,+\\])+)")  # in the form of RFC 4514
_ESCAPED = re.compile(r"\\(.)")


def never_adopt(chain: Chain, anchors: Sequence[Certificate]) -> str:
    """Why it may only be declared, never adopted; empty when it may. `anchors` is the `ca.crt` beside it."""
    leaf = chain.leaf
    if leaf.is_ca:
        return "it is a CA certificate"
    if any(name.startswith("spiffe://") for name in leaf.names):
        return "it is a SPIFFE identity, which SPIRE renews"
    if use_of(leaf) is Use.CLIENT:
        return "it is for clients only"
    if leaf.self_signed:
        return "it is self-signed: whoever trusts it trusts this very certificate"
    if any(_issued(anchor, certificate) for anchor in anchors for certificate in chain.certificates):
        return "the ca.crt beside it signed it, and whoever reads that file trusts only this CA"
    return ""


def _issued(issuer: Certificate, certificate: Certificate) -> bool:
    if issuer.subject != certificate.issuer:
        return False
    try:
        load(certificate).verify_directly_issued_by(load(issuer))
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def issuer_name(certificate: Certificate) -> str:
    """The issuer's common name, or the whole name where it has none."""
    return _common_name(certificate.issuer)


@lru_cache(maxsize=4096)
def _common_name(name: str) -> str:
    common = _COMMON_NAME.search(name)
    return _ESCAPED.sub(r"\1", common[1]) if common else name
