"""Which endpoints serve a Secret: through an Ingress, a Gateway with its routes, or the pods that load it.

Read per namespace, or for all of them at once, without any Secret. What may not be read is named in `unread` and costs
only these endpoints; a Gateway API that is not installed is no problem.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from rotator.core.model import Chain, Endpoint, Owner
from rotator.lib.kube.cluster import Cluster
from rotator.lib.kube.errors import Call, KubeError
from rotator.lib.kube.objects import (
    Bare,
    Gateway,
    HttpRoute,
    Ingress,
    Listener,
    Metadata,
)
from rotator.lib.kube.owners import is_trigger, triggered
from rotator.lib.kube.pods import EndpointSlice, Pod, Replicas, Served, Service, replicas
from rotator.lib.kube.resources import (
    ENDPOINT_SLICES,
    GATEWAYS,
    HTTP_ROUTES,
    INGRESSES,
    NAMESPACES,
    PODS,
    SERVICES,
    Resource,
)

HTTPS = 443
Key = tuple[str, str]
"""A Secret: namespace and name."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class References:
    """Who refers to which Secret.

    Attributes:
        named: endpoints with a name of their own, of Ingresses and Gateways.
        served: addresses and ports of ready pods that load a Secret.
        triggers: Ingresses and Gateways that make cert-manager own a Secret.
        unread: one sentence for each kind of object that may not be read.
    """

    named: Mapping[Key, tuple[Endpoint, ...]] = field(default_factory=dict)
    served: Mapping[Key, Served] = field(default_factory=dict)
    triggers: Mapping[Key, str] = field(default_factory=dict)
    unread: tuple[str, ...] = ()

    def fronts(self, metadata: Metadata, chain: Chain | None) -> tuple[Endpoint, ...]:
        """Where a Secret is served; pods are asked for the first name of what it holds now."""
        key = (metadata.namespace, metadata.name)
        served = self.served.get(key)
        name = server_name(chain)
        ports = served.addresses if served and not is_client_only(chain) else ()
        return tuple(dict.fromkeys((*self.named.get(key, ()), *(Endpoint(host, port, name) for host, port in ports))))

    def owner(self, metadata: Metadata) -> Owner | None:
        """cert-manager, where an annotated Ingress or Gateway names the Secret."""
        by = self.triggers.get((metadata.namespace, metadata.name))
        return triggered(metadata, by) if by else None

    def services(self, metadata: Metadata) -> frozenset[Key]:
        """The Services whose pods load a Secret."""
        served = self.served.get((metadata.namespace, metadata.name))
        return served.services if served else frozenset()


def server_name(chain: Chain | None) -> str:
    """The name to ask a pod for: the first that is no address; under a wildcard, any name will do."""
    for name in chain.names if chain else ():
        if name.startswith("*."):
            return f"rotator{name[1:]}"
        if not _is_address(name) and "/" not in name and "@" not in name:
            return name
    return ""


def is_client_only(chain: Chain | None) -> bool:
    """Whether a certificate may be shown by clients only (extended key usages, RFC 5280, 4.2.1.12)."""
    usages = set(chain.leaf.extended_key_usages) if chain else set()
    return CLIENT_AUTH in usages and not usages & {SERVER_AUTH, ANY_USAGE}


SERVER_AUTH, CLIENT_AUTH, ANY_USAGE = "1.3.6.1.5.5.7.3.1", "1.3.6.1.5.5.7.3.2", "2.5.29.37.0"


def _is_address(name: str) -> bool:
    return ":" in name or name.replace(".", "").isdigit()


def references(cluster: Cluster, namespace: str = "") -> References:
    """Look at everything that may refer to a Secret in a namespace; empty means all of them.

    Raises:
        KubeError: the cluster cannot be asked at all.
    """
    look = _Look(cluster, namespace)
    named: dict[Key, list[Endpoint]] = {}
    triggers: dict[Key, str] = {}
    _add_ingresses(look.all(INGRESSES, Ingress), named, triggers)
    _add_gateways(list(look.all(GATEWAYS, Gateway)), lambda: look.all(HTTP_ROUTES, HttpRoute), named, triggers)
    served: Mapping[Key, Served] = {}
    loading = Replicas(look.all(PODS, Pod))
    if loading.pods:
        served = replicas(loading, look.all(SERVICES, Service), look.all(ENDPOINT_SLICES, EndpointSlice))
    return References(
        {key: tuple(dict.fromkeys(found)) for key, found in named.items()}, served, triggers, tuple(look.unread)
    )


