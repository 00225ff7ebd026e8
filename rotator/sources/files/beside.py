"""The certificates that lie beside one: what its readers trust (`ca.crt`), and what may complete its chain."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from rotator.core.model import Certificate
from rotator.core.pem import MAX_PEM_BYTES, PemError, read_anchors
from rotator.lib.plainfile import Unfit, read
from rotator.log import logger

log = logger(__name__)

ANCHORS = "ca.crt"
_ISSUERS = re.compile(
    r"chain\d*\.(?:pem|crt|cer)|ca\.cer|(?:ca[-_.]?bundle|intermediate).*|.+[._-]chain\.(?:pem|crt|cer)|.+\.ca-bundle",
    re.IGNORECASE,
)
"""Names that people and tools give to what a CA sends along: certbot, acme.sh, the shops of CAs."""

_MAY_BE = re.compile(r"chain|bundle|intermediate|\.issuer\.|ca\.cer", re.IGNORECASE)
"""Any name of these and those below."""

_OWN_ISSUERS = (".chain", ".chain.pem", "-chain.pem", "_chain.pem", ".issuer.crt", ".ca-bundle")
_OWN_FULL = (".fullchain.pem", "-fullchain.pem", "_fullchain.pem")
_FULL = ("fullchain.pem", "fullchain.cer")
_NUMBERED = re.compile(r"cert(\d+)")
_MOST_FILES = 100
"""Read in one folder for whatever certificate; what has a certificate's own name is always read."""

_MOST_ISSUERS = 50

Named = Mapping[str, list[Certificate]]
"""Certificates by their subject."""


@dataclass(frozen=True, slots=True)
class _Folder:
    """What a folder has for its leaves.

    Attributes:
        names: files that may have issuers of one of them.
        issuers: those that may be any leaf's.
        full: chains that begin with a leaf.
    """

    names: frozenset[str]
    issuers: Named
    full: tuple[tuple[Certificate, ...], ...]


class Beside:
    """What lies in the folders of one look; what is there for whatever certificate is read once."""

    def __init__(self) -> None:
        self._anchors: dict[Path, tuple[Certificate, ...]] = {}
        self._folders: dict[Path, _Folder] = {}

    def anchors(self, path: Path) -> tuple[Certificate, ...]:
        """The `ca.crt` beside a file."""
        if path.name == ANCHORS:
            return ()
        folder = path.parent
        if folder not in self._anchors:
            self._anchors[folder] = _anchors(folder / ANCHORS)
        return self._anchors[folder]

    def issuers(self, path: Path, leaf: Certificate) -> tuple[Certificate, ...]:
        """Whatever certificates in the folder of a leaf may have issued it, by name, and what may have issued those."""
        if path.parent not in self._folders:
            self._folders[path.parent] = _folder(path.parent)
        folder = self._folders[path.parent]
        if leaf.self_signed or not folder.names:
            return ()
        own = [one for chain in _read(_own(path, _OWN_ISSUERS, folder.names)) for one in chain]
        for chain in (*_read(_own(path, _OWN_FULL, folder.names)), *_read(_numbered(path)), *folder.full):
            if chain[0].fingerprint == leaf.fingerprint:
                own += chain[1:]
        return tuple(_above(leaf, [_by_subject(own), folder.issuers]))


def _folder(folder: Path) -> _Folder:
    names = _names(folder)
    issuers = [name for name in names if _ISSUERS.fullmatch(name)][:_MOST_FILES]
    full = [name for name in _FULL if name in names]
    return _Folder(
        frozenset(names),
        _by_subject(one for chain in _read(folder / name for name in issuers) for one in chain),
        tuple(_read(folder / name for name in full)),
    )


def _names(folder: Path) -> list[str]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entry.name for entry in entries if _MAY_BE.search(entry.name))
    except OSError:
        return ["chain.pem", "fullchain.pem"]  # it may be entered, and not listed


def _own(path: Path, endings: Iterable[str], names: Container[str]) -> Iterator[Path]:
    return (path.with_name(path.stem + ending) for ending in endings if path.stem + ending in names)


def _numbered(path: Path) -> Iterator[Path]:
    """Beside certbot's `cert7.pem`, `fullchain7.pem`."""
    numbered = _NUMBERED.fullmatch(path.stem)
    if numbered:
        yield path.with_name(f"fullchain{numbered[1]}.pem")


def _read(paths: Iterable[Path]) -> Iterator[tuple[Certificate, ...]]:
    """The certificates of each file that can be read; without the others the chain is what its own file says."""
    for path in paths:
        with contextlib.suppress(OSError, Unfit, PemError):
            yield read_anchors(read(path, most=MAX_PEM_BYTES).content)[0]


def _by_subject(found: Iterable[Certificate]) -> Named:
    by_subject: dict[str, list[Certificate]] = {}
    for one in found:
        by_subject.setdefault(one.subject, []).append(one)
    return by_subject


def _above(leaf: Certificate, places: Iterable[Named]) -> Iterable[Certificate]:
    places = tuple(places)
    found: dict[str, Certificate] = {leaf.fingerprint: leaf}
    asked: set[str] = set()
    wanted = [leaf.issuer]
    while wanted and len(found) <= _MOST_ISSUERS:
        subject = wanted.pop()
        if subject in asked:
            continue
        asked.add(subject)
        above = [one for named in places for one in named.get(subject, ())]
        found.update((one.fingerprint, one) for one in above if one.fingerprint not in found)
        wanted += [one.issuer for one in above]
    del found[leaf.fingerprint]
    return found.values()


def _anchors(path: Path) -> tuple[Certificate, ...]:
    """The certificates of `ca.crt`; an unreadable one anchors nothing, and is logged."""
    try:
        anchors, skipped = read_anchors(read(path, most=MAX_PEM_BYTES).content)
    except FileNotFoundError:
        return ()
    except (OSError, Unfit, PemError) as error:
        log.warning("ca.crt cannot be read", path=str(path), error=str(error))
        return ()
    if skipped:
        log.warning("some certificates of ca.crt cannot be read", path=str(path), count=skipped)
    return anchors
