"""What the operator writes for the issuer `local_ca`."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from rotator.core.pem import PemError, read_certificates
from rotator.lib import plainfile
from rotator.lib.signing import CN_MAX
from rotator.settings import CertificatesFile, Duration, NamedFile, PluginSettings


class CrlSettings(PluginSettings):
    """The list of what was revoked: where it is written, and where clients find it.

    Attributes:
        path: the file; DER, as clients fetch it (RFC 5280, 4.2.1.13), or PEM where its name ends with `.pem`.
        url: where clients fetch that file, by http://; written into every certificate from then on.
        next_update: for how long one list is good; the next is written when a third of that is left. Three days at
            least: while nothing is issued only the preflight looks, once a day.
    """

    path: Path
    url: str = ""
    next_update: Duration = Field(default=timedelta(days=7), ge=timedelta(days=3))

    @field_validator("url")
    @classmethod
    def _is_a_url(cls, value: str) -> str:
        parts = urlsplit(value)
        if value and (parts.scheme not in {"http", "https"} or not parts.hostname):
            raise ValueError(f"{value!r} is no address; write it like http://pki.example.com/ca.crl")
        return value


class LocalCaSettings(PluginSettings):
    """Where the CA is, and what its certificates look like.

    Attributes:
        directory: holds `ca.crt` and `ca.key`.
        create: make a new CA when the directory has none.
        intermediate: a CA that is made is a root and an intermediate below it; `root.key` can then leave the machine.
        ca_certificate: an existing CA elsewhere, with `ca_key`; instead of `directory`.
        name: common name of a CA that is made.
        lifetime: of each certificate, unless the certificate's own config says otherwise.
        backdate: how far `notBefore` lies in the past, for clients whose clocks are slow; never more than a
            twentieth of the lifetime.
        client_auth: also allow the certificates to be used by TLS clients.
        crl: a list of what was revoked; without it nothing can be revoked.
    """

    directory: Path | None = None
    create: bool = True
    intermediate: bool = False
    name: str = Field(default="rotator local CA", min_length=1, max_length=CN_MAX)
    organisation: str = Field(default="rotator", max_length=CN_MAX)
    lifetime: Duration = Field(default=timedelta(days=90), ge=timedelta(seconds=10))
    backdate: Duration = Field(default=timedelta(minutes=5), ge=timedelta(0))
    client_auth: bool = False
    ca_certificate: CertificatesFile | None = None
    ca_key: NamedFile | None = None
    crl: CrlSettings | None = None

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        pair = (self.ca_certificate, self.ca_key)
        if any(pair) and not all(pair):
            raise ValueError("ca_certificate and ca_key belong together; give both")
        if bool(self.directory) == all(pair):
            raise ValueError("say where the CA is: either directory, or ca_certificate and ca_key")
        return self

    @model_validator(mode="after")
    def _names_fit(self) -> Self:
        if self.intermediate and len(self.name) > CN_MAX - len(ROOT_SUFFIX):
            raise ValueError(f"with an intermediate the name has {CN_MAX - len(ROOT_SUFFIX)} characters at most")
        return self

    @property
    def certificate(self) -> Path:
        """Where the CA's own certificate lies, and above it what a chain needs."""
        return self.ca_certificate or (self.directory or Path()) / "ca.crt"

    def roots_at_hand(self) -> frozenset[str]:
        """Fingerprints of what lies in `ca.crt`, any of which a client may trust; none where no root is among it.

        Also none while the CA is to be made, or the file cannot be read.
        """
        try:
            certificates = read_certificates(plainfile.content(self.certificate))
        except (OSError, PemError):  # the issuer says it when it is asked for its roots
            return frozenset()
        whole = any(certificate.self_signed for certificate in certificates)
        return frozenset(certificate.fingerprint for certificate in certificates) if whole else frozenset()


ROOT_SUFFIX = " root"
"""What the name of a root ends with that is made above an intermediate."""
