"""PKCS#7 as a box of certificates: SignedData that nobody signed (RFC 5652, 5.1; "certs-only", RFC 8551, 3.8)."""

from __future__ import annotations

import warnings
from dataclasses import replace

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.hazmat.primitives.serialization.pkcs7 import load_der_pkcs7_certificates
from cryptography.x509 import InvalidVersion

from rotator.core.model import Certificate, Use
from rotator.core.pem import MAX_CERTIFICATES, PemError, parse_certificate
from rotator.lib.keystore import asn1
from rotator.lib.keystore.contents import Broken, Contents, Kind, TooLarge
from rotator.lib.keystore.entries import entries_of
from rotator.lib.keystore.groups import Group, groups, path_from

_SIGNED_DATA = bytes.fromhex("2a864886f70d010702")

# The library warns of BER, which Windows and Java write; it is read all the same.
warnings.filterwarnings("ignore", category=UserWarning, module=r"rotator\.lib\.keystore")


def read_pkcs7(data: bytes) -> Contents:
    """Read the certificates of a box; each leaf comes before its issuers, for a SET has no order (X.690, 11.6).

    Raises:
        Broken: it is cut off or damaged, or one of the certificates is.
        TooLarge: more certificates than are read.
    """
    remark = _no_box(data)
    if remark:
        return Contents(Kind.PKCS7, remark=remark)
    found = _certificates(data)
    if not found:
        return Contents(Kind.PKCS7, remark="it holds no certificate")
    return Contents(Kind.PKCS7, entries_of([_ordered(group) for group in groups(found)], ()))


def _ordered(group: Group) -> Group:
    if group.use is Use.TRUST:
        return group
    issuers = {one.issuer for one in group.certificates if not one.self_signed}
    leaf = next((one for one in group.certificates if one.subject not in issuers), group.certificates[0])
    path = path_from(leaf, group.certificates)
    return replace(group, certificates=(*path, *(one for one in group.certificates if one not in path)))


def _certificates(data: bytes) -> tuple[Certificate, ...]:
    try:
        found = [one.public_bytes(Encoding.DER) for one in load_der_pkcs7_certificates(data)]
    except UnsupportedAlgorithm as error:
        raise Broken("the PKCS#7 structure holds another kind of message") from error
    except (ValueError, TypeError, InvalidVersion) as error:
        raise Broken("the PKCS#7 structure cannot be read") from error
    if len(found) > MAX_CERTIFICATES:
        raise TooLarge(f"it has more than the {MAX_CERTIFICATES} certificates that are read")
    try:
        return tuple(parse_certificate(der) for der in found)
    except PemError as error:
        raise Broken(str(error)) from error


def _no_box(data: bytes) -> str:
    """Why it is no box of certificates; a signed message has those of its signer, who serves nothing with them."""
    outer = asn1.item_at(data, 0)
    oid = asn1.inside(data, outer, asn1.OID)
    if asn1.content(data, oid) != _SIGNED_DATA:
        return "it is a message of PKCS#7, not a box of certificates"
    signed = asn1.inside(data, asn1.after(data, oid, asn1.CONTEXT_0), asn1.SEQUENCE)
    digests = asn1.after(data, asn1.inside(data, signed, asn1.INTEGER), asn1.SET)
    is_signed = digests is not None and digests.end != digests.start and asn1.inside(data, digests, asn1.SEQUENCE)
    return "it is a signed message, not a box of certificates" if is_signed else ""
