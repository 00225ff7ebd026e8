"""Every source that comes with rotator passes the suite that third parties get."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path

import pytest

from rotator.conformance.source import Feature, SourceConformance, SourceSubject
from rotator.core.model import Bundle
from rotator.core.pem import chain_pem
from rotator.ports import Source
from rotator.sources.endpoints import EndpointsSettings, EndpointsSource
from rotator.sources.files import FilesSettings, FilesSource
from tests.issuers.asking import real_clock
from tests.lib.tls_peers import peer, server_context, silent, tls


def _files(request: pytest.FixtureRequest) -> SourceSubject:
    folder: Path = request.getfixturevalue("tmp_path")
    place = folder / "services"
    place.mkdir()
    paths = [f"{place}/*.crt"]

    def build() -> Source:
        return FilesSource("disk", FilesSettings.model_validate(paths), real_clock())

    def put(name: str, bundle: Bundle) -> None:
        (place / f"{name}.crt").write_bytes(chain_pem(bundle.chain))
        (place / f"{name}.key").write_bytes(bundle.key)

    def spoil(name: str) -> None:
        (place / f"{name}.crt").write_bytes(b"-----BEGIN CERTIFICATE-----\nAAAA\n")

    def state() -> object:
        return {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in place.iterdir()}

    return SourceSubject(
        build=build,
        put=put,
        spoil=spoil,
        remove=lambda name: (place / f"{name}.crt").unlink(),
        close=lambda: paths.append(f"{folder}/not-mounted/*.crt"),
        state=state,
    )


def _endpoints(request: pytest.FixtureRequest) -> SourceSubject:
    folder: Path = request.getfixturevalue("tmp_path")
    stack = contextlib.ExitStack()
    request.addfinalizer(stack.close)
    ports: dict[str, int] = {}

    def build() -> Source:
        endpoints = [f"127.0.0.1:{port}" for port in ports.values()]
        settings = EndpointsSettings.model_validate({"endpoints": endpoints, "timeout": "2s"})
        return EndpointsSource("public", settings, real_clock())

    def put(name: str, bundle: Bundle) -> None:
        ports[name] = stack.enter_context(peer(tls(server_context(folder, bundle))))

    def spoil(name: str) -> None:
        ports[name] = stack.enter_context(peer(silent))

    return SourceSubject(
        build=build,
        put=put,
        spoil=spoil,
        remove=ports.__delitem__,
        unsupported=frozenset({Feature.CLOSED}),
    )


SUBJECTS: dict[str, Callable[[pytest.FixtureRequest], SourceSubject]] = {
    "files": _files,
    "endpoints": _endpoints,
}


class TestSources(SourceConformance):
    """The suite, once for each kind; where a server is missing its cases are skipped."""

    @pytest.fixture(params=list(SUBJECTS))
    def subject(self, request: pytest.FixtureRequest) -> SourceSubject:
        """The place of this kind, empty, on a real server where it needs one."""
        return SUBJECTS[request.param](request)
