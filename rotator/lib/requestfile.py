"""Certificate signing requests in files: made where a key is held that never leaves its place."""

from __future__ import annotations

from rotator.core.keys import Requested, read_requested
from rotator.core.pem import PemError
from rotator.errors import RequestError
from rotator.lib import plainfile

_MOST_BYTES = 64 << 10


def read_request(path: str) -> Requested:
    """Read the request in a file, anew each time.

    Raises:
        RequestError: it cannot be read, or it is none that could be ordered with.
    """
    try:
        return read_requested(plainfile.read(path, most=_MOST_BYTES).content)
    except OSError as error:
        raise RequestError(f"{path} cannot be read: {error.strerror or error}") from error
    except (plainfile.Unfit, PemError) as error:
        raise RequestError(f"{path}: {error}") from error
