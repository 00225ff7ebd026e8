"""Certificates that a CA's own intermediate signs although no honest CA would: for our very key, wrong otherwise."""

from __future__ import annotations

import base64
import json
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from OpenSSL import crypto

from tests.pki import Public, private_key
from tests.servers.loopback import Request
from tests.servers.pebble import Pebble

DAY = timedelta(days=1)
SERVER, CODE = ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CODE_SIGNING


@dataclass(frozen=True, slots=True)
class Wrong:
    """What is wrong with a certificate; dates are seen from now.

    Attributes:
        key: another key than the one that was asked for, in words.
    """

    begins: timedelta = -DAY
    ends: timedelta = 89 * DAY
    names: tuple[str, ...] | None = None
    key: str = ""
    ca: bool = False
    usage: x509.ObjectIdentifier = SERVER
    sha1: bool = False


class Mint:
    """The key of a Pebble's intermediate, and the request that a client sent last."""

    def __init__(self, pebble: Pebble) -> None:
        certificate, key = (text.encode() for text in pebble.intermediate())
        self.intermediate = certificate
        self._root = pebble.root()
        self._above = x509.load_pem_x509_certificate(certificate)
        self._key = private_key(key)
        self._csr: x509.CertificateSigningRequest | None = None

    def watch(self, request: Request) -> None:
        """Take the CSR out of a finalize request (RFC 8555, 7.4)."""
        payload = json.loads(_decoded(json.loads(request.body)["payload"]))
        self._csr = x509.load_der_x509_csr(_decoded(payload["csr"]))

    def leaf(self, wrong: Wrong) -> bytes:
        """A certificate for the key that was asked for, in PEM, without the intermediate."""
        assert self._csr is not None, "nobody has asked for a certificate"
        asked = self._csr.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        names = asked if wrong.names is None else x509.SubjectAlternativeName(_dns(wrong.names))
        public: Public = private_key(wrong.key).public_key() if wrong.key else self._csr.public_key()  # type: ignore[assignment]  # of the kinds that rotator makes
        return self._signed(public, names, wrong)

    def ended_intermediate(self) -> bytes:
        """The intermediate with its own name and key, signed by its root for a time that has passed."""
        root, key = x509.load_pem_x509_certificate(self._root[0].encode()), private_key(self._root[1].encode())
        now, above = datetime.now(UTC).replace(microsecond=0), self._above
        builder = (
            x509.CertificateBuilder()
            .subject_name(above.subject)
            .issuer_name(root.subject)
            .public_key(above.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - 900 * DAY)
            .not_valid_after(now - DAY)
        )
        for extension in above.extensions:
            builder = builder.add_extension(extension.value, extension.critical)
        assert isinstance(key, rsa.RSAPrivateKey)
        return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)

    def _signed(self, public: Public, names: x509.SubjectAlternativeName, wrong: Wrong) -> bytes:
        now = datetime.now(UTC).replace(microsecond=0)
        builder = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "wrong.example.com")]))
            .issuer_name(self._above.subject)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + wrong.begins)
            .not_valid_after(now + wrong.ends)
            .add_extension(names, critical=False)
            .add_extension(x509.ExtendedKeyUsage([wrong.usage]), critical=False)
            .add_extension(x509.BasicConstraints(ca=wrong.ca, path_length=None), critical=True)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self._above.public_key()),  # type: ignore[arg-type]
                critical=False,
            )
        )
        assert isinstance(self._key, rsa.RSAPrivateKey)
        leaf = builder.sign(self._key, hashes.SHA256())
        if not wrong.sha1:
            return leaf.public_bytes(Encoding.PEM)
        again = crypto.X509.from_cryptography(leaf)  # cryptography itself signs nothing with SHA-1 any more
        with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
            again.sign(crypto.PKey.from_cryptography_key(self._key), "sha1")
        return crypto.dump_certificate(crypto.FILETYPE_PEM, again)


def _dns(names: Sequence[str]) -> list[x509.DNSName]:
    return [x509.DNSName(name) for name in names]


def _decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
