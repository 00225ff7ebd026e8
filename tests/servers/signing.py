"""Who signs in the cluster: the real kube-controller-manager, and the real controllers of cert-manager.

Both work on the run's API server. kube-controller-manager runs only what signs, approves and clears
CertificateSigningRequests; its signers are those of Kubernetes itself, which sign for nodes and for clients.
For any other names cert-manager signs, as a CA with an intermediate: its Certificates, its CertificateRequests, and
CertificateSigningRequests whose signer is one of its issuers.
"""

from __future__ import annotations

import base64
import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from rotator.core.model import Certificate
from rotator.core.pem import certificate_pem, read_certificates
from tests.pki import Authority
from tests.servers.kube import KubeServer
from tests.servers.ports import LOOPBACK, free_port
from tests.servers.run import current, need
from tests.servers.service import Service, service, wait_until

CONTROLLERS = "certificatesigningrequest-signing-controller,certificatesigningrequest-cleaner-controller"
ISSUER_NAMESPACE = "cert-manager"
CLUSTER_ISSUER = "internal"
CSR = "/apis/certificates.k8s.io/v1/certificatesigningrequests"
DAY = timedelta(days=1)


# ── kube-controller-manager ──────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class NodeSigner:
    """A running kube-controller-manager; `roots` is the CA that it signs with."""

    roots: tuple[Certificate, ...]
    process: Service


def _write_ca(folder: Path) -> None:
    now = datetime.now(UTC)
    ca = Authority("Cluster CA", not_before=now - DAY, not_after=now + 900 * DAY)
    (folder / "ca.crt").write_bytes(certificate_pem(ca.certificate))
    (folder / "ca.key").write_bytes(ca.key)


def _manager(folder: Path, owner: int, kubeconfig: str, port: str) -> Service:
    command: list[str | Path] = [
        need("kube-controller-manager"), f"--kubeconfig={kubeconfig}", f"--controllers={CONTROLLERS}",
        "--cluster-signing-cert-file=ca.crt", "--cluster-signing-key-file=ca.key", "--cluster-signing-duration=72h",
        "--leader-elect=false", f"--secure-port={port}", f"--bind-address={LOOPBACK}", "--cert-dir=certs",
        "--authorization-always-allow-paths=/healthz",
    ]  # fmt: skip
    return service("kube-controller-manager", folder, command, owner=owner)


@pytest.fixture(scope="session")
def node_signer(kube_server: KubeServer) -> NodeSigner:
    """Give the run's kube-controller-manager, which signs CertificateSigningRequests as a cluster does."""
    need("kube-controller-manager")

    def start(folder: Path, owner: int) -> dict[str, str]:
        folder.mkdir(parents=True, exist_ok=True)
        _write_ca(folder)
        address = {"folder": str(folder), "kubeconfig": str(kube_server.kubeconfig()), "port": str(free_port())}
        process = _manager(folder, owner, address["kubeconfig"], address["port"])
        process.start()
        process.wait_ready(lambda: "Caches are synced" in process.log.read_text() if process.log.exists() else False)
        return address

    run = current()
    address = run.shared("kube-controller-manager", start)
    folder = Path(address["folder"])
    roots = read_certificates((folder / "ca.crt").read_bytes())
    return NodeSigner(roots, _manager(folder, run.owner, address["kubeconfig"], address["port"]))


# ── cert-manager ─────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class CertManager:
    """cert-manager's controllers, and a ClusterIssuer of theirs that signs with an intermediate below `root`."""

    server: KubeServer
    root: Certificate
    process: Service
    issuer: str = CLUSTER_ISSUER

    @property
    def signer(self) -> str:
        """The signer of CertificateSigningRequests that this ClusterIssuer answers for."""
        return f"clusterissuers.cert-manager.io/{self.issuer}"

    def make_issuer(self, namespace: str, name: str = "ca") -> Authority:
        """Make an Issuer of this namespace alone, which signs with a root of its own, and wait until it is ready."""
        now = datetime.now(UTC)
        authority = Authority(f"Root of {namespace}", not_before=now - DAY, not_after=now + 900 * DAY)
        _put_ca(self.server, namespace, f"{name}-key", authority)
        _put_issuer(self.server, namespace, name)
        return authority

    def make_certificate(self, namespace: str, name: str, names: list[str], **spec: object) -> None:
        """Declare a Certificate whose Secret is named like it."""
        whole = {
            "secretName": name,
            "dnsNames": names,
            "duration": "24h",
            "issuerRef": {"name": self.issuer, "kind": "ClusterIssuer"},
            "privateKey": {"algorithm": "ECDSA", "rotationPolicy": "Always"},
            **spec,
        }
        body = {**_typed("Certificate"), "metadata": {"name": name, "namespace": namespace}, "spec": whole}
        self.server.expect("POST", f"/apis/cert-manager.io/v1/namespaces/{namespace}/certificates", body)

    def certificate(self, namespace: str, name: str) -> dict[str, Any]:
        """The Certificate as it is now."""
        found: dict[str, Any] = self.server.expect(
            "GET", f"/apis/cert-manager.io/v1/namespaces/{namespace}/certificates/{name}"
        )
        return found

    def wait_ready(self, namespace: str, name: str) -> None:
        """Wait until the Certificate is issued and nothing is under way."""

        def ready() -> bool:
            held = conditions(self.certificate(namespace, name))
            return held.get("Ready") == "True" and held.get("Issuing") != "True"

        wait_until(ready, f"the Certificate {namespace}/{name} is ready")


