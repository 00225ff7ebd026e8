"""Chains and keys of thousands of Secrets: as `core.pem` reads them, without doing the same work again and again.

Intermediates come with every leaf and are parsed once. A key is held against its certificate by the public part that
both of them state; only where they do not state the same one is the key loaded.
"""

from __future__ import annotations

import hashlib
import re
from binascii import Error as Base64Error
from binascii import a2b_base64
from functools import lru_cache

from rotator.core.model import Certificate, Chain, KeyFacts
from rotator.core.pem import MAX_PEM_BYTES, PemError, key_facts, read_certificates
from rotator.core.pem import read_chain as read_chain_slowly
from rotator.lib.kube.alike import parse
from rotator.lib.kube.der import BITS, INTEGER, OCTETS, RSA, SEQUENCE, element, made

_BEGIN, _END = b"-----BEGIN CERTIFICATE-----", b"-----END CERTIFICATE-----"
_LINES = re.compile(rb"\r?\n(?:[A-Za-z0-9+/]{64}\r?\n)*[A-Za-z0-9+/=]{1,64}\r?\n")
"""What RFC 7468, 3 has writers write."""

_REMEMBERED = 256
"""Rests of chains that are remembered: a cluster has a handful of intermediates."""


# ---------------------------------------------------------------- chains


def read_chain(text: bytes) -> Chain:
    """The same chain, or the same error, as `core.pem.read_chain` gives.

    Raises:
        PemError: as there.
    """
    end = text.find(_END) + len(_END)
    if text.startswith(_BEGIN) and end >= len(_END) and len(text) <= MAX_PEM_BYTES:
        try:
            leaf = parse(_der_of(text[:end]))
            rest = text[end:].strip()
            return Chain((leaf, *_rest(rest))) if rest else Chain((leaf,))
        except PemError:
            pass  # it is said in full below
    return read_chain_slowly(text)


def _der_of(block: bytes) -> bytes:
    """The DER of one block of nothing but base64 lines.

    Raises:
        PemError: there is more in it.
    """
    text = block[len(_BEGIN) : -len(_END)].translate(None, b"\r\n")
    if len(text) % 4 or not _LINES.fullmatch(block, len(_BEGIN), len(block) - len(_END)):
        raise PemError("not the plain form")
    try:
        return a2b_base64(text, strict_mode=True)
    except Base64Error as error:
        raise PemError("not the plain form") from error


@lru_cache(maxsize=_REMEMBERED)
def _rest(text: bytes) -> tuple[Certificate, ...]:
    return read_certificates(text)


@lru_cache(maxsize=_REMEMBERED)
def read_anchors(text: bytes) -> tuple[Certificate, ...]:
    """The certificates of a `ca.crt`, which is the same beside most certificates of a cluster.

    Raises:
        PemError: there is none, or one of them is broken.
    """
    return read_certificates(text)


# ---------------------------------------------------------------- keys

_KEY_MARKS = tuple(
    (b"-----BEGIN %b-----" % label, b"-----END %b-----" % label)
    for label in (b"PRIVATE KEY", b"RSA PRIVATE KEY", b"EC PRIVATE KEY")
)
_CURVE, _POINT = b"\xa0", b"\xa1"
_V0, _V1 = b"\x02\x01\x00", b"\x02\x01\x01"
_EC = bytes.fromhex("06072a8648ce3d0201")


def facts_of(chain: Chain | None, key: bytes) -> KeyFacts:
    """What may be said of the key beside a chain.

    A key that states the certificate's own public part belongs to it: for RSA its modulus, for EC its point and curve.
    Whether its private part is sound is not asked. For everything else `core.pem.key_facts` is, which loads the key.
    """
    if chain and chain.spki and stated_spki(key) == chain.spki:
        return KeyFacts(spki=chain.spki, matches=True)
    return key_facts(chain, key)


def stated_spki(text: bytes) -> str:
    """SHA-256 (hex) of the SubjectPublicKeyInfo of the public part that an RSA or EC key in PEM states.

    Read from PKCS#8 (RFC 5958), PKCS#1 (RFC 8017, A.1.2) or SEC 1 (RFC 5915) without loading the key; empty where it
    states none, or is not the one plain block in the text.
    """
    try:
        return hashlib.sha256(_public_part(_key_of(text))).hexdigest()
    except ValueError:
        return ""


def _key_of(text: bytes) -> bytes:
    text = text.strip()
    for begin, end in _KEY_MARKS:
        if text.startswith(begin) and text.endswith(end):
            return a2b_base64(text[len(begin) : -len(end)].translate(None, b"\r\n"), strict_mode=True)
    raise ValueError("no plain key block")


def _public_part(der: bytes) -> bytes:
    """The SubjectPublicKeyInfo of a private key; a ValueError where the key does not state it."""
    at, end = element(der, 0, len(der), SEQUENCE)
    if end != len(der):
        raise ValueError("something follows")
    if der.startswith(_V0 + RSA, at):
        at, end = element(der, *element(der, at + len(_V0 + RSA), end, OCTETS), SEQUENCE)
        return _rsa(der, at, end)
    if der.startswith(_V0 + SEQUENCE, at):
        start = at + len(_V0)
        inside, after = element(der, start, end, SEQUENCE)
        if not der.startswith(_EC, inside):
            raise ValueError("another algorithm")
        return _ec(der, *element(der, *element(der, after, end, OCTETS), SEQUENCE), algorithm=der[start:after])
    return _rsa(der, at, end) if der.startswith(_V0, at) else _ec(der, at, end)


def _rsa(der: bytes, at: int, end: int) -> bytes:
    """From the inside of an RSAPrivateKey: version, modulus, exponent …"""
    if not der.startswith(_V0, at):
        raise ValueError("another version")
    start = at + len(_V0)
    _, modulus = element(der, start, end, INTEGER)
    _, exponent = element(der, modulus, end, INTEGER)
    bits = made(BITS, b"\0" + made(SEQUENCE, der[start:exponent]))
    return made(SEQUENCE, RSA + bits)


def _ec(der: bytes, at: int, end: int, algorithm: bytes = b"") -> bytes:
    """From the inside of an ECPrivateKey: version, private key, curve where it stands nowhere else, point."""
    if not der.startswith(_V1, at):
        raise ValueError("another version")
    _, at = element(der, at + len(_V1), end, OCTETS)
    if der.startswith(_CURVE, at):
        inside, at = element(der, at, end, _CURVE)
        algorithm = algorithm or made(SEQUENCE, _EC + der[inside:at])
    if not algorithm:
        raise ValueError("no curve")
    inside, after = element(der, at, end, _POINT)
    element(der, inside, after, BITS)
    return made(SEQUENCE, algorithm + der[inside:after])
