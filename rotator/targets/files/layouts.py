"""The three ways a certificate and its key lie in files, each behind the same five questions."""

from __future__ import annotations

import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Protocol

from rotator.core.model import Bundle, Chain
from rotator.core.pem import certificate_pem, chain_pem
from rotator.lib import atomicfile, fileset, generations, plainfile
from rotator.lib.fileset import Wanted
from rotator.lib.generations import NewFile
from rotator.targets.files.settings import FilesSettings, LayoutKind

CERTIFICATE, KEY, CHAIN, COMBINED = "certificate", "key", "chain", "combined"
"""Roles: what a file is for, whatever its name."""

KEPT_GENERATIONS = 3
MOST_BYTES = 4 << 20
_DH_PARAMETERS = re.compile(rb"-----BEGIN DH PARAMETERS-----.*?-----END DH PARAMETERS-----\n?", re.DOTALL)

Files = Mapping[str, bytes]
"""Content by role; a role that is absent is a file that does not exist."""


@dataclass(frozen=True, slots=True)
class Held:
    """What is there now."""

    files: Files = field(repr=False)
    key_mode: int | None = None


class Layout(Protocol):
    """One way to lay out certificate and key. All may raise OSError; what was there then still is."""

    place: Path
    """The file or folder that stands for all of it."""

    def folders(self) -> tuple[Path, ...]:
        """Where it writes: locked by the caller while it looks or writes."""
        ...

    def paths(self) -> tuple[Path, ...]:
        """The files that keep their owner when they are replaced, whether they are there or not."""
        ...

    def mend(self) -> None:
        """Finish what a crash cut off."""
        ...

    def read(self) -> Held: ...

    def rendered(self, bundle: Bundle, held: Held) -> Files:
        """What the files are to hold."""
        ...

    def write(self, files: Files) -> None:
        """Have the files hold this, all or none; a role that is absent is a file to be removed."""
        ...


def chain_text(files: Files) -> bytes | None:
    """Where the chain is read from; None where there is no certificate file at all."""
    if COMBINED in files:
        return files[COMBINED]
    return files[CERTIFICATE] + b"\n" + files.get(CHAIN, b"") if CERTIFICATE in files else None


def key_text(files: Files) -> bytes | None:
    return files.get(COMBINED, files.get(KEY))


def layout_of(settings: FilesSettings) -> Layout:
    match settings.layout:
        case LayoutKind.SEPARATE:
            return Separate(settings)
        case LayoutKind.COMBINED:
            return Combined(settings)
        case LayoutKind.GENERATIONS:
            return Generations(settings)


class Separate:
    """Two plain files, or three: renamed back to back, with a journal for the moment between; one where the key is held
    elsewhere."""

    def __init__(self, settings: FilesSettings) -> None:
        self._settings = settings
        roles = {KEY: settings.key, CERTIFICATE: settings.certificate, CHAIN: settings.chain}
        self._paths = {role: Path(path) for role, path in roles.items() if path}
        self.place = self._paths[CERTIFICATE]

    def folders(self) -> tuple[Path, ...]:
        return tuple(sorted({atomicfile.resolve(path).parent for path in self._paths.values()}))

    def paths(self) -> tuple[Path, ...]:
        return tuple(self._paths.values())

    def mend(self) -> None:
        fileset.mend(fileset.journal_beside(self.place), tuple(self._paths.values()))

    def read(self) -> Held:
        return _held(self._paths, key=KEY)

    def rendered(self, bundle: Bundle, held: Held) -> Files:
        key = {KEY: bundle.key} if KEY in self._paths else {}
        if CHAIN not in self._paths:
            return {CERTIFICATE: chain_pem(bundle.chain), **key}
        above = b"".join(certificate_pem(each) for each in bundle.chain.certificates[1:])
        return {CERTIFICATE: certificate_pem(bundle.chain.leaf), CHAIN: above, **key}

    def write(self, files: Files) -> None:
        settings = self._settings
        wanted = [
            Wanted(
                path,
                files.get(role),
                settings.key_file_mode if role == KEY else settings.file_mode,
                settings.owner or None,
            )
            for role, path in self._paths.items()
        ]
        fileset.replace(wanted, fileset.journal_beside(self.place))


