"""Fields of certificates in the plain form that nearly all of them have; a ValueError stands for every other form."""

from __future__ import annotations

import re

from rotator.lib.kube.der import SEQUENCE, SET, element

_DNS = 0x82
_SHA256_WITH = {b"\x04\x01", b"\x04\x03"}
"""SHA-256 with RSA or ECDSA (RFC 5246, 7.4.1.4.1), in which logs sign."""

_ATTRIBUTES = {
    bytes.fromhex("0603550403"): "CN",
    bytes.fromhex("0603550407"): "L",
    bytes.fromhex("0603550408"): "ST",
    bytes.fromhex("060355040a"): "O",
    bytes.fromhex("060355040b"): "OU",
}
_TEXTS = (0x0C, 0x13)  # UTF8String, PrintableString
_UNESCAPED = rb"[A-Za-z0-9*](?:[A-Za-z0-9 ._*:@()-]{0,62}[A-Za-z0-9.)])?"
"""Values that RFC 4514 writes as they are."""

_VALUE = re.compile(_UNESCAPED)
_COMMON_NAME = re.compile(rb"\x30(.)\x31(.)\x30(.)\x06\x03\x55\x04\x03[\x0c\x13](.)(" + _UNESCAPED + rb")", re.DOTALL)
"""A name of nothing but a common name, with the length of each part."""


def text_of(name: bytes) -> str:
    """A name in the form of RFC 4514: the last attribute first."""
    common = _COMMON_NAME.fullmatch(name)
    if common:
        size = len(common[5])
        if [each[0] for each in common.groups()[:4]] == [size + 11, size + 9, size + 7, size]:
            return f"CN={common[5].decode('ascii')}"
    at, end = element(name, 0, len(name), SEQUENCE)
    found: list[str] = []
    while at < end:
        inside, at = element(name, at, end, SET)
        inside, after = element(name, inside, at, SEQUENCE)
        kind = _ATTRIBUTES.get(name[inside : inside + 5])
        text = name[inside + 7 : after]
        if kind is None or after != at or name[inside + 5] not in _TEXTS or name[inside + 6] != len(text):
            raise ValueError("another attribute")
        if not _VALUE.fullmatch(text):
            raise ValueError("it has to be escaped")
        found.append(f"{kind}={text.decode('ascii')}")
    found.reverse()
    return ",".join(found)


def names_of(value: bytes) -> tuple[str, ...]:
    """The names of a SubjectAlternativeName (RFC 5280, 4.2.1.6), if all of them are DNS names."""
    at, end = element(value, 0, len(value), SEQUENCE)
    found: list[str] = []
    while at < end:
        size, start = value[at + 1], at + 2
        if value[at] != _DNS or not 0 < size < 0x80:
            raise ValueError("another kind of name")
        at = start + size
        found.append(value[start:at].decode("ascii").lower())
    if not at == end == len(value):
        raise ValueError("cut off")
    return tuple(found)


def timestamps_of(value: bytes) -> int:
    """How many SCTs of version 1 are in a list (RFC 6962, 3.3)."""
    start, end = element(value, 0, len(value), b"\x04")
    of = value[start:end]
    if int.from_bytes(of[:2], "big") != len(of) - 2 or end != len(value):
        raise ValueError("another length")
    at, count = 2, 0
    while at < len(of):
        size = int.from_bytes(of[at : at + 2], "big")
        _check_timestamp(of[at + 2 : at + 2 + size])
        at, count = at + 2 + size, count + 1
    if at != len(of):
        raise ValueError("cut off")
    return count


def _check_timestamp(one: bytes) -> None:
    """Version, log, time and extensions, then the signature (RFC 6962, 3.2)."""
    signature = 43 + int.from_bytes(one[41:43], "big")
    stated = int.from_bytes(one[signature + 2 : signature + 4], "big")
    sound = one[0] == 0 and one[signature : signature + 2] in _SHA256_WITH
    if not sound or stated != len(one) - signature - 4:
        raise ValueError("another kind of timestamp")