def conditions(found: Mapping[str, Any]) -> dict[str, str]:
    """The conditions of an object by type."""
    return {each["type"]: each["status"] for each in found.get("status", {}).get("conditions", ())}


def _typed(kind: str) -> dict[str, str]:
    return {"apiVersion": "cert-manager.io/v1", "kind": kind}


def _install(server: KubeServer) -> None:
    """Put cert-manager's own definitions of its kinds into the API server, and wait until they are served."""
    crds = need("cert-manager-controllers").with_name("crds")
    for path in sorted(crds.glob("*.yaml")):
        definition = json.loads(json.dumps(YAML(typ="safe").load(path), default=str))
        answer = server.request("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", definition)
        assert answer.status_code in {201, 409}, answer.text
    for plural in ("certificates", "certificaterequests", "issuers", "clusterissuers"):
        where = f"/apis/cert-manager.io/v1/{plural}"
        wait_until(lambda where=where: server.request("GET", where).ok, f"{plural} are served")  # type: ignore[misc]


def _put_ca(server: KubeServer, namespace: str, name: str, authority: Authority) -> None:
    chain = b"".join(certificate_pem(each) for each in authority.chain or (authority.certificate,))
    contents = {"tls.crt": chain, "tls.key": authority.key, "ca.crt": certificate_pem(authority.root)}
    body = {
        "metadata": {"name": name, "namespace": namespace},
        "type": "kubernetes.io/tls",
        "data": {key: base64.b64encode(value).decode() for key, value in contents.items()},
    }
    server.expect("POST", f"/api/v1/namespaces/{namespace}/secrets", body)


def _put_issuer(server: KubeServer, namespace: str, name: str) -> None:
    """Make an Issuer; without a namespace a ClusterIssuer, whose key lies in cert-manager's own namespace."""
    kind, plural = ("Issuer", "issuers") if namespace else ("ClusterIssuer", "clusterissuers")
    place = f"/namespaces/{namespace}" if namespace else ""
    metadata = {"name": name, **({"namespace": namespace} if namespace else {})}
    body = {**_typed(kind), "metadata": metadata, "spec": {"ca": {"secretName": f"{name}-key"}}}
    where = f"/apis/cert-manager.io/v1{place}/{plural}"
    server.expect("POST", where, body)
    wait_until(lambda: conditions(server.expect("GET", f"{where}/{name}")).get("Ready") == "True", f"{name} is ready")


def _controllers(folder: Path, owner: int, kubeconfig: str) -> Service:
    command: list[str | Path] = [
        need("cert-manager-controllers"), f"--kubeconfig={kubeconfig}",
        f"--cluster-resource-namespace={ISSUER_NAMESPACE}",
    ]  # fmt: skip
    return service("cert-manager", folder, command, owner=owner)


def run_cert_manager(kube_server: KubeServer) -> CertManager:
    """Start cert-manager unless another worker has, with a ClusterIssuer that signs with an intermediate."""
    need("cert-manager-controllers")

    def start(folder: Path, owner: int) -> dict[str, str]:
        folder.mkdir(parents=True, exist_ok=True)
        _install(kube_server)
        kube_server.expect("POST", "/api/v1/namespaces", {"metadata": {"name": ISSUER_NAMESPACE}})
        now = datetime.now(UTC)
        root = Authority("cert-manager root", not_before=now - DAY, not_after=now + 900 * DAY)
        issuing = Authority("cert-manager issuing", not_before=now - DAY, not_after=now + 800 * DAY, parent=root)
        (folder / "root.pem").write_bytes(certificate_pem(root.certificate))
        _put_ca(kube_server, ISSUER_NAMESPACE, f"{CLUSTER_ISSUER}-key", issuing)
        address = {"folder": str(folder), "kubeconfig": str(kube_server.kubeconfig())}
        _controllers(folder, owner, address["kubeconfig"]).start()
        _put_issuer(kube_server, "", CLUSTER_ISSUER)
        return address

    run = current()
    address = run.shared("cert-manager", start)
    folder = Path(address["folder"])
    (root,) = read_certificates((folder / "root.pem").read_bytes())
    return CertManager(kube_server, root, _controllers(folder, run.owner, address["kubeconfig"]))


@pytest.fixture(scope="session")
def cert_manager(kube_server: KubeServer) -> CertManager:
    """Give the run's cert-manager."""
    return run_cert_manager(kube_server)


# ── CertificateSigningRequests, as a person sees them ────────────────────────────────────────────────────────────────


def decide(server: KubeServer, name: str, kind: str, reason: str = "ByHand", message: str = "") -> None:
    """Approve or deny (`Approved`, `Denied`) a request, as `kubectl certificate` does."""
    found = server.expect("GET", f"{CSR}/{name}")
    condition = {"type": kind, "status": "True", "reason": reason, "message": message}
    found.setdefault("status", {}).setdefault("conditions", []).append(condition)
    server.expect("PUT", f"{CSR}/{name}/approval", found)


def forget(server: KubeServer, name: str) -> None:
    """Delete a request, as Kubernetes does with old ones."""
    server.expect("DELETE", f"{CSR}/{name}")


def unique(word: str) -> str:
    """A name that no other test uses."""
    return f"{word}-{uuid.uuid4().hex[:8]}"
