"""New keys and certificate signing requests: the only randomness in the core."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from ipaddress import ip_address

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes, PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
from cryptography.x509.oid import NameOID

from rotator.core.model import KeySpec
from rotator.core.pem import PemError, key_pem
from rotator.core.x509 import MAIL, name_text

_CURVES: dict[int, ec.EllipticCurve] = {256: ec.SECP256R1(), 384: ec.SECP384R1()}
_CN_MAX = 64  # ub-common-name, RFC 5280, A.1


def new_key(spec: KeySpec) -> bytes:
    """Make a private key, as PKCS#8 PEM.

    Raises:
        ValueError: the spec names no algorithm or size that is made here.
    """
    if spec.algorithm == "rsa" and 2048 <= spec.size <= 4096:
        return key_pem(rsa.generate_private_key(public_exponent=65537, key_size=spec.size))
    if spec.algorithm == "ecdsa" and spec.size in _CURVES:
        return key_pem(ec.generate_private_key(_CURVES[spec.size]))
    if spec.algorithm == "ed25519":
        return key_pem(ed25519.Ed25519PrivateKey.generate())
    raise ValueError(f"no key of kind {spec.algorithm} {spec.size}; use rsa 2048-4096, ecdsa 256 or 384, or ed25519")


def make_csr(key: bytes, names: tuple[str, ...]) -> bytes:
    """A request (PEM) for exactly these names; the first DNS name that fits is also the common name.

    Raises:
        ValueError: no names, or one that cannot stand in a certificate.
        PemError: the key cannot be read, or cannot sign a request.
    """
    if not names:
        raise ValueError("a certificate needs at least one name")
    private = _loaded(key)
    if not isinstance(private, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey):
        raise PemError("this kind of key cannot sign a request")
    builder = (
        x509.CertificateSigningRequestBuilder()
        .subject_name(_subject(names))
        .add_extension(x509.SubjectAlternativeName([general_name(name) for name in names]), critical=False)
    )
    algorithm = None if isinstance(private, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    return builder.sign(private, algorithm).public_bytes(Encoding.PEM)


def _loaded(key: bytes) -> PrivateKeyTypes:
    try:
        return load_pem_private_key(key, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise PemError("the private key cannot be read") from error


def _subject(names: tuple[str, ...]) -> x509.Name:
    common = next((name for name in names if len(name) <= _CN_MAX and ":" not in name and not is_address(name)), None)
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)] if common else [])


def general_name(name: str) -> x509.GeneralName:
    """A name of a spec as a SAN entry: an address, a URI, a mail address (`mailto:…`), or a DNS name.

    Raises:
        ValueError: it is not written in ASCII (RFC 5280, 7.2 and 7.4).
    """
    if not name.isascii():
        raise ValueError(f"{name} cannot stand in a certificate; write it in its ASCII form (xn--…)")
    if is_address(name):
        return x509.IPAddress(ip_address(name))
    if "://" in name:
        return x509.UniformResourceIdentifier(name)
    if name.startswith(MAIL):
        return x509.RFC822Name(name.removeprefix(MAIL))
    return x509.DNSName(name)


@lru_cache(maxsize=16_384)
def is_address(name: str) -> bool:
    """Whether a name is an IP address."""
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


def csr_spki(csr: bytes) -> str:
    """SHA-256 (hex) of the public key that the request asks for.

    Raises:
        PemError: it is no request, or its key cannot be read.
    """
    public = _public_key(csr)
    return hashlib.sha256(public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest()


def csr_is_for(csr: bytes, spec: KeySpec) -> bool:
    """Whether the request asks for a key of this algorithm and size.

    Raises:
        PemError: it is no request, or its key cannot be read.
    """
    public = _public_key(csr)
    if isinstance(public, rsa.RSAPublicKey):
        return (spec.algorithm, spec.size) == ("rsa", public.key_size)
    if isinstance(public, ec.EllipticCurvePublicKey):
        return (spec.algorithm, spec.size) == ("ecdsa", public.key_size)
    return isinstance(public, ed25519.Ed25519PublicKey) and spec.algorithm == "ed25519"


def _public_key(csr: bytes) -> CertificatePublicKeyTypes:
    try:
        return _request(csr).public_key()
    except (ValueError, UnsupportedAlgorithm) as error:
        raise PemError(f"the public key of the request cannot be read: {error}") from error


def csr_names(csr: bytes) -> tuple[str, ...]:
    """The names that the request asks for; empty where it has no SAN.

    Raises:
        PemError: it is no request, or its extensions cannot be read.
    """
    try:
        names = _request(csr).extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ()
    except (ValueError, x509.DuplicateExtension, x509.UnsupportedGeneralNameType) as error:
        raise PemError(f"the names of the request cannot be read: {error}") from error
    return tuple(name_text(name) for name in names)


def _request(csr: bytes) -> x509.CertificateSigningRequest:
    try:
        return x509.load_pem_x509_csr(csr)
    except (ValueError, x509.InvalidVersion) as error:
        raise PemError("it is no certificate signing request in PEM") from error
