"""The certificate of an issuer: among those at hand, or where the certificate says that it is."""

from __future__ import annotations

from collections.abc import Iterable

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7

from rotator.core.model import Certificate
from rotator.core.pem import PemError, load, parse_certificate, read_certificates
from rotator.lib.revocation.pointers import UNREADABLE

MAX_CERTIFICATES = 20
"""In one file; real ones have one, or the few cross-signed twins of one."""


def issuer_among(certificate: Certificate, candidates: Iterable[Certificate]) -> Certificate | None:
    """The first whose key verifies the signature of the certificate and whose subject is its issuer."""
    for candidate in candidates:
        if candidate.subject == certificate.issuer and _issued(certificate, candidate):
            return candidate
    return None


def _issued(certificate: Certificate, candidate: Certificate) -> bool:
    try:
        load(certificate).verify_directly_issued_by(load(candidate))
    except (InvalidSignature, *UNREADABLE):
        return False  # also where the kind of the signature is not known: then nothing of it can be verified
    return True


def read_issuers(body: bytes) -> tuple[Certificate, ...]:
    """What lies at a caIssuers address: one DER certificate or a PKCS#7 of some (RFC 5280, 4.2.2.1), or PEM.

    Raises:
        ValueError: none of these.
    """
    if body.lstrip().startswith(b"-----BEGIN"):
        return read_certificates(body)[:MAX_CERTIFICATES]
    try:
        return (parse_certificate(body),)
    except PemError:
        found = _from_pkcs7(body)
    return tuple(parse_certificate(each.public_bytes(Encoding.DER)) for each in found[:MAX_CERTIFICATES])


def _from_pkcs7(body: bytes) -> list[x509.Certificate]:
    try:
        return pkcs7.load_der_pkcs7_certificates(body)
    except UNREADABLE as error:
        raise ValueError("neither a certificate nor a PKCS#7 of some") from error
