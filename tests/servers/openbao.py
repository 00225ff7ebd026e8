"""A real OpenBao (the open fork of Vault) in development mode, shared by all workers; a PKI mount per test."""

from __future__ import annotations

import contextlib
import os
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import requests

from tests.servers.ports import LOOPBACK, free_port
from tests.servers.run import current, need
from tests.servers.service import Service, end_all, service

ROOT_TOKEN = "root"
ROLE = "any"
TIMEOUT = 30.0


@dataclass(frozen=True, slots=True)
class OpenBao:
    """A running server: unsealed, in memory, KV version 2 mounted at `secret/`."""

    url: str
    process: Service
    token: str = ROOT_TOKEN
    ca_file: Path | None = None
    """What its own TLS is verified with; `None` for a server without."""
    namespace: str = ""
    """The namespace that requests go to; the root namespace where it is empty."""

    def request(self, method: str, path: str, body: object = None, *, token: str | None = None) -> requests.Response:
        """Send one request to `/v1/<path>`; the answer is returned whatever its status."""
        headers = {"X-Vault-Token": token or self.token, "X-Vault-Namespace": self.namespace}
        return requests.request(
            method, f"{self.url}/v1/{path}", json=body, headers=headers, timeout=TIMEOUT, verify=self._verify
        )

    def expect(self, method: str, path: str, body: object = None) -> dict[str, Any]:
        """Send one request as root that has to succeed; return what it answers, `{}` for nothing."""
        answer = self.request(method, path, body)
        assert answer.ok, f"{method} {path}: {answer.status_code} {answer.text}"
        found: dict[str, Any] = answer.json() if answer.content else {}
        return found

    def new_token(
        self,
        paths: Mapping[str, Sequence[str]],
        *,
        ttl: str = "1h",
        renewable: bool = True,
        default_policy: bool = True,
    ) -> str:
        """Return a token that may do only this: path → capabilities (`create`, `read`, `update`, …)."""
        name = f"test-{uuid.uuid4().hex}"
        rules = [
            f'path "{path}" {{ capabilities = [{", ".join(f"{each!r}" for each in capabilities)}] }}'.replace("'", '"')
            for path, capabilities in paths.items()
        ]
        self.expect("PUT", f"sys/policies/acl/{name}", {"policy": "\n".join(rules)})
        body = {
            "policies": [name], "ttl": ttl, "renewable": renewable, "no_parent": True,
            "no_default_policy": not default_policy,
        }  # fmt: skip
        return str(self.expect("POST", "auth/token/create", body)["auth"]["client_token"])

    def is_ready(self) -> bool:
        """Say whether it is up and unsealed."""
        try:
            return requests.get(f"{self.url}/v1/sys/health", timeout=TIMEOUT, verify=self._verify).ok
        except (requests.RequestException, OSError):  # its CA file may not be there yet
            return False

    @property
    def _verify(self) -> bool | str:
        return True if self.ca_file is None else str(self.ca_file)


@dataclass(frozen=True, slots=True)
class PkiMount:
    """A CA of the test's own inside OpenBao."""

    server: OpenBao
    mount: str
    role: str
    token: str
    """May sign with this role, revoke, and read what the mount publishes: what an issuer needs and no more."""

    @property
    def url(self) -> str:
        """Return the address of the server."""
        return self.server.url

    def root(self) -> str:
        """Return the root certificate as PEM."""
        answer = self.server.request("GET", f"{self.mount}/ca/pem")
        answer.raise_for_status()
        return answer.text

    def set_role(self, *, ttl: str = "72h", max_ttl: str = "2160h", **settings: object) -> None:
        """Change the role: how long its certificates live, or any other setting of an OpenBao PKI role."""
        role = {
            "allow_any_name": True, "enforce_hostnames": False, "allow_ip_sans": True, "key_type": "any",
            "ttl": ttl, "max_ttl": max_ttl, **settings,
        }  # fmt: skip
        self.server.expect("POST", f"{self.mount}/roles/{self.role}", role)

    def sign(self, csr: str, **settings: object) -> dict[str, Any]:
        """Have the role sign a CSR (PEM); returns OpenBao's `data`."""
        data: dict[str, Any] = self.server.expect("POST", f"{self.mount}/sign/{self.role}", {"csr": csr, **settings})[
            "data"
        ]
        return data

    def certificates(self) -> list[str]:
        """Return the serials of all certificates of this mount, the root's among them: what was really issued."""
        answer = self.server.request("LIST", f"{self.mount}/certs")
        return [] if answer.status_code == requests.codes.not_found else list(answer.json()["data"]["keys"])


