"""A folder of numbered generations with a link to the current one: a reader that resolves the link once sees one pair.

    tls/.rotator-generations     marks the folder as laid out by rotator
    tls/current -> 7             renamed over, so it always leads somewhere
    tls/7/fullchain.pem, privkey.pem
    tls/6/…, tls/5/…             kept for those who still read them

A generation is complete before the link leads to it, and never changes afterwards.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from rotator.lib import atomicfile

CURRENT = "current"
CERTIFICATE = "fullchain.pem"
KEY = "privkey.pem"
MARKER = ".rotator-generations"
_DRAFT = ".rotator-draft-"


@dataclass(frozen=True, slots=True)
class NewFile:
    """A file of a generation to be made."""

    content: bytes
    mode: int
    owner: str | None = None


def enclosing(path: Path) -> Path | None:
    """The folder of generations that a file lies in, None when it lies in none."""
    folder = path.parent.parent
    is_generation = path.parent.name == CURRENT or path.parent.name.isdigit()
    return folder if is_generation and (folder / MARKER).is_file() else None


def current(folder: Path) -> Path | None:
    """The generation that readers use now, resolved once; None when there is none yet.

    Raises:
        OSError: it cannot be looked at.
    """
    try:
        return folder / (folder / CURRENT).readlink()
    except FileNotFoundError:
        return None


def add(folder: Path, files: Mapping[str, NewFile], *, keep: int) -> None:
    """Write a generation whole, switch to it, and remove those beyond the newest `keep`.

    Raises:
        OSError: the current generation is the one it was.
    """
    folder.mkdir(mode=0o755, exist_ok=True)
    sweep(folder)
    if not (folder / MARKER).exists():
        atomicfile.write(folder / MARKER, b"laid out by rotator; see `current`\n", mode=0o644)
    draft = folder / f"{_DRAFT}{secrets.token_hex(4)}"
    draft.mkdir(mode=0o755)
    try:
        for name, file in files.items():
            atomicfile.write(draft / name, file.content, mode=file.mode, owner=file.owner)
        number = max([0, *_numbers(folder)]) + 1
        draft.rename(folder / str(number))
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise
    atomicfile.sync_folder(folder)
    try:
        switch(folder, number)
    except BaseException:
        shutil.rmtree(folder / str(number), ignore_errors=True)
        raise
    _prune(folder, keep)


def switch(folder: Path, number: int) -> None:
    """Make a generation the current one.

    Raises:
        OSError: the current generation is the one it was.
    """
    draft = folder / f"{_DRAFT}{secrets.token_hex(4)}"
    draft.symlink_to(str(number))
    try:
        draft.replace(folder / CURRENT)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    atomicfile.sync_folder(folder)


def find(folder: Path, files: Mapping[str, bytes]) -> int | None:
    """The newest generation that holds exactly these files."""
    for number in sorted(_numbers(folder), reverse=True):
        with contextlib.suppress(OSError):
            generation = folder / str(number)
            if {path.name: path.read_bytes() for path in generation.iterdir()} == dict(files):
                return number
    return None


def sweep(folder: Path) -> None:
    """Remove what a crashed writer left. The caller is the only writer."""
    with contextlib.suppress(FileNotFoundError):
        for path in tuple(folder.iterdir()):
            if path.name.startswith(_DRAFT):
                path.unlink() if path.is_symlink() else shutil.rmtree(path)


def _prune(folder: Path, keep: int) -> None:
    """The new one is in use; an old one that cannot be removed harms nobody and is tried again next time."""
    used = (folder / CURRENT).readlink().name
    for number in sorted(_numbers(folder), reverse=True)[keep:]:
        if str(number) != used:
            shutil.rmtree(folder / str(number), ignore_errors=True)


def _numbers(folder: Path) -> list[int]:
    with os.scandir(folder) as entries:
        return [int(entry.name) for entry in entries if entry.name.isdigit()]
