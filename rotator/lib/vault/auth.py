"""The ways to log in to a Vault or OpenBao: what the operator writes for each."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from pydantic import Field, field_validator, model_validator

from rotator.lib.aws import AwsSettings, region_name
from rotator.lib.vault.paths import api_path
from rotator.settings import NamedFile, PluginSettings, SecretRef


class KubernetesAuth(PluginSettings):
    """Log in with the service account of the pod.

    Attributes:
        role: the role of the Kubernetes auth method.
        mount: where that auth method is mounted.
        token_file: the pod's service account token.
    """

    role: str
    mount: str = "kubernetes"
    token_file: NamedFile = Path("/var/run/secrets/kubernetes.io/serviceaccount/token")

    _mount_is_a_path = field_validator("mount")(api_path)


class AppRoleAuth(PluginSettings):
    """Log in with a role id and a secret id.

    Attributes:
        role_id: names the AppRole; no secret.
        secret_id: proves that we may use it; not needed for a role without `bind_secret_id`.
        mount: where that auth method is mounted.
    """

    role_id: str = Field(min_length=1)
    secret_id: SecretRef | None = None
    mount: str = "approle"

    _mount_is_a_path = field_validator("mount")(api_path)


class JwtAuth(PluginSettings):
    """Log in with a token of an identity provider (JWT or OIDC).

    Attributes:
        jwt: the token; read anew for each login, so that whoever renews the file is followed.
        role: the role of the JWT auth method; its default role without it.
        mount: where that auth method is mounted.
    """

    jwt: SecretRef
    role: str = ""
    mount: str = "jwt"

    _mount_is_a_path = field_validator("mount")(api_path)


class CertificateAuth(PluginSettings):
    """Log in with a client certificate; the address must begin with https://.

    Attributes:
        certificate: the client certificate, and above it what the server needs to verify it (PEM).
        key: its private key (PEM).
        role: the role of the TLS certificate auth method; without it every role that matches is tried.
        mount: where that auth method is mounted.
    """

    certificate: NamedFile
    key: NamedFile
    role: str = ""
    mount: str = "cert"

    _mount_is_a_path = field_validator("mount")(api_path)


class AwsAuth(AwsSettings):
    """Log in as the role that AWS knows us by: a signed `sts:GetCallerIdentity`, which Vault sends on (type `iam`).

    Attributes:
        role: the role of the AWS auth method; the last part of our role's name in AWS without it.
        mount: where that auth method is mounted.
        server_id: what the header `X-Vault-AWS-IAM-Server-ID` says, where Vault's `iam_server_id_header_value` asks
            for one, so that a login for one Vault is none for another.
        region: whose STS is asked; without it the one of the whole of AWS (`sts.amazonaws.com`, us-east-1).
        endpoint_url: another address of STS; it has to be the `sts_endpoint` that Vault is configured with.
    """

    role: str = ""
    mount: str = "aws"
    server_id: str = ""
    region: str = ""

    _mount_is_a_path = field_validator("mount")(api_path)

    @field_validator("region")
    @classmethod
    def _is_a_region(cls, value: str) -> str:
        return region_name(value) if value else value


class VaultAuth(PluginSettings):
    """How to log in: exactly one way.

    Attributes:
        token: a token whose policy allows what is asked of it.
    """

    token: SecretRef | None = None
    kubernetes: KubernetesAuth | None = None
    approle: AppRoleAuth | None = None
    jwt: JwtAuth | None = None
    certificate: CertificateAuth | None = None
    aws: AwsAuth | None = None

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        ways = (self.token, self.kubernetes, self.approle, self.jwt, self.certificate, self.aws)
        if sum(way is not None for way in ways) != 1:
            raise ValueError(f"say how to log in: exactly one of {', '.join(type(self).model_fields)}")
        return self
