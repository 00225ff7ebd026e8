"""What the API server itself depends on, in a real one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from rotator.core.pem import certificate_pem
from rotator.lib.kube.objects import Metadata
from rotator.lib.kube.webhooks import INJECT, dependencies
from tests.lib.kube_builders import authority, cluster, encoded, issue
from tests.pki import Authority
from tests.servers.kube import READER, KubeServer

WEBHOOKS = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations"
API_SERVICES = "/apis/apiregistration.k8s.io/v1/apiservices"
NOTHING: frozenset[tuple[str, str]] = frozenset()


@pytest.fixture(scope="module")
def ca() -> Authority:
    """Give the CA that the webhook trusts."""
    return authority("Webhook CA")


@pytest.fixture
def webhook(kube_server: KubeServer, kube_namespace: str, ca: Authority) -> Iterator[str]:
    """Register a webhook that nothing ever calls: no namespace has the label that it selects."""
    pinned = issue(ca, "pinned.example.com").chain
    bundle = certificate_pem(ca.certificate) + certificate_pem(pinned.leaf)
    service = {"namespace": kube_namespace, "name": "admit", "port": 443}
    hook: dict[str, Any] = {
        "name": "admit.example.com",
        "clientConfig": {"service": service, "caBundle": encoded(bundle)},
        "rules": [{"apiGroups": ["example.com"], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["x"]}],
        "namespaceSelector": {"matchLabels": {"never": "set"}},
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
    }
    name = f"hook-{kube_namespace}"
    metadata = {"name": name, "annotations": {INJECT: f"{kube_namespace}/injected"}}
    kube_server.expect("POST", WEBHOOKS, {"metadata": metadata, "webhooks": [hook]})
    yield name
    kube_server.request("DELETE", f"{WEBHOOKS}/{name}")


def test_secrets_of_a_webhook(kube_server: KubeServer, kube_namespace: str, webhook: str, ca: Authority) -> None:
    """A Secret is the webhook's by host name, its Service's pods, or injection; another of the same CA is not."""
    found = dependencies(cluster(kube_server.kubeconfig()))
    named = issue(ca, f"admit.{kube_namespace}.svc").chain
    other = issue(ca, "shop.example.com").chain
    secret = Metadata(name="shop-tls", namespace=kube_namespace)
    assert found.on(secret, named, NOTHING) == f"webhook {webhook}"
    assert found.on(secret, other, frozenset({(kube_namespace, "admit")})) == f"webhook {webhook}"
    assert found.on(Metadata(name="injected", namespace=kube_namespace), other, NOTHING) == f"webhook {webhook}"
    assert found.on(secret, other, NOTHING) == ""


def test_a_pinned_certificate(kube_server: KubeServer, kube_namespace: str, webhook: str) -> None:
    """A certificate that stands in a caBundle itself is depended on under any name."""
    found = dependencies(cluster(kube_server.kubeconfig()))
    ours = next(each for each in found.found if each.by == f"webhook {webhook}")
    assert len(ours.pinned) == 2
    assert found.unread == ()


def test_an_aggregated_api(kube_server: KubeServer, kube_namespace: str, ca: Authority) -> None:
    """The certificate of an aggregated API's Service is the API server's business too."""
    group = f"g{kube_namespace}.example.com"
    name = f"v1.{group}"
    spec = {
        "group": group, "version": "v1", "groupPriorityMinimum": 100, "versionPriority": 1,
        "service": {"namespace": kube_namespace, "name": "metrics"},
        "caBundle": encoded(certificate_pem(ca.certificate)),
    }  # fmt: skip
    kube_server.expect("POST", API_SERVICES, {"metadata": {"name": name}, "spec": spec})
    try:
        found = dependencies(cluster(kube_server.kubeconfig()))
    finally:
        kube_server.request("DELETE", f"{API_SERVICES}/{name}")
    chain = issue(ca, f"metrics.{kube_namespace}.svc").chain
    assert found.on(Metadata(name="metrics-tls"), chain, NOTHING) == f"APIService {name}"


def test_without_rights_it_is_said(kube_server: KubeServer) -> None:
    """These kinds are cluster-wide; a reader of one namespace does not see them and is told so, kind by kind."""
    found = dependencies(cluster(kube_server.kubeconfig(READER)))
    assert found.found == ()
    assert len(found.unread) == 4
    assert all("grant reader the verb `list`" in sentence for sentence in found.unread)
