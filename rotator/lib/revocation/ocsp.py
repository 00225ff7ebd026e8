"""Asking an OCSP responder about one certificate, and reading its answer (RFC 6960). Pure: nothing is sent here."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID

from rotator.core.model import Certificate, Revocation
from rotator.core.pem import load, moment
from rotator.lib.revocation.pointers import UNREADABLE
from rotator.lib.revocation.verdict import SKEW, Unusable, Verdict, good, is_final, revoked, unknown

REQUEST_TYPE = "application/ocsp-request"
_UNDATED = timedelta(days=1)  # how old an answer may be that does not say until when it holds
_NEVER_ISSUED = datetime(1970, 1, 1, tzinfo=UTC)  # RFC 6960, 2.2: with certificateHold


def request_for(certificate: Certificate, issuer: Certificate) -> bytes:
    """The request for one certificate, without a nonce: few responders know it, and the dates bound an old answer.

    SHA-1 names the issuer, as every responder knows it (RFC 5019, 2.1.1); nothing is secured by it.

    Raises:
        Unusable: the certificate cannot be asked about.
    """
    try:
        builder = ocsp.OCSPRequestBuilder().add_certificate(load(certificate), load(issuer), hashes.SHA1())  # noqa: S303 - see above
        return builder.build().public_bytes(Encoding.DER)
    except UNREADABLE as error:
        raise Unusable(f"cannot be asked about it: {error}") from error


def says_of(body: bytes, certificate: Certificate, issuer: Certificate, by: str, now: datetime) -> Verdict:
    """What an answer says of a certificate of this issuer; clauses begin with a verb."""
    try:
        answer = ocsp.load_der_ocsp_response(body)
        return _judged(answer, certificate, issuer, by, now)
    except Unusable as error:
        return Verdict(unknown(str(error), by))
    except UNREADABLE:
        return Verdict(unknown("answers with what is no OCSP answer, or one that cannot be read", by))


def _judged(
    answer: ocsp.OCSPResponse, certificate: Certificate, issuer: Certificate, by: str, now: datetime
) -> Verdict:
    if answer.response_status is not ocsp.OCSPResponseStatus.SUCCESSFUL:
        raise Unusable(f"answers “{answer.response_status.name.lower().replace('_', ' ')}”")
    if not any(_signed(answer, key) for key in _allowed(answer, issuer, now)):
        raise Unusable(f"answers with a signature that is neither {issuer.subject}'s nor a delegate's of it")
    single = _single(answer, certificate, issuer)
    _check_extensions(answer)
    found = _status(single, by)
    if is_final(found):
        return Verdict(found, single.next_update_utc)
    if late := _out_of_date(single, now):
        raise Unusable(late)
    return Verdict(found, single.next_update_utc)


def _allowed(answer: ocsp.OCSPResponse, issuer: Certificate, now: datetime) -> Iterator[object]:
    """The keys that may sign: the issuer's, and those that it delegated this to (RFC 6960, 4.2.2.2)."""
    above = load(issuer)
    yield above.public_key()
    for sent in answer.certificates:
        try:
            usages = sent.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
            sent.verify_directly_issued_by(above)
        except (x509.ExtensionNotFound, InvalidSignature, *UNREADABLE):
            continue  # no delegate, so its signature is not looked at
        is_valid = sent.not_valid_before_utc <= now <= sent.not_valid_after_utc
        if is_valid and ExtendedKeyUsageOID.OCSP_SIGNING in usages:
            yield sent.public_key()


def _signed(answer: ocsp.OCSPResponse, key: object) -> bool:
    signature, text, digest = answer.signature, answer.tbs_response_bytes, answer.signature_hash_algorithm
    try:
        if isinstance(key, rsa.RSAPublicKey) and digest is not None:
            key.verify(signature, text, padding.PKCS1v15(), digest)
        elif isinstance(key, ec.EllipticCurvePublicKey) and digest is not None:
            key.verify(signature, text, ec.ECDSA(digest))
        elif isinstance(key, ed25519.Ed25519PublicKey | ed448.Ed448PublicKey):
            key.verify(signature, text)
        else:
            return False
    except (InvalidSignature, *UNREADABLE):
        return False
    return True


def _single(answer: ocsp.OCSPResponse, certificate: Certificate, issuer: Certificate) -> ocsp.OCSPSingleResponse:
    """The part about the very serial number, under the very issuer."""
    ours, above = load(certificate), load(issuer)
    for single in answer.responses:
        if single.serial_number != ours.serial_number:
            continue
        asked = ocsp.OCSPRequestBuilder().add_certificate(ours, above, single.hash_algorithm).build()
        if (single.issuer_name_hash, single.issuer_key_hash) == (asked.issuer_name_hash, asked.issuer_key_hash):
            return single
    raise Unusable("answers about another certificate")


def _check_extensions(answer: ocsp.OCSPResponse) -> None:
    for extension in (*answer.extensions, *answer.single_extensions):
        if extension.critical and isinstance(extension.value, x509.UnrecognizedExtension):
            raise Unusable(f"answers with a critical extension {extension.oid.dotted_string} that is not known")


def _status(single: ocsp.OCSPSingleResponse, by: str) -> Revocation:
    if single.certificate_status is ocsp.OCSPCertStatus.GOOD:
        return good(by)
    if single.certificate_status is ocsp.OCSPCertStatus.UNKNOWN:
        raise Unusable("does not know the certificate")
    at, reason = single.revocation_time_utc, single.revocation_reason
    if at == _NEVER_ISSUED and reason is x509.ReasonFlags.certificate_hold:
        raise Unusable("answers that its CA never issued such a serial number")
    return revoked(by, at, reason)


def _out_of_date(single: ocsp.OCSPSingleResponse, now: datetime) -> str:
    begins, ends = single.this_update_utc, single.next_update_utc
    if begins > now + SKEW:
        return f"answers with what is not valid before {moment(begins)}"
    if ends is None and begins < now - _UNDATED:
        return f"answers with what is of {moment(begins)} and does not say until when it holds"
    if ends is not None and ends < now - SKEW:
        return f"answers with what ended {moment(ends)}"
    return ""
