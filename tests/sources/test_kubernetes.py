"""The Kubernetes source against a real API server."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from rotator.core.model import Endpoint, Observation, ProblemKind
from rotator.core.pem import chain_pem
from rotator.errors import SourceError
from rotator.lib.tls import probe
from tests.lib.kube_builders import END, START, authority, get_secret, issue, place, put_secret, source, tls_data
from tests.pki import self_signed
from tests.servers.kube import LIMITED, READER, KubeServer
from tests.servers.netns import network_namespace
from tests.servers.nginx import VirtualServer, start_nginx
from tests.servers.service import wait_until

READ_SECRETS: dict[str, list[str]] = {"apiGroups": [""], "resources": ["secrets"], "verbs": ["get", "list"]}


def looked(found: Any) -> dict[str, Observation]:
    """Return observations by the name of their Secret."""
    return {each.labels["name"]: each for each in found}


def test_finds_a_secret_with_everything_that_is_known_of_it(kube_server: KubeServer, kube_namespace: str) -> None:
    """An observation has the place, the chain, the key's facts, labels to match on, and nothing against adoption."""
    ca = authority("Services CA")
    bundle = issue(ca, "shop.example.com", "www.shop.example.com")
    put_secret(kube_server, kube_namespace, "shop-tls", tls_data(bundle), labels={"team": "payments", "tier": "front"})
    found = looked(source(kube_server, kube_namespace).observe())["shop-tls"]
    assert found.location == place(kube_server, kube_namespace, "shop-tls")
    assert found.chain == bundle.chain
    assert found.key is not None
    assert found.key.matches is True
    assert found.owner is None
    assert found.never_adopt == ""
    assert not found.ignored
    assert dict(found.labels) | {"kubeconfig": ""} == {
        "namespace": kube_namespace,
        "name": "shop-tls",
        "kind": "Secret",
        "issuer": "Services CA",
        "owner": "payments",
        "label.team": "payments",
        "label.tier": "front",
        "kubeconfig": "",
    }


def test_one_bad_secret_hides_no_other(kube_server: KubeServer, kube_namespace: str) -> None:
    """Garbage is an observation with a problem, an empty Secret one with neither chain nor problem; others are read."""
    good = issue(authority())
    put_secret(kube_server, kube_namespace, "bad", {"tls.crt": "bm8gY2VydGlmaWNhdGU=", "tls.key": ""})
    put_secret(kube_server, kube_namespace, "empty", tls_data(None))
    put_secret(kube_server, kube_namespace, "good", tls_data(good))
    put_secret(kube_server, kube_namespace, "other", {"tls.crt": ""}, type="Opaque")
    found = looked(source(kube_server, kube_namespace).observe())
    assert set(found) == {"bad", "empty", "good"}
    assert found["bad"].problem is not None
    assert found["bad"].problem.kind is ProblemKind.UNREADABLE
    assert found["empty"].chain is None
    assert found["empty"].problem is None
    assert found["good"].chain == good.chain


def test_reads_a_thousand_secrets_in_pages_and_writes_nothing(kube_server: KubeServer, kube_namespace: str) -> None:
    """A thousand Secrets come in pages of the asked size, and the API server's audit log has not one write of ours."""
    contents = tls_data(issue(authority()))
    kube_server.grant(kube_namespace, "reader", [READ_SECRETS])
    with ThreadPoolExecutor(8) as pool:
        names = [f"shop-{number:04}" for number in range(1000)]
        list(pool.map(lambda name: put_secret(kube_server, kube_namespace, name, contents), names))
    before = len(kube_server.audit(user="reader", namespace=kube_namespace))
    found = source(kube_server, kube_namespace, token=READER, page_size=300, fronts=False).observe()
    assert sorted(each.labels["name"] for each in found) == names
    calls = kube_server.audit(user="reader", namespace=kube_namespace)[before:]
    lists = [call for call in calls if call["objectRef"]["resource"] == "secrets"]
    assert len(lists) == 4
    assert all("resourceVersion=" not in call["requestURI"] for call in lists)
    assert {call["verb"] for call in calls} <= {"get", "list"}


def test_is_one_page_ahead_at_most(kube_server: KubeServer, kube_namespace: str) -> None:
    """While a page is used the next one is fetched, and no further one: memory does not grow with the cluster."""
    contents = tls_data(issue(authority()))
    kube_server.grant(kube_namespace, "limited", [READ_SECRETS])
    for number in range(8):
        put_secret(kube_server, kube_namespace, f"shop-{number}", contents)

    def lists() -> int:
        calls = kube_server.audit(user="limited", namespace=kube_namespace)
        return sum(call["objectRef"]["resource"] == "secrets" for call in calls)

    found = source(kube_server, kube_namespace, token=LIMITED, page_size=2, fronts=False).observe()
    assert len(list(itertools.islice(found, 2))) == 2
    wait_until(lambda: lists() == 2, "the second page is fetched while the first is used")
    assert len(list(itertools.islice(found, 2))) == 2
    wait_until(lambda: lists() == 3, "the third page is fetched while the second is used")
    assert len(list(found)) == 4
    assert lists() == 4


