"""What the operator writes for the issuer `vault`."""

from __future__ import annotations

from datetime import timedelta

from pydantic import Field, field_validator

from rotator.lib.vault import VaultSettings, api_path
from rotator.settings import Duration


class VaultIssuerSettings(VaultSettings):
    """Which role of which mount signs.

    Attributes:
        role: the role of the PKI engine that signs.
        mount: where the PKI engine is mounted.
        issuer_ref: which CA of a mount with several signs, by its name or id; without it the one that the role names.
        lifetime: to ask for, unless the certificate's own config says otherwise; without both the role decides.
    """

    role: str
    mount: str = "pki"
    issuer_ref: str = ""
    lifetime: Duration | None = Field(default=None, gt=timedelta(0))

    _mount_is_a_path = field_validator("mount")(api_path)

    @field_validator("role", "issuer_ref")
    @classmethod
    def _is_one_segment(cls, value: str) -> str:
        if "/" in value:
            raise ValueError(f"{value!r} is no name of a role or CA: it has no slash in it")
        return api_path(value) if value else value

    @field_validator("role")
    @classmethod
    def _role_is_named(cls, value: str) -> str:
        return api_path(value)

    @property
    def sign_path(self) -> str:
        """Where a request is signed."""
        by = f"issuer/{self.issuer_ref}/" if self.issuer_ref else ""
        return f"{self.mount}/{by}sign/{self.role}"
