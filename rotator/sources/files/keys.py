"""Find the private key that belongs to a certificate file: by content, and by name only where no content fits."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rotator.core.model import Chain, KeyFacts
from rotator.core.pem import MAX_PEM_BYTES
from rotator.lib.keystore import HeldKey, KeystoreError, held_keys
from rotator.lib.keystore import read as read_store
from rotator.lib.plainfile import Text, Unfit, read
from rotator.sources.files.reach import Reach

_MOST_FILES = 2000
"""Looked through in one folder; beyond that only keys of the usual names are found."""

_SUFFIXES = (".key", ".pem", ".der")
_CERTIFICATE_SUFFIXES = (".crt", ".cer", ".cert", ".pem", ".der")
_CERTBOT_KEY = "privkey.pem"
_ANYBODYS = (
    _CERTBOT_KEY,
    "key.pem",
    "private.key",
    "private.pem",
    "server.key",
    "server-key.pem",
    "tls.key",
    "ssl.key",
)
"""Names of keys that do not say whose they are."""

SAYS_NOTHING = {"fullchain", "cert", "certificate", "chain", "server", "tls"}
"""Stems that say what a file is, not what it is for; the folder does."""

_NUMBERED = re.compile(r"(?:cert|fullchain)(\d+)")


@dataclass(frozen=True, slots=True)
class FoundKey:
    """Where a key lies, and what may be said of it.

    Attributes:
        closed: why rotator could not put a new key in its place as it is; empty when it could.
    """

    path: Path
    facts: KeyFacts
    closed: str = ""


class Keys:
    """The keys of the folders of one look; each folder is looked through once, and only public parts are kept."""

    def __init__(self) -> None:
        self.reach = Reach()
        self._folders: dict[Path, dict[str, FoundKey]] = {}
        self._certified: dict[Path, frozenset[str]] = {}

    def find(self, path: Path, chain: Chain, *, fitting: bool = False) -> FoundKey | None:
        """The key of a certificate file: under its own name, or anywhere in its folder.

        Where none belongs to it but one has its name, that one, unless it has to be `fitting`: a mismatched pair is
        worth knowing. A key whose name is anybody's makes a pair only with a certificate whose name is, too.
        """
        named = [found for candidate in _own(path) if (found := self.at(candidate, chain))]
        own = next((found for found in named if found.facts.matches), None) or self._in_folder(path.parent, chain)
        return own or (None if fitting else next(iter(named), None) or self._anybodys(path, chain))

    def at(self, path: Path, chain: Chain) -> FoundKey | None:
        """What one file says of the key of a chain; None where there is no such file, or nothing in it."""
        try:
            text = read(path, most=MAX_PEM_BYTES)
        except FileNotFoundError:
            return None
        except (OSError, Unfit):
            return FoundKey(path, KeyFacts())  # it is there, and its content is closed to us
        if not text.content.strip():
            return None
        keys = held_keys(text.content) or (HeldKey(),)
        best = next((key for key in keys if key.spki and key.spki == chain.spki), keys[0])
        return FoundKey(path, best.facts(chain, self.reach.mode(path, text.mode)), _closed(best))

    def _in_folder(self, folder: Path, chain: Chain) -> FoundKey | None:
        if folder not in self._folders:
            self._folders[folder] = {found.facts.spki: found for found in self._keys_of(folder)}
        return self._folders[folder].get(chain.spki)

    def _keys_of(self, folder: Path) -> Iterator[FoundKey]:
        """The keys of a folder, each with what is known of it for the certificate that it belongs to."""
        names = [name for name in _names(folder, _SUFFIXES) if name != _CERTBOT_KEY]
        for path, text in _texts(folder, [*names, _CERTBOT_KEY]):  # of equal keys, the last is the one that is told
            mode = self.reach.mode(path, text.mode)
            for key in held_keys(text.content):
                if key.spki:
                    yield FoundKey(path, KeyFacts(key.spki, True, mode), _closed(key))

    def _anybodys(self, path: Path, chain: Chain) -> FoundKey | None:
        """The key that a server would load with `cert.pem` or `tls.crt`; not one that is another certificate's."""
        if path.stem not in SAYS_NOTHING:
            return None
        for name in _ANYBODYS:
            found = self.at(path.with_name(name), chain) if name != path.name else None
            if found and not (found.facts.spki and found.facts.spki in self._keys_certified(path.parent)):
                return found
        return None

    def _keys_certified(self, folder: Path) -> frozenset[str]:
        """Whose certificates lie in a folder, by their public keys."""
        if folder not in self._certified:
            self._certified[folder] = frozenset(_certified(folder))
        return self._certified[folder]


def _own(path: Path) -> Iterator[Path]:
    """Names that people and tools give to the key of just this file."""
    stem = path.stem
    names = [f"{stem}.key", f"{stem}.key.pem", f"{stem}-key.pem", f"{stem}_key.pem"]
    numbered = _NUMBERED.fullmatch(stem)
    if numbered:
        names.append(f"privkey{numbered[1]}.pem")  # certbot's archive
    yield from (path.with_name(name) for name in names if name != path.name)
    if path.parent.name == "certs":
        yield path.parent.with_name("private") / f"{stem}.key"  # Debian's /etc/ssl


def _closed(key: HeldKey) -> str:
    if key.encrypted:
        return "its key is encrypted, and rotator writes keys unencrypted"
    return "its key is in a DER file, and rotator writes PEM" if key.der else ""


def _names(folder: Path, suffixes: tuple[str, ...]) -> list[str]:
    """The first names in a folder with these endings; that it cannot be listed is said where its files are sought."""
    try:
        with os.scandir(folder) as entries:
            return sorted(entry.name for entry in entries if entry.name.endswith(suffixes))[:_MOST_FILES]
    except OSError:
        return []


def _texts(folder: Path, names: list[str]) -> Iterator[tuple[Path, Text]]:
    """What can be read of these files."""
    for name in names:
        path = folder / name
        with contextlib.suppress(OSError, Unfit):
            yield path, read(path, most=MAX_PEM_BYTES)


def _certified(folder: Path) -> Iterator[str]:
    for _, text in _texts(folder, _names(folder, _CERTIFICATE_SUFFIXES)):
        with contextlib.suppress(KeystoreError):
            for entry in read_store(text.content).entries:
                yield from (one.spki for one in entry.certificates if one.spki)