def _server(folder: Path, owner: int, port: int) -> OpenBao:
    command: list[str | Path] = [
        need("bao"), "server", "-dev", f"-dev-root-token-id={ROOT_TOKEN}", f"-dev-listen-address={LOOPBACK}:{port}",
        "-dev-no-store-token", "-log-level=warn",
    ]  # fmt: skip
    process = service("openbao", folder, command, owner=owner, environment={"HOME": str(folder)})
    return OpenBao(f"http://{LOOPBACK}:{port}", process)


def _start(folder: Path, owner: int) -> dict[str, str]:
    port = free_port()
    server = _server(folder, owner, port)
    server.process.start()
    server.process.wait_ready(server.is_ready)
    return {"folder": str(folder), "port": str(port)}


def _from_address(address: Mapping[str, str], owner: int) -> OpenBao:
    return _server(Path(address["folder"]), owner, int(address["port"]))


@contextlib.contextmanager
def private_openbao(folder: Path) -> Iterator[OpenBao]:
    """Run a server of the test's own: for tests that seal it or stop it."""
    need("bao")
    try:
        yield _from_address(_start(folder, os.getpid()), os.getpid())
    finally:
        end_all(folder)


@contextlib.contextmanager
def tls_openbao(folder: Path) -> Iterator[OpenBao]:
    """Run a server of the test's own whose listener speaks TLS and takes client certificates."""
    need("bao")
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    plain = _server(folder, os.getpid(), port).process
    command = (*plain.command, "-dev-tls", f"-dev-tls-cert-dir={folder}")
    process = service("openbao", folder, command, owner=os.getpid(), environment={"HOME": str(folder)})
    server = OpenBao(f"https://{LOOPBACK}:{port}", process, ca_file=folder / "vault-ca.pem")
    try:
        process.start()
        process.wait_ready(server.is_ready)
        yield server
    finally:
        end_all(folder)


@pytest.fixture(scope="session")
def openbao() -> OpenBao:
    """Give the run's OpenBao; everything in it that a test makes has a name of the test's own."""
    need("bao")
    run = current()
    return _from_address(run.shared("openbao", _start), run.owner)


@dataclass(frozen=True, slots=True)
class KvMount:
    """Secrets of the test's own inside OpenBao."""

    server: OpenBao
    mount: str
    version: int

    def put(self, path: str, value: Mapping[str, object], **marks: str) -> None:
        """Write a secret; `marks` become its custom metadata, which only version 2 has."""
        if self.version == 1:
            self.server.expect("POST", f"{self.mount}/{quote(path)}", value)
            return
        self.server.expect("POST", f"{self.mount}/data/{quote(path)}", {"data": value})
        if marks:
            self.server.expect("POST", f"{self.mount}/metadata/{quote(path)}", {"custom_metadata": marks})

    def delete(self, path: str) -> None:
        """Delete a secret; version 2 keeps its older versions."""
        self.server.expect("DELETE", f"{self.mount}/data/{path}" if self.version == 2 else f"{self.mount}/{path}")


@contextlib.contextmanager
def new_kv_mount(server: OpenBao, *, version: int = 2) -> Iterator[KvMount]:
    """Make an empty KV mount; it is removed at the end."""
    mount = f"kv-{uuid.uuid4().hex[:12]}"
    server.expect("POST", f"sys/mounts/{mount}", {"type": "kv", "options": {"version": str(version)}})
    try:
        yield KvMount(server, mount, version)
    finally:
        server.request("DELETE", f"sys/mounts/{mount}")


@contextlib.contextmanager
def new_pki_mount(server: OpenBao, *, root_ttl: str = "87600h", ttl: str = "72h") -> Iterator[PkiMount]:
    """Make a PKI mount with a new root and a role that signs any name; it is removed at the end."""
    mount = f"pki-{uuid.uuid4().hex[:12]}"
    server.expect("POST", f"sys/mounts/{mount}", {"type": "pki", "config": {"max_lease_ttl": "87600h"}})
    try:
        root = {"common_name": f"rotator test root {mount}", "ttl": root_ttl, "key_type": "ec", "key_bits": 256}
        server.expect("POST", f"{mount}/root/generate/internal", root)
        token = server.new_token(
            {
                f"{mount}/sign/{ROLE}": ["create", "update"],
                f"{mount}/revoke": ["create", "update"],
                f"{mount}/roles/{ROLE}": ["read"],
                f"{mount}/issuer/*": ["read"],
                f"{mount}/issuers": ["list", "read"],
                f"{mount}/cert/*": ["read"],
                f"{mount}/ca/*": ["read"],
            }
        )
        pki = PkiMount(server, mount, ROLE, token)
        pki.set_role(ttl=ttl)
        yield pki
    finally:
        server.request("DELETE", f"sys/mounts/{mount}")


@pytest.fixture
def pki_mount(openbao: OpenBao) -> Iterator[PkiMount]:
    """Give a CA of the test's own."""
    with new_pki_mount(openbao) as mount:
        yield mount
