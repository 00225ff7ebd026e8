"""The issuer itself: order, fetch, revoke, and say beforehand what would go wrong."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

from rotator.core.model import (
    Certificate,
    Chain,
    Check,
    Endpoint,
    IssueRequest,
    PreflightRequest,
    RevocationReason,
)
from rotator.core.pem import PemError, moment, read_certificates
from rotator.core.x509 import serial_text
from rotator.errors import IssueError, Pending
from rotator.issuers.aws_pca.settings import AwsPcaSettings
from rotator.lib.aws import AwsError, api_peers, client, translated
from rotator.lib.issued import read_issued
from rotator.lib.jsonobject import read_object
from rotator.ports import Clock, Keep
from rotator.settings import PluginSettings, show_duration

USUAL = timedelta(days=90)
SHORT_LIVED_USUAL = timedelta(days=6)
SHORT_LIVED_MOST = timedelta(days=7)
"""Of a CA in the mode SHORT_LIVED_CERTIFICATE (AWS Private CA User Guide, "CA modes")."""

_BACKDATED = timedelta(hours=1)  # as AWS itself does, but within the lifetime that is asked for
_BACKDATED_AT_MOST = 20  # of the lifetime, the part that lies in the past
_LOOKS, _PAUSE = 8, 1.0  # for the certificate, in seconds, before the rest is left to the next call
_ASK_AGAIN = timedelta(seconds=15)
_SHORT_LIVED = "SHORT_LIVED_CERTIFICATE"
_NOT_YET = "RequestInProgressException"
_GONE = "ResourceNotFoundException"
_FAILED = "RequestFailedException"
_DONE_ALREADY = "RequestAlreadyProcessedException"
_FOR_GOOD = {
    _GONE, _FAILED, "InvalidArgsException", "InvalidArnException", "InvalidRequestException", "InvalidStateException",
    "MalformedCSRException", "ValidationException",
}  # fmt: skip
_ALGORITHMS: Mapping[str, str] = {
    "RSA_2048": "SHA256WITHRSA", "RSA_3072": "SHA256WITHRSA", "RSA_4096": "SHA256WITHRSA",
    "EC_prime256v1": "SHA256WITHECDSA", "EC_secp384r1": "SHA384WITHECDSA", "EC_secp521r1": "SHA512WITHECDSA",
}  # fmt: skip
_REASONS: Mapping[RevocationReason, str] = {
    RevocationReason.CA_COMPROMISE: "CERTIFICATE_AUTHORITY_COMPROMISE",
}

Answer = Mapping[str, Any]


class AwsPcaIssuer:
    """Has a CA of AWS Private CA sign."""

    Settings: ClassVar[type[PluginSettings]] = AwsPcaSettings
    roots_are_remote: ClassVar[bool] = True

    def __init__(self, name: str, settings: AwsPcaSettings, clock: Clock, keep: Keep) -> None:
        self.name = name
        self._settings = settings
        self._clock = clock
        self._ca = {"CertificateAuthorityArn": settings.ca_arn}

    def issue(self, request: IssueRequest, *, resume: str | None, checkpoint: Callable[[str], None]) -> Chain:
        """Order, or take up the order that the token names, and fetch the certificate."""
        digest = hashlib.sha256(request.csr).hexdigest()
        with self._pca() as pca:
            if arn := _ordered(resume, digest):
                return self._fetched(pca, arn, resumed=True)
            arn = self._order(pca, request, digest)
            checkpoint(json.dumps({"certificate": arn, "csr": digest}))
            return self._fetched(pca, arn)

    def roots(self) -> tuple[Certificate, ...]:
        """The root above the CA, or the CA itself where it is one."""
        with self._pca() as pca:
            answer = pca.get_certificate_authority_certificate(**self._ca)
        try:
            found = read_certificates(_pem(answer))
        except PemError as error:
            raise IssueError(f"{self.name}: AWS gives no certificate of the CA: {error}") from error
        return tuple(certificate for certificate in found if certificate.self_signed)

    @property
    def peers(self) -> tuple[Endpoint, ...]:
        """The API of the region, or the endpoint of our own VPC; and STS where a role is taken on."""
        return api_peers(self._settings, "acm-pca", (self._settings.region,))

    def revoke(self, certificate: Certificate, reason: RevocationReason) -> None:
        """Revoke by the serial; clients learn of it where the CA has a CRL or OCSP."""
        serial = serial_text(certificate.serial)
        word = _REASONS.get(reason) or reason.value.upper().replace("-", "_")
        try:
            with self._asked() as pca:
                pca.revoke_certificate(**self._ca, CertificateSerial=serial, RevocationReason=word)
        except AwsError as error:
            if error.code != _DONE_ALREADY:
                raise self._translated(error) from error

    # ------------------------------------------------------------ an order

    def _order(self, pca: Any, request: IssueRequest, digest: str) -> str:
        """Order the certificate; the same request within five minutes is the same order to AWS."""
        described = self._described(pca) if self._needs_the_ca(request.lifetime) else {}
        lifetime = request.lifetime or self._settings.lifetime or _usual(described)
        begin = self._clock.now() - min(_BACKDATED, lifetime / _BACKDATED_AT_MOST)
        template = {"TemplateArn": self._settings.template_arn} if self._settings.template_arn else {}
        answer = pca.issue_certificate(
            **self._ca,
            Csr=request.csr,
            SigningAlgorithm=self._settings.signing_algorithm or self._algorithm(described),
            Validity={"Type": "ABSOLUTE", "Value": int((begin + lifetime).timestamp()) - 1},
            ValidityNotBefore={"Type": "ABSOLUTE", "Value": int(begin.timestamp())},
            IdempotencyToken=digest[:32],
            **template,
        )
        arn = answer.get("CertificateArn")
        if not isinstance(arn, str) or not arn.startswith("arn:"):
            raise IssueError(f"{self.name}: AWS took the order, but does not say which certificate it is")
        return arn

    def _needs_the_ca(self, lifetime: timedelta | None) -> bool:
        return not (self._settings.signing_algorithm and (lifetime or self._settings.lifetime))

    def _algorithm(self, described: Answer) -> str:
        """The algorithm that goes with the CA's key; AWS refuses one of another family."""
        config = described.get("CertificateAuthorityConfiguration") or {}
        key = str(config.get("KeyAlgorithm"))
        found = _ALGORITHMS.get(key) or config.get("SigningAlgorithm")
        if not found:
            raise IssueError(
                f"{self.name}: the CA has a key of a kind that is not known here ({key}); say `signing_algorithm`",
                permanent=True,
            )
        return str(found)

    def _fetched(self, pca: Any, arn: str, *, resumed: bool = False) -> Chain:
        """The certificate of an order.

        Raises:
            Pending: AWS is not finished.
            IssueError: refused, or not reached (`resumable`: the order stands), or one that is resumed is lost.
        """
        for look in range(_LOOKS):
            if look:
                self._clock.wait(_PAUSE)
            try:
                with translated(f"acm-pca in {self._settings.region}"):
                    answer = pca.get_certificate(**self._ca, CertificateArn=arn)
            except AwsError as error:
                if resumed and error.code in {_GONE, _FAILED}:
                    lost = f"{self.name}: the order in flight is lost ({error}); the next try orders anew"
                    raise IssueError(lost) from error
                if error.code != _NOT_YET:
                    refused = self._translated(error)
                    refused.resumable = error.outage
                    raise refused from error
                continue
            return read_issued(_pem(answer), f"{self.name}: AWS Private CA")
        raise Pending(f"{self.name}: AWS Private CA has not finished yet", retry_after=_ASK_AGAIN)

    # ------------------------------------------------------------ beforehand

    def preflight(self, request: PreflightRequest) -> tuple[Check, ...]:
        """Whether the CA is active, signs for so long, and outlives what it signs."""
        try:
            with self._asked() as pca:
                described = self._described(pca)
        except AwsError as error:
            if error.denied and not self._needs_the_ca(request.lifetime):
                untold = "it may not be described, so whether it is well is not known beforehand"
                return (Check("ca", detail=untold, told=False),)
            return (Check("ca", str(self._translated(error))),)
        status = str(described.get("Status"))
        if status != "ACTIVE":
            why = f" ({described['FailureReason']})" if described.get("FailureReason") else ""
            problem = f"{self.name}: the CA is {status}{why}, and signs only while it is ACTIVE"
            return (Check("ca", problem, "enable it, or give another ca_arn"),)
        lifetime = request.lifetime or self._settings.lifetime or _usual(described)
        return (self._end_check(described, lifetime), self._lifetime_check(described, lifetime))

    def _end_check(self, described: Answer, lifetime: timedelta) -> Check:
        ends = described.get("NotAfter")
        if not isinstance(ends, datetime):
            return Check("ca", detail="it is active")
        ends = ends.astimezone(UTC)
        if self._clock.now() + lifetime > ends:
            problem = f"the CA ends {moment(ends)}, before a certificate of {show_duration(lifetime)} would"
            return Check("ca", f"{self.name}: {problem}; AWS refuses it", "renew the CA, or name its successor")
        return Check("ca", detail=f"it is active, and ends {moment(ends)}")

    def _lifetime_check(self, described: Answer, lifetime: timedelta) -> Check:
        if described.get("UsageMode") == _SHORT_LIVED and lifetime > SHORT_LIVED_MOST:
            problem = f"the CA is one for short-lived certificates, of {show_duration(SHORT_LIVED_MOST)} at most"
            return Check("lifetime", f"{self.name}: {problem}, not {show_duration(lifetime)}", "ask for less")
        return Check("lifetime", detail=f"{show_duration(lifetime)} can be asked for")

    def _described(self, pca: Any) -> Answer:
        found = pca.describe_certificate_authority(**self._ca).get("CertificateAuthority")
        return found if isinstance(found, dict) else {}

    # ------------------------------------------------------------ AWS

    @contextmanager
    def _pca(self) -> Iterator[Any]:
        """A client; what AWS refuses becomes an `IssueError`."""
        try:
            with self._asked() as pca:
                yield pca
        except AwsError as error:
            raise self._translated(error) from error

    @contextmanager
    def _asked(self) -> Iterator[Any]:
        region = self._settings.region
        with client(self._settings, "acm-pca", region) as pca, translated(f"acm-pca in {region}"):
            yield pca

    def _translated(self, error: AwsError) -> IssueError:
        return IssueError(f"{self.name}: {error}", permanent=error.denied or error.code in _FOR_GOOD)


def _usual(described: Answer) -> timedelta:
    return SHORT_LIVED_USUAL if described.get("UsageMode") == _SHORT_LIVED else USUAL


def _ordered(resume: str | None, digest: str) -> str:
    """The order that a token names; empty where it is none of ours, or for another request."""
    said = read_object((resume or "").encode()) or {}
    arn = said.get("certificate")
    return arn if isinstance(arn, str) and said.get("csr") == digest else ""


def _pem(answer: Answer) -> bytes:
    return "\n".join(str(answer.get(part) or "") for part in ("Certificate", "CertificateChain")).encode()
