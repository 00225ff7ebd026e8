"""Where a Vault or OpenBao is, and how to log in: what every plugin that talks to one has in its settings."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from rotator.settings import Duration, PluginSettings, SecretRef

_SEGMENT = re.compile(r"[A-Za-z0-9_.-]+")


def api_path(value: str) -> str:
    """A mount, role or other part of an API path as the operator writes it.

    Raises:
        ValueError: it is empty, or a segment could lead elsewhere (`..`) or needs escaping.
    """
    segments = value.split("/")
    if not all(_SEGMENT.fullmatch(segment) and segment.strip(".") for segment in segments):
        raise ValueError(f"{value!r} is no path in Vault; write it like pki or team/pki, without slashes at the ends")
    return value


class KubernetesAuth(PluginSettings):
    """Log in with the service account of the pod."""

    role: str
    mount: str = "kubernetes"
    token_file: Path = Path("/var/run/secrets/kubernetes.io/serviceaccount/token")

    _mount_is_a_path = field_validator("mount")(api_path)


class VaultAuth(PluginSettings):
    """How to log in: exactly one way.

    Attributes:
        token: a token whose policy allows what is asked of it.
    """

    token: SecretRef | None = None
    kubernetes: KubernetesAuth | None = None

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.token is None) == (self.kubernetes is None):
            raise ValueError("say how to log in: either token or kubernetes")
        return self


class VaultSettings(PluginSettings):
    """Where the server is, and how to log in.

    Attributes:
        url: the address of the server, as https://vault.example.com:8200.
        namespace: the namespace, where the server has any (Vault Enterprise, OpenBao).
        ca_file: what its own TLS certificate is verified with; the system's store without it.
        timeout: for one request, everything included.
    """

    url: str
    auth: VaultAuth
    namespace: str = ""
    ca_file: Path | None = None
    timeout: Duration = Field(default=timedelta(seconds=30), gt=timedelta(0))

    @field_validator("url")
    @classmethod
    def _is_a_url(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme not in {"http", "https"} or not parts.hostname or parts.username or parts.query:
            raise ValueError(f"{value!r} is no address of a Vault; write it like https://vault.example.com:8200")
        return value.rstrip("/")
