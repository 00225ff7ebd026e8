"""Fields of certificates in the plain form that nearly all of them have; a ValueError stands for every other form."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from rotator.lib.kube.der import BITS, INTEGER, OCTETS, RSA, SEQUENCE, SET, element

DATES = 32
"""Bytes of a validity with two UTCTimes."""

_VALIDITY, _UTC_TIME = bytes.fromhex("301e170d"), bytes.fromhex("170d")
_LONGEST_SERIAL = 20  # octets (RFC 5280, 4.1.2.2)
_LATEST_YEAR = b"50"  # from here on two digits mean 1950 (RFC 5280, 4.1.2.5.1)
_EXPONENT = bytes.fromhex("0203010001")
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
_UTF8, _PRINTABLE = 0x0C, 0x13
_UNPRINTABLE = re.compile(rb"[*_@]")
"""What PrintableString does not have (X.680, 41.4)."""
_UNESCAPED = rb"[A-Za-z0-9*](?:[A-Za-z0-9 ._*:@()-]{0,62}[A-Za-z0-9.)])?"
"""Values that RFC 4514 writes as they are."""

_VALUE = re.compile(_UNESCAPED)
_COMMON_NAME = re.compile(rb"\x30(.)\x31(.)\x30(.)\x06\x03\x55\x04\x03\x0c(.)(" + _UNESCAPED + rb")", re.DOTALL)
"""A name of nothing but a common name, with the length of each part."""


@dataclass(frozen=True, slots=True)
class Curve:
    """y² = x³ - 3x + b modulo p (NIST SP 800-186, 3.2.1)."""

    p: int
    b: int

    def has(self, point: bytes) -> bool:
        """Whether a point, both coordinates one behind the other, lies on it (SEC 1, 3.2.2.1)."""
        half = len(point) // 2
        x, y = int.from_bytes(point[:half], "big"), int.from_bytes(point[half:], "big")
        return x < self.p and y < self.p and (y * y - (x * x - 3) * x - self.b) % self.p == 0


# Keys that can be written in one way only, up to where their own bytes begin: uncompressed points (RFC 5480, 2.2).
_CURVES = {
    bytes.fromhex("301306072a8648ce3d020106082a8648ce3d03010703420004"): Curve(
        p=2**256 - 2**224 + 2**192 + 2**96 - 1,
        b=0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B,
    ),
    bytes.fromhex("301006072a8648ce3d020106052b8104002203620004"): Curve(
        p=2**384 - 2**128 - 2**96 + 2**32 - 1,
        b=0xB3312FA7E23EE7E4988E056BE3F82D19181D9C6EFE8141120314088F5013875AC656398D8A2ED19D2A85C8EDD3EC2AEF,
    ),
}


def own_part(der: bytes, at: int, end: int) -> tuple[int, Curve | None]:
    """Where the bytes of a key itself begin, and its curve; None for RSA, whose modulus they begin with."""
    for beginning, curve in _CURVES.items():
        if der.startswith(beginning, at):
            return at + len(beginning), curve
    if not der.startswith(RSA, at):
        raise ValueError("a key that may be written in several ways")
    start, _ = element(der, at + len(RSA), end, BITS)
    start, _ = element(der, *element(der, start + 1, end, SEQUENCE), INTEGER)
    return start, None


def check_key(own: bytes, curve: Curve | None) -> None:
    """Whether these are a point of the curve; for RSA, an odd modulus of full length and the usual exponent."""
    if curve is not None:
        sound = curve.has(own)
    else:
        modulus = own[: -len(_EXPONENT)]
        sound = own.endswith(_EXPONENT) and modulus[0] == 0 and modulus[1] > 0x7F and bool(modulus[-1] & 1)
    if not sound:
        raise ValueError("another key")


def serial_of(der: bytes, at: int) -> int:
    """A positive serial number in as few octets as it takes."""
    size, start = der[at + 1], at + 2
    first, second = der[start], der[start + 1]
    if not 1 < size <= _LONGEST_SERIAL or first > 0x7F or (first == 0 and second < 0x80):
        raise ValueError("another serial number")
    return int.from_bytes(der[start : start + size], "big")


def dates_of(validity: bytes) -> tuple[datetime, datetime]:
    """Beginning and end, both as UTCTime."""
    if not validity.startswith(_VALIDITY) or validity[17:19] != _UTC_TIME:
        raise ValueError("other dates")
    return _moment(validity[4:17]), _moment(validity[19:])


@lru_cache(maxsize=4096)
def _moment(text: bytes) -> datetime:
    """`YYMMDDHHMMSSZ` (RFC 5280, 4.1.2.5.1)."""
    digits = text[:12]
    if len(text) != 13 or text[12:] != b"Z" or not digits.isdigit() or digits >= _LATEST_YEAR:
        raise ValueError("another date")
    return datetime.fromisoformat(f"20{digits[:6].decode('ascii')}T{digits[6:].decode('ascii')}Z")


def is_signature(element_: bytes) -> bool:
    """Whether this is one bit string, of whole octets."""
    start, end = element(element_, 0, len(element_), BITS)
    return end == len(element_) and element_[start] == 0


def key_id_of(value: bytes) -> str:
    """A key identifier (RFC 5280, 4.2.1.2)."""
    if not value.startswith(OCTETS) or value[1] != len(value) - 2:
        raise ValueError("another kind of key identifier")
    return value[2:].hex()


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
        kind, text = _ATTRIBUTES.get(name[inside : inside + 5]), name[inside + 7 : after]
        if kind is None or after != at or name[inside + 6] != len(text):
            raise ValueError("another attribute")
        found.append(f"{kind}={_plain_text(name[inside + 5], text)}")
    found.reverse()
    return ",".join(found)


def _plain_text(tag: int, text: bytes) -> str:
    if (
        not _VALUE.fullmatch(text)
        or tag not in {_UTF8, _PRINTABLE}
        or (tag == _PRINTABLE and _UNPRINTABLE.search(text))
    ):
        raise ValueError("another kind of text, or it has to be escaped")
    return text.decode("ascii")


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
    if not at == end == len(value) or not found:
        raise ValueError("cut off, or empty")
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
