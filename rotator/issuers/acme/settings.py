"""What an operator writes for an ACME issuer."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from difflib import get_close_matches
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from rotator.core.budget.limits import NO_LIMITS, IssuerBudget
from rotator.core.budget.limits import PRESETS as LIMITS
from rotator.core.model import Certificate
from rotator.core.pem import PemError, read_certificates
from rotator.errors import IssueError
from rotator.issuers.acme.presets import PRESETS, preset_of, why_ended
from rotator.issuers.acme.proving import Dns01, Http01, SolverSettings, TlsAlpn01
from rotator.lib import plainfile
from rotator.settings import AuthoritiesFile, CertificatesFile, Duration, PluginSettings, SecretRef

_PUBLIC_RSA = (2048, 3072, 4096)


class ExternalAccount(PluginSettings):
    """The external account binding that some CAs give to their customers (RFC 8555, 7.3.4).

    Attributes:
        kid: the key id, as the CA shows it.
        key: the MAC key in base64url.
    """

    kid: str = Field(min_length=1)
    key: SecretRef


class AcmeSettings(PluginSettings):
    """One account at one ACME CA.

    Attributes:
        directory: the CA's directory, or the name of a well-known one.
        email: where the CA may write to.
        agree_terms: that you agree to the CA's terms of service; rotator never agrees by itself.
        profile: what to order where the certificate's own config names no profile.
        preferred_root: of the chains that the CA offers the one to this root: its common name, as `ISRG Root X1`, or
            the SHA-256 fingerprint of its certificate; without it the CA's first.
        http01: proves names over HTTP, on port 80. Where no way to prove names is configured, this is it.
        dns01: proves names by TXT records in their zone; the only way for wildcards.
        tls_alpn01: proves names over TLS, on port 443. Of several, http01 comes before tls_alpn01 before dns01 for each
            name that the CA takes it for.
        solvers: which names are proved by which; the first that fits comes before the three above.
        ca_file: what the directory's own TLS certificate is verified with; for private CAs.
        roots: file with the roots that this CA's chains end in; for private CAs. The roots of public ones are in
            the system's store.
        patience: how long one attempt waits for the CA before it is left pending and resumed later.
    """

    directory: str
    email: str = ""
    agree_terms: bool = False
    eab: ExternalAccount | None = None
    profile: str = ""
    preferred_root: str = ""
    http01: Http01 | None = None
    dns01: Dns01 | None = None
    tls_alpn01: TlsAlpn01 | None = None
    solvers: tuple[SolverSettings, ...] = ()
    ca_file: AuthoritiesFile | None = None
    roots: CertificatesFile | None = None
    patience: Duration = Field(default=timedelta(seconds=90), ge=timedelta(seconds=5))

    @field_validator("directory")
    @classmethod
    def _is_a_directory(cls, value: str) -> str:
        if value in PRESETS:
            return value
        parts = urlsplit(value)
        if ended := why_ended(value, parts.hostname or ""):
            raise ValueError(ended)
        if parts.scheme != "https" or not parts.hostname:
            raise ValueError(f"{value!r} is no directory; {_which(value)}")
        return value

    @field_validator("email")
    @classmethod
    def _is_one_address(cls, value: str) -> str:
        if value and (value.count("@") != 1 or any(sign in value for sign in " ,?<>")):
            raise ValueError(f"{value!r} is no mail address; write one, like pki@example.com")
        return value

    @model_validator(mode="after")
    def _has_its_external_account(self) -> Self:
        preset = PRESETS.get(self.preset)
        if preset is not None and preset.external_account and self.eab is None:
            raise ValueError(
                f"{self.preset} opens accounts only for its customers: get a key id and a MAC key from its web site "
                "and set eab"
            )
        return self

    @property
    def preset(self) -> str:
        """The name of the well-known CA, also where its address is written; empty for any other."""
        return preset_of(self.directory)

    @property
    def directory_url(self) -> str:
        preset = PRESETS.get(self.directory)
        return preset.url if preset else self.directory

    def refuses_key(self, algorithm: str, size: int) -> str:
        """What no public CA may sign (Baseline Requirements, 6.1.5), and what Boulder, which most run, does not."""
        if not self.preset:
            return ""
        if algorithm == "ed25519":
            return "public CAs sign rsa and ecdsa keys only"
        if algorithm == "rsa" and size not in _PUBLIC_RSA:
            return f"public CAs sign rsa keys of {', '.join(map(str, _PUBLIC_RSA))} bits"
        return ""

    @property
    def solver_settings(self) -> tuple[SolverSettings, ...]:
        """The ways to prove names as a list; HTTP-01 by a listener where nothing is said."""
        plain = [
            SolverSettings(http01=self.http01) if self.http01 else None,
            SolverSettings(tls_alpn01=self.tls_alpn01) if self.tls_alpn01 else None,
            SolverSettings(dns01=self.dns01) if self.dns01 else None,
        ]
        said = (*self.solvers, *(each for each in plain if each is not None))
        return said or (SolverSettings(http01=Http01()),)

    def unsaid(self) -> Mapping[str, str]:
        """That the terms are agreed to, of a CA that is known to have some; an account that exists needs it no more."""
        if self.agree_terms or not self.preset:
            return {}
        why = "makes an account only for who agrees to its terms of service, which rotator never does by itself"
        else_ = "an account that has agreed to them goes on without it, but a lost state could make no other"
        return {"agree_terms": f"{self.preset} {why}: read them, then set agree_terms: true ({else_})"}

    def refuses_name(self, name: str) -> str:
        """What no way to prove names that is configured can ever prove."""
        if "://" in name or "@" in name:
            return "is no host name or address; ACME orders nothing else"
        objections = [each.objection(name) for each in self.solver_settings if each.is_for(name)]
        if "" in objections:
            return ""
        why = "; ".join(dict.fromkeys(objections)) or "none of the solvers is for it; widen the `names` of one"
        return f"cannot be proved: {why}"

    @property
    def budget(self) -> IssuerBudget:
        """What the CA publishes of its limits. One account is one directory with one external account."""
        url, external = self.directory_url, self.eab.kid if self.eab else ""
        preset = PRESETS.get(self.preset)
        return IssuerBudget(
            limits=LIMITS.get(self.preset, NO_LIMITS),
            ca=url,
            account=f"{url} {external}".rstrip(),
            caa_domains=frozenset(preset.caa_domains if preset else ()),
        )

    def roots_at_hand(self) -> frozenset[str]:
        """Fingerprints of the roots in the `roots` file; none without it, or while it cannot be read."""
        try:
            return frozenset(root.fingerprint for root in read_roots(self.roots, "acme"))
        except IssueError:  # the issuer says it when it is asked for its roots
            return frozenset()

    @property
    def verify(self) -> bool | str:
        """What the directory's TLS is verified with, as requests wants it."""
        return str(self.ca_file) if self.ca_file else True


def _which(written: str) -> str:
    """What to write instead: the well-known name that was probably meant, else all that there is."""
    near = get_close_matches(written.lower(), PRESETS, n=1)
    if near:
        return f"did you mean {near[0]!r}?"
    return f"write its https:// address, or one of {', '.join(PRESETS)}"


def read_roots(path: Path | None, issuer: str) -> tuple[Certificate, ...]:
    """The certificates in the `roots` file; none without it.

    Raises:
        IssueError: it is not there, or no PEM.
    """
    if path is None:
        return ()
    try:
        return read_certificates(plainfile.content(path))
    except OSError as error:
        raise IssueError(f"{issuer}: the roots in {path} cannot be read: {error.strerror}") from error
    except PemError as error:
        raise IssueError(f"{issuer}: the roots in {path} cannot be used: {error}", permanent=True) from error
