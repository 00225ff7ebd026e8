"""A cluster with a thousand TLS Secrets, in observe mode: everything is seen, nothing is touched."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import requests

from rotator.clock import system_clock
from rotator.core.csr import new_key
from rotator.core.model import KeySpec
from rotator.core.pem import certificate_pem
from tests.e2e.cluster import LOOKING, Account, allow, install
from tests.e2e.path import DAY, config, environment, program
from tests.lib.kube_builders import MANAGER, TLS, tls_data
from tests.pki import Authority
from tests.servers.kube import ADMIN, KubeServer

COUNT, DUE = 1000, 40
MIB = 1 << 20
MOST_MEMORY = 64 * MIB
"""What a thousand certificates may cost beyond one; a Secret with its managed fields is some 4 KiB on the wire."""

EVERYTHING = {"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}


@dataclass(frozen=True, slots=True)
class Measured:
    """One run of the program: what it said, what it took."""

    said: Any
    seconds: float
    memory: int
    """The most that it held in memory at a time, in bytes."""


def observe(file: Path, folder: Path) -> Measured:
    """`rotator run --once` in a process of its own."""
    clock = system_clock()
    began = clock.monotonic()
    with (folder / "stdout").open("wb") as out, (folder / "stderr").open("wb") as err:
        process = subprocess.Popen(
            program("run", "--once", "--config", str(file), "--output", "json"),
            stdout=out,
            stderr=err,
            env=environment(folder / "tmp"),
        )
        _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, (folder / "stderr").read_text()
    said = json.loads((folder / "stdout").read_text())
    return Measured(said, clock.monotonic() - began, usage.ru_maxrss * 1024)


@pytest.fixture
def small_namespace(kube_server: KubeServer, kube_namespace: str) -> Iterator[str]:
    """A second namespace of the test's own."""
    name = f"{kube_namespace}-small"
    kube_server.expect("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
    yield name
    kube_server.request("DELETE", f"/api/v1/namespaces/{name}/secrets")
    kube_server.request("DELETE", f"/api/v1/namespaces/{name}")


def company_ca(folder: Path) -> Authority:
    """The CA of the whole cluster, in the two files that an issuer would sign with."""
    now = datetime.now(UTC).replace(microsecond=0)
    authority = Authority("Company CA", not_before=now - 300 * DAY, not_after=now + 3000 * DAY)
    (folder / "ca.crt").write_bytes(certificate_pem(authority.certificate))
    (folder / "ca.key").write_bytes(authority.key)
    return authority


def fill(server: KubeServer, namespace: str, authority: Authority, count: int) -> None:
    """Create TLS Secrets as `kubectl create` does; the first ones have 29 days left, the others 60."""
    now = datetime.now(UTC).replace(microsecond=0)
    key = new_key(KeySpec())
    url = f"{server.url}/api/v1/namespaces/{namespace}/secrets?fieldManager={MANAGER}"
    headers = {"Authorization": f"Bearer {ADMIN}"}

    def create(numbers: range) -> None:
        with requests.Session() as session:
            for number in numbers:
                end = now + (29 if number < DUE else 60) * DAY
                name = f"service-{number:04}"
                bundle = authority.issue([f"{name}.example.com"], not_before=end - 90 * DAY, not_after=end, key=key)
                body = {"metadata": {"name": name}, "type": TLS, "data": tls_data(bundle)}
                answer = session.post(url, json=body, headers=headers, verify=str(server.ca_file), timeout=60)
                answer.raise_for_status()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(create, [range(first, count, 4) for first in range(4)]))


def observing(who: Account, namespace: str, folder: Path) -> Path:
    """A config file that adopts every Secret of a namespace, and observes; `act` shows that only the mode holds it."""
    folder.mkdir()
    ca = {"ca_certificate": str(folder.parent / "ca.crt"), "ca_key": str(folder.parent / "ca.key")}
    text = config(
        folder,
        mode="observe",
        sources={"cluster": who.source(namespace)},
        issuers={"ca": {"local_ca": ca}},
        adopt=[{"from": "cluster", "match": {}, "issuer": "ca"}],
    )
    file = folder / "rotator.yaml"
    file.write_text(text)
    return file


@pytest.mark.server
def test_a_thousand_adopted_secrets_are_observed_without_one_write(
    kube_server: KubeServer,
    kube_namespace: str,
    small_namespace: str,
    tmp_path: Path,
) -> None:
    """Two looks with the right to do anything: every Secret is in the plan with what would be done, the API server's
    audit log has nothing but reads, and the memory is that of a page, not of the cluster."""
    authority = company_ca(tmp_path)
    fill(kube_server, kube_namespace, authority, COUNT)
    fill(kube_server, small_namespace, authority, 1)
    who = install(kube_server, kube_namespace, tmp_path / "chart", reads=[kube_namespace, small_namespace], writes={})
    allow(kube_server, who, [EVERYTHING], kube_namespace)
    small = observe(observing(who, small_namespace, tmp_path / "small"), tmp_path / "small")
    file = observing(who, kube_namespace, tmp_path / "large")

    first = observe(file, tmp_path / "large")
    second = observe(file, tmp_path / "large")

    for run in (first, second):
        assert run.said["outcomes"] == []
        planned = run.said["plan"]["decisions"]
        assert len(planned) == COUNT
        would = [each["because"] for each in planned if each["reason"] == "observe" and each["wanted"] == "renew"]
        assert would == ["due"] * DUE
        assert sum(each["action"] == "keep" for each in planned) == COUNT - DUE
    reads = {event["verb"] for event in kube_server.audit(user=who.user)}
    assert reads == LOOKING
    assert who.writes() == []
    extra = max(first.memory, second.memory) - small.memory
    sys.stdout.write(
        f"{COUNT} Secrets: {first.seconds:.1f} s and {second.seconds:.1f} s a run "
        f"(with one Secret {small.seconds:.1f} s), {extra / MIB:.0f} MiB more memory than with one Secret "
        f"({small.memory / MIB:.0f} MiB)\n"
    )
    assert extra < MOST_MEMORY
