"""A CA in a folder of this machine: for tests, demos, and services whose clients trust a root of their own.

The folder holds `ca.crt` (the CA's certificate, and above it whatever else a chain needs) and `ca.key` (mode 0600).
With `create: true` an empty folder gets a new root at the first issue; nothing else ever writes there.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import ClassVar, Self

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import rsa
from pydantic import Field, model_validator

from rotator.core.csr import general_name, new_key
from rotator.core.model import Certificate, Chain, Check, IssueRequest, KeySpec, PreflightRequest
from rotator.core.pem import PemError, certificate_pem, load, moment, read_certificates
from rotator.errors import IssueError
from rotator.lib import atomicfile
from rotator.lib.signing import CN_MAX, Authority, SignableKey, load_signing_key, make_root, sign
from rotator.ports import Clock, Keep
from rotator.settings import Duration, PluginSettings, show_duration

USEFUL = 10  # a certificate cut to less than a tenth of its lifetime is renewed for ever without gaining anything
BACKDATED_AT_MOST = 20  # of the lifetime, the part that lies in the past
_RSA_LEAST = 2048  # CA/Browser Forum baseline requirements, 6.1.5
_SECOND = timedelta(seconds=1)


class LocalCaSettings(PluginSettings):
    """Where the CA is, and what its certificates look like.

    Attributes:
        directory: holds `ca.crt` and `ca.key`.
        create: make a new CA when the directory has none.
        ca_certificate: an existing CA elsewhere, with `ca_key`; instead of `directory`.
        name: common name of a CA that is made.
        lifetime: of each certificate, unless the certificate's own config says otherwise.
        backdate: how far `notBefore` lies in the past, for clients whose clocks are slow; never more than a
            twentieth of the lifetime.
        client_auth: also allow the certificates to be used by TLS clients.
    """

    directory: Path | None = None
    create: bool = True
    name: str = Field(default="rotator local CA", min_length=1, max_length=CN_MAX)
    organisation: str = Field(default="rotator", max_length=CN_MAX)
    lifetime: Duration = Field(default=timedelta(days=90), ge=timedelta(seconds=10))
    backdate: Duration = Field(default=timedelta(minutes=5), ge=timedelta(0))
    client_auth: bool = False
    ca_certificate: Path | None = None
    ca_key: Path | None = None

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        pair = (self.ca_certificate, self.ca_key)
        if any(pair) and not all(pair):
            raise ValueError("ca_certificate and ca_key belong together; give both")
        if bool(self.directory) == all(pair):
            raise ValueError("say where the CA is: either directory, or ca_certificate and ca_key")
        return self


class LocalCaIssuer:
    """Signs with a CA key on this machine."""

    Settings: ClassVar[type[PluginSettings]] = LocalCaSettings

    def __init__(self, name: str, settings: LocalCaSettings, clock: Clock, keep: Keep) -> None:
        self.name = name
        self._settings = settings
        self._clock = clock
        directory = settings.directory or Path()
        self._certificate = settings.ca_certificate or directory / "ca.crt"
        self._key = settings.ca_key or directory / "ca.key"

    def issue(self, request: IssueRequest, *, resume: str | None, checkpoint: Callable[[str], None]) -> Chain:
        """Sign at once; there is no order that could be resumed."""
        csr = _checked(request)
        with self._explained():
            if self._is_to_be_made and self._settings.directory:
                self._create(self._settings.directory)
            authority = self._read()
        begin, end = self._window(authority, request.lifetime or self._settings.lifetime)
        leaf = sign(authority, csr, request.names, begin, end, client_auth=self._settings.client_auth)
        return Chain((leaf, *authority.path))

    def roots(self) -> tuple[Certificate, ...]:
        """The root at the top of `ca.crt`; none while the CA is still to be made, or where the file has no root."""
        with self._explained():
            certificates = () if self._is_to_be_made else self._read_certificates()
        return tuple(certificate for certificate in certificates if certificate.self_signed)

    def preflight(self, request: PreflightRequest) -> tuple[Check, ...]:
        """Whether the CA is there and lives long enough for what would be asked of it."""
        try:
            with self._explained():
                if self._is_to_be_made:
                    return (Check("ca", detail="it is made at the first issue"),)
                authority = self._read()
            self._window(authority, request.lifetime or self._settings.lifetime)
        except IssueError as error:
            return (Check("ca", str(error)),)
        return (Check("ca", detail=f"it ends {moment(authority.certificate.not_after)}"),)

    def _window(self, authority: Authority, lifetime: timedelta) -> tuple[datetime, datetime]:
        """From when until when a certificate made now is valid: never past the end of the CA."""
        now, ca = self._clock.now(), authority.certificate
        if now < ca.not_before:
            raise IssueError(
                f"{self.name}: the CA {self._certificate} is valid from {moment(ca.not_before)}, but the clock says "
                f"{moment(now)}; check the clock of this machine"
            )
        begin = (now - min(self._settings.backdate, lifetime / BACKDATED_AT_MOST)).replace(microsecond=0)
        begin = max(begin, ca.not_before)
        end = min(begin + lifetime - _SECOND, authority.not_after)
        if end - now < lifetime / USEFUL:
            raise IssueError(
                f"{self.name}: the CA {self._certificate} ends {moment(authority.not_after)}, too soon for a "
                f"certificate of {show_duration(lifetime)}; put a new CA there and have its root trusted first",
                permanent=True,
            )
        return begin, end

    @property
    def _is_to_be_made(self) -> bool:
        return self._settings.create and self._settings.directory is not None and not self._certificate.exists()

    def _read_certificates(self) -> tuple[Certificate, ...]:
        return read_certificates(self._certificate.read_bytes())

    def _read(self) -> Authority:
        certificate, *above = self._read_certificates()
        if not certificate.is_ca:
            raise IssueError(
                f"{self.name}: the first certificate in {self._certificate} is not a CA's; put the CA's own first",
                permanent=True,
            )
        if not self._key.exists():
            raise IssueError(
                f"{self.name}: the CA's key {self._key} is missing though {self._certificate} is there; restore the "
                "key from a backup, or move the certificate away to start with a new CA",
                permanent=True,
            )
        key = load_signing_key(self._key.read_bytes())
        if load(certificate).public_key() != key.public_key():
            raise IssueError(
                f"{self.name}: the key {self._key} does not belong to the CA in {self._certificate}", permanent=True
            )
        return Authority(certificate, tuple(above), key)

    def _create(self, directory: Path) -> None:
        """Make a root; of several processes that try at once, the first does and the others use what it made."""
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _locked(directory):
            if not self._is_to_be_made:
                return
            # A key without a certificate is what a crash between the two left; nobody has seen its public part.
            if not self._key.exists():
                atomicfile.write(self._key, new_key(KeySpec()), mode=0o600)
            root = make_root(
                load_signing_key(self._key.read_bytes()),
                name=self._settings.name,
                organisation=self._settings.organisation,
                not_before=self._clock.now() - self._settings.backdate,
            )
            atomicfile.write(self._certificate, certificate_pem(root), mode=0o644)

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Say in one sentence what is wrong with the files of the CA."""
        try:
            yield
        except PemError as error:
            raise IssueError(
                f"{self.name}: the CA in {self._certificate} cannot be used: {error}", permanent=True
            ) from error
        except OSError as error:
            gone = isinstance(error, FileNotFoundError | PermissionError | NotADirectoryError)
            where = error.filename or self._certificate.parent
            raise IssueError(
                f"{self.name}: the CA cannot be used: {where}: {error.strerror}; see that rotator may read and, for a "
                "new CA, write there",
                permanent=gone,
            ) from error


@contextmanager
def _locked(directory: Path) -> Iterator[None]:
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


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
