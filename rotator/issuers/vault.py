"""The PKI secrets engine of Vault and OpenBao: one `sign` request, answered at once.

The role decides what may be signed and for how long. Vault cuts a lifetime that is longer than the role's `max_ttl`
without saying so; what came out is seen by the validator and, where it is too short to gain anything, refused there.
A token that was given (`auth: {token: …}`) is prolonged whenever it is used in the second half of its life; a token
that lives shorter than the pause between two renewals needs `auth: {kubernetes: …}` instead.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, ClassVar

from pydantic import Field, field_validator

from rotator.core.csr import is_address
from rotator.core.model import Certificate, Chain, Check, IssueRequest, PreflightRequest
from rotator.core.pem import PemError, read_certificates
from rotator.errors import IssueError
from rotator.lib.issued import read_issued
from rotator.lib.signing import common_name
from rotator.lib.vault import Vault, VaultError, VaultSettings, api_path, data_of
from rotator.ports import Clock, Keep
from rotator.settings import Duration, PluginSettings


class VaultIssuerSettings(VaultSettings):
    """Which role of which mount signs.

    Attributes:
        mount: where the PKI engine is mounted.
        lifetime: to ask for, unless the certificate's own config says otherwise; without both the role decides.
    """

    role: str
    mount: str = "pki"
    lifetime: Duration | None = Field(default=None, gt=timedelta(0))

    _mount_is_a_path = field_validator("mount")(api_path)

    @field_validator("role")
    @classmethod
    def _role_is_one_segment(cls, value: str) -> str:
        if "/" in value:
            raise ValueError(f"{value!r} is no role: a role has no slash in its name")
        return api_path(value)


class VaultIssuer:
    """Signs with a role of a PKI mount."""

    Settings: ClassVar[type[PluginSettings]] = VaultIssuerSettings
    roots_are_remote: ClassVar[bool] = True

    def __init__(self, name: str, settings: VaultIssuerSettings, clock: Clock, keep: Keep) -> None:
        self.name = name
        self._settings = settings
        self._vault = Vault(settings, clock.now)
        self._path = f"{settings.mount}/sign/{settings.role}"

    def issue(self, request: IssueRequest, *, resume: str | None, checkpoint: Callable[[str], None]) -> Chain:
        """Sign at once; there is no order that could be resumed."""
        try:
            self._vault.renew_token()
            answer = self._vault.write(self._path, _body(request, request.lifetime or self._settings.lifetime))
        except VaultError as error:
            raise self._translated(error) from error
        return read_issued(_chain(answer), f"{self.name}: {self._path}")

    def roots(self) -> tuple[Certificate, ...]:
        """The roots in the chain that the mount publishes; none where it knows only its intermediate."""
        try:
            answer = self._vault.read(f"{self._settings.mount}/cert/ca_chain", public=True)
            data = data_of(answer)
            found = read_certificates(_text(data.get("ca_chain") or data.get("certificate")))
        except VaultError as error:
            raise self._translated(error) from error
        except PemError as error:
            raise IssueError(f"{self.name}: the mount {self._settings.mount} publishes no CA: {error}") from error
        return tuple(certificate for certificate in found if certificate.self_signed)

    def preflight(self, request: PreflightRequest) -> tuple[Check, ...]:
        """Whether Vault lets us in and the token may sign with the role, as far as that can be told without signing."""
        try:
            self._vault.renew_token()
            answer = self._vault.write("sys/capabilities-self", {"paths": [self._path]})
        except VaultError as error:
            return (Check("token", str(self._translated(error))),)
        may = data_of(answer).get(self._path)
        if isinstance(may, list) and any(capability in may for capability in ("create", "update", "root")):
            return (Check("token", detail=f"it may write {self._path}"),)
        problem = f"{self.name}: the token may not write {self._path}; give its policy the capability update"
        return (Check("token", problem),)

    def _translated(self, error: VaultError) -> IssueError:
        return IssueError(f"{self.name}: {error}", permanent=error.permanent, retry_after=error.retry_after)


def _body(request: IssueRequest, lifetime: timedelta | None) -> dict[str, str]:
    """The request; names also beside the CSR, for roles that do not read them there."""
    addresses = [name for name in request.names if is_address(name)]
    uris = [name for name in request.names if "://" in name]
    hosts = [name for name in request.names if name not in addresses and name not in uris]
    fields = {
        "csr": request.csr.decode("ascii"),
        "common_name": common_name(request.names),
        "alt_names": ",".join(hosts),
        "ip_sans": ",".join(addresses),
        "uri_sans": ",".join(uris),
        "ttl": f"{int(lifetime.total_seconds())}s" if lifetime else "",
    }
    return {field: value for field, value in fields.items() if value}


def _chain(answer: Mapping[str, Any]) -> bytes:
    """Leaf and what is above it; an older Vault without `ca_chain` names only the issuing CA."""
    data = data_of(answer)
    above = data.get("ca_chain")
    above = above if isinstance(above, list) and above else [data.get("issuing_ca")]
    return b"\n".join(_text(text) for text in (data.get("certificate"), *above))


def _text(value: object) -> bytes:
    return value.encode() if isinstance(value, str) else b""
