"""The issuer itself: sign, revoke, and say beforehand what would go wrong."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import ClassVar

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import rsa

from rotator.core.csr import general_name
from rotator.core.model import Certificate, Chain, Check, IssueRequest, PreflightRequest, RevocationReason
from rotator.core.pem import load, moment
from rotator.core.trust import signed_by
from rotator.errors import IssueError
from rotator.issuers.local_ca.files import CaFiles, locked
from rotator.issuers.local_ca.revocations import CrlFile, Record, RevocationsError
from rotator.issuers.local_ca.settings import LocalCaSettings
from rotator.lib.signing import Authority, SignableKey, sign
from rotator.ports import Clock, Keep
from rotator.settings import PluginSettings, show_duration

USEFUL = 10  # a certificate cut to less than a tenth of its lifetime is renewed for ever without gaining anything
BACKDATED_AT_MOST = 20  # of the lifetime, the part that lies in the past
_RSA_LEAST = 2048  # CA/Browser Forum baseline requirements, 6.1.5
_SECOND = timedelta(seconds=1)


class LocalCaIssuer:
    """Signs with a CA key on this machine."""

    Settings: ClassVar[type[PluginSettings]] = LocalCaSettings

    def __init__(self, name: str, settings: LocalCaSettings, clock: Clock, keep: Keep) -> None:
        self.name = name
        self._settings = settings
        self._clock = clock
        self._files = CaFiles(name, settings, clock)

    def issue(self, request: IssueRequest, *, resume: str | None, checkpoint: Callable[[str], None]) -> Chain:
        """Sign at once; there is no order that could be resumed."""
        csr = _checked(request)
        with self._files.explained():
            if self._files.is_to_be_made:
                self._files.make()
            authority = self._files.authority()
        begin, end = self._window(authority, request.lifetime or self._settings.lifetime)
        url = self._settings.crl.url if self._settings.crl else ""
        leaf = sign(authority, csr, request.names, begin, end, client_auth=self._settings.client_auth, crl_url=url)
        # What is wrong with the CRL the preflight says; it is no reason to let a certificate expire.
        self._crl_problem(authority)
        return Chain((leaf, *authority.path))

    def roots(self) -> tuple[Certificate, ...]:
        """The root at the top of `ca.crt`; none while the CA is still to be made, or where the file has no root."""
        with self._files.explained():
            certificates = () if self._files.is_to_be_made else self._files.certificates()
        return tuple(certificate for certificate in certificates if certificate.self_signed)

    def preflight(self, request: PreflightRequest) -> tuple[Check, ...]:
        """Whether the CA is there and lives long enough, and its CRL, which is written anew where that is due."""
        try:
            with self._files.explained():
                if self._files.is_to_be_made:
                    return (Check("ca", *self._files.no_room(), detail="it is made at the first issue"),)
                authority = self._files.authority()
            self._window(authority, request.lifetime or self._settings.lifetime)
        except IssueError as error:
            return (Check("ca", str(error)),)
        return (Check("ca", detail=f"it ends {moment(authority.not_after)}"), *self._crl_checks(authority))

    def revoke(self, certificate: Certificate, reason: RevocationReason) -> None:
        """Keep that it is revoked, and write the CRL that tells it; both or an error that says which is missing."""
        if self._settings.crl is None:
            raise IssueError(
                f"{self.name}: it has no CRL, so nobody would learn of a revocation; say `crl` in its settings",
                permanent=True,
            )
        with self._files.explained():
            authority = self._files.authority()
        if not signed_by(certificate, authority.certificate):
            raise IssueError(
                f"{self.name}: {certificate.issuer!r} signed it, not the CA in {self._files.certificate}",
                permanent=True,
            )
        try:
            crl = self._crl(authority)
            with locked(self._files.folder):
                now = self._clock.now()
                kept = Record.read(self._files.record).with_revoked(certificate, reason, now)
                kept.write(self._files.record)
                if crl.is_due(authority, now):
                    crl.write(authority, now, self._settings.backdate)
        except RevocationsError as error:
            raise IssueError(f"{self.name}: {error}", permanent=True) from error
        except OSError as error:
            raise IssueError(f"{self.name}: the CRL cannot be written: {_told(error)}") from error

    # ------------------------------------------------------------ the CRL

    def _crl_checks(self, authority: Authority) -> tuple[Check, ...]:
        if self._settings.crl is None:
            return ()
        problem = self._crl_problem(authority)
        if problem:
            return (Check("crl", problem, "see that rotator may write there"),)
        ends = self._crl(authority).ends()
        return (Check("crl", detail=f"it is good until {moment(ends)}" if ends else "it is there"),)

    def _crl_problem(self, authority: Authority) -> str:
        """Write the CRL where that is due; says what prevents it, in one sentence."""
        if self._settings.crl is None:
            return ""
        try:
            crl = self._crl(authority)
            with locked(self._files.folder):
                now = self._clock.now()
                if crl.is_due(authority, now):
                    crl.write(authority, now, self._settings.backdate)
        except IssueError as error:
            return str(error)
        except RevocationsError as error:
            return f"{self.name}: {error}"
        except OSError as error:
            return f"{self.name}: the CRL cannot be written: {_told(error)}"
        return ""

    def _crl(self, authority: Authority) -> CrlFile:
        assert self._settings.crl is not None
        try:
            usage = load(authority.certificate).extensions.get_extension_for_class(x509.KeyUsage).value
        except x509.ExtensionNotFound:
            return CrlFile(self._settings.crl, self._files.record)
        if not usage.crl_sign:
            raise IssueError(
                f"{self.name}: the CA in {self._files.certificate} may sign no CRL (its key usage lacks cRLSign)",
                permanent=True,
            )
        return CrlFile(self._settings.crl, self._files.record)

    def _window(self, authority: Authority, lifetime: timedelta) -> tuple[datetime, datetime]:
        """From when until when a certificate made now is valid: never past the end of the CA."""
        now, ca = self._clock.now(), authority.certificate
        where = self._files.certificate
        if now < ca.not_before:
            raise IssueError(
                f"{self.name}: the CA {where} is valid from {moment(ca.not_before)}, but the clock says "
                f"{moment(now)}; check the clock of this machine"
            )
        begin = (now - min(self._settings.backdate, lifetime / BACKDATED_AT_MOST)).replace(microsecond=0)
        begin = max(begin, ca.not_before)
        end = min(begin + lifetime - _SECOND, authority.not_after)
        if end - now < lifetime / USEFUL:
            raise IssueError(
                f"{self.name}: the CA {where} ends {moment(authority.not_after)}, too soon for a "
                f"certificate of {show_duration(lifetime)}; put a new CA there and have its root trusted first",
                permanent=True,
            )
        return begin, end


def _told(error: OSError) -> str:
    """What the system says, with the folder: the file's name is a draft's."""
    why = error.strerror or str(error)
    return f"{Path(error.filename).parent}: {why}" if error.filename else why


def _checked(request: IssueRequest) -> x509.CertificateSigningRequest:
    """The CSR, once its own signature proves that the asker holds the key, and its names are those asked for."""
    try:
        csr = x509.load_pem_x509_csr(request.csr)
        proved = csr.is_signature_valid
        names = csr.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        public = csr.public_key()
    except (ValueError, UnsupportedAlgorithm, x509.ExtensionNotFound) as error:
        raise IssueError(f"the signing request cannot be read: {error}", permanent=True) from error
    if not proved:
        raise IssueError("the signing request is not signed by its own key", permanent=True)
    if set(names) != {general_name(name) for name in request.names}:
        raise IssueError(
            f"the signing request names other hosts than the {len(request.names)} that were asked for", permanent=True
        )
    if not isinstance(public, SignableKey) or (isinstance(public, rsa.RSAPublicKey) and public.key_size < _RSA_LEAST):
        raise IssueError("the key in the signing request is too weak; use ECDSA, Ed25519 or RSA 2048", permanent=True)
    return csr
