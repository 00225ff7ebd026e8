"""Who takes what from a Secret, told from pods, Ingresses and Gateways as the API server writes them."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from rotator.core.model import Consumer
from rotator.lib.kube.consumers import (
    ReferenceGrant,
    Takings,
    controller_of,
    gateway_taking,
    ingress_taking,
    pod_takings,
)
from rotator.lib.kube.fronts import Fronts, add_gateways, add_ingress
from rotator.lib.kube.objects import Gateway, HttpRoute, Ingress, Metadata
from rotator.lib.kube.podspec import Pod

KEY = ("shop", "web-tls")
PAIR = frozenset({"tls.crt", "tls.key"})
MOUNTED = [{"name": "tls", "mountPath": "/tls"}]


def pod(name: str = "web", *, volumes: Any = (), phase: str = "Running", owner: Any = None, **container: Any) -> Pod:
    """A pod of namespace shop with one container."""
    metadata: dict[str, Any] = {"name": name, "namespace": "shop", **(owner or {})}
    spec = {"volumes": list(volumes), "containers": [{"name": "web", **container}]}
    return msgspec.convert({"metadata": metadata, "spec": spec, "status": {"phase": phase}}, Pod)


def volume(secret: str = "web-tls", **more: Any) -> dict[str, Any]:
    """A volume of a Secret."""
    return {"name": "tls", "secret": {"secretName": secret, **more}}


def takings(*pods: Pod) -> Takings:
    """What these pods take."""
    found = Takings()
    for each in pods:
        for key, taking in pod_takings(each):
            found.add(key, taking)
    return found


def controlled(kind: str, name: str, **labels: str) -> dict[str, Any]:
    """The metadata of a pod with a controller."""
    reference = {"kind": kind, "name": name, "apiVersion": "apps/v1", "controller": True}
    return {"ownerReferences": [reference], "labels": labels}


@pytest.mark.parametrize(
    ("metadata", "kind", "name"),
    [
        ({}, "Pod", "web-x1"),
        (controlled("ReplicaSet", "web-5d4f9c", **{"pod-template-hash": "5d4f9c"}), "Deployment", "web"),
        (controlled("ReplicaSet", "web-5d4f9c", **{"rollouts-pod-template-hash": "5d4f9c"}), "Rollout", "web"),
        (controlled("ReplicaSet", "by-hand"), "ReplicaSet", "by-hand"),
        (controlled("StatefulSet", "db"), "StatefulSet", "db"),
        (controlled("DaemonSet", "edge"), "DaemonSet", "edge"),
        (controlled("Job", "once"), "Job", "once"),
    ],
)
def test_a_pod_is_told_by_its_controller(metadata: dict[str, Any], kind: str, name: str) -> None:
    """What a person would restart, not one of its many pods."""
    found = msgspec.convert({"name": "web-x1", "namespace": "shop", **metadata}, Metadata)
    assert controller_of(found) == (kind, name)


def test_many_pods_are_one_consumer() -> None:
    """Three replicas of a Deployment are told once; a pod that has ended takes nothing."""
    owner = controlled("ReplicaSet", "web-5d4f9c", **{"pod-template-hash": "5d4f9c"})
    pods = [pod(f"web-{n}", volumes=[volume()], volumeMounts=MOUNTED, owner=owner) for n in range(3)]
    done = pod("once", volumes=[volume()], phase="Succeeded", owner=controlled("Job", "once"))
    assert takings(*pods, done).of(KEY, PAIR) == (Consumer("Deployment", "shop/web"),)


@pytest.mark.parametrize(
    ("volumes", "container", "stuck"),
    [
        ([volume()], {"volumeMounts": MOUNTED}, ""),
        ([volume()], {}, ""),
        (
            [volume()],
            {"volumeMounts": [{"name": "tls", "mountPath": "/tls.crt", "subPath": "tls.crt"}]},
            "container web mounts tls.crt with subPath, which is never updated",
        ),
        (
            [volume()],
            {"volumeMounts": [{"name": "tls", "mountPath": "/tls", "subPathExpr": "$(NAME)"}]},
            "container web mounts $(NAME) with subPath, which is never updated",
        ),
        ([{"name": "tls", "projected": {"sources": [{"secret": {"name": "web-tls"}}]}}], {"volumeMounts": MOUNTED}, ""),
        (
            [],
            {"env": [{"name": "CERT", "valueFrom": {"secretKeyRef": {"name": "web-tls", "key": "tls.crt"}}}]},
            "container web reads it into the environment at its start",
        ),
        (
            [],
            {"envFrom": [{"secretRef": {"name": "web-tls"}}]},
            "container web reads it into the environment at its start",
        ),
    ],
)
def test_what_does_not_see_a_renewal(volumes: Any, container: dict[str, Any], stuck: str) -> None:
    """A subPath and the environment keep what they started with; whole volumes, projected too, are kept up."""
    assert takings(pod(volumes=volumes, **container)).of(KEY, PAIR) == (Consumer("Pod", "shop/web", stuck=stuck),)


def test_a_subpath_of_another_source_is_not_the_secrets() -> None:
    """In a projected volume only the Secret that the path comes from is stuck."""
    items = [{"key": "tls.crt", "path": "certs/tls.crt"}]
    sources = [{"secret": {"name": "web-tls", "items": items}}, {"secret": {"name": "settings"}}]
    projected = [{"name": "tls", "projected": {"sources": sources}}]

    def stuck(path: str) -> list[bool]:
        mounts = [{"name": "tls", "mountPath": "/x", "subPath": path}]
        found = takings(pod(volumes=projected, volumeMounts=mounts))
        return [bool(found.of(("shop", name), PAIR)[0].stuck) for name in ("web-tls", "settings")]

    assert stuck("certs") == [True, False]
    assert stuck("certs/tls.crt") == [True, False]
    assert stuck("ca.crt") == [False, True]
    assert stuck("settings.yaml") == [False, False]


def test_a_consumer_of_another_key_is_none_of_the_certificates() -> None:
    """Who reads only the password beside a certificate does not take the certificate."""
    container: dict[str, Any] = {
        "env": [{"name": "P", "valueFrom": {"secretKeyRef": {"name": "web-tls", "key": "password"}}}]
    }
    found = takings(pod(**container))
    assert found.of(KEY, PAIR) == ()
    assert found.of(KEY, frozenset({"password"})) != ()


@pytest.mark.parametrize(
    ("volumes", "container", "required"),
    [
        ([volume()], {}, True),
        ([volume(optional=True)], {}, False),
        ([volume("settings")], {"volumeMounts": MOUNTED}, True),  # the volume is called tls
        ([{"name": "settings", "secret": {"secretName": "settings"}}], {}, False),
        ([volume("settings", items=[{"key": "password", "path": "p"}])], {}, False),
        ([volume("settings", items=[{"key": "ca.crt", "path": "ca.crt"}])], {}, True),
        ([], {"envFrom": [{"secretRef": {"name": "settings"}}]}, False),
        ([], {"envFrom": [{"secretRef": {"name": "web-tls", "optional": True}}]}, False),
    ],
)
def test_what_is_missed_where_it_is_absent(volumes: Any, container: dict[str, Any], required: bool) -> None:
    """A certificate is missed; a password is not ours to tell, and what is optional may be absent."""
    assert bool(list(takings(pod(volumes=volumes, **container)).required())) is required


def test_hosts_of_several_listeners_are_one_consumer() -> None:
    """An Ingress with two entries for one Secret serves the hosts of both."""
    found = Takings()
    metadata = Metadata(name="web", namespace="shop")
    for hosts in (["a.example.com"], ["b.example.com", "a.example.com"]):
        found.add(KEY, ingress_taking(metadata, hosts))
    assert found.of(KEY, PAIR) == (Consumer("Ingress", "shop/web", ("a.example.com", "b.example.com")),)
    assert found.of(KEY, frozenset({"ca.crt"})) == ()


def test_an_ingress_entry_without_hosts_claims_none() -> None:
    """Several such entries serve the hosts of the rules together, and the controller chooses by the certificate."""
    spec = {"tls": [{"secretName": "web-tls"}, {"secretName": "b-tls"}], "rules": [{"host": "a.example.com"}]}
    found = Takings()
    fields = {"metadata": {"name": "web", "namespace": "shop"}, "spec": spec}
    add_ingress(Fronts(found), msgspec.convert(fields, Ingress))
    assert found.of(KEY, PAIR) == (Consumer("Ingress", "shop/web"),)
    assert [key for key, _ in found.required()] == [("shop", "b-tls"), KEY]


def gateway(*secrets: str, hostname: str = "") -> Gateway:
    """A Gateway of namespace shop with one listener that ends TLS with these Secrets."""
    tls = {"mode": "Terminate", "certificateRefs": [{"kind": "Secret", "name": secret} for secret in secrets]}
    listener = {"name": "https", "port": 443, "tls": tls, **({"hostname": hostname} if hostname else {})}
    fields = {"metadata": {"name": "edge", "namespace": "shop"}, "spec": {"listeners": [listener]}}
    return msgspec.convert(fields, Gateway)


def route(*hosts: str) -> HttpRoute:
    """A route of that Gateway."""
    fields = {"metadata": {"namespace": "shop"}, "spec": {"parentRefs": [{"name": "edge"}], "hostnames": list(hosts)}}
    return msgspec.convert(fields, HttpRoute)


def served(found: Takings, names: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    """The hosts of the one consumer of each Secret of namespace shop, when certificates with these names were seen."""
    for name, covered in names.items():
        found.saw(("shop", name), covered)
    return {name: found.settled(("shop", name), found.of(("shop", name), PAIR))[0].hosts for name in names}


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ({"a": ("a.test",), "b": ("b.test",)}, {"a": ("a.test",), "b": ("b.test",)}),
        ({"a": ("*.test",), "b": ("b.test",)}, {"a": ("a.test", "b.test"), "b": ("b.test",)}),
        ({"a": ("x.test",), "b": ("b.test",)}, {"a": ("a.test",), "b": ("b.test",)}),
        ({"a": ("a.test",), "b": ("x.test",)}, {"a": ("a.test", "b.test"), "b": ()}),
        ({"a": (), "b": ("b.test",)}, {"a": (), "b": ("a.test", "b.test")}),  # no name can be held against a host
        ({"b": ("b.test",)}, {"b": ("b.test",)}),  # `a` was not seen: it may cover a.test
    ],
)
def test_secrets_of_one_listener(names: dict[str, tuple[str, ...]], expected: dict[str, tuple[str, ...]]) -> None:
    """A host counts as uncovered only where none of them covers it, and is then told with the first alone."""
    found = Takings()
    add_gateways(Fronts(found), [gateway("a", "b", "a")], [route("a.test", "b.test")])
    assert found.shares(("shop", "a"))
    assert served(found, names) == expected


def test_a_secret_that_is_alone_on_its_listener_is_to_cover_every_host() -> None:
    """Nothing else could: no names have to be known."""
    found = Takings()
    add_gateways(Fronts(found), [gateway("a", "a")], [route("a.test", "b.test")])
    assert not found.shares(("shop", "a"))
    assert served(found, {"a": ("a.test",)}) == {"a": ("a.test", "b.test")}


@pytest.mark.parametrize(
    ("hosts", "expected"),
    [
        ((), ("*.test",)),
        (("a.test", "b.a.test", "a.example"), ("a.test", "b.a.test")),
        (("*.test",), ("*.test",)),
    ],
)
def test_a_listener_with_a_wildcard_serves_what_its_routes_bring_below_it(
    hosts: tuple[str, ...], expected: tuple[str, ...]
) -> None:
    """A listener's wildcard lets routes in; it asks for no certificate with a wildcard."""
    found = Takings()
    add_gateways(Fronts(found), [gateway("a", hostname="*.test")], [route(*hosts)])
    assert served(found, {"a": ("a.test",)}) == {"a": expected}


