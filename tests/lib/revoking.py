"""A CA that can take certificates back, and a shelf on loopback where it publishes."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import TypeAlias

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
from cryptography.x509.ocsp import load_der_ocsp_response
from cryptography.x509.oid import AuthorityInformationAccessOID, NameOID

from rotator.core.model import Certificate, Chain
from rotator.core.pem import certificate_pem, load, parse_certificate
from tests.pki import Authority
from tests.servers.loopback import LoopbackServer, Request, Response

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)
Extension: TypeAlias = tuple[x509.ExtensionType, bool]
"""With whether it is critical."""


class Shelf(LoopbackServer):
    """Gives what lies at a path, and counts who came; 404 elsewhere."""

    def __init__(self) -> None:
        super().__init__()
        self.items: dict[str, bytes | Response] = {}
        self.asked: list[str] = []
        self._guard = threading.Lock()

    def put(self, path: str, item: bytes | Response) -> str:
        """Lay something there; gives its address."""
        self.items[path] = item
        return f"{self.url}{path}"

    def respond(self, request: Request) -> Response:
        """Give what lies at the path."""
        with self._guard:
            self.asked.append(request.path)
        item = self.items.get(request.path, Response(HTTPStatus.NOT_FOUND))
        return item if isinstance(item, Response) else Response(body=item)


def uris(*urls: str) -> list[x509.GeneralName]:
    """URLs as certificates name them."""
    return [x509.UniformResourceIdentifier(url) for url in urls]


def point(
    *urls: str, issuer: x509.Name | None = None, reasons: frozenset[x509.ReasonFlags] | None = None
) -> x509.DistributionPoint:
    """A distribution point with these addresses."""
    signer = [x509.DirectoryName(issuer)] if issuer is not None else None
    return x509.DistributionPoint(uris(*urls), None, reasons, signer)


class Ca:
    """A CA under a root, both valid around `NOW`, with what `tests.pki` leaves out: CRLs and pointers."""

    def __init__(self, name: str = "Revoking CA", *, parent: Authority | None = None, now: datetime = NOW) -> None:
        self.now = now
        self.root = parent or Authority("Root", not_before=now - 900 * DAY, not_after=now + 900 * DAY)
        self.authority = Authority(name, not_before=now - 800 * DAY, not_after=now + 800 * DAY, parent=self.root)
        self.certificate = self.authority.certificate
        private = load_pem_private_key(self.authority.key, None)
        assert isinstance(private, ec.EllipticCurvePrivateKey)
        self.private = private

    @property
    def pem(self) -> bytes:
        """Its certificate."""
        return certificate_pem(self.certificate)

    def leaf(
        self,
        *,
        crls: Sequence[str | x509.DistributionPoint] = (),
        ocsp: Sequence[str] = (),
        issuers: Sequence[str] = (),
        serial: int | None = None,
        ca: bool = False,
        ends: timedelta = 60 * DAY,
        more: Sequence[Extension] = (),
    ) -> Chain:
        """A certificate that names these addresses, followed by its CA."""
        points = [entry if isinstance(entry, x509.DistributionPoint) else point(entry) for entry in crls]
        access = [x509.AccessDescription(AuthorityInformationAccessOID.OCSP, uri) for uri in uris(*ocsp)]
        access += [x509.AccessDescription(AuthorityInformationAccessOID.CA_ISSUERS, uri) for uri in uris(*issuers)]
        extensions: list[Extension] = [(x509.BasicConstraints(ca, None), True), *more]
        if points:
            extensions.append((x509.CRLDistributionPoints(points), False))
        if access:
            extensions.append((x509.AuthorityInformationAccess(access), False))
        return Chain((self.sign("shop.example.com", extensions, serial=serial, ends=ends), self.certificate))

    def sign(
        self,
        subject: str,
        extensions: Sequence[Extension],
        *,
        key: ec.EllipticCurvePublicKey | None = None,
        serial: int | None = None,
        ends: timedelta = 60 * DAY,
    ) -> Certificate:
        """Any certificate."""
        builder = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)]))
            .issuer_name(load(self.certificate).subject)
            .public_key(key or ec.generate_private_key(ec.SECP256R1()).public_key())
            .serial_number(serial or x509.random_serial_number())
            .not_valid_before(self.now - 30 * DAY)
            .not_valid_after(self.now + ends)
        )
        for extension, critical in extensions:
            builder = builder.add_extension(extension, critical)
        return parse_certificate(builder.sign(self.private, hashes.SHA256()).public_bytes(Encoding.DER))

    def crl(
        self,
        revoked: Mapping[int, x509.ReasonFlags | None] | None = None,
        *,
        begins: timedelta = -DAY,
        ends: timedelta = 7 * DAY,
        more: Sequence[Extension] = (),
        entry_more: Sequence[Extension] = (),
    ) -> bytes:
        """A CRL in DER; serial number → reason, all revoked ten days ago."""
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(load(self.certificate).subject)
            .last_update(self.now + begins)
            .next_update(self.now + ends)
            .add_extension(x509.CRLNumber(7), critical=False)
        )
        for extension, critical in more:
            builder = builder.add_extension(extension, critical)
        for serial, reason in (revoked or {}).items():
            builder = builder.add_revoked_certificate(self._entry(serial, reason, entry_more))
        return builder.sign(self.private, hashes.SHA256()).public_bytes(Encoding.DER)

    def _entry(
        self, serial: int, reason: x509.ReasonFlags | None, more: Sequence[Extension]
    ) -> x509.RevokedCertificate:
        entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(self.now - 10 * DAY)
        if reason is not None:
            entry = entry.add_extension(x509.CRLReason(reason), critical=False)
        for extension, critical in more:
            entry = entry.add_extension(extension, critical)
        return entry.build()


def resigned(body: bytes, tbs: bytes, key: ec.EllipticCurvePrivateKey) -> bytes:
    """A certificate, CRL or OCSP answer with what is signed in it exchanged for as much else, and signed again."""
    was, signature = _signed_part(body)
    assert len(was) == len(tbs)
    while len(anew := key.sign(tbs, ec.ECDSA(hashes.SHA256()))) != len(signature):
        pass  # ECDSA signatures differ in length by a byte or two, by chance
    return body.replace(was, tbs).replace(signature, anew)


def _signed_part(body: bytes) -> tuple[bytes, bytes]:
    with contextlib.suppress(ValueError):
        certificate = x509.load_der_x509_certificate(body)
        return certificate.tbs_certificate_bytes, certificate.signature
    with contextlib.suppress(ValueError):
        crl = x509.load_der_x509_crl(body)
        return crl.tbs_certlist_bytes, crl.signature
    answer = load_der_ocsp_response(body)
    return answer.tbs_response_bytes, answer.signature


def scope(
    *,
    names: Sequence[str] = (),
    users: bool = False,
    cas: bool = False,
    indirect: bool = False,
    attributes: bool = False,
    reasons: frozenset[x509.ReasonFlags] | None = None,
) -> Extension:
    """What a CRL says it covers."""
    value = x509.IssuingDistributionPoint(
        full_name=uris(*names) or None,
        relative_name=None,
        only_contains_user_certs=users,
        only_contains_ca_certs=cas,
        only_some_reasons=reasons,
        indirect_crl=indirect,
        only_contains_attribute_certs=attributes,
    )
    return value, True
