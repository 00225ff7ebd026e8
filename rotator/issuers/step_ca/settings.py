"""What the operator writes for the issuer `step_ca`."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Self

from pydantic import Field, field_validator, model_validator

from rotator.settings import AuthoritiesFile, Duration, NamedFile, PluginSettings, SecretRef, server_url

_FINGERPRINT = re.compile(r"[0-9a-f]{64}")


class StepCaSettings(PluginSettings):
    """Where the CA is, and which provisioner we are to it.

    Attributes:
        url: the address of the CA, as https://ca.example.com:9000.
        fingerprint: of the CA's root (SHA-256, as `step certificate fingerprint` prints it): its own TLS is verified
            with the root that has it.
        ca_file: what its own TLS is verified with instead of a fingerprint; the system's store without both.
        provisioner: the name of a JWK provisioner.
        password: opens the provisioner's key, which the CA keeps for us.
        encrypted_key: where that key lies (as a JWE), for a CA that does not give it away.
        key: the provisioner's private key itself (a JWK), instead of a password.
        lifetime: to ask for, unless the certificate's own config says otherwise; without both the provisioner decides.
        timeout: for one request, everything included.
    """

    url: str
    fingerprint: str = ""
    ca_file: AuthoritiesFile | None = None
    provisioner: str = Field(min_length=1)
    password: SecretRef | None = None
    encrypted_key: NamedFile | None = None
    key: SecretRef | None = None
    lifetime: Duration | None = Field(default=None, gt=timedelta(0))
    timeout: Duration = Field(default=timedelta(seconds=30), gt=timedelta(0))

    @field_validator("url")
    @classmethod
    def _is_a_url(cls, value: str) -> str:
        return server_url(value, "a step-ca", "https://ca.example.com:9000", schemes=("https",))

    @field_validator("fingerprint")
    @classmethod
    def _is_a_fingerprint(cls, value: str) -> str:
        plain = value.replace(":", "").lower()
        if plain and not _FINGERPRINT.fullmatch(plain):
            raise ValueError("a fingerprint is the SHA-256 of the root: 64 hexadecimal digits")
        return plain

    @model_validator(mode="after")
    def _one_way_to_sign(self) -> Self:
        if (self.password is None) == (self.key is None):
            raise ValueError("say how a token is signed: either password, which opens the provisioner's key, or key")
        return self

    @model_validator(mode="after")
    def _something_to_open(self) -> Self:
        if self.encrypted_key and self.key:
            raise ValueError("encrypted_key is opened with password; with key there is nothing to open")
        return self

    @model_validator(mode="after")
    def _one_way_to_verify(self) -> Self:
        if self.fingerprint and self.ca_file:
            raise ValueError("say what the CA's own TLS is verified with: either fingerprint or ca_file")
        return self

    def roots_at_hand(self) -> frozenset[str]:
        """The root that is pinned."""
        return frozenset({self.fingerprint} - {""})
