"""What comes of asking about a certificate while CRLs lie on a shelf on loopback."""

from __future__ import annotations

from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7

from rotator.core.model import Chain, Revocation, RevocationState
from rotator.core.pem import load
from rotator.lib.revocation import Limits, Revocations
from tests.lib.revoking import NOW, Ca, Shelf
from tests.servers.loopback import Response
from tests.servers.ports import LOOPBACK

GOOD, REVOKED, UNKNOWN = RevocationState.GOOD, RevocationState.REVOKED, RevocationState.UNKNOWN
Reason = x509.ReasonFlags
SOME = frozenset({Reason.key_compromise})


def revocations(now: datetime = NOW, limits: Limits | None = None) -> Revocations:
    """One that may ask loopback."""
    return Revocations(lambda: now, allow_internal=[LOOPBACK], limits=limits)


def said(shelf: Shelf, ca: Ca, body: bytes | Response, chain: Chain | None = None) -> Revocation:
    """What comes of a CRL at the address that a certificate names."""
    chain = chain or ca.leaf(crls=[f"{shelf.url}/1.crl"], serial=1000)
    shelf.put("/1.crl", body)
    return revocations().of(chain)


def issuer_file(ca: Ca, form: str) -> bytes:
    if form == "pkcs7":
        return pkcs7.serialize_certificates([load(ca.root.certificate), load(ca.certificate)], Encoding.DER)
    return ca.pem if form == "pem" else ca.certificate.der
