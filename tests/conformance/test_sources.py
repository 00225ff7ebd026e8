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
from rotator.sources.aws_acm import AwsAcmSettings, AwsAcmSource
from rotator.sources.endpoints import EndpointsSettings, EndpointsSource
from rotator.sources.files import FilesSettings, FilesSource
from rotator.sources.vault import VaultSource, VaultSourceSettings
from tests.issuers.asking import real_clock
from tests.lib.tls_peers import peer, server_context, silent, tls
from tests.servers.acm import Acm
from tests.servers.openbao import OpenBao, new_kv_mount


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
        settings = EndpointsSettings.model_validate({"endpoints": endpoints, "timeout": "6s"})
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


def _vault(request: pytest.FixtureRequest) -> SourceSubject:
    server: OpenBao = request.getfixturevalue("openbao")
    stack = contextlib.ExitStack()
    request.addfinalizer(stack.close)
    kv = stack.enter_context(new_kv_mount(server))
    rights = {f"{kv.mount}/metadata/": ["list"], f"{kv.mount}/data/*": ["read"]}
    request.getfixturevalue("monkeypatch").setenv("VAULT_TOKEN", server.new_token(rights))

    def build() -> Source:
        given = {"url": server.url, "auth": {"token": "${env:VAULT_TOKEN}"}, "paths": [kv.mount]}
        return VaultSource("bao", VaultSourceSettings.model_validate(given), real_clock())

    def put(name: str, bundle: Bundle) -> None:
        kv.put(name, {"certificate": chain_pem(bundle.chain).decode(), "private_key": bundle.key.decode()})

    def state() -> object:
        names = server.expect("LIST", f"{kv.mount}/metadata/")["data"]["keys"]
        return {name: server.expect("GET", f"{kv.mount}/metadata/{name}")["data"] for name in names}

    return SourceSubject(
        build=build,
        put=put,
        spoil=lambda name: kv.put(name, {"certificate": "-----BEGIN CERTIFICATE-----\nAAAA\n"}),
        remove=kv.delete,
        close=lambda: kv.put("closed/folder", {"note": "not for everybody"}),
        state=state,
    )


def _aws_acm(request: pytest.FixtureRequest) -> SourceSubject:
    stack = contextlib.ExitStack()
    request.addfinalizer(stack.close)
    acm = stack.enter_context(Acm())
    environment: pytest.MonkeyPatch = request.getfixturevalue("monkeypatch")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        environment.setenv(name, "conformance")
    regions, arns = ["eu-west-1"], dict[str, str]()

    def build() -> Source:
        settings = AwsAcmSettings.model_validate({"regions": regions, "endpoint_url": acm.url})
        return AwsAcmSource("aws", settings, real_clock())

    def put(name: str, bundle: Bundle) -> None:
        arns[name] = acm.put(bundle, f"{name}.example.com")

    def spoil(name: str) -> None:
        acm.kept[arns[name]].detail["Body"] = "-----BEGIN CERTIFICATE-----\nAAAA\n"

    def close() -> None:
        regions.append("us-east-1")
        acm.deny("ListCertificates", region="us-east-1")

    return SourceSubject(
        build=build,
        put=put,
        spoil=spoil,
        remove=lambda name: acm.kept.__delitem__(arns[name]),
        close=close,
        state=lambda: repr(acm.kept),
    )


SUBJECTS: dict[str, Callable[[pytest.FixtureRequest], SourceSubject]] = {
    "files": _files,
    "endpoints": _endpoints,
    "vault": _vault,
    "aws_acm": _aws_acm,
}


class TestSources(SourceConformance):
    """The suite, once for each kind; where a server is missing its cases are skipped."""

    @pytest.fixture(params=list(SUBJECTS))
    def subject(self, request: pytest.FixtureRequest) -> SourceSubject:
        """The place of this kind, empty, on a real server where it needs one."""
        return SUBJECTS[request.param](request)
