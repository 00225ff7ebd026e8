"""Secrets and what refers to them, put into a real API server as `kubectl` would, and the plugins that read them."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from rotator.core.model import Bundle, Location, TargetSpec
from rotator.core.pem import certificate_pem, chain_pem
from rotator.lib.kube.cluster import Cluster, Pace, connect
from rotator.lib.kube.transport import Access
from rotator.ports import Clock
from rotator.sources.kubernetes import KubernetesSettings, KubernetesSource
from rotator.targets.kubernetes_secret import KubernetesSecretSettings, KubernetesSecretTarget
from tests.pki import Authority
from tests.servers.kube import ADMIN, KubeServer
from tests.servers.service import wait_until

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
START, END = NOW - timedelta(days=60), NOW + timedelta(days=30)
TLS = "kubernetes.io/tls"
MANAGER = "kubectl-create"
GATEWAY_API = "gateway.networking.k8s.io"
GATEWAY_KINDS = (("gateways", "Gateway", "v1"), ("httproutes", "HTTPRoute", "v1"),
                 ("referencegrants", "ReferenceGrant", "v1beta1"))  # fmt: skip
OPEN: dict[str, Any] = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}


def authority(name: str = "Test Root", parent: Authority | None = None) -> Authority:
    """Make a CA that outlives every certificate of the tests."""
    return Authority(name, not_before=START - timedelta(days=900), not_after=END + timedelta(days=900), parent=parent)


def issue(by: Authority, /, *names: str, **how: Any) -> Bundle:
    """Make a certificate that began 60 days ago and ends in 30."""
    return by.issue(list(names) or ["shop.example.com"], **{"not_before": START, "not_after": END, **how})


def encoded(content: bytes) -> str:
    """Return what a Secret's `data` holds for these bytes."""
    return base64.b64encode(content).decode()


def tls_data(bundle: Bundle | None, ca: Iterable[Any] = ()) -> dict[str, str]:
    """Return the `data` of a TLS Secret; an empty one for None."""
    contents = {"tls.crt": "", "tls.key": ""}
    if bundle:
        contents = {"tls.crt": encoded(chain_pem(bundle.chain)), "tls.key": encoded(bundle.key)}
    anchors = b"".join(certificate_pem(each) for each in ca)
    return {**contents, "ca.crt": encoded(anchors)} if anchors else contents


def put_secret(
    server: KubeServer,
    namespace: str,
    name: str,
    data: Mapping[str, str],
    *,
    manager: str = MANAGER,
    type: str = TLS,
    immutable: bool = False,
    **metadata: Any,
) -> dict[str, Any]:
    """Create a Secret as this field manager."""
    body = {
        "metadata": {"name": name, **metadata},
        "type": type,
        "data": dict(data),
        **({"immutable": True} if immutable else {}),
    }
    path = f"/api/v1/namespaces/{namespace}/secrets?fieldManager={manager}"
    made: dict[str, Any] = server.expect("POST", path, body)
    return made


def put_config_map(server: KubeServer, namespace: str, name: str, data: Mapping[str, str]) -> None:
    """Create a ConfigMap."""
    body = {"metadata": {"name": name}, "data": dict(data)}
    server.expect("POST", f"/api/v1/namespaces/{namespace}/configmaps?fieldManager={MANAGER}", body)


def put_ingress(server: KubeServer, namespace: str, name: str, secret: str, *hosts: str, **metadata: Any) -> None:
    """Create an Ingress that serves these hosts with a Secret."""
    backend = {"service": {"name": name, "port": {"number": 80}}}
    paths = {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]}
    rules = [{"host": host, "http": paths} for host in hosts]
    spec = {"tls": [{"hosts": list(hosts), "secretName": secret}], "rules": rules}
    body = {"metadata": {"name": name, **metadata}, "spec": spec}
    server.expect("POST", f"/apis/networking.k8s.io/v1/namespaces/{namespace}/ingresses", body)


