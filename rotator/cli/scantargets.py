"""What `rotator scan` is pointed at: words on the command line, in `@file`s and on standard input."""

from __future__ import annotations

import glob
import os
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from rotator.cli.ending import Mistake
from rotator.report.audit import Unseen

_MOST_BYTES = 1 << 20
_HEADER = b"-----BEGIN CERTIFICATE"
_SUFFIX = ".crt"
_DER = b"\x30"
_GLOB = "*?"


@dataclass(slots=True)
class ScanTargets:
    """Sorted by where they are looked for.

    Attributes:
        endpoints: as written, each one readable.
        files: absolute globs.
        unseen: paths that cannot be looked into.
    """

    endpoints: list[str] = field(default_factory=list)
    files: list[str] = field(default_factory=list)
    unseen: list[Unseen] = field(default_factory=list)


def read_targets(words: Iterable[str], stdin: IO[str] = sys.stdin) -> ScanTargets:
    """Sort words into endpoints and files; a folder stands for every file in it that has a PEM certificate.

    What exists as a path is one; of the rest, what has a `/` or a glob is a path, anything else an endpoint.

    Raises:
        Mistake: a word is neither, or a list of words cannot be read.
    """
    found = ScanTargets()
    for word in _expanded(words, stdin):
        path = Path(word).expanduser().absolute()
        if "://" in word:
            _add_endpoint(word, found)
        elif os.path.isdir(path):  # noqa: PTH112 - says no, where Path would raise for a folder it may not enter
            _add_folder(path, found)
        elif os.path.exists(path):  # noqa: PTH110 - the same
            found.files.append(glob.escape(str(path)))
        elif not word.startswith("[") and ("/" in word or any(sign in word for sign in _GLOB)):
            _add_pattern(path, found)
        else:
            _add_endpoint(word, found)
    return found


def _expanded(words: Iterable[str], stdin: IO[str]) -> Iterator[str]:
    for word in words:
        if word == "-":
            yield from _lines(stdin)
        elif word.startswith("@"):
            try:
                with Path(word[1:]).open(encoding="utf-8") as file:
                    yield from _lines(file)
            except (OSError, UnicodeDecodeError) as error:
                why = error.strerror if isinstance(error, OSError) else "it is no UTF-8 text"
                raise Mistake(f"the list {word[1:]} cannot be read: {why}") from error
        else:
            yield word


def _lines(file: IO[str]) -> Iterator[str]:
    """One target a line; empty lines and comments mean nothing."""
    for line in file:
        word = line.partition("#")[0].strip()
        if word:
            yield word


def _add_endpoint(word: str, found: ScanTargets) -> None:
    from rotator.lib.endpoint import parse_endpoint

    try:
        parse_endpoint(word)
    except ValueError as error:
        raise Mistake(f"{error}; a file or folder of that name does not exist either") from error
    found.endpoints.append(word)


def _add_pattern(path: Path, found: ScanTargets) -> None:
    if any(sign in str(path) for sign in _GLOB):
        found.files.append(str(path))
        return
    try:
        path.stat()
    except OSError as error:
        found.unseen.append(Unseen(str(path), error.strerror or str(error)))


def _add_folder(folder: Path, found: ScanTargets) -> None:
    def cannot(error: OSError) -> None:
        found.unseen.append(Unseen(str(error.filename or folder), error.strerror or str(error)))

    for root, folders, files in os.walk(folder, onerror=cannot):
        folders.sort()
        for name in sorted(files):
            path = Path(root) / name
            try:
                if _has_certificate(path):
                    found.files.append(glob.escape(str(path)))
            except OSError as error:
                cannot(error)


def _has_certificate(path: Path) -> bool:
    """By its content; pipes, sockets and devices are left alone, for reading one may never end.

    What is only named like a certificate counts too: a file that a full disk left empty, or a link that leads nowhere,
    is what an audit is for. DER stands in such files as well; rotator does not read it, and it is no fault.
    """
    named = path.suffix == _SUFFIX
    if not path.is_file():
        return named and path.is_symlink()
    with path.open("rb") as file:
        text = file.read(_MOST_BYTES)
    return _HEADER in text or (named and not text.startswith(_DER))
