"""Which Secrets Ingresses and Gateways name, for which hosts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from rotator.core.model import Endpoint
from rotator.lib.kube.consumers import Takings, gateway_taking, ingress_taking
from rotator.lib.kube.objects import Condition, Gateway, HttpRoute, Ingress, Listener
from rotator.lib.kube.owners import is_trigger
from rotator.lib.kube.sharing import Key

HTTPS = 443


@dataclass(slots=True)
class Fronts:
    """What Ingresses and Gateways say of Secrets.

    Attributes:
        takings: is told of each of them, where that is wanted.
        named: endpoints with a name of their own.
        triggers: those that make cert-manager own a Secret.
    """

    takings: Takings | None = None
    named: dict[Key, list[Endpoint]] = field(default_factory=dict)
    triggers: dict[Key, list[str]] = field(default_factory=dict)

    def triggered(self, key: Key, by: str) -> None:
        there = self.triggers.setdefault(key, [])
        if by not in there:
            there.append(by)


# ---------------------------------------------------------------- Ingress


def add_ingress(found: Fronts, ingress: Ingress) -> None:
    """Note the Secrets of an Ingress."""
    metadata = ingress.metadata
    hosts = [rule.host for rule in ingress.spec.rules or () if rule.host]
    for tls in ingress.spec.tls or ():
        if not tls.secret_name:
            continue
        key = (metadata.namespace, tls.secret_name)
        wanted = tls.hosts or hosts
        found.named.setdefault(key, []).extend(Endpoint(host, HTTPS) for host in _concrete(wanted, hosts))
        if found.takings is not None:
            found.takings.add(key, ingress_taking(metadata, tls.hosts or ()))
        if is_trigger(metadata):
            found.triggered(key, f"Ingress {metadata.namespace}/{metadata.name}")


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


def add_gateways(found: Fronts, gateways: Iterable[Gateway], routes: Iterable[HttpRoute]) -> None:
    """Note the Secrets of Gateways, with the names that their routes bring."""
    attached = _hostnames(routes)
    for gateway in gateways:
        metadata = gateway.metadata
        for listener in gateway.spec.listeners or ():
            below = [
                *attached.get((metadata.namespace, metadata.name, listener.name), ()),
                *attached.get((metadata.namespace, metadata.name, ""), ()),
            ]
            wanted = [listener.hostname] if listener.hostname else below
            _add_listener(found, gateway, listener, _served(listener, below), _concrete(wanted, below))


def _served(listener: Listener, below: list[str]) -> list[str]:
    """The hosts that a listener needs certificates for; of a wildcard those that its routes bring below it, if any.

    The wildcard of a listener stands for any number of labels (Gateway API: Listener `hostname`).
    """
    if not listener.hostname:
        return below
    if listener.hostname.startswith("*."):
        return [host for host in below if host.endswith(listener.hostname[1:])] or [listener.hostname]
    return [listener.hostname]


def _add_listener(found: Fronts, gateway: Gateway, listener: Listener, wanted: list[str], hosts: list[str]) -> None:
    """Note the Secrets of one listener: those that it needs certificates of for `wanted`; `hosts` can be asked for.

    One in another namespace is a front only when the Gateway's own status says that the reference is allowed there.
    """
    metadata = gateway.metadata
    resolved = _resolved(gateway, listener.name)
    keys = tuple(dict.fromkeys(_certificates(gateway, listener)))
    for key in keys:
        if found.takings is not None:
            found.takings.add(key, gateway_taking(metadata, wanted, key[0], resolved, keys))
        if key[0] != metadata.namespace and not resolved:
            continue
        found.named.setdefault(key, []).extend(Endpoint(host, listener.port) for host in hosts)
        if is_trigger(metadata):
            found.triggered(key, f"Gateway {metadata.namespace}/{metadata.name}")


def _hostnames(routes: Iterable[HttpRoute]) -> dict[tuple[str, str, str], list[str]]:
    """The names that routes bring to a Gateway, or to one listener of it."""
    found: dict[tuple[str, str, str], list[str]] = {}
    for route in routes:
        for parent in route.spec.parent_refs or ():
            key = (parent.namespace or route.metadata.namespace, parent.name, parent.section_name or "")
            found.setdefault(key, []).extend(route.spec.hostnames or ())
    return found


def _certificates(gateway: Gateway, listener: Listener) -> Iterator[Key]:
    """The Secrets of a listener that ends TLS."""
    if listener.tls is None or listener.tls.mode != "Terminate":
        return
    for reference in listener.tls.certificate_refs or ():
        if reference.kind == "Secret" and not reference.group:
            yield (reference.namespace or gateway.metadata.namespace, reference.name)


def _resolved(gateway: Gateway, listener: str) -> bool | None:
    """What the Gateway's status says of a listener's references; None when it says nothing, or another fault."""
    for status in gateway.status.listeners or ():
        for condition in (status.conditions or ()) if status.name == listener else ():
            if condition.type == "ResolvedRefs":
                return _permitted(condition)
    return None


def _permitted(condition: Condition) -> bool | None:
    if condition.status == "True":
        return True
    return False if condition.reason == "RefNotPermitted" else None
