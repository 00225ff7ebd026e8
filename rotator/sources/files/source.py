"""Every certificate in the files that match a pattern or lie in a folder, with the key beside it."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
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
        """Look at every file; folders that could not be listed are told at the end."""
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
        yield from self._searched(folders, excluded, look, missed)
        if missed:
            unlooked = list(missed)
            more = f" (and {len(unlooked) - _MOST_TOLD} more)" if len(unlooked) > _MOST_TOLD else ""
            raise SourceError(f"{self.name}: could not look everywhere: {'; '.join(unlooked[:_MOST_TOLD])}{more}")

    def _searched(
        self, folders: list[str], excluded: Excluded, look: Look, missed: dict[str, None]
    ) -> Iterator[Observation]:
        """Everything below some folders; each folder that could not be listed is told in its turn, and at the end."""
        closed: list[Observation] = []

        def unlooked(folder: str, why: str) -> None:
            location = Location(look.system, shown(folder))
            message = f"{location.address}: {why}"
            closed.append(Observation(location, problem=Problem(ProblemKind.UNSEEN, message)))
            missed.setdefault(message)

        walk = Walk([os.path.normpath(folder) for folder in folders], excluded, unlooked)
        for path in walk.files():
            yield from look.found(path)
            while closed:
                yield closed.pop(0)
        yield from closed

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
