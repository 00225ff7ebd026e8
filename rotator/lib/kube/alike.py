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

from rotator.core.model import Certificate
from rotator.core.pem import parse_certificate
from rotator.lib.kube.der import INTEGER, OCTETS, SEQUENCE, element
from rotator.lib.kube.plain import (
    DATES,
    Curve,
    check_key,
    dates_of,
    is_signature,
    key_id_of,
    names_of,
    own_part,
    serial_of,
    text_of,
    timestamps_of,
)

_MOST_TEMPLATES = 512
_EXTENSIONS = b"\xa3"
_V3 = bytes.fromhex("a003020102")
_CRITICAL = bytes.fromhex("0101ff")
_NAMES, _KEY_ID = bytes.fromhex("0603551d11"), bytes.fromhex("0603551d0e")
_TIMESTAMPS = bytes.fromhex("060a2b06010401d679020402")
_OWN = (_NAMES, _KEY_ID, _TIMESTAMPS)
"""Extensions that each certificate has of its own: subjectAltName, subjectKeyIdentifier, embedded SCTs."""


@dataclass(frozen=True, slots=True)
class _Template:
    """What certificates that are alike have in common.

    Attributes:
        certificate: the first of them.
        key: the beginning of the SubjectPublicKeyInfo; `key_size`: how long all of it is; `curve`: None for RSA.
        extensions: each one whole, or the identifier of one that is read anew.
        tail: the algorithm of the signature, behind what is signed.
    """

    certificate: Certificate
    key: bytes
    key_size: int
    curve: Curve | None
    extensions: tuple[bytes, ...]
    tail: bytes


_templates: dict[bytes, list[_Template]] = {}
"""By the signature's algorithm and the issuer, which stand beside each other."""


def parse(der: bytes) -> Certificate:
    """The same certificate, or the same error, as `core.pem.parse_certificate` gives.

    Raises:
        PemError: as there.
    """
    try:
        serial, end = _signed(der)
        head, after = _head(der, serial, end)
        for template in _templates.get(head, ()):
            found = _filled(template, der, serial, after, end) if der.startswith(template.tail, end) else None
            if found is not None:
                return found
    except (ValueError, IndexError):
        return parse_certificate(der)
    certificate = parse_certificate(der)
    _learn(certificate, head, serial, after, end)
    return certificate


# ---------------------------------------------------------------- what is signed (RFC 5280, 4.1), part by part


def _signed(der: bytes) -> tuple[int, int]:
    """Where the serial number begins, and where what is signed ends."""
    at, end = element(der, 0, len(der), SEQUENCE)
    if end != len(der):
        raise ValueError("something follows")
    at, end = element(der, at, end, SEQUENCE)
    if not der.startswith(_V3, at):
        raise ValueError("another version")
    return at + len(_V3), end


def _head(der: bytes, serial: int, end: int) -> tuple[bytes, int]:
    """The signature's algorithm and the issuer, and where they end."""
    _, start = element(der, serial, end, INTEGER)
    _, after = element(der, start, end, SEQUENCE)
    _, after = element(der, after, end, SEQUENCE)
    return der[start:after], after


def _filled(template: _Template, der: bytes, serial: int, at: int, end: int) -> Certificate | None:
    """The certificate, with what it has of its own; None where it is not like the template.

    Args:
        serial: where its serial number is; `at`: where its issuer ends; `end`: where what is signed ends.
    """
    like, dates = template.certificate, at
    _, at = element(der, at, end, SEQUENCE)
    _, start = element(der, at, end, SEQUENCE)
    if not der.startswith(template.key, start):
        return None
    named, at = der[at:start], start + template.key_size
    spki = der[start:at]
    at, last = element(der, *element(der, at, end, _EXTENSIONS), SEQUENCE)
    values: dict[bytes, bytes] = {}
    for extension in template.extensions:
        if extension in _OWN:
            inside, at = element(der, at, last, SEQUENCE)
            if not der.startswith(extension, inside):
                return None
            values[extension] = _value(der, inside + len(extension), at)
        elif der.startswith(extension, at):
            at += len(extension)
        else:
            return None
    if not at == last == end or not is_signature(der[end + len(template.tail) :]):
        return None
    subject = text_of(named)
    if subject == like.issuer:
        raise ValueError("it may have signed itself")
    check_key(spki[len(template.key) :], template.curve)
    not_before, not_after = dates_of(der[dates : dates + DATES])
    return Certificate(
        der=der,
        fingerprint=hashlib.sha256(der).hexdigest(),
        subject=subject,
        issuer=like.issuer,
        serial=serial_of(der, serial),
        not_before=not_before,
        not_after=not_after,
        names=names_of(values[_NAMES]) if _NAMES in values else (),
        spki=hashlib.sha256(spki).hexdigest(),
        key_algorithm=like.key_algorithm,
        key_size=like.key_size,
        signature_hash=like.signature_hash,
        is_ca=like.is_ca,
        extended_key_usages=like.extended_key_usages,
        embedded_scts=timestamps_of(values[_TIMESTAMPS]) if _TIMESTAMPS in values else 0,
        authority_key_id=like.authority_key_id,
        subject_key_id=key_id_of(values[_KEY_ID]) if _KEY_ID in values else "",
    )


def _value(der: bytes, at: int, end: int) -> bytes:
    """What is in the octet string of an extension, behind whether it is critical."""
    if der.startswith(_CRITICAL, at):
        at += len(_CRITICAL)
    start, after = element(der, at, end, OCTETS)
    if after != end:
        raise ValueError("something follows")
    return der[start:after]


# ---------------------------------------------------------------- learning


def _learn(certificate: Certificate, head: bytes, serial: int, after: int, end: int) -> None:
    """Keep a certificate as a template, if it gives the same one for itself."""
    der = certificate.der
    try:
        template = _template(certificate, after, end)
        if certificate.problems or _filled(template, der, serial, after, end) != certificate:
            return
    except (ValueError, IndexError):
        return
    if sum(map(len, _templates.values())) >= _MOST_TEMPLATES:
        _templates.clear()
    _templates.setdefault(head, []).append(template)


def _template(certificate: Certificate, at: int, end: int) -> _Template:
    der = certificate.der
    _, at = element(der, at, end, SEQUENCE)
    _, start = element(der, at, end, SEQUENCE)
    inside, at = element(der, start, end, SEQUENCE)
    begins, curve = own_part(der, inside, at)
    _, after = element(der, end, len(der), SEQUENCE)
    return _Template(certificate, der[start:begins], at - start, curve, tuple(_shape(der, at, end)), der[end:after])


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
