"""A small CA factory for the certificates under test: every date is given, nothing is read from a clock.

What it makes by default passes the strict web PKI verifier of `cryptography` (AKI, SKI, non-critical SAN, EKU, KU);
each keyword breaks one of these on purpose.

    root = Authority("Test Root", not_before=START, not_after=END)
    issuing = Authority("Test Issuing", not_before=START, not_after=END, parent=root)
    bundle = issuing.issue(["shop.example.com"], not_before=START, not_after=END)
    bundle.chain  # the leaf, then "Test Issuing"; the root is left out
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID, NameOID, ObjectIdentifier

from rotator.core.csr import general_name
from rotator.core.model import Bundle, Certificate, Chain, KeySpec
from rotator.core.pem import key_pem, parse_certificate

Private: TypeAlias = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | dsa.DSAPrivateKey
Public: TypeAlias = rsa.RSAPublicKey | ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey | dsa.DSAPublicKey
Key: TypeAlias = KeySpec | str | bytes
"""A spec, the same in words (`ecdsa-256`, `rsa-2048`, `ed25519`, `rsa-1024`, `dsa-2048` …), or a private key in PEM."""

_CURVES: dict[int, ec.EllipticCurve] = {
    224: ec.SECP224R1(),
    256: ec.SECP256R1(),
    384: ec.SECP384R1(),
    521: ec.SECP521R1(),
}
_USAGES = {
    "server": ExtendedKeyUsageOID.SERVER_AUTH,
    "client": ExtendedKeyUsageOID.CLIENT_AUTH,
    "code": ExtendedKeyUsageOID.CODE_SIGNING,
    "any": ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE,
}
_SCT_LIST = ObjectIdentifier("1.3.6.1.4.1.11129.2.4.2")


def private_key(key: Key) -> Private:
    """Make a key, also a weak one that `rotator.core.csr` refuses to make; a PEM is loaded."""
    if isinstance(key, bytes):
        loaded = load_pem_private_key(key, password=None)
        assert isinstance(loaded, Private)
        return loaded
    algorithm, _, size = key.partition("-") if isinstance(key, str) else (key.algorithm, "", str(key.size))
    match algorithm:
        case "rsa":
            return rsa.generate_private_key(public_exponent=65537, key_size=int(size))
        case "ecdsa":
            return ec.generate_private_key(_CURVES[int(size)])
        case "dsa":
            return dsa.generate_private_key(int(size))
        case "ed25519":
            return ed25519.Ed25519PrivateKey.generate()
    raise ValueError(f"no test key of kind {key}")


@dataclass(frozen=True, slots=True)
class Shape:
    """What a certificate is to look like beyond its names and dates."""

    ca: bool = False
    eku: tuple[str, ...] = ("server",)
    subject: str | None = None
    organisation: str = ""
    san_critical: bool = False
    without_aki: bool = False
    without_san: bool = False
    scts: int = 0
    permitted: tuple[str, ...] = ()
    issuer_url: str = ""


class Authority:
    """A CA: a root, or an intermediate under `parent`.

    Attributes:
        certificate: its own.
        key: its private key, PKCS#8 PEM.
    """

    def __init__(
        self,
        name: str,
        *,
        not_before: datetime,
        not_after: datetime,
        key: Key = "ecdsa-256",
        parent: Authority | None = None,
        organisation: str = "",
        permitted: Sequence[str] = (),
    ) -> None:
        self._private = private_key(key)
        self.parent = parent
        self.key = key_pem(self._private)
        shape = Shape(ca=True, eku=(), subject=name, organisation=organisation, permitted=tuple(permitted))
        signer = parent._private if parent else self._private
        self.certificate: Certificate = _signed(
            (), shape, self._private.public_key(), not_before, not_after, signer, parent.certificate if parent else None
        )

    @property
    def chain(self) -> tuple[Certificate, ...]:
        """What a leaf of this CA needs beside it: this CA and those above it, the root left out; empty for a root."""
        return (self.certificate, *self.parent.chain) if self.parent else ()

    @property
    def root(self) -> Certificate:
        return self.parent.root if self.parent else self.certificate

    def issue(
        self,
        names: Sequence[str],
        *,
        not_before: datetime,
        not_after: datetime,
        key: Key = KeySpec(),  # noqa: B008 - frozen
        ca: bool = False,
        eku: Sequence[str] = ("server",),
        subject: str | None = None,
        san_critical: bool = False,
        without_aki: bool = False,
        without_san: bool = False,
        scts: int = 0,
        issuer_url: str = "",
    ) -> Bundle:
        """Make a key and a certificate for it: leaf first, with the intermediates, the root left out.

        Args:
            eku: of `server`, `client`, `code`, `any`; empty leaves the extension out.
            subject: the common name; None takes the first name, empty text makes an empty subject.
            scts: how many (forged) signed certificate timestamps to embed.
            issuer_url: where it says that its issuer's certificate can be fetched.
        """
        shape = Shape(
            ca=ca,
            eku=tuple(eku),
            subject=subject,
            san_critical=san_critical,
            without_aki=without_aki,
            without_san=without_san,
            scts=scts,
            issuer_url=issuer_url,
        )
        private = private_key(key)
        leaf = _signed(names, shape, private.public_key(), not_before, not_after, self._private, self.certificate)
        return Bundle(Chain((leaf, *self.chain)), key_pem(private))

    def sign(
        self,
        csr_pem: bytes,
        *,
        not_before: datetime,
        not_after: datetime,
        names: Sequence[str] | None = None,
        eku: Sequence[str] = ("server",),
        ca: bool = False,
    ) -> Chain:
        """Sign a request for the names in it, or for others: leaf first, with the intermediates."""
        request = x509.load_pem_x509_csr(csr_pem)
        asked = request.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        public = request.public_key()
        assert isinstance(public, Public)
        names = [str(name.value) for name in asked] if names is None else names
        shape = Shape(ca=ca, eku=tuple(eku))
        leaf = _signed(names, shape, public, not_before, not_after, self._private, self.certificate)
        return Chain((leaf, *self.chain))


def self_signed(
    names: Sequence[str], *, not_before: datetime, not_after: datetime, key: Key = "ecdsa-256", ca: bool = False
) -> Bundle:
    """A certificate that vouches for itself."""
    private = private_key(key)
    leaf = _signed(names, Shape(ca=ca), private.public_key(), not_before, not_after, private, None)
    return Bundle(Chain((leaf,)), key_pem(private))


def _signed(
    names: Sequence[str],
    shape: Shape,
    public: Public,
    not_before: datetime,
    not_after: datetime,
    signer: Private,
    issuer: Certificate | None,
) -> Certificate:
    subject = _subject(names, shape)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(x509.load_der_x509_certificate(issuer.der).subject if issuer else subject)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(not_before)
        .not_valid_after(not_after)
    )
    for extension, critical in _extensions(names, shape, public, signer, is_root=issuer is None):
        builder = builder.add_extension(extension, critical=critical)
    algorithm = None if isinstance(signer, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    return parse_certificate(builder.sign(signer, algorithm).public_bytes(Encoding.DER))


def _subject(names: Sequence[str], shape: Shape) -> x509.Name:
    common = shape.subject if shape.subject is not None else names[0]
    pieces = [(NameOID.ORGANIZATION_NAME, shape.organisation), (NameOID.COMMON_NAME, common)]
    return x509.Name([x509.NameAttribute(oid, text) for oid, text in pieces if text])


def _extensions(
    names: Sequence[str], shape: Shape, public: Public, signer: Private, *, is_root: bool
) -> list[tuple[x509.ExtensionType, bool]]:
    found: list[tuple[x509.ExtensionType, bool]] = [
        (x509.BasicConstraints(ca=shape.ca, path_length=None), True),
        (_key_usage(shape, public), True),
        (x509.SubjectKeyIdentifier.from_public_key(public), False),
    ]
    if not is_root and not shape.without_aki:
        above = signer.public_key()
        found.append((x509.AuthorityKeyIdentifier.from_issuer_public_key(above), False))
    if names and not shape.without_san:
        critical = shape.san_critical or shape.subject == ""
        found.append((x509.SubjectAlternativeName([general_name(name) for name in names]), critical))
    if shape.eku:
        found.append((x509.ExtendedKeyUsage([_USAGES[usage] for usage in shape.eku]), False))
    if shape.permitted:
        found.append((x509.NameConstraints([x509.DNSName(name) for name in shape.permitted], None), True))
    if shape.issuer_url:
        where = x509.UniformResourceIdentifier(shape.issuer_url)
        access = x509.AccessDescription(AuthorityInformationAccessOID.CA_ISSUERS, where)
        found.append((x509.AuthorityInformationAccess([access]), False))
    if shape.scts:
        found.append((x509.UnrecognizedExtension(_SCT_LIST, _sct_list(shape.scts)), False))
    return found


def _key_usage(shape: Shape, public: Public) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True, key_encipherment=isinstance(public, rsa.RSAPublicKey) and not shape.ca,
        key_cert_sign=shape.ca, crl_sign=shape.ca, content_commitment=False, data_encipherment=False,
        key_agreement=False, encipher_only=False, decipher_only=False,
    )  # fmt: skip


def _sct_list(count: int) -> bytes:
    """An SCT list (RFC 6962, 3.3) of up to four logs; the signatures are zeroes."""
    entries = b""
    for log in range(count):
        sct = b"\x00" + bytes([log]) * 32 + bytes(8) + b"\x00\x00" + b"\x04\x03" + b"\x00\x08" + bytes(8)
        entries += len(sct).to_bytes(2, "big") + sct
    listed = len(entries).to_bytes(2, "big") + entries
    size = len(listed)
    return b"\x04" + (bytes([size]) if size < 128 else bytes([0x81, size])) + listed  # DER: an OCTET STRING
