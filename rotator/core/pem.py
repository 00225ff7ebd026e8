"""From bytes to certificates and back: PEM, DER, private keys. Parsed once, here, into plain fields."""

from __future__ import annotations

import binascii
import hashlib
import re
import warnings
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TypeVar

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_private_key,
    load_pem_private_key,
)

from rotator.core.model import Certificate, Chain, KeyFacts

MAX_PEM_BYTES = 1 << 20
"""More than any real chain or CA bundle; bounds what a lying issuer or a huge file can cost."""

MAX_BUNDLE_BYTES = 16 << 20
"""A system's CA bundle with a company's own roots and comments stays far below."""

MAX_CERTIFICATES = 2000
_MARK = re.compile(rb"-----(BEGIN|END) ([A-Z0-9 ]+)-----")
_KEY_LABELS = {b"PRIVATE KEY", b"RSA PRIVATE KEY", b"EC PRIVATE KEY", b"DSA PRIVATE KEY", b"ENCRYPTED PRIVATE KEY"}
_DER = b"\x30"
_TRUSTED = b"TRUSTED CERTIFICATE"
CERTIFICATE_LABELS = {b"CERTIFICATE", b"X509 CERTIFICATE", _TRUSTED}

_UNREADABLE = (
    ValueError,
    TypeError,
    UnsupportedAlgorithm,
    x509.InvalidVersion,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
)
"""What the library raises for a certificate, or one field of it, that it cannot read."""

T = TypeVar("T")

# The library warns on standard error of what is odd in a certificate; here that is said in `problems`.
warnings.filterwarnings("ignore", category=UserWarning, module=r"rotator\.core\.pem")


class PemError(ValueError):
    """The bytes are not what they should be; the message never repeats them."""


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
    _bounded(text)
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
    except _UNREADABLE as error:
        why = str(error).partition(" See ")[0].rstrip(".")  # the library's text leads to its own web site
        raise PemError(f"a CERTIFICATE block cannot be read: {why}") from error
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


def _bounded(text: bytes) -> None:
    if len(text) > MAX_PEM_BYTES:
        raise PemError(f"{len(text)} bytes are more than the {MAX_PEM_BYTES} that are read")


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


def parse_certificate(der: bytes, *, anchor: bool = False) -> Certificate:
    """Parse one certificate; a field that cannot be read is empty and named in `problems`.

    Args:
        anchor: it is trusted for being where it was found, so its own signature proves nothing (RFC 5280, 6.1) and is
            not verified: `self_signed` goes by names and key identifiers. Of a store of 144 roots that is most of the
            time it takes to read.

    Raises:
        PemError: it is no certificate, or its dates cannot be read (an end that is guessed would be a lie).
    """
    _bounded(der)
    try:
        parsed = x509.load_der_x509_certificate(der)
        not_before, not_after = parsed.not_valid_before_utc, parsed.not_valid_after_utc
    except _UNREADABLE as error:
        raise PemError(f"the certificate cannot be read: {error}") from error
    problems: list[str] = []

    def read(name: str, how: Callable[[], T], otherwise: T) -> T:
        # A tenth of odd real certificates fail in one field; the others must still be known.
        try:
            return how()
        except x509.ExtensionNotFound:
            return otherwise
        except _UNREADABLE as error:
            problems.append(f"{name}: {error}")
            return otherwise

    extensions = read("extensions", lambda: parsed.extensions, x509.Extensions([]))
    subject = read("subject", lambda: parsed.subject.rfc4514_string(), "")
    issuer = read("issuer", lambda: parsed.issuer.rfc4514_string(), "")
    algorithm, size = read("public key", lambda: _key_kind(parsed), ("", 0))
    return Certificate(
        der=der,
        fingerprint=hashlib.sha256(der).hexdigest(),
        subject=subject,
        issuer=issuer,
        serial=_serial(parsed, problems),
        not_before=not_before.astimezone(UTC),
        not_after=not_after.astimezone(UTC),
        names=read("names", lambda: _names(extensions), ()),
        spki=read("public key bytes", lambda: _spki(parsed.public_key()), ""),
        key_algorithm=algorithm,
        key_size=size,
        signature_hash=read("signature hash", lambda: _signature_hash(parsed), ""),
        is_ca=read("basic constraints", lambda: _basic_constraints(extensions), False),
        self_signed=read("self-signature", lambda: _self_signed(parsed, extensions, anchor=anchor), False),
        extended_key_usages=read("extended key usage", lambda: _usages(extensions), ()),
        embedded_scts=read("SCTs", lambda: _scts(extensions), 0),
        authority_key_id=read("authority key id", lambda: _authority(extensions), ""),
        subject_key_id=read("subject key id", lambda: _subject_key(extensions), ""),
        problems=tuple(problems),
    )


def _serial(certificate: x509.Certificate, problems: list[str]) -> int:
    if certificate.serial_number <= 0:
        problems.append("serial: it is not positive (RFC 5280, 4.1.2.2)")
    return certificate.serial_number


def _names(extensions: x509.Extensions) -> tuple[str, ...]:
    names = extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return tuple(_name_text(name) for name in names)


