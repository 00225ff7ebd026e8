"""The issuer itself: sign, revoke, and say beforehand what would go wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from http import HTTPStatus
from typing import Any, ClassVar

from rotator.core.csr import is_address
from rotator.core.model import (
    Certificate,
    Chain,
    Check,
    Endpoint,
    IssueRequest,
    PreflightRequest,
    RevocationReason,
)
from rotator.core.pem import PemError, certificate_pem, read_certificates
from rotator.core.trust import mended
from rotator.core.x509 import serial_text
from rotator.errors import IssueError
from rotator.issuers.vault.lasting import Lasting
from rotator.issuers.vault.role import DEFAULT_CA, Mount, Role
from rotator.issuers.vault.settings import VaultIssuerSettings
from rotator.lib.issued import read_issued
from rotator.lib.peers import https_peers
from rotator.lib.signing import common_name
from rotator.lib.vault import Vault, VaultError, data_of
from rotator.ports import Clock, Keep
from rotator.settings import PluginSettings

_NOT_THERE = {HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED}


class VaultIssuer:
    """Signs with a role of a PKI mount."""

    Settings: ClassVar[type[PluginSettings]] = VaultIssuerSettings
    roots_are_remote: ClassVar[bool] = True

    def __init__(self, name: str, settings: VaultIssuerSettings, clock: Clock, keep: Keep) -> None:
        self.name = name
        self._settings = settings
        self._clock = clock
        self._vault = Vault(settings, clock.now)
        self._path = settings.sign_path

    def issue(self, request: IssueRequest, *, resume: str | None, checkpoint: Callable[[str], None]) -> Chain:
        """Sign at once; there is no order that could be resumed."""
        try:
            self._vault.renew_token()
            answer = self._vault.write(self._path, _body(request, request.lifetime or self._settings.lifetime))
        except VaultError as error:
            raise self._translated(error) from error
        return self._complete(_chain(answer))

    def roots(self) -> tuple[Certificate, ...]:
        """The roots above the CA that signs, as the mount publishes them; none where it knows only its intermediate.

        Raises:
            IssueError: it cannot be asked, or publishes no CA.
        """
        try:
            found = self._published(self._signer())
        except VaultError as error:
            raise self._translated(error) from error
        except PemError as error:
            raise IssueError(f"{self.name}: the mount {self._settings.mount} publishes no CA: {error}") from error
        return tuple(certificate for certificate in found if certificate.self_signed)

    @property
    def peers(self) -> tuple[Endpoint, ...]:
        """The server, where it speaks TLS."""
        return https_peers((self._settings.url,))

    def revoke(self, certificate: Certificate, reason: RevocationReason) -> None:
        """Revoke by the serial, or by the certificate where the role keeps none; Vault knows no reasons."""
        path = f"{self._settings.mount}/revoke"
        try:
            self._vault.renew_token()
            try:
                answer = self._vault.write(path, {"serial_number": serial_text(certificate.serial)})
            except VaultError as error:
                if "not found" not in str(error):
                    raise
                # The role has `no_store`: only the certificate itself tells the mount what it once signed.
                answer = self._vault.write(path, {"certificate": certificate_pem(certificate).decode("ascii")})
        except VaultError as error:
            # Said with status 500, and yet for good.
            foreign = "unable to verify signature" in str(error)
            raise IssueError(
                f"{self.name}: {error}", permanent=error.permanent or foreign, retry_after=error.retry_after
            ) from error
        if "revocation_time" not in data_of(answer):
            said = "; ".join(str(each) for each in answer.get("warnings") or ()) or "it does not say why"
            raise IssueError(f"{self.name}: {path} revoked nothing: {said}", permanent=True)

    # ------------------------------------------------------------ beforehand

    def preflight(self, request: PreflightRequest) -> tuple[Check, ...]:
        """Whether Vault lets us in, the token may sign, the role allows it, and the CA outlives it; signs nothing."""
        try:
            self._vault.renew_token()
            return (self._token_check(request), *self._mount_checks(request))
        except VaultError as error:
            return (Check("token", str(self._translated(error))),)

    def _token_check(self, request: PreflightRequest) -> Check:
        try:
            answer = self._vault.write("sys/capabilities-self", {"paths": [self._path]})
        except VaultError as error:
            if error.status != HTTPStatus.FORBIDDEN:
                raise
            return self._token_that_may_not_ask(error)
        may = data_of(answer).get(self._path)
        if not isinstance(may, list) or not {"create", "update", "root"} & set(may):
            problem = f"{self.name}: the token may not write {self._path}; give its policy the capability update"
            return Check("token", problem, f'path "{self._path}" {{ capabilities = ["update"] }}')
        left = self._vault.token_left()
        if left is not None and request.current and self._clock.now() + left < request.current.not_after:
            problem = f"{self.name}: the token cannot be prolonged and ends before the certificate that it is to renew"
            return Check("token", problem, "give a token with a period, or log in another way")
        return Check("token", detail=f"it may write {self._path}")

    def _token_that_may_not_ask(self, refused: VaultError) -> Check:
        """Vault answers a dead token and one without its policy `default` alike: whatever else it may do tells."""
        if self._settings.auth.token is None or self._role().said:
            return Check("token", detail="it may not ask, so what it may write is not known beforehand", told=False)
        remedy = "give another token, or this one Vault's policy `default`, by which it may ask what it may do"
        return Check("token", str(self._translated(refused)), remedy)

    def _mount_checks(self, request: PreflightRequest) -> Iterator[Check]:
        settings = self._settings
        try:
            role = self._role()
        except VaultError as error:
            if error.status != HTTPStatus.NOT_FOUND:
                raise
            missing = f"{self.name}: the mount {settings.mount} has no role {settings.role}"
            yield Check("role", missing, "make it, or correct `role` or `mount`")
            return
        yield self._role_check(role, request)
        lasting = self._lasting(role, request)
        check = lasting.of_role()
        if check:
            yield check
        ref = settings.issuer_ref or role.issuer_ref
        behaviour = self._readable(f"{settings.mount}/issuer/{ref}", old=True).get("leaf_not_after_behavior", "")
        try:
            found = self._published(ref)
        except PemError as error:
            yield Check("ca", f"{self.name}: the mount {settings.mount} has no CA: {error}", "give the mount a CA")
            return
        yield lasting.of_ca(min(each.not_after for each in found), str(behaviour))

    def _role_check(self, role: Role, request: PreflightRequest) -> Check:
        settings = self._settings
        objections = "; ".join(role.objections(request.names, request.key))
        if objections:
            return Check("role", f"{self.name}: the role {settings.role} would refuse: {objections}", "change the role")
        if not role.said:
            path = f"{settings.mount}/roles/{settings.role}"
            untold = f"the token may not read {path}, so what it allows is not known beforehand"
            return Check("role", detail=untold, told=False)
        return Check("role", detail="it allows the names and the key")

    def _lasting(self, role: Role, request: PreflightRequest) -> Lasting:
        """What the role says of the lifetime, and the mount where the role says nothing."""
        path = f"sys/internal/ui/mounts/{self._settings.mount}"  # whoever may use a mount may read how it was tuned
        mount = Mount(self._readable(path, old=True) if role.leaves_lifetime_open else {})
        return Lasting(
            self._clock.now(),
            request.lifetime or self._settings.lifetime,
            role.ttl or mount.ttl,
            role.max_ttl or mount.max_ttl,
            request.current,
            usual_of_mount=not role.ttl,
            most_of_mount=not role.max_ttl,
        )

    def _role(self) -> Role:
        """The role, as far as the token may read it."""
        return Role(self._readable(f"{self._settings.mount}/roles/{self._settings.role}"))

    def _signer(self) -> str:
        """Which CA of the mount signs: the configured one, else the one that the role names."""
        if self._settings.issuer_ref:
            return self._settings.issuer_ref
        try:
            return self._role().issuer_ref
        except VaultError as error:
            if not error.permanent:
                raise
            return DEFAULT_CA  # anybody may ask what is published: a login that is refused does not hide it

    def _readable(self, path: str, *, old: bool = False) -> Mapping[str, Any]:
        """What a path holds; empty where the token may not read it, or (`old`) the server may be too old to have it."""
        try:
            return data_of(self._vault.read(path))
        except VaultError as error:
            if error.status == HTTPStatus.FORBIDDEN or (old and error.status in _NOT_THERE):
                return {}
            raise

    # ------------------------------------------------------------ the chain

    def _complete(self, text: bytes) -> Chain:
        """The chain in an answer; what an answer leaves out is taken from what the mount publishes.

        Raises:
            IssueError: not even the CA that signed it is known, so no client could verify it.
        """
        who = f"{self.name}: {self._path}"
        chain = read_issued(text, who)
        # A chain that ends in its root needs nothing more; the root itself is not sent.
        sent = mended(Chain(read_certificates(text)), ()).certificates
        if not sent[-1].self_signed:
            sent = mended(Chain((*chain.certificates, *self._published_if_any())), ()).certificates
        if len(sent) == 1 and not chain.leaf.self_signed:
            raise IssueError(
                f"{who} signed, but neither its answer nor the mount gives the CA that did; import the CA's own "
                f"certificate and those above it into {self._settings.mount}",
                permanent=True,
            )
        return Chain((sent[0], *(each for each in sent[1:] if not each.self_signed)))

    def _published_if_any(self) -> tuple[Certificate, ...]:
        try:
            return self._published(self._signer())
        except (VaultError, PemError):
            return ()  # what came with the answer may be all that clients need; the validator judges it

    def _published(self, ref: str) -> tuple[Certificate, ...]:
        """A CA of the mount, and those above it; anybody may ask.

        Args:
            ref: its name or id, or `DEFAULT_CA`, which an older Vault has as well.

        Raises:
            VaultError: it cannot be asked.
            PemError: there is none.
        """
        mount = self._settings.mount
        path = f"{mount}/cert/ca_chain" if ref == DEFAULT_CA else f"{mount}/issuer/{ref}/json"
        data = data_of(self._vault.read(path, public=True))
        above = data.get("ca_chain")
        text = "\n".join(str(each) for each in above) if isinstance(above, list) else above
        return read_certificates(_text(text or data.get("certificate")))

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
    above = above if isinstance(above, list) else []
    return b"\n".join(_text(text) for text in (data.get("certificate"), data.get("issuing_ca"), *above))


def _text(value: object) -> bytes:
    return value.encode() if isinstance(value, str) else b""
