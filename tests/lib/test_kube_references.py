"""Which endpoints serve a Secret, by objects in a real API server."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from rotator.core.model import Endpoint
from rotator.lib.kube.objects import Metadata
from rotator.lib.kube.references import References, namespace_of, references, server_name
from tests.lib.kube_builders import GATEWAY_API as GROUP
from tests.lib.kube_builders import authority, cluster, installed_gateway_api, issue
from tests.servers.kube import READER, KubeServer


def create(server: KubeServer, api: str, namespace: str, plural: str, name: str, spec: Any, **more: Any) -> None:
    """Create an object with a spec."""
    metadata = {"name": name, **more.pop("metadata", {})}
    body = {"metadata": metadata, "spec": spec, **more}
    server.expect("POST", f"/{api}/namespaces/{namespace}/{plural}", body)


def pod(server: KubeServer, namespace: str, name: str, volumes: Any, containers: Any) -> None:
    """Create a pod, which nothing will ever run."""
    filled = [{"name": f"c{index}", "image": "x", **each} for index, each in enumerate(containers)]
    create(server, "api/v1", namespace, "pods", name, {"volumes": volumes, "containers": filled})


def tls_pod(server: KubeServer, namespace: str, name: str, secret: str, ports: tuple[int, ...] = ()) -> None:
    """Create a pod whose one container mounts a Secret."""
    container = {
        "volumeMounts": [{"name": "tls", "mountPath": "/tls"}],
        "ports": [{"containerPort": port} for port in ports],
    }
    pod(server, namespace, name, [{"name": "tls", "secret": {"secretName": secret}}], [container])


def service(server: KubeServer, namespace: str, name: str, *ports: dict[str, Any]) -> None:
    """Create a Service with these ports."""
    create(server, "api/v1", namespace, "services", name, {"ports": list(ports), "clusterIP": "None"})


def slice_of(
    server: KubeServer, namespace: str, name: str, endpoints: list[dict[str, Any]], *ports: dict[str, Any]
) -> None:
    """Create the EndpointSlice of a Service."""
    body = {
        "metadata": {"name": f"{name}-1", "labels": {"kubernetes.io/service-name": name}},
        "addressType": "IPv4",
        "endpoints": endpoints,
        "ports": list(ports),
    }
    server.expect("POST", f"/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices", body)


def replica(address: str, pod_name: str, *, ready: bool | None = True) -> dict[str, Any]:
    """One endpoint of a slice."""
    conditions = {} if ready is None else {"ready": ready}
    return {"addresses": [address], "conditions": conditions, "targetRef": {"kind": "Pod", "name": pod_name}}


def look(server: KubeServer, namespace: str) -> References:
    """Look as the administrator."""
    return references(cluster(server.kubeconfig()), namespace)


def fronts(found: References, namespace: str, secret: str, *names: str) -> tuple[Endpoint, ...]:
    """The endpoints of a Secret that holds a certificate for these names."""
    return found.fronts(Metadata(name=secret, namespace=namespace), issue(authority(), *names).chain)


def test_every_ready_pod_behind_a_service(kube_server: KubeServer, kube_namespace: str) -> None:
    """Each ready pod that mounts the Secret is an endpoint of its own, with the certificate's first name as SNI."""
    for name in ("shop-a", "shop-b", "shop-c", "shop-d"):
        tls_pod(kube_server, kube_namespace, name, "shop-tls", (9000, 9001))
    service(kube_server, kube_namespace, "shop", {"name": "main", "port": 443, "targetPort": 9000},
            {"name": "metrics", "port": 9001})  # fmt: skip
    slice_of(
        kube_server, kube_namespace, "shop",
        [replica("10.203.1.2", "shop-a"), replica("10.203.1.3", "shop-b", ready=None),
         replica("10.203.1.4", "shop-c", ready=False), replica("10.203.1.5", "stranger")],
        {"name": "main", "port": 9000}, {"name": "metrics", "port": 9001},
    )  # fmt: skip
    found = look(kube_server, kube_namespace)
    expected = tuple(Endpoint(f"10.203.1.{host}", 9000, "shop.example.com") for host in (2, 3))
    assert fronts(found, kube_namespace, "shop-tls", "shop.example.com") == expected
    assert found.services(Metadata(name="shop-tls", namespace=kube_namespace)) == {(kube_namespace, "shop")}
    assert fronts(found, kube_namespace, "other-tls") == ()


