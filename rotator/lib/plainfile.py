"""Read files that anybody may have put there: bounded, and never stuck on a pipe or a device."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, field
from pathlib import Path


class Unfit(Exception):  # noqa: N818 - reads as what happened
    """It is no regular file, or larger than is read; one clause."""


@dataclass(frozen=True, slots=True)
class Text:
    """What a file holds (it may be a key), and its permission bits."""

    content: bytes = field(repr=False)
    mode: int


def read(path: Path, *, most: int) -> Text:
    """Read one regular file of at most so many bytes.

    Raises:
        Unfit: it is a pipe, a device, a folder, or larger.
        OSError: it cannot be read.
    """
    # Without O_NONBLOCK opening a pipe waits for its writer.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise Unfit("it is no regular file")
        content = b""
        while len(content) <= most and (chunk := os.read(descriptor, most + 1 - len(content))):
            content += chunk
    finally:
        os.close(descriptor)
    if len(content) > most:
        raise Unfit(f"it is larger than {most >> 20} MiB")
    return Text(content, stat.S_IMODE(status.st_mode))
