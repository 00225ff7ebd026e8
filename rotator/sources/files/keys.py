"""Find the private key that belongs to a certificate file: by content, and by name only where no content fits."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rotator.core.model import Chain, KeyFacts
from rotator.core.pem import MAX_PEM_BYTES, PemError, key_facts, key_spki, read_key
from rotator.lib.plainfile import Text, Unfit, read

_MOST_FILES = 2000
"""Looked through in one folder; beyond that only the usual names are tried."""

_SUFFIXES = (".key", ".pem")
_MARK = b"PRIVATE KEY-----"


@dataclass(frozen=True, slots=True)
class FoundKey:
    """Where a key lies, and what may be said of it."""

    path: Path
    facts: KeyFacts


class Keys:
    """The keys of the folders of one look; each folder is looked through once, and only public parts are kept."""

    def __init__(self) -> None:
        self._folders: dict[Path, dict[str, FoundKey]] = {}

    def find(self, path: Path, text: Text, chain: Chain) -> FoundKey | None:
        """The key of a certificate file: in the file itself, under a usual name, or anywhere in its folder.

        Where none belongs to it but one has its name, that one: a mismatched pair is worth knowing.
        """
        if _MARK in text.content:
            return FoundKey(path, key_facts(chain, text.content, text.mode))
        named = [found for candidate in _usual(path) if (found := _look(candidate, chain))]
        fitting = next((found for found in named if found.facts.matches), None)
        return fitting or self._in_folder(path.parent, chain) or next(iter(named), None)

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


def _look(path: Path, chain: Chain) -> FoundKey | None:
    try:
        text = read(path, most=MAX_PEM_BYTES)
    except FileNotFoundError:
        return None
    except (OSError, Unfit):
        return FoundKey(path, KeyFacts())  # it is there, and its content is closed to us
    return FoundKey(path, key_facts(chain, text.content, text.mode)) if text.content.strip() else None


def _keys_of(folder: Path) -> Iterator[FoundKey]:
    """The keys of a folder, each with what is known of it for the certificate that it belongs to."""
    with contextlib.suppress(OSError):  # that the folder cannot be listed was said when its files were looked for
        candidates = sorted(path for path in folder.iterdir() if path.suffix in _SUFFIXES)
        for path in candidates[:_MOST_FILES]:
            with contextlib.suppress(OSError, Unfit, PemError):
                text = read(path, most=MAX_PEM_BYTES)
                if _MARK in text.content:
                    yield FoundKey(path, KeyFacts(key_spki(read_key(text.content)), True, text.mode))
