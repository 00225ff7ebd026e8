"""What a CRL says of one certificate (RFC 5280, 5 and 6.3). Pure: bytes, issuer and time are arguments."""

from __future__ import annotations

from datetime import datetime
from threading import Lock

from cryptography import x509

from rotator.core.model import Certificate, Revocation
from rotator.core.pem import load, moment
from rotator.lib.revocation.pointers import UNREADABLE, Point
from rotator.lib.revocation.verdict import SKEW, Unusable, good, is_final, revoked, unknown

_KNOWN = (x509.IssuingDistributionPoint, x509.AuthorityKeyIdentifier, x509.CRLNumber)
_KNOWN_OF_ENTRY = (x509.CRLReason, x509.InvalidityDate)


def read_crl(body: bytes) -> x509.CertificateRevocationList:
    """Read a CRL: DER, as it should be (RFC 5280, 4.2.1.13), or PEM, as some publish it.

    Raises:
        Unusable: it is neither.
    """
    try:
        read = x509.load_pem_x509_crl if body.lstrip().startswith(b"-----BEGIN") else x509.load_der_x509_crl
        return read(body)
    except UNREADABLE as error:
        raise Unusable("is no CRL that can be read") from error


class Crl:
    """A CRL that was got. Whose it is, is found out once for each issuer: a large one takes its time to hash."""

    def __init__(self, parsed: x509.CertificateRevocationList) -> None:
        self._parsed = parsed
        self._objections: dict[str, str] = {}
        self._lock = Lock()

    @property
    def until(self) -> datetime | None:
        """When it says that the next one will be there; None where it does not."""
        try:
            return self._parsed.next_update_utc
        except UNREADABLE:
            return None

    def says_of(self, certificate: Certificate, issuer: Certificate, point: Point, now: datetime) -> Revocation:
        """What it says of a certificate of this issuer, which named it at this point; clauses begin with a verb."""
        by = f"CRL {point.url}"
        try:
            return self._judged(certificate, issuer, point, now, by)
        except Unusable as error:
            return unknown(str(error), by)
        except UNREADABLE as error:
            return unknown(f"has a field that cannot be read: {error}", by)

    def _judged(
        self, certificate: Certificate, issuer: Certificate, point: Point, now: datetime, by: str
    ) -> Revocation:
        if objection := self._objection(issuer):
            raise Unusable(objection)
        extensions = self._parsed.extensions
        _check_extensions(extensions)
        some_reasons = _check_scope(extensions, certificate, point)
        found = self._listed(certificate.serial, by)
        if found is not None and is_final(found):
            return found  # also where it has ended since: nobody takes that back
        if late := self._out_of_date(now):
            raise Unusable(late)
        if found is not None:
            return found
        if some_reasons or point.partial:
            raise Unusable("covers some reasons only, and does not list it")
        return good(by)

    def _objection(self, issuer: Certificate) -> str:
        """Why it is not the issuer's; empty when it is."""
        with self._lock:
            known = self._objections.get(issuer.fingerprint)
            if known is None:
                known = self._objections[issuer.fingerprint] = _not_of(self._parsed, issuer)
            return known

    def _listed(self, serial: int, by: str) -> Revocation | None:
        """The entry of a serial number, compared as a number; None when there is none, or one that was taken back."""
        entry = self._parsed.get_revoked_certificate_by_serial_number(serial)
        if entry is None:
            return None
        for extension in entry.extensions:
            if isinstance(extension.value, x509.CertificateIssuer):
                raise Unusable("lists it for another issuer (an indirect CRL), which is not read")
            if extension.critical and not isinstance(extension.value, _KNOWN_OF_ENTRY):
                raise Unusable(f"lists it with a critical extension {extension.oid.dotted_string} that is not known")
        reason = _reason(entry)
        if reason is x509.ReasonFlags.remove_from_crl:
            return None  # RFC 5280, 6.3.3 (k): no longer revoked
        return revoked(by, entry.revocation_date_utc, reason)

    def _out_of_date(self, now: datetime) -> str:
        begins, ends = self._parsed.last_update_utc, self._parsed.next_update_utc
        if begins > now + SKEW:
            return f"is not valid before {moment(begins)}"
        if ends is None:
            return "does not say until when it holds"
        if ends < now - SKEW:
            return f"ended {moment(ends)}, and its CA has published no newer one there"
        return ""


def _not_of(crl: x509.CertificateRevocationList, issuer: Certificate) -> str:
    loaded = load(issuer)
    if crl.issuer != loaded.subject:
        return f"is of {crl.issuer.rfc4514_string()}, not of {issuer.subject}"
    try:
        usage = loaded.extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        usage = None
    if usage is not None and not usage.crl_sign:  # RFC 5280, 6.3.3 (f)
        return f"is signed by {issuer.subject}, which may not sign CRLs (key usage)"
    try:
        signed = crl.is_signature_valid(loaded.public_key())  # type: ignore[arg-type]  # other kinds raise TypeError
    except UNREADABLE:
        return "has a signature of a kind that cannot be verified"
    return "" if signed else f"has a signature that does not verify with the key of {issuer.subject}"


def _check_extensions(extensions: x509.Extensions) -> None:
    """RFC 5280, 5.2: who does not know a critical extension must not take anything from the CRL."""
    for extension in extensions:
        if isinstance(extension.value, x509.DeltaCRLIndicator):
            raise Unusable("is a delta CRL, which has changes only")
        if extension.critical and not isinstance(extension.value, _KNOWN):
            raise Unusable(f"has a critical extension {extension.oid.dotted_string} that is not known")


def _check_scope(extensions: x509.Extensions, certificate: Certificate, point: Point) -> bool:
    """Whether it covers some reasons only (RFC 5280, 5.2.5 and 6.3.3 (b)); other certificates are out of its scope."""
    if point.foreign:
        raise Unusable("is signed by another than its issuer (an indirect CRL), which is not read")
    try:
        scope = extensions.get_extension_for_class(x509.IssuingDistributionPoint).value
    except x509.ExtensionNotFound:
        return False
    if scope.indirect_crl:
        raise Unusable("covers several issuers (an indirect CRL), which is not read")
    if scope.only_contains_attribute_certs:
        raise Unusable("covers attribute certificates only")
    if scope.only_contains_user_certs and certificate.is_ca:
        raise Unusable("covers certificates of end entities only, and this is a CA")
    if scope.only_contains_ca_certs and not certificate.is_ca:
        raise Unusable("covers CAs only")
    if scope.relative_name is not None or (scope.full_name and not set(scope.full_name) & set(point.names)):
        raise Unusable("covers another part of what its CA has issued")
    return bool(scope.only_some_reasons)


def _reason(entry: x509.RevokedCertificate) -> x509.ReasonFlags | None:
    try:
        return entry.extensions.get_extension_for_class(x509.CRLReason).value.reason
    except x509.ExtensionNotFound:
        return None
