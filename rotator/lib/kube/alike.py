"""Certificates that are alike: of one issuer, they differ in few fields, and only these are read anew.

`core.pem.parse_certificate` reads each extension of each certificate through the library's objects. In a cluster ten
thousand certificates come from a handful of issuers, with the same extensions but for their names and key identifiers.
What the first of them was read as is kept as a template, bytes and fields; it is kept only if filling it in for that
very first one gives the same `Certificate`, and used only where every byte between the fields is the same. Whatever is
not plain is read by `core.pem`, so what is told of a certificate is always the same.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from rotator.core.model import Certificate
from rotator.core.pem import parse_certificate
from rotator.lib.kube.der import INTEGER, OCTETS, RSA, SEQUENCE, element
from rotator.lib.kube.plain import names_of, text_of, timestamps_of

_MOST_TEMPLATES = 512
_EXTENSIONS = b"\xa3"
_V3 = bytes.fromhex("a003020102")
_CRITICAL = bytes.fromhex("0101ff")
_NAMES, _KEY_ID = bytes.fromhex("0603551d11"), bytes.fromhex("0603551d0e")
_TIMESTAMPS = bytes.fromhex("060a2b06010401d679020402")
_OWN = (_NAMES, _KEY_ID, _TIMESTAMPS)
"""Extensions that each certificate has of its own: subjectAltName, subjectKeyIdentifier, embedded SCTs."""

# Keys that can be written in one way only, up to where their own bytes begin: uncompressed points (RFC 5480, 2.2).
_PLAIN_KEYS = (
    bytes.fromhex("301306072a8648ce3d020106082a8648ce3d030107034200") + b"\x04",
    bytes.fromhex("301006072a8648ce3d020106052b81040022036200") + b"\x04",
    bytes.fromhex("300506032b6570032100"),
)


@dataclass(frozen=True, slots=True)
class _Template:
    """What certificates that are alike have in common.

    Attributes:
        certificate: the first of them.
        key: the beginning of the SubjectPublicKeyInfo, and how long it is.
        extensions: each one whole, or the identifier of one that is read anew.
        tail: the algorithm of the signature, behind what is signed.
    """

    certificate: Certificate
    key: bytes
    key_size: int
    extensions: tuple[bytes, ...]
    tail: bytes


@dataclass(frozen=True, slots=True)
class _Own:
    """What a certificate has of its own."""

    subject: str
    spki: str
    names: tuple[str, ...]
    key_id: str
    scts: int


_templates: dict[bytes, list[_Template]] = {}
"""By the signature's algorithm and the issuer, which stand beside each other."""


def parse(der: bytes) -> Certificate:
    """The same certificate, or the same error, as `core.pem.parse_certificate` gives.

    Raises:
        PemError: as there.
    """
    try:
        at, end = _signed(der)
        head, at = _head(der, at, end)
        for template in _templates.get(head, ()):
            own = _own(der, at, end, template)
            if own is not None:
                return _filled(template.certificate, own, der)
    except (ValueError, UnsupportedAlgorithm, IndexError):
        return parse_certificate(der)
    certificate = parse_certificate(der)
    _learn(certificate, head, at, end)
    return certificate


def _filled(like: Certificate, own: _Own, der: bytes) -> Certificate:
    """A certificate like another; the library reads its number and dates, and says whether all of it is sound."""
    parsed = x509.load_der_x509_certificate(der)
    key, serial = parsed.public_key(), parsed.serial_number
    if serial <= 0 or own.subject == like.issuer:
        raise ValueError("not plain")
    return Certificate(
        der=der,
        fingerprint=hashlib.sha256(der).hexdigest(),
        subject=own.subject,
        issuer=like.issuer,
        serial=serial,
        not_before=parsed.not_valid_before_utc,
        not_after=parsed.not_valid_after_utc,
        names=own.names,
        spki=own.spki,
        key_algorithm=like.key_algorithm,
        key_size=key.key_size if isinstance(key, RSAPublicKey) else like.key_size,
        signature_hash=like.signature_hash,
        is_ca=like.is_ca,
        extended_key_usages=like.extended_key_usages,
        embedded_scts=own.scts,
        authority_key_id=like.authority_key_id,
        subject_key_id=own.key_id,
    )


# ---------------------------------------------------------------- what is signed (RFC 5280, 4.1), part by part


