"""The Kubernetes source and target pass the suites that third parties get, against a real API server."""

from __future__ import annotations

import base64

import pytest

from rotator.conformance.source import SourceConformance, SourceSubject
from rotator.conformance.target import Feature, Pair, TargetConformance, TargetSubject
from rotator.core.model import Bundle, Observation, TargetSpec
from rotator.ports import Source, Target
from rotator.targets.kubernetes_secret import KubernetesSecretSettings, KubernetesSecretTarget
from tests.lib.kube_builders import clock, encoded, put_secret, source, target, tls_data
from tests.servers.kube import READER, KubeServer

READING = {
    "apiGroups": [""],
    "resources": ["secrets", "namespaces", "pods", "services"],
    "verbs": ["get", "list"],
}


def put(server: KubeServer, namespace: str, name: str, content: Bundle | bytes | None) -> None:
    """Make a Secret hold this, as a person would with kubectl."""
    server.request("DELETE", f"/api/v1/namespaces/{namespace}/secrets/{name}")
    if isinstance(content, Bundle):
        put_secret(server, namespace, name, tls_data(content))
    elif content is not None:
        put_secret(server, namespace, name, {"tls.crt": encoded(content), "tls.key": ""})


class TestKubernetesSource(SourceConformance):
    """The suite for sources."""

    @pytest.fixture(params=["kubernetes"])
    def subject(self, kube_server: KubeServer, kube_namespace: str) -> SourceSubject:
        """A namespace that may be read; closing means to ask for one that may not be."""
        kube_server.grant(kube_namespace, "reader", [READING])
        namespaces, kubeconfig = [kube_namespace], str(kube_server.kubeconfig(READER))
        secrets = f"/api/v1/namespaces/{kube_namespace}/secrets"

        def build() -> Source:
            return source(kube_server, *namespaces, kubeconfig=kubeconfig)

        def state() -> object:
            items = kube_server.expect("GET", secrets)["items"]
            return {each["metadata"]["name"]: each["metadata"]["resourceVersion"] for each in items}

        return SourceSubject(
            build=build,
            put=lambda name, bundle: put(kube_server, kube_namespace, name, bundle),
            spoil=lambda name: put(kube_server, kube_namespace, name, b"-----BEGIN CERTIFICATE-----\nAAAA\n"),
            remove=lambda name: put(kube_server, kube_namespace, name, None),
            close=lambda: namespaces.append("kube-public"),
            state=state,
        )


class TestKubernetesSecretTarget(TargetConformance):
    """The suite for targets."""

    @pytest.fixture(params=["kubernetes_secret"])
    def subject(self, kube_server: KubeServer, kube_namespace: str) -> TargetSubject:
        """One Secret, absent at first. Kubelets reload by themselves, so nobody is told."""
        path = f"/api/v1/namespaces/{kube_namespace}/secrets/shop-tls"

        def build(spec: TargetSpec | None) -> Target:
            if spec is None:
                return target(kube_server, kube_namespace, "shop-tls")
            settings = KubernetesSecretSettings.model_validate(dict(spec.settings))
            return KubernetesSecretTarget("shop", spec, settings, clock())

        def read() -> Pair | None:
            answer = kube_server.request("GET", path)
            if answer.status_code == 404:
                return None
            held = answer.json()["data"]
            return base64.b64decode(held["tls.crt"]), base64.b64decode(held["tls.key"])

        def observed() -> Observation:
            (found,) = source(kube_server, kube_namespace).observe()
            return found

        return TargetSubject(
            build=build,
            put=lambda content: put(kube_server, kube_namespace, "shop-tls", content),
            read=read,
            observed=observed,
            unsupported=frozenset({Feature.RELOADS, Feature.FAILING_RELOAD}),
            swaps=100,  # each is a round trip to etcd
        )