class Combined:
    """One file with both, as HAProxy and others read it: one rename."""

    def __init__(self, settings: FilesSettings) -> None:
        self._settings = settings
        self.place = Path(settings.path)

    def folders(self) -> tuple[Path, ...]:
        return (atomicfile.resolve(self.place).parent,)

    def paths(self) -> tuple[Path, ...]:
        return (self.place,)

    def mend(self) -> None:
        atomicfile.sweep(atomicfile.resolve(self.place))

    def read(self) -> Held:
        return _held({COMBINED: self.place}, key=COMBINED)

    def rendered(self, bundle: Bundle, held: Held) -> Files:
        pieces = [chain_pem(bundle.chain), bundle.key]
        parameters = _DH_PARAMETERS.findall(held.files.get(COMBINED, b""))  # somebody else's, kept
        return {COMBINED: b"".join([*(reversed(pieces) if self._settings.key_first else pieces), *parameters])}

    def write(self, files: Files) -> None:
        settings = self._settings
        if COMBINED in files:
            atomicfile.write(self.place, files[COMBINED], mode=settings.key_file_mode, owner=settings.owner or None)


class Generations:
    """A folder for each pair and a link to the current one: one rename, and a reader never sees half of each."""

    _names: ClassVar = {CERTIFICATE: generations.CERTIFICATE, KEY: generations.KEY}

    def __init__(self, settings: FilesSettings) -> None:
        self._settings = settings
        self.place = Path(settings.directory)

    def folders(self) -> tuple[Path, ...]:
        return (self.place.parent,)  # the folder itself may not be there yet

    def paths(self) -> tuple[Path, ...]:
        folder = generations.current(self.place)
        return tuple(folder / name for name in self._names.values()) if folder else ()

    def mend(self) -> None:
        generations.sweep(self.place)

    def read(self) -> Held:
        folder = generations.current(self.place)
        if folder is None:
            return Held({})
        return _held({role: folder / name for role, name in self._names.items()}, key=KEY)

    def rendered(self, bundle: Bundle, held: Held) -> Files:
        return {CERTIFICATE: chain_pem(bundle.chain), KEY: bundle.key}

    def write(self, files: Files) -> None:
        named = {self._names[role]: content for role, content in files.items()}
        known = generations.find(self.place, named) if self.place.is_dir() else None
        if known is not None:
            generations.switch(self.place, known)
            return
        made = {name: self._new(name, content) for name, content in named.items()}
        generations.add(self.place, made, keep=KEPT_GENERATIONS)

    def _new(self, name: str, content: bytes) -> NewFile:
        """A file with the mode and owner that its predecessor has, so that whoever could read that can read this."""
        settings = self._settings
        folder = generations.current(self.place)
        try:
            before = (folder / name).stat() if folder else None
        except FileNotFoundError:
            before = None
        if before is not None:
            return NewFile(content, stat.S_IMODE(before.st_mode), f"{before.st_uid}:{before.st_gid}")
        mode = settings.key_file_mode if name == generations.KEY else settings.file_mode
        return NewFile(content, mode, settings.owner or None)


def _held(paths: Mapping[str, Path], *, key: str) -> Held:
    """What these files hold, those that exist.

    Raises:
        Unfit: one of them is no file that could be put back.
    """
    found: dict[str, plainfile.Text] = {}
    for role, path in paths.items():
        try:
            found[role] = plainfile.read(path, most=MOST_BYTES)
        except FileNotFoundError:
            continue
        except plainfile.Unfit as unfit:
            raise plainfile.Unfit(f"{path}: {unfit}; it is left alone") from unfit
    return Held({role: text.content for role, text in found.items()}, found[key].mode if key in found else None)


def same_pair(held: Chain | None, key_spki: str, bundle: Bundle) -> bool:
    """Whether a place holds this very bundle: every certificate of the chain, and its key, if it has one."""
    return held is not None and held == bundle.chain and (not bundle.key or key_spki == bundle.chain.spki)
