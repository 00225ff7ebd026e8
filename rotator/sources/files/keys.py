"""Find the private key that belongs to a certificate file: by content, and by name only where no content fits."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rotator.core.model import Chain, KeyFacts
from rotator.core.pem import MAX_PEM_BYTES
from rotator.lib.keystore import HeldKey, held_keys
from rotator.lib.plainfile import Unfit, read

_MOST_FILES = 2000
"""Looked through in one folder; beyond that only the usual names are tried."""

_SUFFIXES = (".key", ".pem", ".der")


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
        self._folders: dict[Path, dict[str, FoundKey]] = {}

    def find(self, path: Path, chain: Chain, *, fitting: bool = False) -> FoundKey | None:
        """The key of a certificate file: under a usual name, or anywhere in its folder.

        Where none belongs to it but one has its name, that one, unless it has to be `fitting`: a mismatched pair is
        worth knowing.
        """
        named = [found for candidate in _usual(path) if (found := look_at(candidate, chain))]
        own = next((found for found in named if found.facts.matches), None) or self._in_folder(path.parent, chain)
        return own or (None if fitting else next(iter(named), None))

    def _in_folder(self, folder: Path, chain: Chain) -> FoundKey | None:
        if folder not in self._folders:
            self._folders[folder] = {found.facts.spki: found for found in _keys_of(folder)}
        return self._folders[folder].get(chain.spki)


def _usual(path: Path) -> Iterator[Path]:
    """Names that people and tools give to the key of a file."""
    stem = path.stem
    names = [f"{stem}.key", f"{stem}.key.pem", f"{stem}-key.pem", f"{stem}_key.pem", "privkey.pem"]
    if stem.startswith("cert") and stem[4:].isdigit():
        names.append(f"privkey{stem[4:]}.pem")  # certbot's archive
    yield from (path.with_name(name) for name in names if name != path.name)
    if path.parent.name == "certs":
        yield path.parent.with_name("private") / f"{stem}.key"  # Debian's /etc/ssl


def look_at(path: Path, chain: Chain) -> FoundKey | None:
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
    return FoundKey(path, best.facts(chain, text.mode), _closed(best))


def _closed(key: HeldKey) -> str:
    if key.encrypted:
        return "its key is encrypted, and rotator writes keys unencrypted"
    return "its key is in a DER file, and rotator writes PEM" if key.der else ""


def _keys_of(folder: Path) -> Iterator[FoundKey]:
    """The keys of a folder, each with what is known of it for the certificate that it belongs to."""
    with contextlib.suppress(OSError):  # that the folder cannot be listed was said when its files were looked for
        with os.scandir(folder) as entries:
            names = sorted(entry.name for entry in entries if entry.name.endswith(_SUFFIXES))
        for name in names[:_MOST_FILES]:
            path = folder / name
            with contextlib.suppress(OSError, Unfit):
                text = read(path, most=MAX_PEM_BYTES)
                for key in held_keys(text.content):
                    if key.spki:
                        yield FoundKey(path, KeyFacts(key.spki, True, text.mode), _closed(key))
