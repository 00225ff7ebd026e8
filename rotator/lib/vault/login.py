"""What proves to a Vault who we are: one request for each way to log in."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from rotator.errors import SecretMissing
from rotator.lib import plainfile
from rotator.lib.aws import AwsError, signed_identity
from rotator.lib.vault.auth import AppRoleAuth, AwsAuth, CertificateAuth, JwtAuth, KubernetesAuth, VaultAuth
from rotator.lib.vault.errors import VaultError

_SERVER_ID = "X-Vault-AWS-IAM-Server-ID"


@dataclass(frozen=True, slots=True)
class Login:
    """One login: where it is sent, and the proof."""

    path: str
    body: Mapping[str, str] = field(repr=False)


def login_of(auth: VaultAuth) -> Login:
    """The login for whichever way is configured; secrets are read now, so that rotated ones are seen.

    Raises:
        VaultError: a secret is missing, or AWS gives us no credentials to sign with.
    """
    try:
        return _login(auth)
    except SecretMissing as error:
        raise VaultError(str(error), permanent=True) from error


def client_certificate(auth: VaultAuth) -> tuple[str, str] | None:
    """The client certificate and key that connections show; None where none is used."""
    return (str(auth.certificate.certificate), str(auth.certificate.key)) if auth.certificate else None


def _login(auth: VaultAuth) -> Login:
    match auth.kubernetes or auth.approle or auth.jwt or auth.certificate or auth.aws:
        case KubernetesAuth() as pod:
            return _at(pod.mount, role=pod.role, jwt=_service_account(pod.token_file))
        case AppRoleAuth() as own:
            return _at(own.mount, role_id=own.role_id, secret_id=own.secret_id.reveal() if own.secret_id else "")
        case JwtAuth() as provider:
            return _at(provider.mount, role=provider.role, jwt=provider.jwt.reveal().strip())
        case CertificateAuth() as client:
            return _at(client.mount, name=client.role)
        case AwsAuth() as aws:
            return _aws(aws)
    raise AssertionError("a token needs no login")


def _at(mount: str, **fields: str) -> Login:
    return Login(f"auth/{mount}/login", {name: value for name, value in fields.items() if value})


def _service_account(token_file: Path) -> str:
    try:
        return plainfile.content(token_file).decode().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise VaultError(f"the service account token {token_file} cannot be read: {error}", permanent=True) from error


def _aws(auth: AwsAuth) -> Login:
    """Vault gets the request that we signed, not our credentials, and asks AWS with it who we are."""
    try:
        identity = signed_identity(auth, auth.region, {_SERVER_ID: auth.server_id} if auth.server_id else {})
    except AwsError as error:
        raise VaultError(f"the login by AWS cannot be signed: {error}") from error
    return _at(
        auth.mount,
        role=auth.role,
        iam_http_request_method="POST",
        iam_request_url=_base64(identity.url),
        iam_request_body=_base64(identity.body),
        iam_request_headers=_base64(json.dumps(dict(identity.headers))),
    )


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode("ascii")
