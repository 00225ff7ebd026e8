"""Vault's AWS auth method (type `iam`) with the part of AWS's STS that it asks; OpenBao has no such method to run.

It judges a login as those two do: Vault looks at the address, the body and its own header, STS recomputes the
signature (AWS Signature Version 4) from the secret key that it knows. Everything else is passed on to a real OpenBao.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

from tests.servers.hostile import HostileProxy
from tests.servers.loopback import Request, Response

ACCESS_KEY, SECRET_KEY = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
SERVER_ID = "vault.example.com"
PATH = "/v1/auth/aws/login"

_AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=([^/]+)/(\d{8})/([a-z0-9-]+)/sts/aws4_request, "
    r"SignedHeaders=([a-z0-9;-]+), Signature=([0-9a-f]{64})"
)


class AwsLogin(HostileProxy):
    """OpenBao with an AWS auth method in front; a good login is answered with what `token` returns.

    Attributes:
        regions: those that logins were signed for.
    """

    def __init__(self, upstream: str, token: Callable[[], str], *, sts: str = "sts.amazonaws.com") -> None:
        super().__init__(upstream, before=self._login)
        self.regions: list[str] = []
        self._token = token
        self._sts = sts

    def _login(self, request: Request) -> Response | None:
        if request.path != PATH:
            return None
        said = json.loads(request.body)
        objection = self._objection(said)
        if objection:
            return Response(HTTPStatus.BAD_REQUEST, {}, json.dumps({"errors": [objection]}).encode())
        auth = {"client_token": self._token(), "lease_duration": 3600, "metadata": {"role": said.get("role", "")}}
        return Response(HTTPStatus.OK, {}, json.dumps({"auth": auth}).encode())

    def _objection(self, said: Mapping[str, Any]) -> str:
        """Why Vault or STS would refuse; empty where they would not."""
        url, body = _decoded(said, "iam_request_url"), _decoded(said, "iam_request_body")
        headers = {name.lower(): value for name, value in json.loads(_decoded(said, "iam_request_headers")).items()}
        found = _AUTHORIZATION.fullmatch(headers.get("authorization", ""))
        if said.get("iam_http_request_method") != "POST" or found is None:
            return "it is no signed POST"
        access, _day, region, signed, signature = found.groups()
        if urlsplit(url).netloc != self._sts or headers.get("host") != self._sts:
            return f"unexpected host {urlsplit(url).netloc}"
        if body != "Action=GetCallerIdentity&Version=2011-06-15":
            return "it asks for something else than who signed it"
        if headers.get("x-vault-aws-iam-server-id") != SERVER_ID:
            return "missing header X-Vault-AWS-IAM-Server-ID"
        if not {"host", "x-amz-date", "x-vault-aws-iam-server-id"} <= set(signed.split(";")):
            return "the header X-Vault-AWS-IAM-Server-ID wasn't signed"
        if access != ACCESS_KEY or not hmac.compare_digest(signature, _signature(body, headers, region, signed)):
            return "SignatureDoesNotMatch"
        self.regions.append(region)
        return ""


def _decoded(said: Mapping[str, Any], field: str) -> str:
    return base64.b64decode(said[field], validate=True).decode()


def _signature(body: str, headers: Mapping[str, str], region: str, signed: str) -> str:
    """The signature as AWS documents it, of a POST of `/` without a query."""
    lines = "".join(f"{name}:{' '.join(headers[name].split())}\n" for name in signed.split(";"))
    canonical = "\n".join(("POST", "/", "", lines, signed, _sha256(body)))
    moment = headers["x-amz-date"]
    scope = f"{moment[:8]}/{region}/sts/aws4_request"
    key = f"AWS4{SECRET_KEY}".encode()
    for piece in scope.split("/"):
        key = hmac.digest(key, piece.encode(), "sha256")
    text = "\n".join(("AWS4-HMAC-SHA256", moment, scope, _sha256(canonical)))
    return hmac.new(key, text.encode(), "sha256").hexdigest()


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
