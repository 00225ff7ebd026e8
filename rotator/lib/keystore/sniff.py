"""What a file may be, told by its first bytes alone: cheap enough to ask of every file of a machine."""

from __future__ import annotations

import codecs
import re

from rotator.lib.keystore import asn1
from rotator.lib.keystore.contents import Kind

HEAD = 4096
"""Bytes that are enough to tell; a text may have its certificates further down, see `is_text`."""

_JKS, _JCEKS = b"\xfe\xed\xfe\xed", b"\xce\xce\xce\xce"
_BKS = re.compile(rb"\x00\x00\x00[\x01\x02]\x00\x00\x00\x14", re.DOTALL)  # version, then 20 bytes of salt
_PKCS7 = bytes.fromhex("2a864886f70d0107")
_PBES2 = bytes.fromhex("2a864886f70d01050d")
_BEGIN = b"-----BEGIN "
_X5C = b'"x5c"'
_CLUSTERS = re.compile(rb"""(?:^|[\n{,])\s*["']?clusters["']?\s*:""")
_AUTHORITY, _CLIENT = b"certificate-authority", b"client-certificate"
_NUL = b"\x00"
_WIDE = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def sniff(head: bytes) -> Kind | None:
    """The format that these first bytes of a file have; None where they say nothing.

    None for the head of a text is not the last word: `may_follow` says whether to read on.
    """
    first = head[:1]
    if first == b"\x30":
        found = _shape(head)
        if found is not None:
            return found
    elif first in b"\xfe\xce\x00":
        found = _magic(head)
        if found is not None:
            return found
    return _text(head)


def may_follow(head: bytes) -> bool:
    """Whether more of the file could tell what its head does not: it is a text, as far as it goes."""
    return len(head) >= HEAD and (_NUL not in head or head.startswith(_WIDE))


def _magic(head: bytes) -> Kind | None:
    if head.startswith(_JKS):
        return Kind.JKS
    if head.startswith(_JCEKS):
        return Kind.JCEKS
    return Kind.BKS if _BKS.match(head) else None


def _text(text: bytes) -> Kind | None:
    if _BEGIN in text:
        return Kind.PEM
    if _NUL in text:
        return Kind.PEM if text.startswith(_WIDE) and _BEGIN in narrow(text) else None
    if _X5C in text:
        return Kind.JWKS
    if (_AUTHORITY in text or _CLIENT in text) and _CLUSTERS.search(text):
        return Kind.KUBECONFIG
    return None


def narrow(text: bytes) -> bytes:
    """A text as Windows writes it (UTF-16 with a byte order mark) in one byte a sign; any other as it is."""
    return text.decode("utf-16", "replace").encode("ascii", "replace") if text.startswith(_WIDE) else text


def _shape(head: bytes) -> Kind | None:
    """The format of a DER or BER structure, by the types of its first elements."""
    outer = asn1.item_at(head, 0)
    oid = asn1.inside(head, outer, asn1.OID)
    if oid is not None:  # ContentInfo (RFC 5652, 3)
        return Kind.PKCS7 if asn1.content(head, oid).startswith(_PKCS7) else None
    version = asn1.inside(head, outer, asn1.INTEGER)
    if version is not None:  # PFX (RFC 7292, 4), or a private key
        safe = asn1.inside(head, asn1.after(head, version, asn1.SEQUENCE), asn1.OID)
        is_store = asn1.number(head, version) == 3 and asn1.content(head, safe).startswith(_PKCS7)
        return Kind.PKCS12 if is_store else None
    body = asn1.inside(head, outer, asn1.SEQUENCE)
    if _is_certificate(head, body):
        return Kind.DER
    algorithm = asn1.inside(head, asn1.inside(head, body, asn1.SEQUENCE), asn1.OID)
    return Kind.BCFKS if asn1.content(head, algorithm) == _PBES2 else None


def _is_certificate(head: bytes, body: asn1.Item | None) -> bool:
    """Whether it begins as TBSCertificate does (RFC 5280, 4.1): version, serial, algorithm, issuer, validity."""
    version = asn1.inside(head, body, asn1.CONTEXT_0)
    if version is not None:
        serial = asn1.after(head, version, asn1.INTEGER)
        return asn1.inside(head, version, asn1.INTEGER) is not None and serial is not None
    # Version 1 has no version. A request has a name where it has its algorithm, a list of revocations a time where it
    # has its validity.
    algorithm = asn1.after(head, asn1.inside(head, body, asn1.INTEGER), asn1.SEQUENCE)
    if asn1.inside(head, algorithm, asn1.OID) is None:
        return False
    validity = asn1.after(head, asn1.after(head, algorithm, asn1.SEQUENCE), asn1.SEQUENCE)
    times = (asn1.UTC_TIME, asn1.GENERALIZED_TIME)
    return any(asn1.inside(head, validity, time) is not None for time in times)
