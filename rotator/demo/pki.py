"""The demo's own CA and the certificates of its fleet as they are found: healthy, ending, and broken in known ways."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from rotator.core.csr import general_name
from rotator.core.model import Bundle, Chain
from rotator.core.pem import certificate_pem, key_pem, parse_certificate
from rotator.lib import atomicfile

_SECOND = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Ca:
    """A certificate that signs, and its key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey = field(repr=False)


@dataclass(frozen=True, slots=True)
class Pki:
    """A root that clients trust, and the issuing CA under it that signs the fleet."""

    root: Ca
    issuing: Ca

    def write(self, directory: Path) -> None:
        """`ca.crt` (issuing CA, then the root) and `ca.key` for the `local_ca` issuer; `root.crt` for clients."""
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        root, issuing = (_pem(ca) for ca in (self.root, self.issuing))
        atomicfile.write(directory / "ca.crt", issuing + root, mode=0o644)
        atomicfile.write(directory / "ca.key", key_pem(self.issuing.key), mode=0o600)
        atomicfile.write(directory / "root.crt", root, mode=0o644)


def make_pki(now: datetime) -> Pki:
    """A new root and issuing CA, three years old, so that nothing in the demo is younger than it should be."""
    begin, end = now - timedelta(days=3 * 365), now + timedelta(days=7 * 365)
    root = _ca("rotator demo root", begin, end, None)
    return Pki(root, _ca("rotator demo issuing CA", begin, end - timedelta(days=1), root))


def _ca(name: str, begin: datetime, end: datetime, parent: Ca | None) -> Ca:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    signer = parent.key if parent else key
    builder = (
        _builder(subject, parent.certificate.subject if parent else subject, key.public_key(), begin, end)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0 if parent else 1), critical=True)
        .add_extension(_usage(ca=True), critical=True)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
    )
    return Ca(builder.sign(signer, hashes.SHA256()), key)


def issue(pki: Pki, names: Sequence[str], begin: datetime, end: datetime, *, weak: bool = False) -> Bundle:
    """A certificate of the fleet with its chain; `weak` has a 1024-bit RSA key."""
    key = rsa.generate_private_key(65537, 1024) if weak else ec.generate_private_key(ec.SECP256R1())  # noqa: S505 - the weakness is the point
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
    ca = pki.issuing
    builder = (
        _builder(subject, ca.certificate.subject, key.public_key(), begin, end)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(ca=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName([general_name(name) for name in names]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ca.key.public_key()), critical=False)
    )
    leaf, issuing = builder.sign(ca.key, hashes.SHA256()), ca.certificate
    chain = Chain(tuple(parse_certificate(each.public_bytes(Encoding.DER)) for each in (leaf, issuing)))
    return Bundle(chain, key_pem(key))


def other_key() -> bytes:
    """A key that belongs to no certificate."""
    return key_pem(ec.generate_private_key(ec.SECP256R1()))


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    public: ec.EllipticCurvePublicKey | rsa.RSAPublicKey,
    begin: datetime,
    end: datetime,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin.replace(microsecond=0))
        .not_valid_after(end.replace(microsecond=0) - _SECOND)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
    )


def _usage(*, ca: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not ca, key_cert_sign=ca, crl_sign=ca, content_commitment=False, key_encipherment=False,
        data_encipherment=False, key_agreement=False, encipher_only=False, decipher_only=False,
    )  # fmt: skip


def _pem(ca: Ca) -> bytes:
    return certificate_pem(parse_certificate(ca.certificate.public_bytes(Encoding.DER)))
