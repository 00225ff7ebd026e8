"""A real Kubernetes API: etcd and kube-apiserver, shared by all workers of a run.

There are no controllers, no kubelet and no scheduler: nothing signs CSRs, collects garbage or empties a deleted
namespace, and a Pod stays as it was written. **EndpointSlices refuse loopback addresses**; see `netns`.
Users are told apart by bearer tokens. `admin` may do everything, the others nothing but what a test grants them.
"""

from __future__ import annotations

import contextlib
import json
import os
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.servers.ports import LOOPBACK, free_port
from tests.servers.run import current, need
from tests.servers.service import Service, end_all, service

ADMIN, READER, WRITER, LIMITED = "admin-token", "reader-token", "writer-token", "limited-token"
JSON, MERGE_PATCH, STRATEGIC_PATCH, JSON_PATCH, APPLY_PATCH = (
    "application/json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
    "application/json-patch+json",
    "application/apply-patch+yaml",
)
TIMEOUT = 60.0
PORTS = ("port", "etcd_port", "peer_port")

# What tests put into a namespace, and so what is cleared from it: no controller does that here.
COLLECTIONS = (
    "api/v1/{}/secrets",
    "api/v1/{}/configmaps",
    "api/v1/{}/pods",
    "api/v1/{}/endpoints",
    "apis/discovery.k8s.io/v1/{}/endpointslices",
    "apis/networking.k8s.io/v1/{}/ingresses",
    "apis/apps/v1/{}/deployments",
    "apis/apps/v1/{}/statefulsets",
    "apis/apps/v1/{}/daemonsets",
    "apis/coordination.k8s.io/v1/{}/leases",
    "apis/rbac.authorization.k8s.io/v1/{}/rolebindings",
    "apis/rbac.authorization.k8s.io/v1/{}/roles",
)


@dataclass(frozen=True, slots=True)
class KubeServer:
    """A running API server."""

    url: str
    folder: Path
    etcd: Service
    apiserver: Service

    @property
    def ca_file(self) -> Path:
        """Return the file that clients verify the API server with."""
        return self.folder / "certs" / "apiserver.crt"

    def is_ready(self) -> bool:
        """Say whether it answers that it is ready."""
        try:
            return self.ca_file.exists() and self.request("GET", "/readyz", timeout=5).text == "ok"
        except (requests.RequestException, OSError):
            return False

    def start(self) -> None:
        """Start what does not run, with the data of before, and wait until they are ready."""
        self.etcd.start()
        self.apiserver.start()
        self.apiserver.wait_ready(self.is_ready)

    def stop(self) -> None:
        """End both, as an outage does; only for a `private_kube`."""
        self.apiserver.stop()
        self.etcd.stop()

    def kubeconfig(self, token: str = ADMIN) -> Path:
        """Return a kubeconfig file for the user of this token."""
        place = self.folder / f"kubeconfig-{token}-{uuid.uuid4().hex}.json"
        cluster = {"server": self.url, "certificate-authority": str(self.ca_file)}
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "test", "cluster": cluster}],
            "users": [{"name": token, "user": {"token": token}}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": token}}],
            "current-context": "test",
        }
        place.write_text(json.dumps(config))
        return place

    def request(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        token: str = ADMIN,
        content_type: str = JSON,
        params: Mapping[str, str] | None = None,
        timeout: float = TIMEOUT,
    ) -> requests.Response:
        """Send one request as the user of this token; the answer is returned whatever its status."""
        headers = {"Authorization": f"Bearer {token}", "Accept": JSON, "Content-Type": content_type}
        return requests.request(
            method,
            f"{self.url}/{path.lstrip('/')}",
            data=None if body is None else json.dumps(body),
            params=params,
            headers=headers,
            verify=str(self.ca_file),
            timeout=timeout,
        )

    def expect(self, method: str, path: str, body: object = None, *, content_type: str = JSON) -> Any:
        """Send one request as admin that has to succeed; return the object."""
        answer = self.request(method, path, body, content_type=content_type)
        assert answer.ok, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json()

    def grant(self, namespace: str, user: str, rules: Sequence[Mapping[str, Sequence[str]]]) -> None:
        """Let a user (`reader`, `writer`, `limited`) do what these RBAC rules say, in one namespace."""
        base = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}"
        name = f"{user}-{uuid.uuid4().hex[:8]}"
        metadata = {"name": name, "namespace": namespace}
        group = "rbac.authorization.k8s.io"
        self.expect("POST", f"{base}/roles", {"metadata": metadata, "rules": rules})
        binding = {
            "metadata": metadata,
            "subjects": [{"kind": "User", "name": user, "apiGroup": group}],
            "roleRef": {"kind": "Role", "name": name, "apiGroup": group},
        }
        self.expect("POST", f"{base}/rolebindings", binding)

    def audit(self, *, namespace: str | None = None, user: str | None = None) -> list[dict[str, Any]]:
        """Return the API server's own log of the calls that it has answered: who did which verb to what.

        Written before the answer is sent, so what a client did is in it when the client knows of it.
        """
        lines = (self.folder / "audit.log").read_text().splitlines()
        events: list[dict[str, Any]] = [json.loads(line) for line in lines]
        return [
            event
            for event in events
            if namespace in (None, event.get("objectRef", {}).get("namespace"))
            and user in (None, event["user"].get("username"))
        ]


