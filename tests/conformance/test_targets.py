"""Every target that comes with rotator passes the suite that third parties get."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from rotator.conformance.target import Feature, Pair, TargetConformance, TargetSubject
from rotator.core.model import Bundle, Observation, TargetSpec
from rotator.core.pem import chain_pem
from rotator.lib import generations
from rotator.ports import Target
from rotator.sources.files import FilesSettings as FilesSourceSettings
from rotator.sources.files import FilesSource
from rotator.targets.command import CommandSettings, CommandTarget
from rotator.targets.files import FilesSettings, FilesTarget
from tests.issuers.asking import real_clock

MEMORY = Path("/dev/shm")
DEVICE = Path(__file__).parents[1] / "targets" / "device.py"


# ---------------------------------------------------------------- files


def _memory_or_disk(request: pytest.FixtureRequest) -> Path:
    """A folder in memory where there is one: a thousand swaps flush to the disk several times each."""
    if not os.access(MEMORY, os.W_OK):
        folder: Path = request.getfixturevalue("tmp_path")
        return folder
    temporary = tempfile.TemporaryDirectory(prefix="rotator-", dir=MEMORY)
    request.addfinalizer(temporary.cleanup)
    return Path(temporary.name)


def _files(
    folder: Path,
    place: Mapping[str, object],
    put: Callable[[Bundle | bytes | None], None],
    read: Callable[[], Pair | None],
) -> TargetSubject:
    """A files target whose reload counts itself, and fails while there is a file `broken`."""
    count, broken = folder / "reloads", folder / "broken"
    reload = [
        "/bin/sh",
        "-c",
        'test ! -e "$1" || { echo no such profile; exit 3; }; echo >> "$0"',
        str(count),
        str(broken),
    ]

    def build(spec: TargetSpec | None) -> Target:
        settings = dict(spec.settings) if spec else {**place, "reload": reload}
        return FilesTarget("shop", spec or TargetSpec("files"), FilesSettings.model_validate(settings), real_clock())

    def observed() -> Observation:
        settings = FilesSourceSettings(paths=(f"{folder}/tls/**/*.pem",))
        (observation,) = FilesSource("disk", settings, real_clock()).observe()
        return observation

    (folder / "tls").mkdir()
    return TargetSubject(
        build=build,
        put=put,
        read=read,
        reloads=lambda: len(count.read_text().splitlines()) if count.exists() else 0,
        break_reload=lambda is_broken: broken.touch() if is_broken else broken.unlink(missing_ok=True),
        observed=observed,
    )


def _separate(request: pytest.FixtureRequest) -> TargetSubject:
    folder = _memory_or_disk(request)
    certificate, key = folder / "tls/shop.pem", folder / "tls/shop.key"

    def put(content: Bundle | bytes | None) -> None:
        certificate.unlink(missing_ok=True)
        key.unlink(missing_ok=True)
        if isinstance(content, Bundle):
            certificate.write_bytes(chain_pem(content.chain))
            key.write_bytes(content.key)
        elif content is not None:
            certificate.write_bytes(content)

    def read() -> Pair | None:
        return (certificate.read_bytes(), key.read_bytes()) if certificate.exists() else None

    subject = _files(folder, {"certificate": str(certificate), "key": str(key)}, put, read)
    return _without(subject, Feature.ATOMIC)


def _combined(request: pytest.FixtureRequest) -> TargetSubject:
    folder = _memory_or_disk(request)
    path = folder / "tls/shop.pem"

    def put(content: Bundle | bytes | None) -> None:
        if content is None:
            path.unlink(missing_ok=True)
        else:
            path.write_bytes(chain_pem(content.chain) + content.key if isinstance(content, Bundle) else content)

    def read() -> Pair | None:
        return (path.read_bytes(),) * 2 if path.exists() else None

    return _files(folder, {"path": str(path)}, put, read)


def _generations(request: pytest.FixtureRequest) -> TargetSubject:
    folder = _memory_or_disk(request)
    place = folder / "tls/shop"

    def put(content: Bundle | bytes | None) -> None:
        if content is None:
            (place / generations.CURRENT).unlink(missing_ok=True)
            return
        chain, key = (chain_pem(content.chain), content.key) if isinstance(content, Bundle) else (content, b"")
        new = {"fullchain.pem": generations.NewFile(chain, 0o644), "privkey.pem": generations.NewFile(key, 0o600)}
        generations.add(place, new, keep=3)

    def read() -> Pair | None:
        current = generations.current(place)  # resolved once, as a server does when it loads both
        return ((current / "fullchain.pem").read_bytes(), (current / "privkey.pem").read_bytes()) if current else None

    return _files(folder, {"directory": str(place)}, put, read)


# ---------------------------------------------------------------- command


def _command(request: pytest.FixtureRequest) -> TargetSubject:
    folder: Path = request.getfixturevalue("tmp_path")
    place, log, broken = folder / "place.json", folder / "log", folder / "broken"
    verbs = {
        verb: (sys.executable, "-IS", str(DEVICE), str(folder), verb) for verb in ("snapshot", "deploy", "restore")
    }

    def build(spec: TargetSpec | None) -> Target:
        settings = CommandSettings.model_validate({"address": "device.example.com/clientssl", **verbs})
        return CommandTarget("shop", spec or TargetSpec("command"), settings, real_clock())

    def put(content: Bundle | bytes | None) -> None:
        if content is None:
            place.unlink(missing_ok=True)
            return
        chain, key = (chain_pem(content.chain), content.key) if isinstance(content, Bundle) else (content, b"")
        place.write_text(json.dumps({"chain": chain.decode(), "key": key.decode()}))

    def read() -> Pair | None:
        if not place.exists():
            return None
        held = json.loads(place.read_text())
        return held["chain"].encode(), held["key"].encode()

    return TargetSubject(
        build=build,
        put=put,
        read=read,
        reloads=lambda: len(log.read_text().splitlines()) if log.exists() else 0,
        break_reload=lambda is_broken: broken.touch() if is_broken else broken.unlink(missing_ok=True),
        unsupported=frozenset({Feature.KEY_FACTS, Feature.ATOMIC, Feature.ADOPTS}),
    )


def _without(subject: TargetSubject, *features: Feature) -> TargetSubject:
    return replace(subject, unsupported=subject.unsupported | set(features))


SUBJECTS: dict[str, Callable[[pytest.FixtureRequest], TargetSubject]] = {
    "files-separate": _separate,
    "files-combined": _combined,
    "files-generations": _generations,
    "command": _command,
}


class TestTargets(TargetConformance):
    """The suite, once for each kind; where a server is missing its cases are skipped."""

    @pytest.fixture(params=list(SUBJECTS))
    def subject(self, request: pytest.FixtureRequest) -> TargetSubject:
        """The place of this kind, empty, on a real server where it needs one."""
        return SUBJECTS[request.param](request)
