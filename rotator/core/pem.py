"""From bytes to certificates and back: PEM, and private keys in PEM or DER. One certificate is read in `core.x509`."""

from __future__ import annotations

import binascii
import re
from datetime import UTC, datetime

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
    load_pem_private_key,
)

from rotator.core.model import Certificate, Chain, KeyFacts
from rotator.core.x509 import MAX_PEM_BYTES, UNREADABLE, PemError, bounded, explained, load, parse_certificate, spki_of

__all__ = [
    "CERTIFICATE_LABELS",
    "MAX_BUNDLE_BYTES",
    "MAX_CERTIFICATES",
    "MAX_PEM_BYTES",
    "PemError",
    "block_content",
    "blocks",
    "certificate_pem",
    "chain_pem",
    "described",
    "key_facts",
    "key_matches",
    "key_pem",
    "key_spki",
    "load",
    "moment",
    "parse_certificate",
    "public_spki",
    "read_anchors",
    "read_block",
    "read_certificates",
    "read_chain",
    "read_key",
]

MAX_BUNDLE_BYTES = 16 << 20
"""A system's CA bundle with a company's own roots and comments stays far below."""

MAX_CERTIFICATES = 2000
_MARK = re.compile(rb"-----(BEGIN|END) ([A-Z0-9 ]+)-----")
_KEY_LABELS = {b"PRIVATE KEY", b"RSA PRIVATE KEY", b"EC PRIVATE KEY", b"DSA PRIVATE KEY", b"ENCRYPTED PRIVATE KEY"}
_DER = b"\x30"
_TRUSTED = b"TRUSTED CERTIFICATE"
CERTIFICATE_LABELS = {b"CERTIFICATE", b"X509 CERTIFICATE", _TRUSTED}

# ---------------------------------------------------------------- certificates


def read_chain(text: bytes) -> Chain:
    """Read a chain, the leaf first, in the order found.

    Raises:
        PemError: empty, not PEM, half a block, too large, or a block that is no certificate.
    """
    return Chain(read_certificates(text))


def read_certificates(text: bytes) -> tuple[Certificate, ...]:
    """Read every CERTIFICATE block, ignoring other blocks and text between them (RFC 7468, 2).

    Raises:
        PemError: there is none, or one of them is broken.
    """
    bounded(text)
    found = [(label, block) for label, block in blocks(text) if label in CERTIFICATE_LABELS]
    if not found:
        raise PemError(f"no CERTIFICATE block in {described(text)}")
    if len(found) > MAX_CERTIFICATES:
        raise PemError(f"{len(found)} certificates are more than the {MAX_CERTIFICATES} that are read")
    return tuple(read_block(label, block) for label, block in found)


def read_anchors(text: bytes) -> tuple[tuple[Certificate, ...], int]:
    """Read a CA bundle: every certificate that can be read, each once, and how many could not be.

    Raises:
        PemError: it has no certificate that can be read, or is cut off, or larger than any real bundle.
    """
    if len(text) > MAX_BUNDLE_BYTES:
        raise PemError(f"{len(text)} bytes are more than the {MAX_BUNDLE_BYTES} that are read")
    found: dict[str, Certificate] = {}
    skipped = 0
    for label, block in blocks(text):
        if label not in CERTIFICATE_LABELS:
            continue
        try:
            certificate = read_block(label, block, anchor=True)
        except PemError:
            skipped += 1
        else:
            found[certificate.fingerprint] = certificate
    if not found:
        broken = f" ({skipped} that cannot be read)" if skipped else ""
        raise PemError(f"no CERTIFICATE block in {described(text)}{broken}")
    return tuple(found.values()), skipped


def blocks(text: bytes) -> list[tuple[bytes, bytes]]:
    """Each PEM block with its label, in one pass: a pattern over whole blocks takes minutes on hostile text.

    Raises:
        PemError: a block has a beginning but no end.
    """
    found: list[tuple[bytes, bytes]] = []
    begun: re.Match[bytes] | None = None
    for mark in _MARK.finditer(text):
        if mark[1] == b"BEGIN":
            if begun is not None:
                break
            begun = mark
        elif begun is not None and mark[2] == begun[2]:
            found.append((mark[2], text[begun.start() : mark.end()]))
            begun = None
    if begun is not None:
        raise PemError("a PEM block has a beginning but no end")
    return found


