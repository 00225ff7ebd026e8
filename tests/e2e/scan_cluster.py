"""A shop in a cluster, with the mistakes that people make there, put into a real API server as `kubectl` would."""

from __future__ import annotations

import contextlib
import json
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rotator.core.model import Bundle, Certificate
from rotator.core.pem import certificate_pem
from tests.lib.kube_builders import (
    encoded,
    installed_gateway_api,
    put_config_map,
    put_gateway_object,
    put_ingress,
    put_secret,
    tls_data,
)
from tests.servers.kube import ADMIN, COLLECTIONS, KubeServer

WEBHOOKS = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations"


@dataclass(frozen=True, slots=True)
class Shop:
    """Its namespaces, and the place of each thing as findings show it."""

    server: KubeServer
    system: str
    namespace: str
    foreign: str
    webhook: str

    def secret(self, name: str, namespace: str = "") -> str:
        return f"{self.system}:Secret {namespace or self.namespace}/{name}"


@contextlib.contextmanager
def shop(server: KubeServer, *, front: Bundle, fought: Bundle, old_ca: Certificate) -> Iterator[Shop]:
    """Set it up around the certificate of its front, in a namespace of its own and a foreign one."""
    namespace = f"shop-{uuid.uuid4().hex[:8]}"
    system = server.expect("GET", "/api/v1/namespaces/kube-system")["metadata"]["uid"]
    one = Shop(server, system, namespace, f"{namespace}-foreign", f"hook-{namespace}")
    with new_namespace(server, namespace), new_namespace(server, one.foreign):
        try:
            with installed_gateway_api(server, namespace):
                _put_secrets(one, front, fought)
                _put_consumers(one)
                put_config_map(server, namespace, "partners", {"ca.crt": certificate_pem(old_ca).decode()})
                _put_webhook(one, old_ca)
                yield one
        finally:
            server.request("DELETE", f"{WEBHOOKS}/{one.webhook}")


@contextlib.contextmanager
def new_namespace(server: KubeServer, name: str) -> Iterator[None]:
    """Make a namespace; what was put into it goes with it, though no controller is there to do that."""
    server.expect("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
    try:
        yield
    finally:
        for collection in COLLECTIONS:
            server.request("DELETE", collection.format(f"namespaces/{name}"))
        server.request("DELETE", f"/api/v1/namespaces/{name}")


def _put_secrets(one: Shop, front: Bundle, fought: Bundle) -> None:
    put_secret(one.server, one.namespace, "front-tls", tls_data(front))
    put_secret(one.server, one.foreign, "shared-tls", tls_data(fought))
    rivals = {
        "cert-manager.io/certificate-name": "fought",
        "reconcile.external-secrets.io/data-hash": "0a1b",
    }
    put_secret(one.server, one.namespace, "fought-tls", tls_data(fought), annotations=rivals)


def _put_consumers(one: Shop) -> None:
    put_ingress(one.server, one.namespace, "front", "front-tls", "shop.example.com")
    put_ingress(one.server, one.namespace, "pay", "front-tls", "pay.example.com")
    put_ingress(one.server, one.namespace, "lost", "lost-tls", "lost.example.com")
    reference = {"name": "shared-tls", "namespace": one.foreign}
    listener = {
        "name": "https",
        "hostname": "shop.example.com",
        "port": 443,
        "protocol": "HTTPS",
        "tls": {"mode": "Terminate", "certificateRefs": [reference]},
    }
    spec = {"gatewayClassName": "nginx", "listeners": [listener]}
    put_gateway_object(one.server, one.namespace, "gateways", "edge", spec)
    _put_pod(one)


def _put_pod(one: Shop) -> None:
    """One of a Deployment, as its controllers would make it; its container mounts a single file of the Secret."""
    mount = {"name": "tls", "mountPath": "/etc/web/tls.crt", "subPath": "tls.crt"}
    owner = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web-5d4f9c", "uid": str(uuid.uuid4())}
    metadata = {
        "name": "web-5d4f9c-x7k2p",
        "labels": {"app": "web", "pod-template-hash": "5d4f9c"},
        "ownerReferences": [{**owner, "controller": True}],
    }
    spec = {
        "containers": [{"name": "web", "image": "web", "volumeMounts": [mount]}],
        "volumes": [{"name": "tls", "secret": {"secretName": "front-tls"}}],
    }
    one.server.expect("POST", f"/api/v1/namespaces/{one.namespace}/pods", {"metadata": metadata, "spec": spec})


def _put_webhook(one: Shop, ca: Certificate) -> None:
    """Nothing ever calls it: no namespace has the label that it selects."""
    hook: dict[str, Any] = {
        "name": "admit.example.com",
        "clientConfig": {
            "service": {"namespace": one.namespace, "name": "admit", "port": 443},
            "caBundle": encoded(certificate_pem(ca)),
        },
        "rules": [{"apiGroups": ["example.com"], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["x"]}],
        "namespaceSelector": {"matchLabels": {"never": "set"}},
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
    }
    one.server.expect("POST", WEBHOOKS, {"metadata": {"name": one.webhook}, "webhooks": [hook]})


def kubeconfig(folder: Path, contexts: Mapping[str, str], ca_file: Path, token: str = ADMIN) -> Path:
    """A kubeconfig with a context for each of these servers."""
    place = folder / f"kubeconfig-{uuid.uuid4().hex[:8]}.json"
    clusters = {
        name: {"server": url, "certificate-authority": str(ca_file)} if url.startswith("https") else {"server": url}
        for name, url in contexts.items()
    }
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": name, "cluster": cluster} for name, cluster in clusters.items()],
        "users": [{"name": "somebody", "user": {"token": token}}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": "somebody"}} for name in contexts],
        "current-context": next(iter(contexts)),
    }
    place.touch(mode=0o600)
    place.write_text(json.dumps(document))
    return place