def _name_text(name: x509.GeneralName) -> str:
    if isinstance(name, x509.DNSName):
        return name.value.lower()
    if isinstance(name, x509.DirectoryName):
        return name.value.rfc4514_string()
    if isinstance(name, x509.OtherName):
        return f"other:{name.type_id.dotted_string}"
    return str(name.value)


def _key_kind(certificate: x509.Certificate) -> tuple[str, int]:
    key = certificate.public_key()
    if isinstance(key, rsa.RSAPublicKey):
        return "rsa", key.key_size
    if isinstance(key, ec.EllipticCurvePublicKey):
        return "ecdsa", key.key_size
    if isinstance(key, ed25519.Ed25519PublicKey):
        return "ed25519", 0
    if isinstance(key, ed448.Ed448PublicKey):
        return "ed448", 0
    if isinstance(key, dsa.DSAPublicKey):
        return "dsa", key.key_size
    return certificate.public_key_algorithm_oid.dotted_string, 0


def _spki(key: object) -> str:
    der: bytes = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)  # type: ignore[attr-defined]  # every public key has it
    return hashlib.sha256(der).hexdigest()


def _signature_hash(certificate: x509.Certificate) -> str:
    algorithm = certificate.signature_hash_algorithm
    return algorithm.name if algorithm else ""


def _basic_constraints(extensions: x509.Extensions) -> bool:
    return extensions.get_extension_for_class(x509.BasicConstraints).value.ca


def _self_signed(certificate: x509.Certificate, extensions: x509.Extensions, *, anchor: bool) -> bool:
    if certificate.issuer != certificate.subject:
        return False
    if anchor:
        return _own_identifiers(extensions)
    try:
        certificate.verify_directly_issued_by(certificate)
    except Exception:  # noqa: BLE001 - any failure to verify, of whatever backend, means "not signed by itself"
        return False
    return True


def _own_identifiers(extensions: x509.Extensions) -> bool:
    """Whether its authority is itself, as far as it says; a self-issued one that another key signed says otherwise."""
    try:
        return _authority(extensions) in {"", _subject_key(extensions)}
    except x509.ExtensionNotFound:
        return True


def _usages(extensions: x509.Extensions) -> tuple[str, ...]:
    usages = extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    return tuple(usage.dotted_string for usage in usages)


def _scts(extensions: x509.Extensions) -> int:
    return len(list(extensions.get_extension_for_class(x509.PrecertificateSignedCertificateTimestamps).value))


def _authority(extensions: x509.Extensions) -> str:
    identifier = extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier
    return identifier.hex() if identifier else ""


def _subject_key(extensions: x509.Extensions) -> str:
    return extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest.hex()


def load(certificate: Certificate) -> x509.Certificate:
    """The library's object for a certificate that was parsed before."""
    return x509.load_der_x509_certificate(certificate.der)


def certificate_pem(certificate: Certificate) -> bytes:
    return load(certificate).public_bytes(Encoding.PEM)


def chain_pem(chain: Chain) -> bytes:
    """The whole chain, leaf first."""
    return b"".join(certificate_pem(certificate) for certificate in chain.certificates)


# ---------------------------------------------------------------- private keys


def read_key(text: bytes) -> bytes:
    """Read the one private key in a text and give it back as PKCS#8 PEM.

    Raises:
        PemError: none, half of one, several, encrypted, or unreadable.
    """
    return key_pem(_load_key(_key_block(text)))


def _key_block(text: bytes) -> bytes:
    _bounded(text)
    found = [(label, block) for label, block in blocks(text) if label in _KEY_LABELS]
    if not found:
        raise PemError("no private key in it")
    if len(found) > 1:
        raise PemError(f"{len(found)} private keys in it; one is expected")
    label, block = found[0]
    if label.startswith(b"ENCRYPTED") or b"ENCRYPTED" in block[:200]:  # the second is OpenSSL's old way
        raise PemError("the private key is encrypted; rotator reads unencrypted keys")
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
    return _spki(_load_key(key, check=check).public_key())


def public_spki(key: PrivateKeyTypes) -> str:
    """SHA-256 (hex) of the public part of a key that the library has read."""
    return _spki(key.public_key())


def key_matches(chain: Chain, key: bytes) -> bool:
    """Whether a private key belongs to the leaf."""
    return bool(chain.spki) and key_spki(key) == chain.spki


def key_facts(chain: Chain | None, key_text: bytes | None, mode: int | None = None) -> KeyFacts:
    """What may be said of the key beside a chain; an unreadable key matches nothing."""
    if not key_text or not key_text.strip():
        return KeyFacts(mode=mode)
    try:
        spki = _spki(_load_key(_key_block(key_text), check=False).public_key())
    except PemError:
        return KeyFacts(matches=False, mode=mode)
    return KeyFacts(spki=spki, matches=chain.spki == spki if chain and chain.spki else None, mode=mode)


def moment(value: datetime) -> str:
    """A moment as people read it: `2026-11-22 17:35 UTC`."""
    return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")