@pytest.mark.parametrize(
    ("port", "expected"),
    [
        ({"name": "https", "port": 9000}, True),
        ({"name": "grpc-tls", "port": 9000}, True),
        ({"name": "grpc", "port": 9000, "appProtocol": "tls"}, True),
        ({"name": "web", "port": 8443}, True),
        ({"name": "http", "port": 9000, "appProtocol": "http"}, False),
        ({"name": "httpsish", "port": 9000}, False),
        ({"name": "https", "port": 443, "protocol": "UDP"}, False),
        ({"name": "", "port": 9000}, False),
    ],
)
def test_ports_that_speak_tls(
    kube_server: KubeServer, kube_namespace: str, port: dict[str, Any], expected: bool
) -> None:
    """A port counts by its name, its protocol or its number; metrics, plain HTTP and UDP are not asked."""
    tls_pod(kube_server, kube_namespace, "shop", "shop-tls")
    slice_of(kube_server, kube_namespace, "shop", [replica("10.203.1.2", "shop")], port)
    assert bool(fronts(look(kube_server, kube_namespace), kube_namespace, "shop-tls")) is expected


def test_how_a_pod_loads_a_secret(kube_server: KubeServer, kube_namespace: str) -> None:
    """Volumes, projected volumes and the environment count; a volume with the CA alone, or unmounted, does not."""
    mount = {"volumeMounts": [{"name": "tls", "mountPath": "/tls"}]}
    whole = {"name": "tls", "secret": {"secretName": "whole"}}
    ca_only = {"secret": {"name": "ca-only", "items": [{"key": "ca.crt", "path": "ca.crt"}]}}
    chosen = {"secret": {"name": "chosen", "items": [{"key": "tls.crt", "path": "tls.crt"}]}}
    projected = {"name": "tls", "projected": {"sources": [ca_only, chosen]}}
    variable = {"name": "CERT", "valueFrom": {"secretKeyRef": {"name": "by-variable", "key": "tls.crt"}}}
    password = {"name": "PASS", "valueFrom": {"secretKeyRef": {"name": "password", "key": "password"}}}
    environment = {"env": [variable, password], "envFrom": [{"secretRef": {"name": "by-environment"}}]}
    pod(kube_server, kube_namespace, "a", [whole], [mount])
    pod(kube_server, kube_namespace, "b", [projected], [mount])
    pod(kube_server, kube_namespace, "c", [{"name": "tls", "secret": {"secretName": "unmounted"}}], [environment])
    everyone = [replica(f"10.203.1.{host}", name) for host, name in enumerate("abc", 2)]
    slice_of(kube_server, kube_namespace, "all", everyone, {"name": "https", "port": 8443})
    found = look(kube_server, kube_namespace)
    assert {secret for _, secret in found.served} == {"whole", "chosen", "by-variable", "by-environment"}


def test_a_sidecar_is_not_asked_at_the_applications_port(kube_server: KubeServer, kube_namespace: str) -> None:
    """Where containers declare their ports, each Secret is looked for only at the ports of who loads it."""
    volumes = [{"name": name, "secret": {"secretName": f"{name}-tls"}} for name in ("app", "proxy")]
    containers = [
        {"volumeMounts": [{"name": name, "mountPath": "/tls"}], "ports": [{"containerPort": port}]}
        for name, port in (("app", 8443), ("proxy", 9443))
    ]
    pod(kube_server, kube_namespace, "shop", volumes, containers)
    ports = ({"name": "https", "port": 8443}, {"name": "https-proxy", "port": 9443}, {"name": "tls", "port": 7000})
    slice_of(kube_server, kube_namespace, "shop", [replica("10.203.1.2", "shop")], *ports)
    found = look(kube_server, kube_namespace)
    asked = {secret: [port for _, port in served.addresses] for (_, secret), served in found.served.items()}
    assert asked == {"app-tls": [7000, 8443], "proxy-tls": [7000, 9443]}


def test_a_client_certificate_has_no_pods_in_front(kube_server: KubeServer, kube_namespace: str) -> None:
    """A pod that mounts a certificate for clients does not serve it."""
    tls_pod(kube_server, kube_namespace, "shop", "client-tls")
    slice_of(kube_server, kube_namespace, "shop", [replica("10.203.1.2", "shop")], {"name": "https", "port": 8443})
    client = issue(authority(), "robot.example.com", eku=["client"]).chain
    found = look(kube_server, kube_namespace)
    assert found.fronts(Metadata(name="client-tls", namespace=kube_namespace), client) == ()


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (("shop.example.com", "www.example.com"), "shop.example.com"),
        (("10.0.0.1", "2001:db8::1", "shop.example.com"), "shop.example.com"),
        (("*.example.com", "example.com"), "rotator.example.com"),
        (("spiffe://example.org/shop",), ""),
    ],
)
def test_the_name_to_ask_for(names: tuple[str, ...], expected: str) -> None:
    """SNI is the first host name; under a wildcard any name will do; an address is no SNI (RFC 6066, 3)."""
    assert server_name(issue(authority(), *names).chain) == expected


def ingress(server: KubeServer, namespace: str, tls: Any, *hosts: str) -> None:
    """Create an Ingress with rules for these hosts."""
    backend = {"service": {"name": "shop", "port": {"number": 80}}}
    paths = {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]}
    spec = {"tls": tls, "rules": [{"host": host, "http": paths} for host in hosts]}
    create(server, "apis/networking.k8s.io/v1", namespace, "ingresses", "shop", spec)


