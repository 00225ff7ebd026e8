"""What a CA does with its key: make itself a root, and sign intermediates, leaves and CRLs as strict verifiers want."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TypeAlias

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from rotator.core.csr import general_name, is_address
from rotator.core.model import Certificate
from rotator.core.pem import PemError, load, parse_certificate, read_key

SigningKey: TypeAlias = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey
SignableKey: TypeAlias = rsa.RSAPublicKey | ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey

CN_MAX = 64
"""ub-common-name, RFC 5280, A.1."""

ROOT_LIFETIME = timedelta(days=3653)
"""Ten years, with their leap days."""

INTERMEDIATE_LIFETIME = timedelta(days=1826)
"""Five years, with their leap day."""

_SECOND = timedelta(seconds=1)
_FLAGS = {
    1: x509.ReasonFlags.key_compromise,
    2: x509.ReasonFlags.ca_compromise,
    3: x509.ReasonFlags.affiliation_changed,
    4: x509.ReasonFlags.superseded,
    5: x509.ReasonFlags.cessation_of_operation,
    9: x509.ReasonFlags.privilege_withdrawn,
}


@dataclass(frozen=True, slots=True)
class Authority:
    """A CA that can sign.

    Attributes:
        certificate: its own.
        above: what `ca.crt` holds after it, up to the root.
    """

    certificate: Certificate
    above: tuple[Certificate, ...]
    key: SigningKey = field(repr=False)

    @property
    def path(self) -> tuple[Certificate, ...]:
        """What a leaf of this CA is sent with: itself and those above it, the root left out."""
        return tuple(each for each in (self.certificate, *self.above) if not each.self_signed)

    @property
    def not_after(self) -> datetime:
        """When the first certificate of the path ends."""
        return min(each.not_after for each in (self.certificate, *self.above))


def load_signing_key(text: bytes) -> SigningKey:
    """The private key of a CA from PEM.

    Raises:
        PemError: it cannot be read, or cannot sign.
    """
    key = load_pem_private_key(read_key(text), password=None)
    if not isinstance(key, SigningKey):
        raise PemError("a key of this kind cannot sign certificates; use ECDSA, RSA or Ed25519")
    return key


def common_name(names: tuple[str, ...]) -> str:
    """The first DNS name that fits into a common name; empty when none does."""
    fitting = (name for name in names if len(name) <= CN_MAX and "://" not in name and not is_address(name))
    return next(fitting, "")


def sign(
    authority: Authority,
    csr: x509.CertificateSigningRequest,
    names: tuple[str, ...],
    not_before: datetime,
    not_after: datetime,
    *,
    client_auth: bool = False,
    crl_url: str = "",
) -> Certificate:
    """A leaf for exactly these names, in the shape that strict verifiers want (AKI, SKI, EKU, KU).

    The SAN is critical only where the subject is empty (RFC 5280, 4.2.1.6).

    Args:
        crl_url: where its revocation can be looked up (4.2.1.13); empty leaves the extension out.
    """
    common = common_name(names)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)] if common else [])
    usages = [ExtendedKeyUsageOID.SERVER_AUTH, *([ExtendedKeyUsageOID.CLIENT_AUTH] if client_auth else [])]
    ca = load(authority.certificate)
    builder = (
        _builder(subject, ca.subject, csr.public_key(), not_before, not_after)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(ca=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
        .add_extension(x509.SubjectAlternativeName([general_name(name) for name in names]), critical=not common)
        .add_extension(_authority_key(ca), critical=False)
    )
    if crl_url:
        builder = builder.add_extension(_distribution_point(crl_url), critical=False)
    return parse_certificate(builder.sign(authority.key, _hash(authority.key)).public_bytes(Encoding.DER))


def make_root(
    key: SigningKey, *, name: str, organisation: str, not_before: datetime, path_length: int = 0
) -> Certificate:
    """A root that is valid for ten years.

    Args:
        path_length: how many intermediates may lie below it; none of them, it signs leaves only.
    """
    subject = _ca_name(name, organisation)
    begin = not_before.replace(microsecond=0)
    builder = (
        _builder(subject, subject, key.public_key(), begin, begin + ROOT_LIFETIME - _SECOND)
        .add_extension(x509.BasicConstraints(ca=True, path_length=path_length), critical=True)
        .add_extension(_key_usage(ca=True), critical=True)
    )
    return parse_certificate(builder.sign(key, _hash(key)).public_bytes(Encoding.DER))


def make_intermediate(
    parent: Authority, key: SigningKey, *, name: str, organisation: str, not_before: datetime
) -> Certificate:
    """An intermediate that may sign leaves only, valid for five years and no longer than its parent."""
    above = load(parent.certificate)
    begin = max(not_before.replace(microsecond=0), parent.certificate.not_before)
    end = min(begin + INTERMEDIATE_LIFETIME - _SECOND, parent.not_after)
    builder = (
        _builder(_ca_name(name, organisation), above.subject, key.public_key(), begin, end)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(ca=True), critical=True)
        .add_extension(_authority_key(above), critical=False)
    )
    return parse_certificate(builder.sign(parent.key, _hash(parent.key)).public_bytes(Encoding.DER))


@dataclass(frozen=True, slots=True)
class RevokedSerial:
    """One entry of a CRL.

    Attributes:
        reason: CRLReason (RFC 5280, 5.3.1); 0 is not written, as the RFC wants it.
    """

    serial: int
    at: datetime
    reason: int


def make_crl(
    authority: Authority,
    revoked: Sequence[RevokedSerial],
    *,
    number: int,
    this_update: datetime,
    next_update: datetime,
) -> bytes:
    """A full CRL of everything that a CA has revoked, DER (RFC 5280, 5)."""
    ca = load(authority.certificate)
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(ca.subject)
        .last_update(this_update.replace(microsecond=0))
        .next_update(next_update.replace(microsecond=0))
        .add_extension(x509.CRLNumber(number), critical=False)
        .add_extension(_authority_key(ca), critical=False)
    )
    for each in revoked:
        builder = builder.add_revoked_certificate(_revoked(each))
    return builder.sign(authority.key, _hash(authority.key)).public_bytes(Encoding.DER)


def _revoked(entry: RevokedSerial) -> x509.RevokedCertificate:
    builder = (
        x509.RevokedCertificateBuilder().serial_number(entry.serial).revocation_date(entry.at.replace(microsecond=0))
    )
    if entry.reason:
        builder = builder.add_extension(x509.CRLReason(_FLAGS[entry.reason]), critical=False)
    return builder.build()


def _distribution_point(url: str) -> x509.CRLDistributionPoints:
    where = [x509.UniformResourceIdentifier(url)]
    return x509.CRLDistributionPoints([x509.DistributionPoint(where, None, None, None)])


def _ca_name(name: str, organisation: str) -> x509.Name:
    pieces = [(NameOID.ORGANIZATION_NAME, organisation), (NameOID.COMMON_NAME, name)]
    return x509.Name([x509.NameAttribute(oid, text) for oid, text in pieces if text])


def _builder(
    subject: x509.Name, issuer: x509.Name, public: object, not_before: datetime, not_after: datetime
) -> x509.CertificateBuilder:
    assert isinstance(public, SignableKey)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())  # 159 random bits
        .not_valid_before(not_before)
        .not_valid_after(not_after)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
    )


def _authority_key(ca: x509.Certificate) -> x509.AuthorityKeyIdentifier:
    """The CA's own key id where it has one: a path is built by equality, whatever way it was computed."""
    try:
        subject_key = ca.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    except x509.ExtensionNotFound:
        public = ca.public_key()
        assert isinstance(public, SignableKey)
        return x509.AuthorityKeyIdentifier.from_issuer_public_key(public)
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(subject_key)


def _key_usage(*, ca: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not ca, key_cert_sign=ca, crl_sign=ca, content_commitment=False, key_encipherment=False,
        data_encipherment=False, key_agreement=False, encipher_only=False, decipher_only=False,
    )  # fmt: skip


def _hash(key: SigningKey) -> hashes.SHA256 | hashes.SHA384 | None:
    """The hash that goes with a CA's key; Ed25519 has its own."""
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return None
    return hashes.SHA384() if isinstance(key, ec.EllipticCurvePrivateKey) and key.key_size > 256 else hashes.SHA256()
