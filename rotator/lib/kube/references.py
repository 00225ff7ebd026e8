"""Which endpoints serve a Secret: through an Ingress, a Gateway with its routes, or the pods that load it.

Read per namespace, or for all of them at once, without any Secret. What may not be read is named in `unread` and costs
only these endpoints; a Gateway API that is not installed is no problem.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from rotator.core.model import Chain, Endpoint, Owner, Use
from rotator.core.usages import use_of
from rotator.lib.kube.cluster import Cluster
from rotator.lib.kube.consumers import ReferenceGrant, Takings, pod_takings
from rotator.lib.kube.errors import Call
from rotator.lib.kube.fronts import Fronts, add_gateways, add_ingress
from rotator.lib.kube.objects import Bare, Gateway, HttpRoute, Ingress, Metadata
from rotator.lib.kube.owners import triggered
from rotator.lib.kube.pods import EndpointSlice, Replicas, Served, Service, replicas
from rotator.lib.kube.podspec import Pod
from rotator.lib.kube.reading import Denied, Reader
from rotator.lib.kube.resources import (
    ENDPOINT_SLICES,
    GATEWAYS,
    HTTP_ROUTES,
    INGRESSES,
    NAMESPACES,
    PODS,
    REFERENCE_GRANTS,
    SERVICES,
)

Key = tuple[str, str]
"""A Secret: namespace and name."""


@dataclass(frozen=True, slots=True)
class References:
    """Who refers to which Secret.

    Attributes:
        named: endpoints with a name of their own, of Ingresses and Gateways.
        served: addresses and ports of ready pods that load a Secret.
        triggers: Ingresses and Gateways that make cert-manager own a Secret.
        denied: kinds of object that may not be read.
    """

    named: Mapping[Key, tuple[Endpoint, ...]] = field(default_factory=dict)
    served: Mapping[Key, Served] = field(default_factory=dict)
    triggers: Mapping[Key, Sequence[str]] = field(default_factory=dict)
    denied: tuple[Denied, ...] = ()

    @property
    def unread(self) -> tuple[str, ...]:
        """One sentence for each kind of object that may not be read."""
        return tuple(each.why for each in self.denied)

    def fronts(self, metadata: Metadata, chain: Chain | None) -> tuple[Endpoint, ...]:
        """Where a Secret is served; pods are asked for the first name of what it holds now."""
        key = (metadata.namespace, metadata.name)
        named, served = self.named.get(key, ()), self.served.get(key)
        if served is None or (chain and use_of(chain.leaf) is Use.CLIENT):
            return named
        name = server_name(chain)
        return tuple(dict.fromkeys((*named, *(Endpoint(host, port, name) for host, port in served.addresses))))

    def owner(self, metadata: Metadata) -> Owner | None:
        """cert-manager, where an annotated Ingress or Gateway names the Secret."""
        return next(iter(self.owners(metadata)), None)

    def owners(self, metadata: Metadata) -> tuple[Owner, ...]:
        """The same with every such Ingress and Gateway: two of them make two owners."""
        by = self.triggers.get((metadata.namespace, metadata.name), ())
        return tuple(triggered(metadata, each) for each in by)

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


def _is_address(name: str) -> bool:
    return ":" in name or name.replace(".", "").isdigit()


def references(
    cluster: Cluster, namespace: str = "", *, each: Sequence[str] = (), takings: Takings | None = None
) -> References:
    """Look at everything that may refer to a Secret in a namespace; empty means all of them.

    Args:
        each: the namespaces to try one by one where all at once may not be read.
        takings: is filled with who takes what, where that is wanted.

    Raises:
        KubeError: the cluster cannot be asked at all.
    """
    look = Reader(cluster, namespace, each)
    found = Fronts(takings)
    for ingress in look.all(INGRESSES, Ingress):
        add_ingress(found, ingress)
    gateways = list(look.all(GATEWAYS, Gateway))
    if gateways:
        add_gateways(found, gateways, look.all(HTTP_ROUTES, HttpRoute))
    if takings is not None:
        _add_grants(look, takings)
    served: Mapping[Key, Served] = {}
    loading = Replicas(_noted(look.all(PODS, Pod), takings))
    if loading.pods:
        served = replicas(loading, look.all(SERVICES, Service), look.all(ENDPOINT_SLICES, EndpointSlice))
    named = {key: tuple(dict.fromkeys(endpoints)) for key, endpoints in found.named.items()}
    return References(named, served, found.triggers, tuple(look.denied))


def _noted(pods: Iterable[Pod], takings: Takings | None) -> Iterator[Pod]:
    """Pass on pods one after the other, and note what each takes: they are listed once, and never kept."""
    for pod in pods:
        for key, taking in pod_takings(pod) if takings is not None else ():
            assert takings is not None
            takings.add(key, taking)
        yield pod


def _add_grants(look: Reader, takings: Takings) -> None:
    """Where grants may not be read, or the Gateway API is not installed, what a Gateway's status says counts."""
    refused = len(look.denied)
    grants = list(look.all(REFERENCE_GRANTS, ReferenceGrant))
    denied = {each.namespace for each in look.denied[refused:]}
    if REFERENCE_GRANTS in look.absent:
        return
    if not denied:
        takings.granted.read(look.namespace, grants)
    elif look.each:
        for namespace in set(look.each) - denied:
            takings.granted.read(namespace, [each for each in grants if each.metadata.namespace == namespace])


# ---------------------------------------------------------------- namespaces


def namespace_of(cluster: Cluster, name: str) -> Metadata | None:
    """A namespace's own metadata; None when there is no such namespace.

    Raises:
        KubeError: it could not be read (403: the right may be missing).
    """
    found = cluster.get(Call("get", NAMESPACES, name=name), Bare)
    return found.metadata if found else None
