"""AWS Private CA as far as an issuer asks it: recorded answers, in the forms that AWS sends (JSON 1.1).

The certificates are really signed. It keeps AWS's own traps: a certificate is not there at once, the same token within
five minutes is the same order, a validity beyond the CA's end is refused, and a CA signs with algorithms of its own
key's family alone.
"""

from __future__ import annotations

import base64
import json
import re
import threading
import uuid
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http import HTTPStatus
from typing import Any

from cryptography import x509

from rotator.core.model import Certificate
from rotator.core.pem import certificate_pem
from rotator.core.x509 import name_text
from rotator.lib.signing import Authority as Signer
from rotator.lib.signing import load_signing_key, sign
from tests.pki import Authority
from tests.servers.acm import ACCOUNT, refusal
from tests.servers.certificates import Pair
from tests.servers.loopback import LoopbackServer, Request, Response

REGION = "eu-west-1"
IDEMPOTENT = timedelta(minutes=5)

_SCOPE = re.compile(r"Credential=[^/]+/\d{8}/([a-z0-9-]+)/acm-pca/aws4_request")
_JSON = {"Content-Type": "application/x-amz-json-1.1"}


@dataclass(slots=True)
class Order:
    """One certificate that was ordered; `looks` are still answered that it is not finished."""

    certificate: Certificate
    token: str
    at: datetime
    looks: int
    asked: Mapping[str, Any]
    failed: str = ""


