"""Throw-away bundles for the suites: a leaf under an intermediate, for a day around now."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from rotator.core.model import Bundle, Certificate, Chain
from rotator.core.pem import key_pem, parse_certificate

DAY = timedelta(days=1)


def make_bundle(name: str) -> Bundle:
    """A bundle for one DNS name with a key of its own, signed by an intermediate of its own."""
    ca_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    intermediate = _signed("conformance intermediate", ca_key.public_key(), ca_key, ())
    leaf = _signed(name, key.public_key(), ca_key, (name,))
    return Bundle(Chain((leaf, intermediate)), key_pem(key))


def _signed(
    subject: str, public: ec.EllipticCurvePublicKey, signer: ec.EllipticCurvePrivateKey, names: tuple[str, ...]
) -> Certificate:
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(_name(subject))
        .issuer_name(_name("conformance root" if not names else "conformance intermediate"))
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - DAY)
        .not_valid_after(now + DAY)
        .add_extension(x509.BasicConstraints(ca=not names, path_length=None), critical=True)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
    )
    if names:
        alternatives = x509.SubjectAlternativeName([x509.DNSName(name) for name in names])
        usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
        builder = builder.add_extension(alternatives, critical=False).add_extension(usage, critical=False)
    return parse_certificate(builder.sign(signer, SHA256()).public_bytes(Encoding.DER))


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])
