"""AWS Certificate Manager as far as an audit asks it: recorded answers, in the forms that AWS sends (JSON 1.1).

It keeps AWS's own traps: a list has RSA certificates alone unless asked for more, comes in pages, and is throttled.
The region is read from the signature (AWS Signature Version 4), so one server stands for all of them.
"""

from __future__ import annotations

import json
import re
import threading
import uuid
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Any

from rotator.core.model import Bundle, Chain
from rotator.core.pem import certificate_pem
from tests.servers.loopback import LoopbackServer, Request, Response

ACCOUNT = "123456789012"
PAGE = 2

_SCOPE = re.compile(r"Credential=[^/]+/\d{8}/([a-z0-9-]+)/(\w+)/aws4_request")
_KINDS = {("rsa", 2048): "RSA_2048", ("rsa", 4096): "RSA_4096", ("ecdsa", 256): "EC_prime256v1"}
_LISTED_UNASKED = {"RSA_1024", "RSA_2048"}
_JSON = {"Content-Type": "application/x-amz-json-1.1"}


@dataclass(slots=True)
class Kept:
    """One certificate: what DescribeCertificate says of it, and its chain where it has one."""

    detail: dict[str, Any]
    chain: Chain | None
    region: str


@dataclass(slots=True)
class _Refusal:
    """The next answers to an action, or all of them for `times` below zero."""

    code: str
    message: str
    times: int
    arn: str = ""
    region: str = ""


def refusal(code: str, message: str, status: int = HTTPStatus.BAD_REQUEST) -> Response:
    """Return an error as AWS answers it."""
    body = {"__type": code, "message": message}
    return Response(status, _JSON, json.dumps(body).encode())


class Acm(LoopbackServer):
    """A context manager; `put` and `refuse` may be called at any time."""

    def __init__(self) -> None:
        super().__init__()
        self.kept: dict[str, Kept] = {}
        self.calls: Counter[str] = Counter()
        self._refusals: dict[str, list[_Refusal]] = {}
        self._guard = threading.Lock()

    # ------------------------------------------------------------ what is there

    def put(self, bundle: Bundle | None, domain: str, *, region: str = "eu-west-1", **detail: Any) -> str:
        """Keep a certificate, or a request without one; returns its ARN. `detail` is what AWS says beside that."""
        arn = f"arn:aws:acm:{region}:{ACCOUNT}:certificate/{uuid.uuid4()}"
        chain = bundle.chain if bundle else None
        said: dict[str, Any] = {
            "CertificateArn": arn,
            "DomainName": domain,
            "Status": "ISSUED",
            "Type": "IMPORTED",
            "InUseBy": [],
        }
        if chain:
            kind = _KINDS[chain.leaf.key_algorithm, chain.leaf.key_size]
            ends = {"NotBefore": _seconds(chain.not_before), "NotAfter": _seconds(chain.not_after)}
            said |= ends | {"SubjectAlternativeNames": list(chain.names), "KeyAlgorithm": kind}
            said["RenewalEligibility"] = "INELIGIBLE"
        self.kept[arn] = Kept({**said, **detail}, chain, region)
        return arn

    def refuse(
        self, action: str, code: str, message: str = "", *, times: int = -1, arn: str = "", region: str = ""
    ) -> None:
        """Answer the next calls of an action (on one certificate, in one region) with an error; all without `times`."""
        self._refusals.setdefault(action, []).append(_Refusal(code, message or code, times, arn, region))

    def deny(self, action: str, *, arn: str = "", region: str = "") -> None:
        """Refuse an action as AWS does where the caller's policy does not allow it."""
        on = f" on resource: {arn}" if arn else ""
        who = f"arn:aws:sts::{ACCOUNT}:assumed-role/audit/rotator"
        said = f"User: {who} is not authorized to perform: acm:{action}{on} because no identity-based policy allows it"
        self.refuse(action, "AccessDeniedException", said, arn=arn, region=region)

    # ------------------------------------------------------------ answers

    def respond(self, request: Request) -> Response:
        """Answer as AWS does."""
        scope = _SCOPE.search(request.headers.get("authorization", ""))
        if scope is None:
            return refusal("MissingAuthenticationTokenException", "Missing Authentication Token", 403)
        action = request.headers.get("x-amz-target", "").removeprefix("CertificateManager.")
        asked: dict[str, Any] = json.loads(request.body)
        with self._guard:
            self.calls[action] += 1
            refused = self._refused(action, str(asked.get("CertificateArn", "")), scope[1])
        if refused is not None:
            return refused
        if action == "ListCertificates":
            return self._list(asked, scope[1])
        kept = self.kept.get(asked["CertificateArn"])
        if kept is None or kept.region != scope[1]:
            return refusal("ResourceNotFoundException", f"Could not find certificate {asked['CertificateArn']}.")
        return _described(kept) if action == "DescribeCertificate" else _got(kept)

    def _refused(self, action: str, arn: str, region: str) -> Response | None:
        for each in self._refusals.get(action, ()):
            if each.times and each.arn in {"", arn} and each.region in {"", region}:
                each.times -= 1
                return refusal(each.code, each.message)
        return None

    def _list(self, asked: Mapping[str, Any], region: str) -> Response:
        kinds = set(asked.get("Includes", {}).get("keyTypes", _LISTED_UNASKED))
        origins = asked.get("CertificateKeyPairOrigins", ())
        found = [
            {"CertificateArn": arn, "DomainName": kept.detail["DomainName"]}
            for arn, kept in self.kept.items()
            if kept.region == region
            and kept.detail.get("KeyAlgorithm", "RSA_2048") in kinds
            and (kept.detail.get("CertificateKeyPairOrigin") != "ACME" or "ACME" in origins)
        ]
        start = int(asked.get("NextToken", 0))
        page: dict[str, Any] = {"CertificateSummaryList": found[start : start + PAGE]}
        if start + PAGE < len(found):
            page["NextToken"] = str(start + PAGE)
        return _answer(page)


def _described(kept: Kept) -> Response:
    return _answer({"Certificate": kept.detail})


def _got(kept: Kept) -> Response:
    if kept.chain is None:
        return refusal("RequestInProgressException", "The certificate request is in progress.")
    leaf, *above = (certificate_pem(each).decode() for each in kept.chain.certificates)
    body = {"Certificate": kept.detail.get("Body", leaf)}
    return _answer({**body, "CertificateChain": "".join(above)} if above else body)


def _answer(body: object) -> Response:
    return Response(HTTPStatus.OK, _JSON, json.dumps(body).encode())


def _seconds(moment: datetime) -> float:
    return moment.timestamp()
