"""The lock that keeps a second rotator off the same state: flock on a file beside it, let go by the kernel at death."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
from pathlib import Path
from typing import Self

from rotator.errors import StateError, StateLocked
from rotator.state.keyfile import PRIVATE


class FileLock:
    """An exclusive lock on a file, held from `take` until `release` or the end of the process.

    The file stays when the lock is let go: removing it would let two processes lock two files of one name.
    """

    def __init__(self, path: Path, descriptor: int) -> None:
        self._path = path
        self._descriptor: int | None = descriptor

    @classmethod
    def take(cls, path: Path, state: Path) -> Self:
        """Take the lock without waiting.

        Raises:
            StateLocked: another process holds it; the sentence names its pid.
            StateError: the lock file cannot be made or locked.
        """
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, PRIVATE)
        except OSError as error:
            raise StateError(
                f"the lock file {path} cannot be made: {error.strerror}; check the folder's owner"
            ) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        except OSError as error:
            with contextlib.closing(os.fdopen(descriptor, "rb")) as file:
                holder = file.read(20).decode("ascii", "replace").strip()
            if error.errno in {errno.EWOULDBLOCK, errno.EACCES}:
                raise StateLocked(_held(state, holder)) from error
            raise StateError(f"the lock file {path} cannot be locked: {error.strerror}") from error
        return cls(path, descriptor)

    def release(self) -> None:
        """Let go; safe to repeat."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def __repr__(self) -> str:
        return f"FileLock({str(self._path)!r}, held={self._descriptor is not None})"


def _held(state: Path, holder: str) -> str:
    who = f"another rotator (pid {holder})" if holder else "another rotator"
    return f"{who} holds the state {state}; stop it before another one is started"
