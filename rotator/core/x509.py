"""One certificate, from DER to plain fields. Whatever cannot be read of it is told in words of our own."""

from __future__ import annotations

import hashlib
import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC
from typing import TypeVar

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from rotator.core.model import Certificate

MAX_PEM_BYTES = 1 << 20
"""More than any real chain or CA bundle; bounds what a lying issuer or a huge file can cost."""

UNREADABLE = (
    ValueError,
    TypeError,
    UnsupportedAlgorithm,
    x509.InvalidVersion,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
)
"""What the library raises for a certificate, or one field of it, that it cannot read."""

_UNVERIFIED = {"md5", "sha1"}
"""Hashes of signatures that the library does not verify any more; roots of before 2015 have them."""

_PARSE_ERROR = re.compile(r"ParseError \{ kind: (\w+)")
_LOCATION = re.compile(r'"(?:\w+::)?(\w+)"')
_FAULTS = {
    "ShortData": "it ends too early",
    "ExtraData": "there is more than belongs there",
    "InvalidLength": "a length is wrong",
    "InvalidTag": "a tag does not exist",
    "UnexpectedTag": "something else stands there",
    "InvalidValue": "a value is none of its type",
    "InvalidSetOrdering": "a set is not in order",
    "EncodedDefault": "a default is written out",
}
"""Kinds of errors that the library's parser of ASN.1 tells of."""

_PARTS = {
    "version": "version", "serial": "serial number", "signature_alg": "signature algorithm", "issuer": "issuer",
    "validity": "dates", "not_before": "dates", "not_after": "dates", "subject": "subject", "spki": "public key",
    "raw_extensions": "extensions", "subject_alternative_name": "names", "signature": "signature",
}  # fmt: skip
"""Parts of a certificate (RFC 5280, 4.1), as that parser calls them."""

MAIL = "mailto:"
"""How a mail address is written among the names of a certificate, so that none is taken for a host."""

T = TypeVar("T")

# The library warns on standard error of what is odd in a certificate; here that is said in `problems`.
warnings.filterwarnings("ignore", category=UserWarning, module=r"rotator\.core\.(pem|x509)")


class PemError(ValueError):
    """The bytes are not what they should be; the message never repeats them."""


def bounded(text: bytes) -> None:
    """Raise `PemError` for more bytes than are read."""
    if len(text) > MAX_PEM_BYTES:
        raise PemError(f"{len(text)} bytes are more than the {MAX_PEM_BYTES} that are read")


def explained(error: Exception) -> str:
    """What the library says of bytes that it cannot read, as a clause in people's words."""
    said = str(error).partition(" See ")[0].rstrip(".")  # the library's text leads to its own web site
    kind = _PARSE_ERROR.search(said)
    if kind is None:
        return "its base64 is damaged" if said.startswith("Unable to load PEM") else said
    places = _LOCATION.findall(said)
    if kind[1] == "ShortData" and not places:
        return "it is cut off"
    part = next((_PARTS[place] for place in places if place in _PARTS), "")
    fault = _FAULTS.get(kind[1], "it is not laid out as one")
    return f"it is no valid DER ({fault}{f', in its {part}' if part else ''})"


@dataclass(slots=True)
class _Fields:
    """Reads the fields of one certificate: a tenth of odd real ones fail in one, and the others must still be known."""

    problems: list[str] = field(default_factory=list)

    def read(self, name: str, how: Callable[[], T], otherwise: T) -> T:
        try:
            return how()
        except x509.ExtensionNotFound:
            return otherwise
        except UNREADABLE as error:
            self.problems.append(f"{name}: {explained(error)}")
            return otherwise