def put_gateway_object(server: KubeServer, namespace: str, plural: str, name: str, spec: Any, **more: Any) -> None:
    """Create an object of the Gateway API."""
    kind, version = next((kind, version) for known, kind, version in GATEWAY_KINDS if known == plural)
    body = {"apiVersion": f"{GATEWAY_API}/{version}", "kind": kind, "metadata": {"name": name}, "spec": spec, **more}
    server.expect("POST", f"/apis/{GATEWAY_API}/{version}/namespaces/{namespace}/{plural}", body)


@contextmanager
def installed_gateway_api(server: KubeServer, namespace: str) -> Iterator[None]:
    """Install the kinds of the Gateway API, with open schemas; left in place for the other workers of the run."""
    for plural, kind, number in GATEWAY_KINDS:
        version = {"name": number, "served": True, "storage": True, "schema": {"openAPIV3Schema": OPEN}}
        names = {"plural": plural, "kind": kind}
        spec = {"group": GATEWAY_API, "scope": "Namespaced", "versions": [version], "names": names}
        approval = {"api-approved.kubernetes.io": "https://example.com/test"}
        body = {"metadata": {"name": f"{plural}.{GATEWAY_API}", "annotations": approval}, "spec": spec}
        path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
        assert server.request("POST", path, body).status_code in {201, 409}
        listed = f"/apis/{GATEWAY_API}/{number}/{plural}"
        wait_until(lambda where=listed: server.request("GET", where).ok, f"{plural} is served")  # type: ignore[misc]  # bound now
    yield
    for plural, _, number in GATEWAY_KINDS:
        server.request("DELETE", f"/apis/{GATEWAY_API}/{number}/namespaces/{namespace}/{plural}")


def get_secret(server: KubeServer, namespace: str, name: str) -> dict[str, Any]:
    """Read a Secret as the administrator."""
    found: dict[str, Any] = server.expect("GET", f"/api/v1/namespaces/{namespace}/secrets/{name}")
    return found


def nothing(_: float) -> None:
    """Wait for nothing."""


def clock(wait: Callable[[float], None] = nothing) -> Clock:
    """Give a clock that stands at `NOW`, whose waits take no time."""
    return Clock(now=lambda: NOW, monotonic=time.monotonic, wait=wait)


def cluster(kubeconfig: Path) -> Cluster:
    """Connect to the cluster of a kubeconfig."""
    return connect(Access(str(kubeconfig)), Pace(nothing, time.monotonic))


def source(server: KubeServer, *namespaces: str, token: str = ADMIN, **settings: Any) -> KubernetesSource:
    """Give a source for these namespaces as the user of a token."""
    wanted = {"namespaces": namespaces, "kubeconfig": str(server.kubeconfig(token)), **settings}
    return KubernetesSource("cluster", KubernetesSettings.model_validate(wanted), clock())


def target(
    server: KubeServer,
    namespace: str,
    name: str,
    *,
    token: str = ADMIN,
    kubeconfig: Path | None = None,
    at: Clock | None = None,
    **settings: Any,
) -> KubernetesSecretTarget:
    """Give the target for one Secret as the user of a token."""
    access = str(kubeconfig or server.kubeconfig(token))
    wanted = {"namespace": namespace, "name": name, "kubeconfig": access, **settings}
    spec = TargetSpec("kubernetes_secret", wanted)
    return KubernetesSecretTarget("shop", spec, KubernetesSecretSettings.model_validate(wanted), at or clock())


def kubeconfig_for(address: str, folder: Path, token: str = ADMIN, *, root: str = "") -> Path:
    """Write a kubeconfig for another address than the API server's own, such as a proxy's."""
    place = folder / "kubeconfig.json"
    trusted = {"certificate-authority": root} if root else {}
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "test", "cluster": {"server": address, **trusted}}],
        "users": [{"name": "test", "user": {"token": token}}],
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
        "current-context": "test",
    }
    place.write_text(json.dumps(config))
    return place


def place(server: KubeServer, namespace: str, name: str) -> Location:
    """Return where a Secret is, by the uid of `kube-system` as the API server tells it."""
    uid = server.expect("GET", "/api/v1/namespaces/kube-system")["metadata"]["uid"]
    return Location(uid, f"Secret {namespace}/{name}")
