"""The files of a local CA: read, checked, and made where there are none."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rotator.core.csr import new_key
from rotator.core.model import Certificate, KeySpec
from rotator.core.pem import PemError, certificate_pem, load, read_certificates
from rotator.core.trust import signed_by
from rotator.errors import IssueError
from rotator.issuers.local_ca.revocations import RECORD
from rotator.issuers.local_ca.settings import ROOT_SUFFIX, LocalCaSettings
from rotator.lib import atomicfile, plainfile
from rotator.lib.signing import Authority, SigningKey, load_signing_key, make_intermediate, make_root
from rotator.lib.writable import folder_problem
from rotator.ports import Clock

ROOT_KEY = "root.key"


class CaFiles:
    """Where a CA lies, and what is there.

    Attributes:
        certificate: the CA's own, and above it what a chain needs.
        folder: holds what the CA itself keeps.
    """

    def __init__(self, name: str, settings: LocalCaSettings, clock: Clock) -> None:
        self._name = name
        self._settings = settings
        self._clock = clock
        self.certificate = settings.certificate
        self._key = settings.ca_key or (settings.directory or Path()) / "ca.key"
        self.folder = self.certificate.parent

    @property
    def is_to_be_made(self) -> bool:
        return self._settings.create and self._settings.directory is not None and not self.certificate.exists()

    @property
    def record(self) -> Path:
        """Where it is kept what was revoked."""
        return self.folder / RECORD

    def certificates(self) -> tuple[Certificate, ...]:
        """All that `ca.crt` holds.

        Raises:
            PemError, OSError: it cannot be read.
        """
        return read_certificates(plainfile.content(self.certificate))

    def authority(self) -> Authority:
        """The CA, ready to sign.

        Raises:
            IssueError: its certificate, path and key do not belong together.
            PemError, OSError: they cannot be read.
        """
        certificate, *above = self.certificates()
        if not certificate.is_ca:
            raise self._wrong(f"the first certificate in {self.certificate} is not a CA's; put the CA's own first")
        for lower, upper in zip((certificate, *above), above, strict=False):
            if not signed_by(lower, upper):
                raise self._wrong(
                    f"in {self.certificate} {upper.subject} did not sign {lower.subject}, which stands before it; put "
                    "the CA's own certificate first, and after each the one that signed it"
                )
        if not self._key.exists():
            raise self._wrong(
                f"the CA's key {self._key} is missing though {self.certificate} is there; restore the key from a "
                "backup, or move the certificate away to start with a new CA"
            )
        key = load_signing_key(plainfile.content(self._key))
        if load(certificate).public_key() != key.public_key():
            raise self._wrong(f"the key {self._key} does not belong to the CA in {self.certificate}")
        return Authority(certificate, tuple(above), key)

    def no_room(self) -> tuple[str, str]:
        """Why no CA could be made here, and what to do about it; both empty where one could."""
        return folder_problem(next(above for above in (self.folder, *self.folder.parents) if above.exists()))

    def make(self) -> None:
        """Make a CA; of several processes that try at once, the first does and the others use what it made.

        Raises:
            OSError: it cannot be written; a key without a certificate is taken up by the next try.
        """
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with locked(self.folder):
            if not self.is_to_be_made:
                return
            made = self._made_below_a_root() if self._settings.intermediate else (self._root(self._kept(self._key)),)
            # The certificate last: it is what makes the folder a CA.
            atomicfile.write(self.certificate, b"".join(map(certificate_pem, made)), mode=0o644)

    def _made_below_a_root(self) -> tuple[Certificate, Certificate]:
        root_key, key = self._kept(self.folder / ROOT_KEY), self._kept(self._key)
        root = self._root(root_key, suffix=ROOT_SUFFIX, path_length=1)
        own = make_intermediate(
            Authority(root, (), root_key),
            key,
            name=self._settings.name,
            organisation=self._settings.organisation,
            not_before=root.not_before,
        )
        return own, root

    def _root(self, key: SigningKey, *, suffix: str = "", path_length: int = 0) -> Certificate:
        return make_root(
            key,
            name=f"{self._settings.name}{suffix}",
            organisation=self._settings.organisation,
            not_before=self._clock.now() - self._settings.backdate,
            path_length=path_length,
        )

    def _kept(self, path: Path) -> SigningKey:
        """The key in a file; a key without a certificate is what a crash left, and nobody has seen its public part."""
        if not path.exists():
            atomicfile.write(path, new_key(KeySpec()), mode=0o600)
        return load_signing_key(plainfile.content(path))

    @contextmanager
    def explained(self) -> Iterator[None]:
        """Say in one sentence what is wrong with the files of the CA."""
        try:
            yield
        except PemError as error:
            raise IssueError(
                f"{self._name}: the CA in {self.certificate} cannot be used: {error}", permanent=True
            ) from error
        except OSError as error:
            gone = isinstance(error, FileNotFoundError | PermissionError | NotADirectoryError)
            where = error.filename or self.folder
            raise IssueError(
                f"{self._name}: the CA cannot be used: {where}: {error.strerror}; see that rotator may read and, for a "
                "new CA, write there",
                permanent=gone,
            ) from error

    def _wrong(self, message: str) -> IssueError:
        return IssueError(f"{self._name}: {message}", permanent=True)


@contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Be the only one who writes in a CA's folder.

    Raises:
        OSError: it is not there, or may not be opened.
    """
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
