"""The key file that rotator makes by itself beside a new SQLite database."""

from __future__ import annotations

import os
import secrets
from base64 import b64encode
from pathlib import Path

from rotator.errors import StateError
from rotator.state.seal import KEY_BYTES

PRIVATE = 0o600


def beside(database: Path) -> Path:
    """Where the key of a database is when the config names none."""
    return database.with_name(database.name + ".key")


def create(path: Path) -> None:
    """Make a new random key, readable by its owner only; whole or not at all, and never over another file.

    Raises:
        StateError: it cannot be written, or there is one already.
    """
    half = path.with_name(path.name + ".new")
    try:
        half.unlink(missing_ok=True)
        descriptor = os.open(half, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE)
        with os.fdopen(descriptor, "wb") as file:
            file.write(b64encode(secrets.token_bytes(KEY_BYTES)) + b"\n")
            file.flush()
            os.fsync(file.fileno())
        os.link(half, path)  # unlike a rename, this never replaces a key that is there
        half.unlink()
        sync_folder(path.parent)
    except OSError as error:
        half.unlink(missing_ok=True)
        raise StateError(f"the state key {path} cannot be made: {error.strerror}; {_ADVICE}") from error


def sync_folder(folder: Path) -> None:
    """Make a new name in a folder survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


_ADVICE = "check the folder's owner and free space, or set state.key in the config"
