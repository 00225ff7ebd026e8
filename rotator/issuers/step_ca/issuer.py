"""The issuer itself: sign, revoke, and say beforehand what would go wrong."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from datetime import timedelta
from typing import ClassVar
from urllib.parse import quote

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from rotator.core.model import (
    Certificate,
    Chain,
    Check,
    Endpoint,
    IssueRequest,
    PreflightRequest,
    RevocationReason,
)
from rotator.core.pem import moment
from rotator.errors import IssueError, SecretMissing
from rotator.issuers.step_ca.client import Answer, StepCa
from rotator.issuers.step_ca.settings import StepCaSettings
from rotator.issuers.step_ca.tokens import KeyUnusableError, ProvisionerKey
from rotator.lib import plainfile
from rotator.lib.issued import read_issued
from rotator.lib.jwe import JweError, open_with_password
from rotator.lib.peers import https_peers
from rotator.lib.signing import CN_MAX, common_name
from rotator.ports import Clock, Keep
from rotator.settings import PluginSettings, parse_duration, show_duration

_NAMELESS = "rotator"  # the subject of a certificate none of whose names fits into one
_USUAL = timedelta(hours=24)  # step-ca's own lifetime, where neither the provisioner nor the CA claims another


class StepCaIssuer:
    """Has a step-ca sign with the key of a JWK provisioner."""

    Settings: ClassVar[type[PluginSettings]] = StepCaSettings
    roots_are_remote: ClassVar[bool] = True

    def __init__(self, name: str, settings: StepCaSettings, clock: Clock, keep: Keep) -> None:
        self.name = name
        self._settings = settings
        self._clock = clock
        self._ca = StepCa(name, settings, clock.now)

    def issue(self, request: IssueRequest, *, resume: str | None, checkpoint: Callable[[str], None]) -> Chain:
        """Sign at once; there is no order that could be resumed. The token is good for this request alone."""
        root = self._ca.root()
        token = self._key().sign_token(
            self._settings.url,
            _subject(request.names),
            request.names,
            self._clock.now(),
            root.fingerprint if root else "",
            cnf={"x5rt#S256": _thumbprint(request.csr)},
        )
        lifetime = request.lifetime or self._settings.lifetime
        wish = {"notAfter": f"{int(lifetime.total_seconds())}s"} if lifetime else {}
        answer = self._ca.post("/sign", {"csr": request.csr.decode("ascii"), "ott": token, **wish})
        return read_issued(_chain(answer), f"{self.name}: {self._ca.where}")

    def roots(self) -> tuple[Certificate, ...]:
        """The roots that the CA gives; where one is pinned, that one alone."""
        pinned = self._ca.root()
        return (pinned,) if pinned else self._ca.certificates("/roots")

    @property
    def peers(self) -> tuple[Endpoint, ...]:
        """The CA's own server; its certificate is renewed by the CA itself."""
        return https_peers((self._settings.url,))

    def revoke(self, certificate: Certificate, reason: RevocationReason) -> None:
        """Revoke by the serial: the CA renews it no more, and puts it on its CRL where it has one.

        The CA takes any serial, also one that it has never given; so the certificate has to name it as its issuer.
        """
        if certificate.issuer not in {signer.subject for signer in self._signers()}:
            raise self._ca.error(f"{certificate.issuer!r} signed it, which {self._ca.where} is not", permanent=True)
        serial = str(certificate.serial)
        url = f"{self._settings.url}/1.0/revoke"
        body = {
            "serial": serial,
            "ott": self._key().token(url, serial, self._clock.now()),
            "reasonCode": reason.code,
            "reason": reason.value,
            "passive": True,
        }
        try:
            self._ca.post("/revoke", body)
        except IssueError as error:
            if "is already revoked" not in str(error):
                raise

    # ------------------------------------------------------------ beforehand

    def preflight(self, request: PreflightRequest) -> tuple[Check, ...]:
        """Whether the CA is up, knows our provisioner and its key, lets it sign for so long, and itself lives on."""
        checks: list[Check] = []
        lifetime = request.lifetime or self._settings.lifetime
        asking: tuple[tuple[str, Callable[[], Check]], ...] = (
            ("step-ca", self._health_check),
            ("provisioner", self._provisioner_check),
            ("lifetime", lambda: self._lifetime_check(lifetime)),
            ("ca", lambda: self._end_check(lifetime)),
        )
        for name, ask in asking:
            try:
                checks.append(ask())
            except IssueError as error:
                # What comes after would only say the same again.
                return (*checks, Check(name, str(error)))
        return tuple(checks)

    def _health_check(self) -> Check:
        health = self._ca.get("/health").get("status")
        if health != "ok":
            return Check("step-ca", f"{self.name}: {self._ca.where} says of itself that it is {health!r}, not ok")
        return Check("step-ca", detail="it is up")

    def _end_check(self, lifetime: timedelta | None) -> Check:
        ends = min(each.not_after for each in self._signers())
        lasting = lifetime or _claim(self._provisioner(), "defaultTLSCertDuration") or _USUAL
        if self._clock.now() + lasting > ends:
            problem = f"the CA ends {moment(ends)}, before a certificate of {show_duration(lasting)} would"
            return Check("ca", f"{self.name}: {problem}", "renew the CA's intermediate, or its root, first")
        return Check("ca", detail=f"it ends {moment(ends)}")

    def _provisioner_check(self) -> Check:
        """Whether the key that we would sign with is the one that the CA knows the provisioner by."""
        key, kid = self._key(), _kid(self._provisioner())
        if key.kid != kid:
            problem = f"the key {key.kid[:12]}… is not the one that the provisioner {key.issuer} has now, {kid[:12]}…"
            return Check("provisioner", f"{self.name}: {problem}", "give the provisioner's current key or password")
        return Check("provisioner", detail=f"{key.issuer} is known, and we have its key")

    def _lifetime_check(self, lifetime: timedelta | None) -> Check:
        """Whether the provisioner's own claims allow it.

        For what it does not claim those of the whole CA hold, which the CA tells nobody: they are no objection.
        """
        provisioner = self._provisioner()
        least, most = _claim(provisioner, "minTLSCertDuration"), _claim(provisioner, "maxTLSCertDuration")
        if lifetime and least and lifetime < least:
            return self._outside(f"{show_duration(least)} at least", lifetime)
        if lifetime and most and lifetime > most:
            return self._outside(f"{show_duration(most)} at most", lifetime)
        if least and most:
            return Check("lifetime", detail=f"the provisioner allows {show_duration(least)} to {show_duration(most)}")
        return Check("lifetime", detail="what the provisioner does not claim the CA does, and tells nobody", told=False)

    def _outside(self, bound: str, lifetime: timedelta) -> Check:
        provisioner = self._settings.provisioner
        return Check(
            "lifetime",
            f"{self.name}: the provisioner {provisioner} allows {bound}, not {show_duration(lifetime)}",
            "ask for another lifetime, or change the provisioner's claims maxTLSCertDuration and minTLSCertDuration",
        )

    def _signers(self) -> tuple[Certificate, ...]:
        """The CA's intermediates and roots; the end of the first of them ends what it signs."""
        return (*self._ca.certificates("/intermediates"), *self.roots())

    # ------------------------------------------------------------ the key

    def _provisioner(self) -> Answer:
        """What the CA says of our provisioner."""
        wanted = self._settings.provisioner
        others: list[str] = []
        for each in self._ca.provisioners():
            if each.get("type") == "JWK" and each.get("name") == wanted:
                return each
            others.append(f"{each.get('name')} ({each.get('type')})")
        known = ", ".join(others[:10]) or "none"
        raise self._ca.error(f"{self._ca.where} has no JWK provisioner {wanted}; it has {known}", permanent=True)

    def _key(self) -> ProvisionerKey:
        """The provisioner's key, opened anew each time: a changed password or key needs no restart."""
        name = self._settings.provisioner
        try:
            if self._settings.key:
                return ProvisionerKey.read(name, self._settings.key.reveal().encode())
            assert self._settings.password is not None
            sealed, password = self._sealed(), self._settings.password.reveal()
            return ProvisionerKey.read(name, open_with_password(sealed, password))
        except SecretMissing as error:
            raise self._ca.error(str(error), permanent=True) from error
        except JweError as error:
            raise self._ca.error(
                f"the key of the provisioner {name} cannot be opened: {error}", permanent=True
            ) from error
        except KeyUnusableError as error:
            raise self._ca.error(f"the key of the provisioner {name} cannot sign: {error}", permanent=True) from error

    def _sealed(self) -> str:
        """The provisioner's key as the CA or a file keeps it, closed by the password."""
        path = self._settings.encrypted_key
        if path:
            try:
                return plainfile.content(path).decode()
            except (OSError, UnicodeDecodeError) as error:
                raise self._ca.error(f"the provisioner's key {path} cannot be read: {error}", permanent=True) from error
        provisioner = self._provisioner()
        kid = _kid(provisioner)
        sealed = provisioner.get("encryptedKey")
        sealed = sealed or self._ca.get(f"/provisioners/{quote(kid, safe='')}/encrypted-key").get("key")
        if not isinstance(sealed, str) or not sealed:
            raise self._ca.error(
                f"{self._ca.where} does not give the key of the provisioner {self._settings.provisioner} away; name "
                "it in `encrypted_key` or `key`",
                permanent=True,
            )
        return sealed