def parse_certificate(der: bytes, *, anchor: bool = False) -> Certificate:
    """Parse one certificate; a field that cannot be read is empty and named in `problems`.

    Args:
        anchor: it is trusted for being where it was found, so its own signature proves nothing (RFC 5280, 6.1) and is
            not verified: `self_signed` goes by names and key identifiers. Of a store of 144 roots that is most of the
            time it takes to read.

    Raises:
        PemError: it is no certificate, or its dates cannot be read (an end that is guessed would be a lie).
    """
    bounded(der)
    try:
        parsed = x509.load_der_x509_certificate(der)
        not_before, not_after = parsed.not_valid_before_utc, parsed.not_valid_after_utc
    except UNREADABLE as error:
        raise PemError(f"the certificate cannot be read: {explained(error)}") from error
    fields = _Fields()
    read = fields.read
    extensions = read("extensions", lambda: parsed.extensions, x509.Extensions([]))
    subject = read("subject", lambda: parsed.subject.rfc4514_string(), "")
    issuer = read("issuer", lambda: parsed.issuer.rfc4514_string(), "")
    algorithm, size = read("public key", lambda: _key_kind(parsed), ("", 0))
    return Certificate(
        der=der,
        fingerprint=hashlib.sha256(der).hexdigest(),
        subject=subject,
        issuer=issuer,
        serial=_serial(parsed, fields.problems),
        not_before=not_before.astimezone(UTC),
        not_after=not_after.astimezone(UTC),
        names=read("names", lambda: _names(extensions), ()),
        spki=read("public key bytes", lambda: spki_of(parsed.public_key()), ""),
        key_algorithm=algorithm,
        key_size=size,
        signature_hash=read("signature hash", lambda: _signature_hash(parsed), ""),
        is_ca=read("basic constraints", lambda: _basic_constraints(extensions), False),
        self_signed=read("self-signature", lambda: _self_signed(parsed, extensions, anchor=anchor), False),
        extended_key_usages=read("extended key usage", lambda: _usages(extensions), ()),
        embedded_scts=read("SCTs", lambda: _scts(extensions), 0),
        authority_key_id=read("authority key id", lambda: _authority(extensions), ""),
        subject_key_id=read("subject key id", lambda: _subject_key(extensions), ""),
        problems=tuple(fields.problems),
    )


def _serial(certificate: x509.Certificate, problems: list[str]) -> int:
    if certificate.serial_number <= 0:
        problems.append("serial: it is not positive (RFC 5280, 4.1.2.2)")
    return certificate.serial_number


def _names(extensions: x509.Extensions) -> tuple[str, ...]:
    names = extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return tuple(name_text(name) for name in names)


def serial_text(serial: int) -> str:
    """A serial as CAs' APIs take it: pairs of hexadecimal digits with colons between them, as `0a:bc`.

    One that no CA should give (RFC 5280, 4.1.2.2) keeps its sign, so that it is taken for no other.
    """
    octets = abs(serial).to_bytes(max(1, (serial.bit_length() + 7) // 8), "big")
    return ("-" if serial < 0 else "") + octets.hex(":")


def name_text(name: x509.GeneralName) -> str:
    """A SAN entry (RFC 5280, 4.2.1.6) as text; only a DNS name or an address reads as the name of a host."""
    if isinstance(name, x509.DNSName):
        return name.value.lower()
    if isinstance(name, x509.IPAddress):
        return str(name.value)
    if isinstance(name, x509.UniformResourceIdentifier):
        return name.value if ":" in name.value else f"uri:{name.value}"
    if isinstance(name, x509.RFC822Name):
        return f"{MAIL}{name.value}"
    if isinstance(name, x509.DirectoryName):
        return f"directory:{name.value.rfc4514_string()}"
    if isinstance(name, x509.OtherName):
        return f"other:{name.type_id.dotted_string}"
    return f"id:{name.value.dotted_string}" if isinstance(name, x509.RegisteredID) else str(name.value)


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


def spki_of(key: object) -> str:
    """SHA-256 (hex) of a public key of the library."""
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
    if anchor or not _can_be_verified(certificate):
        return _own_identifiers(extensions)
    try:
        certificate.verify_directly_issued_by(certificate)
    except Exception:  # noqa: BLE001 - any failure to verify, of whatever backend, means "not signed by itself"
        return False
    return True


def _can_be_verified(certificate: x509.Certificate) -> bool:
    try:
        return _signature_hash(certificate) not in _UNVERIFIED
    except UnsupportedAlgorithm:
        return False


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