def read_block(label: bytes, block: bytes, *, anchor: bool = False) -> Certificate:
    """Read one block of `blocks` that is labelled as a certificate.

    Args:
        anchor: as for `parse_certificate`.

    Raises:
        PemError: it is none.
    """
    try:
        if label == _TRUSTED:
            der = _without_trust(block_content(block))
        else:
            der = x509.load_pem_x509_certificate(block).public_bytes(Encoding.DER)
    except UNREADABLE as error:
        raise PemError(f"a CERTIFICATE block cannot be read: {explained(error)}") from error
    return parse_certificate(der, anchor=anchor)


def block_content(block: bytes) -> bytes:
    """The bytes that one block of `blocks` stands for.

    Raises:
        ValueError: its base64 is damaged.
    """
    return binascii.a2b_base64(b"".join(block.split(b"-----")[2].split()))


def _without_trust(der: bytes) -> bytes:
    """OpenSSL's TRUSTED CERTIFICATE is one with what it is trusted for behind it (openssl-x509(1), `-trustout`)."""
    count = der[1] - 0x80 if len(der) > 1 else 0  # bytes of its length (X.690, 8.1.3.5)
    return der[: 2 + count + int.from_bytes(der[2 : 2 + count], "big")] if 0 < count <= 4 else der


def described(text: bytes) -> str:
    """What a text that should be PEM looks like, as words for an error."""
    start = text.lstrip()[:64].lower()
    if not start:
        return "an empty text"
    if start.startswith((b"<!doctype", b"<html", b"<?xml")):
        return "an HTML page"
    if start.startswith(b"{"):
        return "a JSON text"
    if start.startswith(b"\x30"):
        return f"{len(text)} bytes that look like DER"
    return f"{len(text)} bytes"


def certificate_pem(certificate: Certificate) -> bytes:
    return load(certificate).public_bytes(Encoding.PEM)


def chain_pem(chain: Chain) -> bytes:
    """The whole chain, leaf first."""
    return b"".join(certificate_pem(certificate) for certificate in chain.certificates)


# ---------------------------------------------------------------- private keys


class _SealedError(PemError):
    """The key is encrypted."""


def read_key(text: bytes) -> bytes:
    """Read the one private key in a text and give it back as PKCS#8 PEM.

    Raises:
        PemError: none, half of one, several, encrypted, or unreadable.
    """
    return key_pem(_load_key(_key_block(text)))


def _key_block(text: bytes) -> bytes:
    bounded(text)
    found = [(label, block) for label, block in blocks(text) if label in _KEY_LABELS]
    if not found:
        raise PemError("no private key in it")
    if len(found) > 1:
        raise PemError(f"{len(found)} private keys in it; one is expected")
    label, block = found[0]
    if label.startswith(b"ENCRYPTED") or b"ENCRYPTED" in block[:200]:  # the second is OpenSSL's old way
        raise _SealedError("the private key is encrypted; rotator reads unencrypted keys")
    return block


def _load_key(text: bytes, *, check: bool = True) -> PrivateKeyTypes:
    """Load a key; `check` false skips RSA's costly self-test, for places that only ask whose key it is."""
    try:
        if text[:1] == _DER:
            return load_der_private_key(text, password=None, unsafe_skip_rsa_key_validation=not check)
        return load_pem_private_key(text, password=None, unsafe_skip_rsa_key_validation=not check)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        # The library's text may describe the input; a key's parse error must not.
        raise PemError("the private key cannot be read") from error


def key_pem(key: PrivateKeyTypes) -> bytes:
    """A private key as PKCS#8 PEM, unencrypted."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def key_spki(key: bytes, *, check: bool = True) -> str:
    """SHA-256 (hex) of the public part of one private key in PEM or DER; `check` false skips RSA's costly self-test.

    Raises:
        PemError: the key cannot be read.
    """
    return spki_of(_load_key(key, check=check).public_key())


def public_spki(key: PrivateKeyTypes) -> str:
    """SHA-256 (hex) of the public part of a key that the library has read."""
    return spki_of(key.public_key())


def key_matches(chain: Chain, key: bytes) -> bool:
    """Whether a private key belongs to the leaf."""
    return bool(chain.spki) and key_spki(key) == chain.spki


def key_facts(chain: Chain | None, key_text: bytes | None, mode: int | None = None) -> KeyFacts:
    """What may be said of the key beside a chain; an unreadable key matches nothing."""
    if not key_text or not key_text.strip():
        return KeyFacts(mode=mode)
    try:
        spki = spki_of(_load_key(_key_block(key_text), check=False).public_key())
    except PemError as error:
        return KeyFacts(matches=False, mode=mode, sealed=isinstance(error, _SealedError))
    return KeyFacts(spki=spki, matches=chain.spki == spki if chain and chain.spki else None, mode=mode)


def moment(value: datetime) -> str:
    """A moment as people read it: `2026-11-22 17:35 UTC`."""
    return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")
