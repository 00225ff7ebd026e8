"""Every certificate in the files that match a pattern or lie in a folder, with the key beside it."""

from __future__ import annotations

import os
import socket
from collections.abc import Generator, Iterator
from typing import ClassVar

from rotator.core.model import Location, Observation, Problem, ProblemKind
from rotator.errors import SourceError
from rotator.lib.globs import expand
from rotator.lib.plainfile import Unfit, read
from rotator.ports import Clock
from rotator.settings import PluginSettings
from rotator.sources.files.look import Look
from rotator.sources.files.settings import FilesSettings
from rotator.sources.files.telling import shown
from rotator.sources.files.walk import Excluded, Walk, excluding

_MOST_TOLD = 5
_MOST_PASSWORD_BYTES = 1 << 16


class FilesSource:
    """Certificates in files of this machine. Nothing is written; of keys only what `KeyFacts` says is kept."""

    Settings: ClassVar[type[PluginSettings]] = FilesSettings

    def __init__(self, name: str, settings: PluginSettings, clock: Clock) -> None:
        assert isinstance(settings, FilesSettings)
        self.name = name
        self._settings = settings

    def observe(self) -> Iterator[Observation]:
        """Look at every file; what could not be looked at, and was not told in its turn, is told at the end."""
        missed: dict[str, None] = {}  # `a/**/b` may come upon the same folder twice
        excluded = excluding(self._settings.exclude)
        look = Look(socket.gethostname(), self._passwords(missed))
        folders = list(self._settings.folders)
        for pattern in self._settings.paths:
            pattern = os.path.normpath(pattern)
            if os.path.isdir(pattern):  # noqa: PTH112 - says no where Path would raise
                folders.append(pattern)
                continue
            for path in expand(pattern, missed.setdefault):
                if not excluded(str(path)):
                    yield from look.named(path)
        told = yield from self._searched(folders, excluded, look)
        if missed or told:
            raise SourceError(f"{self.name}: could not look everywhere: {'; '.join(_unlooked(list(missed), told))}")

    def _searched(self, folders: list[str], excluded: Excluded, look: Look) -> Generator[Observation, None, int]:
        """Everything below some folders; each one that could not be listed is told in its turn, and counted."""
        told = 0
        closed: list[Observation] = []

        def unlooked(folder: str, why: str) -> None:
            nonlocal told
            location = Location(look.system, shown(folder))
            message = f"{location.address}: {why}"
            closed.append(Observation(location, problem=Problem(ProblemKind.UNSEEN, message)))
            told += 1

        walk = Walk([os.path.normpath(folder) for folder in folders], excluded, unlooked)
        for path in walk.files():
            yield from look.found(path)
            while closed:
                yield closed.pop(0)
        yield from closed
        return told

    def _passwords(self, missed: dict[str, None]) -> tuple[str, ...]:
        """The passwords for keystores; without them, what they would open is told as closed."""
        path = self._settings.passwords_file
        if path is None:
            return ()
        try:
            text = read(path, most=_MOST_PASSWORD_BYTES).content.decode("utf-8")
        except OSError as error:
            missed.setdefault(f"the passwords file {path}: {error.strerror}")
        except Unfit as error:
            missed.setdefault(f"the passwords file {path}: {error}")
        except UnicodeDecodeError:
            missed.setdefault(f"the passwords file {path}: it is no UTF-8 text")
        else:
            return tuple(dict.fromkeys(line for line in text.replace("\r\n", "\n").split("\n") if line))
        return ()


def _unlooked(missed: list[str], told: int) -> Iterator[str]:
    """What an incomplete look is told as: in words where nothing else says it, by its number where something does."""
    yield from missed[:_MOST_TOLD]
    if len(missed) > _MOST_TOLD:
        yield f"and {len(missed) - _MOST_TOLD} more"
    if told:
        folders = "one folder" if told == 1 else f"{told} folders"
        yield f"{folders} could not be listed (`rotator scan` tells each by itself)"
