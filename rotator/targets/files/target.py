"""Certificate and key in files of this machine, with a command that has them read again."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import socket
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import ClassVar

from rotator.core.model import (
    Bundle,
    Check,
    Deployed,
    Location,
    Observation,
    Problem,
    ProblemKind,
    Snapshot,
    TargetSpec,
)
from rotator.core.pem import PemError, key_facts, read_chain
from rotator.errors import Conflict, TargetError
from rotator.lib import atomicfile, plainfile, process
from rotator.lib.writable import command_problem, folder_problem, owner_problem
from rotator.ports import Clock
from rotator.settings import KeyUse, PluginSettings
from rotator.targets.files.layouts import Files, Held, Layout, chain_text, key_text, layout_of, same_pair
from rotator.targets.files.settings import FilesSettings, LayoutKind

_LOCK_SECONDS = 15.0
_LOCK_STEP = 0.05
_STATE_VERSION = 1


class FilesTarget:
    """One certificate in files."""

    Settings: ClassVar[type[PluginSettings]] = FilesSettings
    kind: ClassVar[str] = "files"

    def __init__(self, name: str, spec: TargetSpec, settings: PluginSettings, clock: Clock) -> None:
        assert isinstance(settings, FilesSettings)
        self.name = name
        self._settings = settings
        self._clock = clock
        self._layout: Layout = layout_of(settings)

    @property
    def location(self) -> Location:
        """This machine, and the file of the certificate, or the folder of the generations; links are not resolved."""
        return Location(socket.gethostname(), os.path.normpath(self._layout.place))

    @property
    def settle(self) -> timedelta:
        return self._settings.settle

    # ------------------------------------------------------------ reading

    def snapshot(self) -> Snapshot:
        """Read the files; what a crash cut off is mended first."""
        with self._alone():
            return self._snapshot(self._layout.read())

    def _snapshot(self, held: Held) -> Snapshot:
        text = chain_text(held.files)
        chain, problem = None, None
        if text is not None:
            try:
                chain = read_chain(text)
            except PemError as error:
                problem = Problem(ProblemKind.UNREADABLE, f"{self._layout.place}: {error}")
        # Beside a certificate a key is expected, so its absence is a fact too, unless none belongs there.
        expected = held.files and self._settings.key_use is not KeyUse.NEVER
        key = key_facts(chain, key_text(held.files), held.key_mode) if expected else None
        return Snapshot(Observation(self.location, chain, problem, key), _state(held.files))

    # ------------------------------------------------------------ writing

    def deploy(self, bundle: Bundle, *, replacing: str | None) -> Deployed:
        """Write the files, unless they hold this very bundle, and have them read again."""
        self._require_fit(bundle)
        with self._alone():
            held = self._layout.read()
            present = self._snapshot(held)
            key = present.observation.key
            if not same_pair(present.chain, key.spki if key else "", bundle):
                self._compare(present, replacing, bundle.chain.fingerprint)
                self._layout.write(self._layout.rendered(bundle, held))
        return Deployed(self.location, self._reload("the new files are in place"))

    def restore(self, to: Snapshot, *, replacing: str | None) -> Deployed:
        """Write the files as they were, unless they are, and have them read again."""
        was = _files(to.state)
        if chain_text(was) is None:
            return Deployed(self.location)
        with self._alone():
            held = self._layout.read()
            if held.files != was:
                self._compare(self._snapshot(held), replacing, to.fingerprint)
                self._layout.write(was)
        return Deployed(self.location, self._reload("the files are as they were"))

    def _require_fit(self, bundle: Bundle) -> None:
        use = self._settings.key_use
        if use is KeyUse.NEVER and bundle.key:
            raise TargetError(f"{self._layout.place} has no file for the key that belongs to it; name one as `key`")
        if use is KeyUse.NEEDED and not bundle.key:
            raise TargetError(f"{self._layout.place} needs the key, which is held elsewhere; leave `key` out there")

    def _compare(self, present: Snapshot, replacing: str | None, wanted: str | None) -> None:
        if present.fingerprint not in {replacing, wanted}:
            holds = f"the certificate {present.fingerprint[:16]}…" if present.fingerprint else "no certificate"
            raise Conflict(f"{self._layout.place} now holds {holds}; somebody else changed it, so nothing was written")

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Be the only writer of these folders, with nothing half done; errors of the disk become ours."""
        try:
            with contextlib.ExitStack() as locks:
                for folder in self._layout.folders():
                    locks.enter_context(atomicfile.folder_lock(folder, self._patience(folder)))
                self._mend()
                yield
        except plainfile.Unfit as error:
            raise TargetError(str(error)) from error
        except OSError as error:
            where = error.filename or self._layout.place
            raise TargetError(f"{where}: {error.strerror or error}; what was there before still is") from error

    def _patience(self, folder: Path) -> Callable[[], None]:
        deadline = self._clock.monotonic() + _LOCK_SECONDS

        def wait() -> None:
            if self._clock.monotonic() >= deadline:
                raise TargetError(
                    f"another process has been writing in {folder} for {_LOCK_SECONDS:g} s; find out which"
                )
            self._clock.wait(_LOCK_STEP)

        return wait

    def _mend(self) -> None:
        try:
            self._layout.mend()
        except OSError as error:
            raise TargetError(
                f"{error.filename or self._layout.place}: {error.strerror or error}; a write of rotator was cut off "
                f"and can be neither finished nor undone: look at {self._layout.place} and its key"
            ) from error

    # ------------------------------------------------------------ reloading

    def _reload(self, standing: str) -> str:
        """Have the files read again; what the command said.

        Raises:
            TargetError: it failed; the message says how the files stand.
        """
        settings = self._settings
        if settings.touch:
            try:
                Path(settings.touch).touch(mode=0o644)
            except OSError as error:
                raise TargetError(f"{standing}, but {settings.touch} cannot be touched: {error.strerror}") from error
        if not settings.reload:
            return ""
        command = " ".join(settings.reload)
        try:
            ran = process.run(settings.reload, seconds=settings.reload_seconds.total_seconds())
        except process.ProcessError as error:
            raise TargetError(f"{standing}, but the reload failed: {error}{_said(error.output)}") from error
        if ran.code != 0:
            raise TargetError(
                f"{standing}, but the reload failed: `{command}` ended with {ran.code}{_said(ran.output)}"
            )
        return ran.output

    def rehearse(self) -> tuple[Check, ...]:
        """Whether the files may be read and replaced, and the reload command can be started; writes nothing."""
        checks = [Check("write", *self._why_not(), detail=str(self._layout.place))]
        if self._settings.reload:
            checks.append(Check("reload", *command_problem(self._settings.reload)))
        if self._settings.touch:
            checks.append(Check("reload", *folder_problem(Path(self._settings.touch).parent)))
        return tuple(checks)

    def _why_not(self) -> tuple[str, str]:
        try:
            folders = self._layout.folders()
            if (found := next((one for one in map(folder_problem, folders) if one[0]), None)) is not None:
                return found
            self._layout.read()
            paths = map(Path, filter(None, self._layout.paths()))
            return next((one for one in map(owner_problem, paths) if one[0]), ("", ""))
        except plainfile.Unfit as error:
            return str(error), ""
        except OSError as error:
            return f"{error.filename or self._layout.place}: {error.strerror or error}", ""

    # ------------------------------------------------------------ adoption

    @classmethod
    def adopt(cls, observation: Observation, rule: Mapping[str, object]) -> TargetSpec | None:
        """The files that source `files` found: with the key in the same file, in another, or in a generation."""
        path, key_path = observation.labels.get("path"), observation.labels.get("key_path")
        if path is None or key_path is None:
            return None
        if "generations" in observation.labels:
            place = {"layout": LayoutKind.GENERATIONS.value, "directory": observation.labels["generations"]}
        elif path == key_path:
            place = {"layout": LayoutKind.COMBINED.value, "path": path}
        else:
            place = {"layout": LayoutKind.SEPARATE.value, "certificate": path, "key": key_path}
        return TargetSpec(cls.kind, {**place, **rule})


def _state(files: Files) -> bytes:
    encoded = {role: base64.b64encode(content).decode() for role, content in files.items()}
    return json.dumps({"version": _STATE_VERSION, "files": encoded}).encode()


def _files(state: bytes) -> Files:
    """The content of a snapshot's files.

    Raises:
        TargetError: the snapshot is none of this target.
    """
    try:
        document = json.loads(state)
        return {role: base64.b64decode(content) for role, content in document["files"].items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise TargetError("the snapshot to put back is none of a files target; nothing was written") from error


def _said(output: str) -> str:
    words = process.last_words(output)
    return f": {words}" if words else ""