def test_reads_what_it_may_and_names_what_it_may_not(kube_server: KubeServer, kube_namespace: str) -> None:
    """With rights in one namespace only, its Secrets are yielded, then the others are named with the missing right."""
    put_secret(kube_server, kube_namespace, "shop-tls", tls_data(issue(authority())))
    kube_server.grant(kube_namespace, "reader", [READ_SECRETS])
    found: list[Observation] = []
    with pytest.raises(SourceError, match=r"may not read the Secrets in: kube-public; .*grant reader the verb `list`"):
        found.extend(source(kube_server, kube_namespace, "kube-public", token=READER).observe())
    # `extend` keeps what came before the error.
    assert [each.labels["name"] for each in found] == ["shop-tls"]


def test_all_falls_back_to_the_namespaces_it_may_read(kube_server: KubeServer, kube_namespace: str) -> None:
    """Where `all` is not allowed at once, every namespace is tried by itself and the refused ones are named."""
    put_secret(kube_server, kube_namespace, "shop-tls", tls_data(issue(authority())))
    kube_server.grant(kube_namespace, "writer", [READ_SECRETS])
    rule = {"apiGroups": [""], "resources": ["namespaces"], "verbs": ["get", "list"]}
    base = "/apis/rbac.authorization.k8s.io/v1"
    name = f"namespaces-{kube_namespace}"
    subject = {"kind": "User", "name": "writer", "apiGroup": "rbac.authorization.k8s.io"}
    reference = {"kind": "ClusterRole", "name": name, "apiGroup": "rbac.authorization.k8s.io"}
    kube_server.expect("POST", f"{base}/clusterroles", {"metadata": {"name": name}, "rules": [rule]})
    binding = {"metadata": {"name": name}, "subjects": [subject], "roleRef": reference}
    kube_server.expect("POST", f"{base}/clusterrolebindings", binding)
    try:
        found: list[Observation] = []
        with pytest.raises(SourceError, match=r"may not read the Secrets in: .*kube-system"):
            found.extend(source(kube_server, token="writer-token", namespaces="all", fronts=False).observe())
    finally:
        kube_server.request("DELETE", f"{base}/clusterrolebindings/{name}")
        kube_server.request("DELETE", f"{base}/clusterroles/{name}")
    assert [each.labels["namespace"] for each in found] == [kube_namespace]


def test_all_sees_every_namespace(kube_server: KubeServer, kube_namespace: str) -> None:
    """An administrator's `all` is one list over the whole cluster, with what is said on each namespace."""
    put_secret(kube_server, kube_namespace, "shop-tls", tls_data(issue(authority())))
    kube_server.expect(
        "PATCH",
        f"/api/v1/namespaces/{kube_namespace}",
        {"metadata": {"labels": {"rotator/ignore": ""}}},
        content_type="application/merge-patch+json",
    )
    found = [
        each for each in source(kube_server, namespaces="all").observe() if each.labels["namespace"] == kube_namespace
    ]
    assert [each.ignored for each in found] == [True]


def test_a_namespace_that_does_not_exist_is_said(kube_server: KubeServer, kube_namespace: str) -> None:
    """A mistyped namespace is an incomplete look, not an empty one."""
    with pytest.raises(SourceError, match="there is no namespace shpo; check `namespaces`"):
        list(source(kube_server, kube_namespace, "shpo").observe())


def test_a_user_without_any_right_gets_one_sentence(kube_server: KubeServer, kube_namespace: str) -> None:
    """Credentials that are not accepted are said as such."""
    with pytest.raises(SourceError, match="does not accept our credentials; renew the token or kubeconfig"):
        list(source(kube_server, kube_namespace, token="nobody").observe())


@pytest.mark.parametrize("where", ["labels", "annotations"])
def test_ignore_on_the_secret(kube_server: KubeServer, kube_namespace: str, where: str) -> None:
    """`rotator/ignore` counts as a label and as an annotation; `false` takes it back."""
    contents = tls_data(issue(authority()))
    marks: dict[str, Any] = {where: {"rotator/ignore": "true"}}
    put_secret(kube_server, kube_namespace, "ignored", contents, **marks)
    marks = {where: {"rotator/ignore": "false"}}
    put_secret(kube_server, kube_namespace, "not-ignored", contents, **marks)
    found = looked(source(kube_server, kube_namespace).observe())
    assert found["ignored"].ignored
    assert not found["not-ignored"].ignored