def grant(namespace: str, source: str, name: str = "", **other: str) -> ReferenceGrant:
    """A grant for Gateways of another namespace."""
    target = {"group": "", "kind": "Secret", "name": name}
    origin = {"group": "gateway.networking.k8s.io", "kind": "Gateway", "namespace": source, **other}
    fields = {"metadata": {"name": "g", "namespace": namespace}, "spec": {"from": [origin], "to": [target]}}
    return msgspec.convert(fields, ReferenceGrant)


@pytest.mark.parametrize(
    ("grants", "resolved", "allowed"),
    [
        ([], None, False),
        ([grant("shop", "edge")], None, True),
        ([grant("shop", "edge", "web-tls")], None, True),
        ([grant("shop", "edge", "other-tls")], None, False),
        ([grant("shop", "other")], None, False),
        ([grant("other", "edge")], None, False),
        ([grant("shop", "edge", kind="HTTPRoute")], None, False),
        ([], True, True),  # the controller says that it has resolved it
        ([], False, False),
        (None, False, False),
        (None, None, True),  # nobody can tell
    ],
)
def test_a_gateway_of_another_namespace(
    grants: list[ReferenceGrant] | None, resolved: bool | None, allowed: bool
) -> None:
    """It may take a Secret only where a ReferenceGrant there says so; where grants are unknown, its status counts."""
    found = Takings()
    if grants is not None:
        found.granted.read("", grants)
    gateway = Metadata(name="public", namespace="edge")
    found.add(KEY, gateway_taking(gateway, ["shop.example.com"], "shop", resolved))
    (consumer,) = found.of(KEY, PAIR)
    why = "" if allowed else "no ReferenceGrant in namespace shop allows Gateways of edge to"
    assert consumer == Consumer("Gateway", "edge/public", ("shop.example.com",), foreign=why)


def test_a_gateway_of_the_same_namespace_needs_no_grant() -> None:
    """Within a namespace a reference is always allowed."""
    found = Takings()
    found.granted.read("", [])
    found.add(KEY, gateway_taking(Metadata(name="public", namespace="shop"), [], "shop", None))
    assert found.of(KEY, PAIR) == (Consumer("Gateway", "shop/public"),)
