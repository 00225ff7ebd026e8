"""The Kubernetes source in an audit: everything with a certificate in it, against a real API server."""

from __future__ import annotations

import contextlib
import json
import socket
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from rotator.core.model import Consumer, Location, Observation, ProblemKind, Use
from rotator.core.pem import certificate_pem, chain_pem
from rotator.errors import SourceError
from rotator.sources.kubernetes import Also
from tests.lib.kube_builders import (
    authority,
    encoded,
    installed_gateway_api,
    issue,
    place,
    put_config_map,
    put_gateway_object,
    put_ingress,
    put_secret,
    source,
    tls_data,
)
from tests.pki import Authority
from tests.servers.kube import READER, KubeServer
from tests.servers.ports import LOOPBACK, free_port

pytestmark = pytest.mark.server

WEBHOOKS = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations"
CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
EVERY_KIND = [
    {"apiGroups": [""], "resources": ["secrets", "configmaps", "pods", "services"], "verbs": ["get", "list"]},
    {"apiGroups": ["networking.k8s.io"], "resources": ["ingresses"], "verbs": ["list"]},
    {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": ["list"]},
    {"apiGroups": ["gateway.networking.k8s.io"], "resources": ["*"], "verbs": ["list"]},
]


@pytest.fixture(scope="module")
def ca() -> Authority:
    """Give the CA of all services."""
    return authority("Services CA")


@pytest.fixture
def more(kube_server: KubeServer, kube_namespace: str) -> Iterator[str]:
    """A second namespace of the test's own."""
    name = f"{kube_namespace}-more"
    kube_server.expect("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
    yield name
    for plural in ("secrets", "configmaps", "pods"):
        kube_server.request("DELETE", f"/api/v1/namespaces/{name}/{plural}")
    kube_server.request("DELETE", f"/api/v1/namespaces/{name}")


def by_place(found: Iterable[Observation]) -> dict[str, Observation]:
    """Observations by their address; each place is there once."""
    listed = list(found)
    places = {each.location.address: each for each in listed}
    assert len(places) == len(listed)
    return places


def put_pod(server: KubeServer, namespace: str, name: str, secret: str, **container: Any) -> None:
    """A pod with a volume of a Secret, which nothing will ever run."""
    spec = {
        "volumes": [{"name": "tls", "secret": {"secretName": secret}}],
        "containers": [{"name": "web", "image": "web", **container}],
    }
    server.expect("POST", f"/api/v1/namespaces/{namespace}/pods", {"metadata": {"name": name}, "spec": spec})


def test_without_being_asked_only_tls_secrets_are_read(
    kube_server: KubeServer, kube_namespace: str, ca: Authority
) -> None:
    """The daemon's settings see what they have always seen, and ask for no kind of object beyond it."""
    bundle = issue(ca)
    put_secret(kube_server, kube_namespace, "shop-tls", tls_data(bundle, [ca.certificate]))
    put_secret(kube_server, kube_namespace, "other", {"server.crt": tls_data(bundle)["tls.crt"]}, type="Opaque")
    put_config_map(kube_server, kube_namespace, "bundle", {"ca.crt": certificate_pem(ca.certificate).decode()})
    put_pod(kube_server, kube_namespace, "web", "gone-tls")
    kube_server.grant(kube_namespace, "reader", EVERY_KIND)
    before = len(kube_server.audit(user="reader", namespace=kube_namespace))
    found = by_place(source(kube_server, kube_namespace, token=READER).observe())
    assert list(found) == [f"Secret {kube_namespace}/shop-tls"]
    assert found[f"Secret {kube_namespace}/shop-tls"].consumers == ()
    calls = kube_server.audit(user="reader", namespace=kube_namespace)[before:]
    asked = [call["objectRef"]["resource"] for call in calls]
    assert sorted(asked) == ["gateways", "ingresses", "namespaces", "pods", "secrets"]


def test_certificates_in_secrets_of_any_type(kube_server: KubeServer, kube_namespace: str, ca: Authority) -> None:
    """Whatever the type and the key's name: chains with their keys, CA bundles, a broken one, and no password."""
    shop, client = issue(ca, "shop.example.com"), issue(ca, "robot.example.com", eku=["client"])
    trusted = certificate_pem(authority("Partner Root").certificate)
    put_secret(kube_server, kube_namespace, "shop-tls", tls_data(shop))
    put_secret(
        kube_server,
        kube_namespace,
        "mixed",
        {
            "server.crt": encoded(chain_pem(shop.chain)),
            "server.key": encoded(shop.key),
            "client.pem": encoded(chain_pem(client.chain) + client.key),
            "ca.crt": encoded(trusted),
            "broken.crt": encoded(b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
            "password": encoded(b"hunter2"),
        },
        type="Opaque",
    )
    put_secret(kube_server, kube_namespace, "own", tls_data(shop), type="example.com/certificate")
    listed = list(source(kube_server, kube_namespace, also=["secrets"]).observe())
    found = {each.removeprefix(f"Secret {kube_namespace}/"): one for each, one in by_place(listed).items()}
    assert set(found) == {"shop-tls", "mixed#server.crt", "mixed#client.pem", "mixed#ca.crt", "mixed#broken.crt", "own"}
    assert found["shop-tls"].location == place(kube_server, kube_namespace, "shop-tls")
    assert {name: each.use for name, each in found.items() if each.chain} == {
        "shop-tls": Use.SERVE, "own": Use.SERVE, "mixed#server.crt": Use.SERVE,
        "mixed#client.pem": Use.CLIENT, "mixed#ca.crt": Use.TRUST,
    }  # fmt: skip
    server = found["mixed#server.crt"]
    assert server.chain == shop.chain
    assert server.key is not None
    assert server.key.matches is True
    assert [each.subject for each in server.anchors] == ["CN=Partner Root"]
    assert "rotator writes tls.crt of kubernetes.io/tls only" in server.never_adopt
    assert server.labels["namespace"] == kube_namespace
    assert server.labels["key"] == "server.crt"
    assert found["own"].never_adopt
    assert found["mixed#broken.crt"].problem is not None
    assert found["mixed#broken.crt"].problem.kind is ProblemKind.UNREADABLE
    assert shop.key.decode().splitlines()[1] not in repr(listed)
    assert "hunter2" not in repr(listed)


def test_large_secrets_without_certificates_are_left_to_the_server(
    kube_server: KubeServer, kube_namespace: str, ca: Authority
) -> None:
    """Releases of Helm, tokens and registry credentials are sorted out by the API server; others come 50 a page."""
    held = {"release": encoded(chain_pem(issue(ca).chain))}
    put_secret(kube_server, kube_namespace, "sh.helm.release.v1.shop.v1", held, type="helm.sh/release.v1")
    registry = {".dockerconfigjson": encoded(b"{}")}
    put_secret(kube_server, kube_namespace, "registry", registry, type="kubernetes.io/dockerconfigjson")
    for number in range(60):
        put_secret(kube_server, kube_namespace, f"plain-{number}", {"password": encoded(b"x")}, type="Opaque")
    kube_server.grant(kube_namespace, "reader", EVERY_KIND)
    before = len(kube_server.audit(user="reader", namespace=kube_namespace))
    asked = source(kube_server, kube_namespace, token=READER, also=["secrets"], fronts=False)
    assert list(asked.observe()) == []
    calls = kube_server.audit(user="reader", namespace=kube_namespace)[before:]
    uris = [call["requestURI"] for call in calls if call["objectRef"]["resource"] == "secrets"]
    others = [uri for uri in uris if "type%21%3Dhelm.sh%2Frelease.v1" in uri]
    assert len(others) == 2
    assert all("limit=50" in uri and "resourceVersion=" not in uri for uri in others)


def test_a_bundle_in_every_namespace_is_told_once(
    kube_server: KubeServer, kube_namespace: str, more: str, ca: Authority
) -> None:
    """A CA bundle that many ConfigMaps hold is one observation that counts namespaces; another content is another."""
    text, other = (certificate_pem(each.certificate).decode() for each in (ca, authority("Other Root")))
    for namespace in (kube_namespace, more):
        put_config_map(kube_server, namespace, "kube-root-ca.crt", {"ca.crt": text, "readme": "no certificate"})
    put_config_map(kube_server, kube_namespace, "partners", {"ca.crt": other, "bundle.pem": text + other})
    contents = tls_data(issue(ca), [ca.certificate])
    for name in ("one-tls", "two-tls"):
        put_secret(kube_server, kube_namespace, name, contents)
    also = ["config-maps", "secrets"]
    found = by_place(source(kube_server, kube_namespace, more, also=also, fronts=False).observe())
    trusted = {address: each for address, each in found.items() if each.use is Use.TRUST}
    assert {address: each.labels["namespaces"] for address, each in trusted.items()} == {
        f"ConfigMap {kube_namespace}/kube-root-ca.crt#ca.crt": "2",
        f"ConfigMap {kube_namespace}/partners#ca.crt": "1",
        f"ConfigMap {kube_namespace}/partners#bundle.pem": "1",
        f"Secret {kube_namespace}/one-tls#ca.crt": "1",
    }
    bundle = trusted[f"ConfigMap {kube_namespace}/partners#bundle.pem"]
    assert bundle.chain is not None
    assert [each.subject for each in bundle.chain.certificates] == ["CN=Services CA", "CN=Other Root"]
    assert bundle.labels["kind"] == "ConfigMap"
    assert set(found) - set(trusted) == {f"Secret {kube_namespace}/{name}-tls" for name in ("one", "two")}


def test_what_the_api_server_trusts(kube_server: KubeServer, kube_namespace: str, ca: Authority) -> None:
    """Each caBundle of webhooks, and of the conversion of a custom resource, is a place of its own."""
    name = f"hook-{kube_namespace}"
    bundle = encoded(certificate_pem(ca.certificate))

    def hook(part: str, content: str) -> dict[str, Any]:
        client = {"service": {"namespace": kube_namespace, "name": "admit"}, "caBundle": content}
        return {
            "name": f"{part}.example.com",
            "clientConfig": client,
            "namespaceSelector": {"matchLabels": {"never": "set"}},
            "sideEffects": "None",
            "admissionReviewVersions": ["v1"],
        }

    kind = f"widget{uuid.uuid4().hex[:8]}"
    resource = f"{kind}s.{kube_namespace}.example.com"
    schema = {"openAPIV3Schema": {"type": "object"}}
    versions = [{"name": "v1", "served": True, "storage": True, "schema": schema}]
    client = {"service": {"namespace": kube_namespace, "name": "convert"}, "caBundle": bundle}
    conversion = {"strategy": "Webhook", "webhook": {"clientConfig": client, "conversionReviewVersions": ["v1"]}}
    spec = {
        "group": f"{kube_namespace}.example.com",
        "scope": "Namespaced",
        "names": {"plural": f"{kind}s", "kind": kind.title()},
        "versions": versions,
        "conversion": conversion,
    }
    kube_server.expect("POST", CRDS, {"metadata": {"name": resource}, "spec": spec})
    kube_server.expect(
        "POST", WEBHOOKS, {"metadata": {"name": name}, "webhooks": [hook("a", bundle), hook("b", bundle)]}
    )
    try:
        found = by_place(source(kube_server, kube_namespace, also=["ca-bundles"]).observe())
    finally:
        kube_server.request("DELETE", f"{WEBHOOKS}/{name}")
        kube_server.request("DELETE", f"{CRDS}/{resource}")
    mine = {address: each for address, each in found.items() if kube_namespace in address}
    assert set(mine) == {
        f"ValidatingWebhookConfiguration {name}#a.example.com",
        f"ValidatingWebhookConfiguration {name}#b.example.com",
        f"CustomResourceDefinition {resource}",
    }
    for each in mine.values():
        assert each.use is Use.TRUST
        assert each.chain is not None
        assert each.chain.fingerprint == ca.certificate.fingerprint
        assert each.problem is None
    hooked = mine[f"ValidatingWebhookConfiguration {name}#a.example.com"]
    assert (hooked.labels["kind"], hooked.labels["name"]) == ("ValidatingWebhookConfiguration", name)


def test_who_takes_a_certificate(kube_server: KubeServer, kube_namespace: str, ca: Authority) -> None:
    """An Ingress with its hosts, a pod that sees renewals, and one that does not, are the Secret's consumers."""
    put_secret(kube_server, kube_namespace, "shop-tls", tls_data(issue(ca)))
    put_ingress(kube_server, kube_namespace, "shop", "shop-tls", "shop.example.com", "www.example.com")
    put_pod(kube_server, kube_namespace, "good", "shop-tls", volumeMounts=[{"name": "tls", "mountPath": "/tls"}])
    mount = {"name": "tls", "mountPath": "/tls.crt", "subPath": "tls.crt"}
    put_pod(kube_server, kube_namespace, "bad", "shop-tls", volumeMounts=[mount])
    (found,) = source(kube_server, kube_namespace, also=["consumers"]).observe()
    stuck = "container web mounts tls.crt with subPath, which is never updated"
    assert set(found.consumers) == {
        Consumer("Ingress", f"{kube_namespace}/shop", ("shop.example.com", "www.example.com")),
        Consumer("Pod", f"{kube_namespace}/good"),
        Consumer("Pod", f"{kube_namespace}/bad", stuck=stuck),
    }


def test_a_secret_that_is_not_there_is_missed(kube_server: KubeServer, kube_namespace: str, ca: Authority) -> None:
    """A reference to nothing is an empty place with whoever misses it; one to a Secret of another type is not."""
    put_ingress(kube_server, kube_namespace, "shop", "gone-tls", "shop.example.com")
    put_pod(kube_server, kube_namespace, "web", "gone-tls")
    put_pod(kube_server, kube_namespace, "other", "other-tls")
    put_secret(kube_server, kube_namespace, "other-tls", {"password": encoded(b"x")}, type="Opaque")
    for also in (["consumers"], ["consumers", "secrets"]):
        (found,) = source(kube_server, kube_namespace, also=also).observe()
        assert found.location == place(kube_server, kube_namespace, "gone-tls")
        assert (found.chain, found.problem) == (None, None)
        assert [str(each) for each in found.consumers] == [
            f"Ingress {kube_namespace}/shop",
            f"Pod {kube_namespace}/web",
        ]
        assert found.labels["namespace"] == kube_namespace


def test_a_secret_that_a_selector_hides_is_not_missed(
    kube_server: KubeServer, kube_namespace: str, ca: Authority
) -> None:
    """What was not listed because of a selector is asked for by name before it is called absent."""
    put_secret(kube_server, kube_namespace, "shop-tls", tls_data(issue(ca)))
    put_ingress(kube_server, kube_namespace, "shop", "shop-tls", "shop.example.com")
    assert list(source(kube_server, kube_namespace, also=["consumers"], label_selector="tier=front").observe()) == []


def test_nothing_is_missed_where_secrets_may_not_be_listed(kube_server: KubeServer, kube_namespace: str) -> None:
    """Without the right to see Secrets nobody can say that one is absent; the right is named instead."""
    put_ingress(kube_server, kube_namespace, "shop", "gone-tls", "shop.example.com")
    kube_server.grant(kube_namespace, "reader", EVERY_KIND[1:])
    found: list[Observation] = []
    with pytest.raises(SourceError, match=f"may not read the Secrets in: {kube_namespace}; "):
        found.extend(source(kube_server, kube_namespace, token=READER, also=["consumers"]).observe())
    assert found == []


def test_a_gateway_takes_a_secret_of_another_namespace(
    kube_server: KubeServer, kube_namespace: str, more: str, ca: Authority
) -> None:
    """With a ReferenceGrant it may; without one the consumer says why it may not."""
    for name in ("granted-tls", "private-tls"):
        put_secret(kube_server, more, name, tls_data(issue(ca)))
    listeners = [
        {
            "name": name,
            "port": 443,
            "protocol": "HTTPS",
            "hostname": f"{name}.example.com",
            "tls": {
                "mode": "Terminate",
                "certificateRefs": [{"kind": "Secret", "name": f"{name}-tls", "namespace": more}],
            },
        }
        for name in ("granted", "private")
    ]
    origin = {"group": "gateway.networking.k8s.io", "kind": "Gateway", "namespace": kube_namespace}
    granted = {"from": [origin], "to": [{"group": "", "kind": "Secret", "name": "granted-tls"}]}
    with installed_gateway_api(kube_server, kube_namespace), installed_gateway_api(kube_server, more):
        put_gateway_object(kube_server, kube_namespace, "gateways", "edge", {"listeners": listeners})
        put_gateway_object(kube_server, more, "referencegrants", "edge", granted)
        found = by_place(source(kube_server, kube_namespace, more, also=["consumers"]).observe())
    consumers = {address: each.consumers for address, each in found.items()}
    edge = f"{kube_namespace}/edge"
    why = f"no ReferenceGrant in namespace {more} allows Gateways of {kube_namespace} to"
    assert consumers == {
        f"Secret {more}/granted-tls": (Consumer("Gateway", edge, ("granted.example.com",)),),
        f"Secret {more}/private-tls": (Consumer("Gateway", edge, ("private.example.com",), foreign=why),),
    }


def test_secrets_of_one_listener_serve_the_hosts_together(
    kube_server: KubeServer, kube_namespace: str, ca: Authority
) -> None:
    """Each is told with the hosts that it covers; one that none of them covers is told once, with the first."""
    for name in ("b", "a"):
        put_secret(kube_server, kube_namespace, f"{name}-tls", tls_data(issue(ca, f"{name}.example.com")))
    put_secret(kube_server, kube_namespace, "c-tls", tls_data(issue(ca, "c.example.com")), type="Opaque")
    put_secret(kube_server, kube_namespace, "wild-tls", tls_data(issue(ca, "*.example.com")))
    listeners = [
        https("all", kube_namespace, "b-tls", "a-tls", "c-tls"),
        https("half", kube_namespace, "a-tls", "gone-tls", hostname="*.example.org", port=8443),
    ]
    parent = {"name": "edge", "sectionName": "all"}
    hosts = ["a.example.com", "b.example.com", "c.example.com", "d.example.com"]
    with installed_gateway_api(kube_server, kube_namespace):
        put_gateway_object(kube_server, kube_namespace, "gateways", "edge", {"listeners": listeners})
        put_gateway_object(
            kube_server, kube_namespace, "httproutes", "all", {"parentRefs": [parent], "hostnames": hosts}
        )
        for also in (["consumers"], ["consumers", "secrets"]):
            found = by_place(source(kube_server, kube_namespace, also=also).observe())
            served = {address.partition("/")[2]: [c.hosts for c in each.consumers] for address, each in found.items()}
            whole = "secrets" in also
            assert served == {
                "b-tls": [("b.example.com", *(["d.example.com"] if whole else []))],
                "a-tls": [("a.example.com",)],
                "gone-tls": [()],
                "wild-tls": [],
                **({"c-tls": [("c.example.com",)]} if whole else {}),
            }


def https(name: str, namespace: str, *secrets: str, hostname: str = "", port: int = 443) -> dict[str, object]:
    """A listener that ends TLS with these Secrets."""
    references = [{"kind": "Secret", "name": secret, "namespace": namespace} for secret in secrets]
    tls = {"mode": "Terminate", "certificateRefs": references}
    named = {"hostname": hostname} if hostname else {}
    return {"name": name, "port": port, "protocol": "HTTPS", "tls": tls, **named}


def test_two_ingresses_that_ask_cert_manager_are_rivals(
    kube_server: KubeServer, kube_namespace: str, ca: Authority
) -> None:
    """The first of them owns the Secret, the second is its rival."""
    put_secret(kube_server, kube_namespace, "shop-tls", tls_data(issue(ca)))
    marks = {"annotations": {"cert-manager.io/cluster-issuer": "letsencrypt"}}
    for name in ("one", "two"):
        put_ingress(kube_server, kube_namespace, name, "shop-tls", f"{name}.example.com", **marks)
    (found,) = source(kube_server, kube_namespace).observe()
    assert found.owner is not None
    assert found.owner.name == f"Ingress {kube_namespace}/one"
    assert [each.name for each in found.rivals] == [f"Ingress {kube_namespace}/two"]


# ---------------------------------------------------------------- rights


def test_what_may_not_be_read_is_told_once(kube_server: KubeServer, kube_namespace: str, ca: Authority) -> None:
    """With Secrets alone an audit reads these; one clause names each other kind, and the right that is missing."""
    put_secret(kube_server, kube_namespace, "shop-tls", tls_data(issue(ca)))
    kube_server.grant(kube_namespace, "reader", EVERY_KIND[:1])
    found: list[Observation] = []
    with pytest.raises(SourceError) as raised:
        found.extend(source(kube_server, kube_namespace, token=READER, everything=True).observe())
    assert [each.labels["name"] for each in found if each.labels["kind"] == "Secret"] == ["shop-tls"]
    said = str(raised.value)
    assert said.count("may not read the ingresses.networking.k8s.io in: " + kube_namespace) == 1
    assert said.count("may not read the validatingwebhookconfigurations.admissionregistration.k8s.io") == 1
    assert "grant reader the verb `list`" in said
    assert "the Secrets" not in said
    assert "configmaps" not in said


def test_a_kind_that_is_forbidden_at_once_is_read_one_by_one(
    kube_server: KubeServer, kube_namespace: str, ca: Authority
) -> None:
    """Where all Secrets may be listed but ConfigMaps only in one namespace, those are read and the others named."""
    text = certificate_pem(authority(f"Root of {kube_namespace}").certificate).decode()
    put_config_map(kube_server, kube_namespace, "bundle", {"ca.crt": text})
    kube_server.grant(kube_namespace, "reader", EVERY_KIND[:1])
    wanted = {"apiGroups": [""], "resources": ["secrets", "namespaces"], "verbs": ["get", "list"]}
    found: list[Observation] = []
    with cluster_role(kube_server, [wanted]), pytest.raises(SourceError) as raised:
        asked = source(kube_server, token=READER, namespaces="all", also=["config-maps"], fronts=False)
        found.extend(asked.observe())
    assert f"ConfigMap {kube_namespace}/bundle#ca.crt" in {each.location.address for each in found}
    denied = str(raised.value).partition("may not read the configmaps in: ")[2].partition(";")[0].split(", ")
    assert "kube-system" in denied
    assert kube_namespace not in denied


def test_without_any_list_of_namespaces_its_own_is_audited(
    kube_server: KubeServer, kube_namespace: str, ca: Authority
) -> None:
    """An audit of all namespaces that may not even name them looks at the kubeconfig's own, and says so."""
    put_secret(kube_server, kube_namespace, "shop-tls", tls_data(issue(ca)))
    kube_server.grant(kube_namespace, "reader", EVERY_KIND)
    kubeconfig = kube_server.kubeconfig(READER)
    config = json.loads(kubeconfig.read_text())
    config["contexts"][0]["context"]["namespace"] = kube_namespace
    kubeconfig.write_text(json.dumps(config))
    found: list[Observation] = []
    with pytest.raises(SourceError, match="may not read the namespaces; may not list namespaces"):
        asked = source(kube_server, namespaces="all", kubeconfig=str(kubeconfig), also=["secrets"])
        found.extend(asked.observe())
    assert [each.location.address for each in found] == [f"Secret {kube_namespace}/shop-tls"]


@contextlib.contextmanager
def cluster_role(server: KubeServer, rules: list[dict[str, Any]]) -> Iterator[None]:
    """Let the reader do this in every namespace, for a while."""
    base = "/apis/rbac.authorization.k8s.io/v1"
    name = f"reader-{uuid.uuid4().hex[:8]}"
    server.expect("POST", f"{base}/clusterroles", {"metadata": {"name": name}, "rules": rules})
    subject = {"kind": "User", "name": "reader", "apiGroup": "rbac.authorization.k8s.io"}
    reference = {"kind": "ClusterRole", "name": name, "apiGroup": "rbac.authorization.k8s.io"}
    binding = {"metadata": {"name": name}, "subjects": [subject], "roleRef": reference}
    server.expect("POST", f"{base}/clusterrolebindings", binding)
    try:
        yield
    finally:
        server.request("DELETE", f"{base}/clusterrolebindings/{name}")
        server.request("DELETE", f"{base}/clusterroles/{name}")


# ---------------------------------------------------------------- contexts


def kubeconfig_of(server: KubeServer, folder: Path, **servers: str) -> Path:
    """A kubeconfig with a context for each of these addresses."""
    config = json.loads(server.kubeconfig().read_text())
    config["clusters"] = [
        {"name": name, "cluster": {"server": address, "certificate-authority": str(server.ca_file)}}
        for name, address in servers.items()
    ]
    user = config["users"][0]["name"]
    config["contexts"] = [{"name": name, "context": {"cluster": name, "user": user}} for name in servers]
    config["current-context"] = next(iter(servers))
    made = folder / "kubeconfig.json"
    made.write_text(json.dumps(config))
    return made


def test_a_cluster_that_cannot_be_reached_hides_no_other(
    kube_server: KubeServer, kube_namespace: str, ca: Authority, tmp_path: Path
) -> None:
    """Of several contexts the one that is down is named; the others are read, and say by which context."""
    put_secret(kube_server, kube_namespace, "shop-tls", tls_data(issue(ca)))
    with socket.socket() as taken:
        taken.bind((LOOPBACK, free_port()))
        nowhere = f"https://{LOOPBACK}:{taken.getsockname()[1]}"
        config = kubeconfig_of(kube_server, tmp_path, down=nowhere, prod=kube_server.url, again=kube_server.url)
        found: list[Observation] = []
        with pytest.raises(SourceError, match=r"context down: the Kubernetes API at .* cannot be reached") as raised:
            contexts = ["down", "prod", "again"]
            found.extend(source(kube_server, kube_namespace, kubeconfig=str(config), contexts=contexts).observe())
    assert [each.labels["kube_context"] for each in found] == ["prod"]
    assert found[0].location == place(kube_server, kube_namespace, "shop-tls")
    assert "prod" not in str(raised.value)


def test_everything_is_all_of_it(kube_server: KubeServer, kube_namespace: str, ca: Authority) -> None:
    """`everything` asks for each part; the observations are those of all parts together."""
    put_secret(kube_server, kube_namespace, "shop-tls", tls_data(issue(ca), [ca.certificate]))
    put_ingress(kube_server, kube_namespace, "shop", "shop-tls", "shop.example.com")
    put_config_map(kube_server, kube_namespace, "bundle", {"ca.crt": certificate_pem(ca.certificate).decode()})

    def places(**settings: Any) -> set[Location]:
        found = source(kube_server, kube_namespace, **settings).observe()
        return {each.location for each in found if kube_namespace in each.location.address}

    assert places(everything=True) == places(also=list(Also))
    assert len(places(everything=True)) == 3
