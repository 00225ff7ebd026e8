"""Lists of targets: one a line, in a file or on standard input; what is no list is not read on, and never shown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from stat import S_ISREG
from typing import TextIO

from rotator.cli.ending import Mistake

_LONGEST = 4096
_SHOWN = 60
"""Signs of a refused line that are shown; what is longer may be anything, a key without its header for one."""


def bounded(stream: TextIO) -> Iterator[str]:
    """The lines of a stream, cut where they are longer than any target."""
    return iter(lambda: stream.readline(_LONGEST), "")


def words_of(name: str, lines: Iterable[str]) -> Iterator[tuple[int, str]]:
    """The targets of a list with their line numbers; empty lines and comments mean nothing.

    Raises:
        Mistake: it is no list but a certificate, a key, or no text; none of it is in the sentence.
    """
    for number, line in enumerate(lines, 1):
        if "-----BEGIN" in line:
            raise Mistake(f"{name} is a PEM file and no list of targets; to look at it, name it without @")
        if "\0" in line or len(line) >= _LONGEST:
            raise Mistake(f"{name} is no list of targets: line {number} is no text, or has no end")
        word = line.partition("#")[0].strip()
        if word:
            yield number, word


def refused(word: str, mistake: Mistake) -> str:
    """Why a line was refused, with the line only where it is short enough to be a target."""
    return str(mistake) if len(word) <= _SHOWN else "it is no endpoint, range or path"


def check_list(path: Path) -> None:
    """Make sure that a list can be read; a pipe is only there to be opened once.

    Raises:
        Mistake: it cannot.
    """
    try:
        if S_ISREG(path.stat().st_mode):
            path.open("rb").close()
    except OSError as error:
        raise Mistake(f"the list {path} cannot be read: {error.strerror}") from error


def lines_in(path: Path) -> int:
    """How many lines a list has; a pipe or a device is not read twice."""
    if not path.is_file():
        return 0
    with path.open("rb") as file:
        return sum(chunk.count(b"\n") for chunk in iter(lambda: file.read(1 << 20), b""))
