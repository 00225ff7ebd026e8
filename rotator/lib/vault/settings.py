"""Where a Vault or OpenBao is, and how to log in: what every plugin that talks to one has in its settings."""

from __future__ import annotations

from datetime import timedelta
from typing import Self

from pydantic import Field, field_validator, model_validator

from rotator.lib.vault.auth import VaultAuth
from rotator.settings import AuthoritiesFile, Duration, PluginSettings, server_url


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
    ca_file: AuthoritiesFile | None = None
    timeout: Duration = Field(default=timedelta(seconds=30), gt=timedelta(0))

    @field_validator("url")
    @classmethod
    def _is_a_url(cls, value: str) -> str:
        return server_url(value, "a Vault", "https://vault.example.com:8200")

    @field_validator("namespace")
    @classmethod
    def _fits_into_a_header(cls, value: str) -> str:
        if not value.isascii() or any(letter.isspace() for letter in value):
            raise ValueError(f"{value!r} is no namespace of a Vault; write it like team or team/shop")
        return value

    @model_validator(mode="after")
    def _certificates_need_tls(self) -> Self:
        if self.auth.certificate and not self.url.startswith("https:"):
            raise ValueError("a client certificate is shown over TLS alone; write the address with https://")
        return self