def grant_everywhere(server: KubeServer, token: str, rules: Sequence[Mapping[str, Any]]) -> None:
    """Let a user do what these RBAC rules say in the whole cluster."""
    group = "rbac.authorization.k8s.io"
    base, metadata = f"/apis/{group}/v1", {"name": f"test-{uuid.uuid4().hex[:12]}"}
    server.expect("POST", f"{base}/clusterroles", {"metadata": metadata, "rules": rules})
    binding = {
        "metadata": metadata,
        "subjects": [{"kind": "User", "name": token.removesuffix("-token"), "apiGroup": group}],
        "roleRef": {"kind": "ClusterRole", "name": metadata["name"], "apiGroup": group},
    }
    server.expect("POST", f"{base}/clusterrolebindings", binding)


def _write_identities(folder: Path) -> None:
    """Write the key that signs service account tokens, the users, and what is put into the audit log."""
    key = rsa.generate_private_key(65537, 2048)
    pem, nothing = serialization.Encoding.PEM, serialization.NoEncryption()
    (folder / "sa.key").write_bytes(key.private_bytes(pem, serialization.PrivateFormat.TraditionalOpenSSL, nothing))
    (folder / "sa.pub").write_bytes(key.public_key().public_bytes(pem, serialization.PublicFormat.SubjectPublicKeyInfo))
    users = [f"{ADMIN},admin,1,system:masters", f"{READER},reader,2", f"{WRITER},writer,3", f"{LIMITED},limited,4"]
    (folder / "tokens.csv").write_text("\n".join(users) + "\n")
    policy = {
        "apiVersion": "audit.k8s.io/v1",
        "kind": "Policy",
        "omitStages": ["RequestReceived"],
        "rules": [{"level": "None", "users": ["system:apiserver"]}, {"level": "Metadata"}],
    }
    (folder / "audit-policy.json").write_text(json.dumps(policy))


def _services(folder: Path, owner: int, port: int, etcd_port: int, peer_port: int) -> tuple[Service, Service]:
    etcd_url, peer_url = f"http://{LOOPBACK}:{etcd_port}", f"http://{LOOPBACK}:{peer_port}"
    etcd: list[str | Path] = [
        need("etcd"), "--data-dir=etcd", "--unsafe-no-fsync", "--log-level=warn",
        f"--listen-client-urls={etcd_url}", f"--advertise-client-urls={etcd_url}",
        f"--listen-peer-urls={peer_url}", f"--initial-advertise-peer-urls={peer_url}",
        f"--initial-cluster=default={peer_url}",
    ]  # fmt: skip
    apiserver: list[str | Path] = [
        need("kube-apiserver"), f"--etcd-servers={etcd_url}", "--cert-dir=certs",
        f"--secure-port={port}", f"--bind-address={LOOPBACK}", f"--advertise-address={LOOPBACK}",
        "--endpoint-reconciler-type=none",  # it would publish the loopback address, which the API refuses
        "--service-cluster-ip-range=10.0.0.0/24", "--service-account-issuer=https://kubernetes.default.svc",
        "--service-account-key-file=sa.pub", "--service-account-signing-key-file=sa.key",
        "--token-auth-file=tokens.csv", "--authorization-mode=RBAC", "--disable-admission-plugins=ServiceAccount",
        "--audit-policy-file=audit-policy.json", "--audit-log-path=audit.log", "--audit-log-mode=blocking-strict",
    ]  # fmt: skip
    return service("etcd", folder, etcd, owner=owner), service("kube-apiserver", folder, apiserver, owner=owner)


def _server(folder: Path, owner: int, ports: Mapping[str, int]) -> KubeServer:
    etcd, apiserver = _services(folder, owner, **ports)
    return KubeServer(f"https://{LOOPBACK}:{ports['port']}", folder, etcd, apiserver)


def _start(folder: Path, owner: int) -> dict[str, str]:
    folder.mkdir(parents=True, exist_ok=True)
    _write_identities(folder)
    ports = {name: free_port() for name in PORTS}
    _server(folder, owner, ports).start()
    return {"folder": str(folder), **{name: str(port) for name, port in ports.items()}}


def _from_address(address: Mapping[str, str], owner: int) -> KubeServer:
    return _server(Path(address["folder"]), owner, {name: int(address[name]) for name in PORTS})


@contextlib.contextmanager
def private_kube(folder: Path) -> Iterator[KubeServer]:
    """Run an API server of the test's own: for tests that stop it, or stop etcd behind it. Takes some seconds."""
    need("etcd")
    need("kube-apiserver")
    try:
        yield _from_address(_start(folder, os.getpid()), os.getpid())
    finally:
        end_all(folder)


def run_kube() -> KubeServer:
    """Start the run's API server unless another worker has."""
    need("etcd")
    need("kube-apiserver")
    run = current()
    return _from_address(run.shared("kube", _start), run.owner)


@pytest.fixture(scope="session")
def kube_server() -> KubeServer:
    """Give the run's API server; use `kube_namespace` to be alone in it."""
    return run_kube()


def _clear(server: KubeServer, namespace: str) -> None:
    """Empty a namespace and take it away, which the namespace controller would do; best effort."""
    for collection in COLLECTIONS:
        server.request("DELETE", collection.format(f"namespaces/{namespace}"))
    services = server.request("GET", f"/api/v1/namespaces/{namespace}/services").json().get("items", [])
    for each in services:
        server.request("DELETE", f"/api/v1/namespaces/{namespace}/services/{each['metadata']['name']}")
    server.request("DELETE", f"/api/v1/namespaces/{namespace}")
    finalized = {"metadata": {"name": namespace}, "spec": {"finalizers": []}}
    server.request("PUT", f"/api/v1/namespaces/{namespace}/finalize", finalized)


@pytest.fixture
def kube_namespace(kube_server: KubeServer) -> Iterator[str]:
    """Give a namespace of the test's own; it is emptied and removed afterwards."""
    name = f"test-{uuid.uuid4().hex[:12]}"
    kube_server.expect("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
    yield name
    _clear(kube_server, name)