class AcmPca(LoopbackServer):
    """A context manager; its attributes may be changed at any time.

    Attributes:
        described: what DescribeCertificateAuthority says beside the CA's ARN.
        behind: how far its clock is behind ours; None sends no `Date`.
        patience: how many looks for a new certificate are in vain.
        revoked: serial → reason.
    """

    def __init__(self, ca: Authority, *, tls: Pair | None = None) -> None:
        super().__init__(tls=tls)
        self.ca = ca
        self.arn = f"arn:aws:acm-pca:{REGION}:{ACCOUNT}:certificate-authority/{uuid.uuid4()}"
        self.described: dict[str, Any] = {
            "Status": "ACTIVE",
            "UsageMode": "GENERAL_PURPOSE",
            "Type": "SUBORDINATE" if ca.parent else "ROOT",
            "NotAfter": ca.certificate.not_after.timestamp(),
            "CertificateAuthorityConfiguration": {
                "KeyAlgorithm": "EC_prime256v1", "SigningAlgorithm": "SHA256WITHECDSA", "Subject": {},
            },
        }  # fmt: skip
        self.behind: timedelta | None = None
        self.patience = 0
        self.orders: dict[str, Order] = {}
        self.revoked: dict[str, str] = {}
        self.calls: Counter[str] = Counter()
        self.refusals: dict[str, Response] = {}
        self._guard = threading.Lock()

    def refuse(self, action: str, code: str, message: str = "", status: int = HTTPStatus.BAD_REQUEST) -> None:
        """Answer every further call of an action with an error."""
        self.refusals[action] = refusal(code, message or code, status)

    def respond(self, request: Request) -> Response:
        """Answer as AWS does."""
        response = self._respond(request)
        if self.behind is None:
            return response
        date = format_datetime(datetime.now(UTC) - self.behind, usegmt=True)
        return replace(response, headers={**response.headers, "Date": date})

    def _respond(self, request: Request) -> Response:
        scope = _SCOPE.search(request.headers.get("authorization", ""))
        if scope is None or scope[1] != REGION:
            return refusal("MissingAuthenticationTokenException", "Missing Authentication Token", 403)
        action = request.headers.get("x-amz-target", "").removeprefix("ACMPrivateCA.")
        asked: dict[str, Any] = json.loads(request.body)
        with self._guard:
            self.calls[action] += 1
            if action in self.refusals:
                return self.refusals[action]
            if asked["CertificateAuthorityArn"] != self.arn:
                return refusal("ResourceNotFoundException", f"Could not find {asked['CertificateAuthorityArn']}.")
            return {
                "IssueCertificate": self._issue,
                "GetCertificate": self._get,
                "DescribeCertificateAuthority": self._describe,
                "GetCertificateAuthorityCertificate": self._own,
                "RevokeCertificate": self._revoke,
            }[action](asked)

    # ------------------------------------------------------------ answers

    def _issue(self, asked: Mapping[str, Any]) -> Response:
        now = datetime.now(UTC)
        for arn, order in self.orders.items():
            if order.token == asked["IdempotencyToken"] and now - order.at < IDEMPOTENT:
                return _answer({"CertificateArn": arn})
        objection = self._objection(asked)
        if objection:
            return objection
        csr = x509.load_pem_x509_csr(base64.b64decode(asked["Csr"]))
        names = csr.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        begin, end = (datetime.fromtimestamp(asked[each]["Value"], UTC) for each in ("ValidityNotBefore", "Validity"))
        signer = Signer(self.ca.certificate, (), load_signing_key(self.ca.key))
        leaf = sign(signer, csr, tuple(name_text(name) for name in names), begin, end, client_auth=True)
        arn = f"{self.arn}/certificate/{uuid.uuid4().hex}"
        self.orders[arn] = Order(leaf, asked["IdempotencyToken"], now, self.patience, asked)
        return _answer({"CertificateArn": arn})

    def _objection(self, asked: Mapping[str, Any]) -> Response | None:
        if self.described["Status"] != "ACTIVE":
            return refusal("InvalidStateException", "The certificate authority is not in a valid state for issuing.")
        config = self.described["CertificateAuthorityConfiguration"]
        if asked["SigningAlgorithm"][-5:] != config["SigningAlgorithm"][-5:]:
            return refusal("InvalidArgsException", "The signing algorithm is of another family than the CA's key.")
        end = datetime.fromtimestamp(asked["Validity"]["Value"], UTC)
        begin = datetime.fromtimestamp(asked["ValidityNotBefore"]["Value"], UTC)
        if end > self.ca.certificate.not_after:
            return refusal(
                "ValidationException", "The certificate validity exceeds the certificate authority validity."
            )
        if self.described["UsageMode"] == "SHORT_LIVED_CERTIFICATE" and end - begin > timedelta(days=7):
            return refusal("ValidationException", "Short-lived certificates are valid for seven days at most.")
        return None

    def _get(self, asked: Mapping[str, Any]) -> Response:
        order = self.orders.get(asked["CertificateArn"])
        if order is None:
            return refusal("ResourceNotFoundException", "Could not find the certificate.")
        if order.failed:
            return refusal("RequestFailedException", order.failed)
        if order.looks:
            order.looks -= 1
            return refusal("RequestInProgressException", "The request to issue the certificate is in progress.")
        return _answer({"Certificate": _pem(order.certificate), "CertificateChain": self._chain()})

    def _describe(self, asked: Mapping[str, Any]) -> Response:
        return _answer({"CertificateAuthority": {"Arn": self.arn, **self.described}})

    def _own(self, asked: Mapping[str, Any]) -> Response:
        own = {"Certificate": _pem(self.ca.certificate)}
        return _answer({**own, "CertificateChain": self._chain(above=True)} if self.ca.parent else own)

    def _revoke(self, asked: Mapping[str, Any]) -> Response:
        serial = asked["CertificateSerial"]
        known = {f"{order.certificate.serial:x}" for order in self.orders.values()}
        if serial.replace(":", "").lstrip("0") not in known:
            return refusal("ResourceNotFoundException", f"Certificate {serial} was not issued by this CA.")
        if serial in self.revoked:
            return refusal("RequestAlreadyProcessedException", "The certificate has already been revoked.")
        self.revoked[serial] = asked["RevocationReason"]
        return Response(HTTPStatus.OK, _JSON, b"")

    def _chain(self, *, above: bool = False) -> str:
        """From the CA, or what is above it, up to the root, which AWS sends along."""
        whole = (*self.ca.chain, self.ca.root)
        return "".join(_pem(each) for each in (whole[1:] if above else whole))


def _pem(certificate: Certificate) -> str:
    return certificate_pem(certificate).decode()


def _answer(body: object) -> Response:
    return Response(HTTPStatus.OK, _JSON, json.dumps(body).encode())