def test_tells_another_writer_by_the_real_managed_fields(kube_server: KubeServer, kube_namespace: str) -> None:
    """Whoever the API server recorded as the writer of tls.crt owns it, unless it is kubectl, ours or allowed."""
    contents = tls_data(issue(authority()))
    put_secret(kube_server, kube_namespace, "by-operator", contents, manager="edge-operator")
    put_secret(kube_server, kube_namespace, "by-hand", contents, manager="kubectl-client-side-apply")
    found = looked(source(kube_server, kube_namespace).observe())
    assert found["by-hand"].owner is None
    owner = found["by-operator"].owner
    assert owner is not None
    assert (owner.kind, owner.name) == ("field-manager", "field manager edge-operator")
    allowed = looked(source(kube_server, kube_namespace, allow_managers=["edge-*"]).observe())
    assert allowed["by-operator"].owner is None
    assert allowed["by-operator"].labels["allow_managers"] == "edge-*"


def test_writing_a_label_is_not_owning_the_certificate(kube_server: KubeServer, kube_namespace: str) -> None:
    """A controller that only sets labels on a Secret is not taken for its owner."""
    put_secret(kube_server, kube_namespace, "shop-tls", tls_data(issue(authority())))
    path = f"/api/v1/namespaces/{kube_namespace}/secrets/shop-tls?fieldManager=labeller"
    change = {"metadata": {"labels": {"cost": "centre"}}}
    kube_server.expect("PATCH", path, change, content_type="application/merge-patch+json")
    assert looked(source(kube_server, kube_namespace).observe())["shop-tls"].owner is None


def test_what_is_never_adopted(kube_server: KubeServer, kube_namespace: str) -> None:
    """CA, client-only, self-signed, SPIFFE and certificates under the ca.crt beside them may only be declared."""
    root = authority()
    issuing = authority("Issuing", root)
    cases = {
        "ca": tls_data(issue(root, "ca.example.com", ca=True)),
        "client": tls_data(issue(root, "robot.example.com", eku=["client"])),
        "self": tls_data(self_signed(["self.example.com"], not_before=START, not_after=END)),
        "spiffe": tls_data(issue(root, "spiffe://example.org/shop")),
        "beside": tls_data(issue(issuing), ca=[root.certificate]),
        "foreign-ca": tls_data(issue(root), ca=[authority("Other").certificate]),
        "both-usages": tls_data(issue(root, eku=["client", "server"])),
    }
    for name, contents in cases.items():
        put_secret(kube_server, kube_namespace, name, contents)
    found = looked(source(kube_server, kube_namespace).observe())
    reasons = {name: each.never_adopt for name, each in found.items()}
    assert reasons["ca"] == "it is a CA certificate"
    assert reasons["client"] == "it is for clients only"
    assert reasons["self"].startswith("it is self-signed")
    assert reasons["spiffe"].startswith("it is a SPIFFE identity")
    assert reasons["beside"].startswith("the ca.crt beside it signed it")
    assert reasons["foreign-ca"] == ""
    assert reasons["both-usages"] == ""
    assert found["beside"].anchors == (root.certificate,)


def test_platform_namespaces_are_never_adopted(kube_server: KubeServer) -> None:
    """What lies in kube-* belongs to the platform."""
    name = "rotator-platform"
    kube_server.request("DELETE", f"/api/v1/namespaces/kube-public/secrets/{name}")
    put_secret(kube_server, "kube-public", name, tls_data(issue(authority())))
    try:
        found = looked(source(kube_server, "kube-public").observe())[name]
    finally:
        kube_server.request("DELETE", f"/api/v1/namespaces/kube-public/secrets/{name}")
    assert found.never_adopt == "the namespace kube-public belongs to the platform"


def test_immutable_is_told(kube_server: KubeServer, kube_namespace: str) -> None:
    """A Secret that refuses writes says so."""
    put_secret(kube_server, kube_namespace, "fixed", tls_data(issue(authority())), immutable=True)
    assert looked(source(kube_server, kube_namespace).observe())["fixed"].immutable


def test_selectors_narrow_the_look(kube_server: KubeServer, kube_namespace: str) -> None:
    """Label and field selectors are applied by the API server, beside the type."""
    contents = tls_data(issue(authority()))
    put_secret(kube_server, kube_namespace, "front", contents, labels={"tier": "front"})
    put_secret(kube_server, kube_namespace, "back", contents, labels={"tier": "back"})
    put_secret(kube_server, kube_namespace, "front-too", contents, labels={"tier": "front"})
    narrowed = source(kube_server, kube_namespace, label_selector="tier=front", field_selector="metadata.name!=front")
    assert list(looked(narrowed.observe())) == ["front-too"]


