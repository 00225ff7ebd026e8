"""What the permission bits of a file are worth: others read nothing that lies in a folder which is closed to them."""

from __future__ import annotations

import os
import stat


class Reach:
    """Asks each folder once, up to the root."""

    def __init__(self) -> None:
        self._open: dict[str, bool] = {}

    def mode(self, path: str | os.PathLike[str], mode: int) -> int:
        """The bits of a file as they count: without that for others to read it, where they cannot come to it.

        A link does not matter, only where the file itself lies. Access lists are not looked at.
        """
        if not mode & stat.S_IROTH:
            return mode
        folder = os.path.dirname(os.path.realpath(path))  # noqa: PTH120 - a Path for each key is too dear
        return mode if self._is_open(folder) else mode & ~stat.S_IROTH

    def _is_open(self, folder: str) -> bool:
        if folder not in self._open:
            above = os.path.dirname(folder)  # noqa: PTH120
            self._open[folder] = _others_may_enter(folder) and (above == folder or self._is_open(above))
        return self._open[folder]


def _others_may_enter(folder: str) -> bool:
    try:
        return bool(os.stat(folder).st_mode & stat.S_IXOTH)  # noqa: PTH116
    except OSError:
        return True  # nothing is known of it, so the bits of the file stand