def _subject(names: tuple[str, ...]) -> str:
    """What the CA is to write into the subject: a name of the certificate that fits."""
    return common_name(names) or next((name for name in names if len(name) <= CN_MAX), _NAMELESS)


def _thumbprint(csr: bytes) -> str:
    """The SHA-256 of the request: the token that carries it is of no use for another one."""
    der = x509.load_pem_x509_csr(csr).public_bytes(Encoding.DER)
    return base64.urlsafe_b64encode(hashlib.sha256(der).digest()).rstrip(b"=").decode("ascii")


def _kid(provisioner: Answer) -> str:
    """Which key the CA knows a provisioner by; empty where it does not say."""
    key = provisioner.get("key")
    return str(key.get("kid") or "") if isinstance(key, dict) else ""


def _claim(provisioner: Answer, claim: str) -> timedelta | None:
    """A duration among a provisioner's own claims, as Go writes it (`24h0m0s`); None where it has none."""
    claims = provisioner.get("claims")
    try:
        found = parse_duration(claims.get(claim) if isinstance(claims, dict) else None)
    except ValueError:
        return None
    return found if isinstance(found, timedelta) else None


def _chain(answer: Answer) -> bytes:
    """Leaf and what is above it; an old step-ca has only `crt` and `ca`."""
    listed = answer.get("certChain")
    found = listed if isinstance(listed, list) and listed else [answer.get("crt"), answer.get("ca")]
    return "\n".join(each for each in found if isinstance(each, str)).encode()