class _Look:
    """Lists kinds one after the other, and notes those that may not be read."""

    def __init__(self, cluster: Cluster, namespace: str) -> None:
        self._cluster = cluster
        self._namespace = namespace
        self.unread: list[str] = []

    def all(self, resource: Resource, kind: type[T]) -> Iterator[T]:
        try:
            for page in self._cluster.pages(Call("list", resource, self._namespace), kind):
                yield from page
        except KubeError as error:
            if error.status == 403:
                self.unread.append(str(error))
            elif error.status != 404:  # the API of a group that is not installed
                raise


# ---------------------------------------------------------------- Ingress


def _add_ingresses(ingresses: Iterable[Ingress], named: dict[Key, list[Endpoint]], triggers: dict[Key, str]) -> None:
    for ingress in ingresses:
        metadata = ingress.metadata
        hosts = [rule.host for rule in ingress.spec.rules or () if rule.host]
        for tls in ingress.spec.tls or ():
            if not tls.secret_name:
                continue
            key = (metadata.namespace, tls.secret_name)
            wanted = _concrete(tls.hosts or hosts, hosts)
            named.setdefault(key, []).extend(Endpoint(host, HTTPS) for host in wanted)
            if is_trigger(metadata):
                triggers.setdefault(key, f"Ingress {metadata.namespace}/{metadata.name}")


def _concrete(hosts: Iterable[str], candidates: Iterable[str]) -> list[str]:
    """Hosts that can be asked for; a wildcard stands for the candidates one label below it."""
    found: list[str] = []
    for host in hosts:
        if host.startswith("*."):
            found += [each for each in candidates if "*" not in each and each.partition(".")[2] == host[2:]]
        elif host:
            found.append(host)
    return found


# ---------------------------------------------------------------- Gateway API


def _add_gateways(
    gateways: list[Gateway],
    routes: Callable[[], Iterable[HttpRoute]],
    named: dict[Key, list[Endpoint]],
    triggers: dict[Key, str],
) -> None:
    attached = _hostnames(routes()) if gateways else {}
    for gateway in gateways:
        metadata = gateway.metadata
        for listener in gateway.spec.listeners or ():
            below = [
                *attached.get((metadata.namespace, metadata.name, listener.name), ()),
                *attached.get((metadata.namespace, metadata.name, ""), ()),
            ]
            hosts = _concrete([listener.hostname] if listener.hostname else below, below)
            for key in _certificates(gateway, listener):
                named.setdefault(key, []).extend(Endpoint(host, listener.port) for host in hosts)
                if is_trigger(metadata):
                    triggers.setdefault(key, f"Gateway {metadata.namespace}/{metadata.name}")


def _hostnames(routes: Iterable[HttpRoute]) -> dict[tuple[str, str, str], list[str]]:
    """The names that routes bring to a Gateway, or to one listener of it."""
    found: dict[tuple[str, str, str], list[str]] = {}
    for route in routes:
        for parent in route.spec.parent_refs or ():
            key = (parent.namespace or route.metadata.namespace, parent.name, parent.section_name or "")
            found.setdefault(key, []).extend(route.spec.hostnames or ())
    return found


def _certificates(gateway: Gateway, listener: Listener) -> Iterator[Key]:
    """The Secrets of a listener that ends TLS.

    One in another namespace counts only when the Gateway's own status says that the reference is allowed there.
    """
    if listener.tls is None or listener.tls.mode != "Terminate":
        return
    for reference in listener.tls.certificate_refs or ():
        namespace = reference.namespace or gateway.metadata.namespace
        if reference.kind != "Secret" or reference.group:
            continue
        if namespace == gateway.metadata.namespace or _resolved(gateway, listener.name):
            yield (namespace, reference.name)


def _resolved(gateway: Gateway, listener: str) -> bool:
    return any(
        condition.type == "ResolvedRefs" and condition.status == "True"
        for status in gateway.status.listeners or ()
        if status.name == listener
        for condition in status.conditions or ()
    )


# ---------------------------------------------------------------- namespaces


def namespace_of(cluster: Cluster, name: str) -> Metadata | None:
    """A namespace's own metadata; None when there is no such namespace.

    Raises:
        KubeError: it could not be read (403: the right may be missing).
    """
    found = cluster.get(Call("get", NAMESPACES, name=name), Bare)
    return found.metadata if found else None