def _signed(der: bytes) -> tuple[int, int]:
    at, end = element(der, 0, len(der), SEQUENCE)
    return element(der, at, end, SEQUENCE)


def _head(der: bytes, at: int, end: int) -> tuple[bytes, int]:
    """The signature's algorithm and the issuer, and where the rest begins."""
    if not der.startswith(_V3, at):
        raise ValueError("another version")
    _, start = element(der, at + len(_V3), end, INTEGER)
    _, at = element(der, start, end, SEQUENCE)
    _, at = element(der, at, end, SEQUENCE)
    return der[start:at], at


def _own(der: bytes, at: int, end: int, template: _Template) -> _Own | None:
    """What the certificate has of its own; None where it is not like the template."""
    _, start = element(der, at, end, SEQUENCE)  # its dates
    _, at = element(der, start, end, SEQUENCE)
    subject, start, at = der[start:at], at, at + template.key_size
    if not (der.startswith(template.key, start) and der.startswith(template.tail, end)):
        return None
    spki = der[start:at]
    at, last = element(der, *element(der, at, end, _EXTENSIONS), SEQUENCE)
    names: tuple[str, ...] = ()
    key_id, scts = "", 0
    for extension in template.extensions:
        if extension not in _OWN:
            if not der.startswith(extension, at):
                return None
            at += len(extension)
            continue
        inside, at = element(der, at, last, SEQUENCE)
        if not der.startswith(extension, inside):
            return None
        value = _value(der, inside + len(extension), at)
        if extension == _NAMES:
            names = names_of(value)
        elif extension == _KEY_ID:
            key_id = value[2:].hex() if value[:1] == OCTETS and value[1] == len(value) - 2 else _refuse()
        else:
            scts = timestamps_of(value)
    if not at == last == end:
        return None
    return _Own(text_of(subject), hashlib.sha256(spki).hexdigest(), names, key_id, scts)


def _value(der: bytes, at: int, end: int) -> bytes:
    """What is in the octet string of an extension, behind whether it is critical."""
    if der.startswith(_CRITICAL, at):
        at += len(_CRITICAL)
    start, after = element(der, at, end, OCTETS)
    if after != end:
        raise ValueError("something follows")
    return der[start:after]


def _refuse() -> str:
    raise ValueError("another kind of key identifier")


# ---------------------------------------------------------------- learning


def _learn(certificate: Certificate, head: bytes, at: int, end: int) -> None:
    """Keep a certificate as a template, if it gives the same one for itself."""
    der = certificate.der
    try:
        template = _template(certificate, at, end)
        own = _own(der, at, end, template)
        if certificate.problems or own is None or _filled(certificate, own, der) != certificate:
            return
    except (ValueError, UnsupportedAlgorithm, IndexError):
        return
    if sum(map(len, _templates.values())) >= _MOST_TEMPLATES:
        _templates.clear()
    _templates.setdefault(head, []).append(template)


def _template(certificate: Certificate, at: int, end: int) -> _Template:
    der = certificate.der
    _, at = element(der, at, end, SEQUENCE)
    _, start = element(der, at, end, SEQUENCE)
    inside, at = element(der, start, end, SEQUENCE)
    _, after = element(der, end, len(der), SEQUENCE)
    beginning = der[start : _key_begins(der, inside, at)]
    return _Template(certificate, beginning, at - start, tuple(_shape(der, at, end)), der[end:after])


def _key_begins(der: bytes, at: int, end: int) -> int:
    """Where the bytes of the key itself begin: the point, or the modulus with its first bit set."""
    for plain in _PLAIN_KEYS:
        if der.startswith(plain, at):
            return at + len(plain)
    if not der.startswith(RSA, at):
        raise ValueError("a key that may be written in several ways")
    start, _ = element(der, at + len(RSA), end, b"\x03")
    start, _ = element(der, *element(der, start + 1, end, SEQUENCE), INTEGER)
    return start


def _shape(der: bytes, at: int, end: int) -> Sequence[bytes]:
    at, last = element(der, *element(der, at, end, _EXTENSIONS), SEQUENCE)
    shape: list[bytes] = []
    while at < last:
        start = at
        inside, at = element(der, start, last, SEQUENCE)
        own = next((each for each in _OWN if der.startswith(each, inside)), None)
        shape.append(own or der[start:at])
    if len(set(shape)) != len(shape):
        raise ValueError("an extension is there twice")
    return shape