def test_the_key_is_nowhere_in_an_observation(kube_server: KubeServer, kube_namespace: str) -> None:
    """Neither the key nor its base64 can be found in what a look gives back."""
    bundle = issue(authority())
    put_secret(kube_server, kube_namespace, "shop-tls", tls_data(bundle))
    shown = repr(list(source(kube_server, kube_namespace).observe()))
    body = bundle.key.decode().splitlines()[1]
    assert body not in shown
    assert tls_data(bundle)["tls.key"] not in shown
    assert get_secret(kube_server, kube_namespace, "shop-tls")["data"]["tls.key"] not in shown


def test_an_ingress_is_a_front(kube_server: KubeServer, kube_namespace: str) -> None:
    """The hosts that an Ingress names a Secret for are its endpoints; with cert-manager's trigger on it, it owns it."""
    contents = tls_data(issue(authority()))
    for name in ("shop-tls", "managed-tls"):
        put_secret(kube_server, kube_namespace, name, contents)
    for name, marks in (("shop", {}), ("managed", {"cert-manager.io/cluster-issuer": "letsencrypt"})):
        backend = {"service": {"name": "shop", "port": {"number": 80}}}
        paths = {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]}
        rules = [{"host": f"{name}.example.com", "http": paths}]
        spec = {"tls": [{"hosts": [f"{name}.example.com"], "secretName": f"{name}-tls"}], "rules": rules}
        body = {"metadata": {"name": name, "annotations": marks}, "spec": spec}
        kube_server.expect("POST", f"/apis/networking.k8s.io/v1/namespaces/{kube_namespace}/ingresses", body)
    found = looked(source(kube_server, kube_namespace).observe())
    assert found["shop-tls"].fronts == (Endpoint("shop.example.com", 443),)
    assert found["shop-tls"].owner is None
    owner = found["managed-tls"].owner
    assert owner is not None
    assert owner.name == f"Ingress {kube_namespace}/managed"
    assert owner.remedy == f"cmctl renew -n {kube_namespace} managed-tls"


def test_every_ready_pod_can_be_asked_for_itself(kube_server: KubeServer, kube_namespace: str, tmp_path: Path) -> None:
    """Two replicas behind one Service, one of which still serves the old certificate, are told apart."""
    ca = authority()
    old, new = issue(ca), issue(ca)
    put_secret(kube_server, kube_namespace, "shop-tls", tls_data(new))
    with network_namespace(2) as network, contextlib.ExitStack() as replicas:
        for address, bundle in zip(network.addresses, (new, old), strict=True):
            certificate, key = tmp_path / f"{address}.crt", tmp_path / f"{address}.key"
            certificate.write_bytes(chain_pem(bundle.chain))
            key.write_bytes(bundle.key)
            listener = VirtualServer(8443, certificate, key, address=address)
            replicas.enter_context(start_nginx(tmp_path, [listener], name=address, inside=network.inside))
        put_replicas(kube_server, kube_namespace, "shop-tls", network.addresses)
        (found,) = source(kube_server, kube_namespace).observe()
        shown = {sighting.address: sighting.fingerprint for sighting in probe(found.fronts)}
    assert shown == dict(zip(network.addresses, (new.chain.fingerprint, old.chain.fingerprint), strict=True))


def put_replicas(server: KubeServer, namespace: str, secret: str, addresses: Sequence[str]) -> None:
    """Put pods that mount a Secret, and the EndpointSlice that makes them the replicas of a Service."""
    endpoints = []
    for number, address in enumerate(addresses):
        mounts = [{"name": "tls", "mountPath": "/tls"}]
        container = {"name": "shop", "image": "shop", "volumeMounts": mounts, "ports": [{"containerPort": 8443}]}
        spec = {"containers": [container], "volumes": [{"name": "tls", "secret": {"secretName": secret}}]}
        body = {"metadata": {"name": f"shop-{number}"}, "spec": spec}
        server.expect("POST", f"/api/v1/namespaces/{namespace}/pods", body)
        reference = {"kind": "Pod", "name": f"shop-{number}"}
        endpoints.append({"addresses": [address], "conditions": {"ready": True}, "targetRef": reference})
    body = {
        "metadata": {"name": "shop-1", "labels": {"kubernetes.io/service-name": "shop"}},
        "addressType": "IPv4",
        "endpoints": endpoints,
        "ports": [{"name": "https", "port": 8443}],
    }
    server.expect("POST", f"/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices", body)
