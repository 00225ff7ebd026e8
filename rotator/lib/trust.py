"""Trusted roots from where they are kept: the operating system's store, and CA files that the config names.

Read anew when a file changes, so that a root which is installed today counts today.
"""

from __future__ import annotations

import os
import re
import ssl
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from rotator.core.model import Certificate
from rotator.core.pem import PemError, read_anchors
from rotator.errors import RotatorError
from rotator.lib import plainfile

_BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",  # Debian, Alpine, Arch
    "/etc/pki/tls/certs/ca-bundle.crt",  # Fedora, Red Hat
    "/etc/ssl/ca-bundle.pem",  # SUSE
    "/etc/ssl/cert.pem",  # BSD, macOS
)
_ADDED = (
    "/usr/local/share/ca-certificates",  # Debian, Alpine
    "/etc/pki/ca-trust/source/anchors",  # Fedora, Red Hat
    "/etc/pki/trust/anchors",  # SUSE
    "/etc/ca-certificates/trust-source/anchors",  # Arch
)
_SUFFIXES = {".pem", ".crt", ".cer"}
_MOST_BYTES = 64 << 20
_HASHED = re.compile(r"^[0-9a-f]{8}\.\d+$")  # how openssl-rehash(1) names the entries of a folder


class TrustError(RotatorError):
    """A file of trusted roots cannot be read."""


@dataclass(frozen=True, slots=True)
class TrustStore:
    """Roots and where they came from.

    Attributes:
        where: the file or folder; empty when the system has no store.
        skipped: entries that could not be read.
    """

    roots: tuple[Certificate, ...] = ()
    where: str = ""
    skipped: int = 0


def system_roots() -> tuple[Certificate, ...]:
    """What the operating system's clients trust; empty when it has no store (see `system_store`)."""
    return system_store().roots


def system_store() -> TrustStore:
    """The operating system's store: `SSL_CERT_FILE`, OpenSSL's own file, a distribution's bundle, or a hashed folder.

    Raises:
        TrustError: the file that `SSL_CERT_FILE` names cannot be read. Falling back to another store would be a guess.
    """
    named = os.environ.get(ssl.get_default_verify_paths().openssl_cafile_env)
    if named:
        return file_store(Path(named), as_openssl=True)
    for path in _candidates():
        try:
            return file_store(path, as_openssl=True)
        except TrustError:
            continue  # the next candidate; a system without any has an empty store, which verifies nothing
    return TrustStore()


def own_roots() -> tuple[Certificate, ...]:
    """What the administrators of this machine have added to its store by hand; the public web does not trust it.

    What cannot be read there is in the store all the same, and not told apart.
    """
    found: list[Certificate] = []
    for folder in _ADDED:
        with suppress(OSError):
            for path in sorted(Path(folder).rglob("*")):
                with suppress(TrustError):
                    found += file_roots(path) if path.is_file() else ()
    return tuple(dict.fromkeys(found))


def _candidates() -> Iterator[Path]:
    paths = ssl.get_default_verify_paths()
    yield from (Path(path) for path in (paths.openssl_cafile, *_BUNDLES))
    folders = os.environ.get(paths.openssl_capath_env, paths.openssl_capath)
    yield from (Path(folder) for folder in folders.split(os.pathsep))


def file_roots(path: str | Path) -> tuple[Certificate, ...]:
    """The certificates in a CA file, or in the files of a folder: those of hashed names, else `.pem`, `.crt`, `.cer`.

    Raises:
        TrustError: it cannot be read, or holds none.
    """
    return file_store(Path(path)).roots


def hashed_roots(path: Path) -> tuple[Certificate, ...]:
    """The same, read as OpenSSL does for a connection: of a folder the files of hashed names alone.

    Raises:
        TrustError: it cannot be read, or holds none.
    """
    return file_store(path, as_openssl=True).roots


def file_store(path: Path, *, as_openssl: bool = False) -> TrustStore:
    """The same, with the number of entries that could not be read.

    Args:
        as_openssl: of a folder the files of hashed names alone.

    Raises:
        TrustError: it cannot be read, or holds none.
    """
    try:
        files = _files_of(path, as_openssl=as_openssl) if path.is_dir() else (path,)
        return _read(path, tuple((file, _state(file)) for file in files))
    except OSError as error:
        raise TrustError(f"the trusted roots in {path} cannot be read: {error.strerror}") from error
    except (PemError, plainfile.Unfit) as error:
        raise TrustError(f"the trusted roots in {path} cannot be read: {error}") from error


def _files_of(folder: Path, *, as_openssl: bool) -> tuple[Path, ...]:
    files = sorted(entry for entry in folder.iterdir() if entry.is_file())
    hashed = tuple(file for file in files if _HASHED.match(file.name))
    if as_openssl and not hashed:
        raise plainfile.Unfit("OpenSSL sees no file of a folder before `openssl rehash` has given them hashed names")
    found = hashed or tuple(file for file in files if file.suffix in _SUFFIXES)
    if not found:
        raise plainfile.Unfit("the folder has no file of a hashed name, nor one that ends with .pem, .crt or .cer")
    return found


def _state(file: Path) -> tuple[int, int, int]:
    found = file.stat()
    return found.st_mtime_ns, found.st_ctime_ns, found.st_size


@lru_cache(maxsize=16)
def _read(path: Path, files: tuple[tuple[Path, tuple[int, int, int]], ...]) -> TrustStore:
    """The state of each file changes when the file does; it is only there for the cache."""
    text = b"\n".join(plainfile.read(file, most=_MOST_BYTES).content for file, _ in files)
    roots, skipped = read_anchors(text)
    return TrustStore(roots, str(path), skipped)
