"""Read files that anybody may have put there: bounded, and never stuck on a pipe or a device."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

_PIECE = 1 << 18
_NAMED_MOST = 16 << 20


class Unfit(Exception):  # noqa: N818 - reads as what happened
    """It is no regular file, or larger than is read; one clause."""


@dataclass(frozen=True, slots=True)
class Text:
    """What a file holds (it may be a key), its permission bits, and which file it is, whatever leads to it.

    Attributes:
        whole: false where only the beginning was read.
    """

    content: bytes = field(repr=False)
    mode: int
    identity: tuple[int, int] = (0, 0)
    whole: bool = True


def read(path: str | Path, *, most: int) -> Text:
    """Read one regular file of at most so many bytes.

    Raises:
        Unfit: it is a pipe, a device, a folder, or larger.
        OSError: it cannot be read.
    """
    text = read_if(path, lambda head: most, head=min(most, _PIECE))
    assert text is not None
    return text


def content(path: str | Path) -> bytes:
    """What a file holds that a setting names: one regular file, far smaller than 16 MiB.

    Raises:
        OSError: it cannot be read; also where it is a pipe, a device, a folder, or larger.
    """
    try:
        return read(path, most=_NAMED_MOST).content
    except Unfit as error:
        raise OSError(errno.EINVAL, str(error), str(path)) from error


def probe(path: str | Path) -> None:
    """Whether one regular file could be read.

    Raises:
        Unfit: it is a pipe, a device or a folder.
        OSError: it could not be read.
    """
    read_if(path, lambda head: None, head=1)


def read_if(path: str | Path, wanted: Callable[[bytes], int | None], *, head: int, cut: bool = False) -> Text | None:
    """Read the first bytes of a regular file, and the others only if they are wanted.

    Args:
        wanted: told the first bytes, says how many bytes the file may have at most to be read whole; None leaves it.
        cut: of a larger file give as much as is wanted, instead of raising.

    Raises:
        Unfit: it is a pipe, a device, a folder, or larger than wanted.
        OSError: it cannot be read.
    """
    # Asked before, because opening alone sets some devices off (a watchdog, a tape). Without O_NONBLOCK opening what
    # has become a pipe since waits for its writer.
    if not stat.S_ISREG(os.stat(path).st_mode):  # noqa: PTH116 - asked of every file of a machine
        raise Unfit("it is no regular file")
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise Unfit("it is no regular file")
        content = os.read(descriptor, head)
        most = wanted(content)
        if most is None:
            return None
        pieces = [content]
        length = len(content)
        while length <= most and (piece := os.read(descriptor, min(most + 1 - length, _PIECE))):
            pieces.append(piece)
            length += len(piece)
    finally:
        os.close(descriptor)
    whole = length <= most
    if not (whole or cut):
        raise Unfit(f"it is larger than {most >> 20} MiB")
    return Text(b"".join(pieces), stat.S_IMODE(status.st_mode), (status.st_dev, status.st_ino), whole)