def test_hosts_of_an_ingress(kube_server: KubeServer, kube_namespace: str) -> None:
    """A wildcard stands for the rules below it, and an entry without hosts for all rules."""
    ingress(
        kube_server,
        kube_namespace,
        [{"hosts": ["*.example.com"], "secretName": "wild"}, {"secretName": "all"}, {"hosts": ["none.example.com"]}],
        "a.example.com",
        "a.b.example.com",
        "other.test",
    )
    found = look(kube_server, kube_namespace)
    assert found.named[(kube_namespace, "wild")] == (Endpoint("a.example.com", 443),)
    assert [each.host for each in found.named[(kube_namespace, "all")]] == [
        "a.example.com", "a.b.example.com", "other.test",
    ]  # fmt: skip


@pytest.fixture
def gateway_api(kube_server: KubeServer, kube_namespace: str) -> Iterator[None]:
    """Install the kinds of the Gateway API."""
    with installed_gateway_api(kube_server, kube_namespace):
        yield


@pytest.mark.usefixtures("gateway_api")
def test_listeners_of_a_gateway(kube_server: KubeServer, kube_namespace: str) -> None:
    """A listener's own name counts, else those of its routes; passthrough and forbidden references do not."""

    def listener(name: str, secret: str, hostname: str = "", namespace: str = "", mode: str = "Terminate") -> Any:
        reference = {"kind": "Secret", "name": secret, **({"namespace": namespace} if namespace else {})}
        tls = {"mode": mode, "certificateRefs": [reference]}
        return {
            "name": name,
            "port": 8443,
            "protocol": "HTTPS",
            "tls": tls,
            **({"hostname": hostname} if hostname else {}),
        }

    listeners = [
        listener("named", "named-tls", "shop.example.com"),
        listener("wild", "wild-tls", "*.example.org"),
        listener("open", "open-tls"),
        listener("through", "through-tls", "through.example.com", mode="Passthrough"),
        listener("allowed", "far-tls", "far.example.com", namespace="certs"),
        listener("forbidden", "near-tls", "near.example.com", namespace="certs"),
    ]
    status = {
        "listeners": [
            {"name": "allowed", "conditions": [{"type": "ResolvedRefs", "status": "True", "reason": "ResolvedRefs"}]},
            {
                "name": "forbidden",
                "conditions": [{"type": "ResolvedRefs", "status": "False", "reason": "RefNotPermitted"}],
            },
        ]
    }
    api = f"apis/{GROUP}/v1"
    marks = {"annotations": {"cert-manager.io/issuer": "internal"}}
    version = {"apiVersion": f"{GROUP}/v1"}
    create(kube_server, api, kube_namespace, "gateways", "edge", {"listeners": listeners},
           metadata=marks, status=status, kind="Gateway", **version)  # fmt: skip
    for name, section, hosts in (("one", "wild", ["a.example.org", "a.example.net"]), ("two", None, ["b.example.net"])):
        parent = {"name": "edge", **({"sectionName": section} if section else {})}
        spec = {"parentRefs": [parent], "hostnames": hosts}
        create(kube_server, api, kube_namespace, "httproutes", name, spec,
               metadata=marks, kind="HTTPRoute", **version)  # fmt: skip
    found = look(kube_server, kube_namespace)
    asked = {f"{key[0]}/{key[1]}": [str(each) for each in ends] for key, ends in found.named.items()}
    assert asked == {
        f"{kube_namespace}/named-tls": ["shop.example.com:8443"],
        f"{kube_namespace}/wild-tls": ["a.example.org:8443"],
        f"{kube_namespace}/open-tls": ["b.example.net:8443"],
        "certs/far-tls": ["far.example.com:8443"],
    }
    owner = found.owner(Metadata(name="named-tls", namespace=kube_namespace))
    assert owner is not None
    assert owner.name == f"Gateway {kube_namespace}/edge"


def test_what_may_not_be_read_is_named(kube_server: KubeServer, kube_namespace: str) -> None:
    """Without rights the Secrets still have an answer: no endpoints, and one sentence for each kind."""
    found = references(cluster(kube_server.kubeconfig(READER)), kube_namespace)
    assert not found.named
    assert any("grant reader the verb `list` on pods there" in sentence for sentence in found.unread)
    assert any("ingresses.networking.k8s.io" in sentence for sentence in found.unread)


def test_namespaces(kube_server: KubeServer, kube_namespace: str) -> None:
    """A namespace is read by its name; one that is not there is None."""
    reader = cluster(kube_server.kubeconfig())
    found = namespace_of(reader, kube_namespace)
    assert found is not None
    assert found.name == kube_namespace
    assert namespace_of(reader, "nowhere") is None
