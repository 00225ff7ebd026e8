"""Which ready pods load a Secret, and on which of their ports they speak TLS.

A pod loads a Secret by a volume (whole, or with `tls.crt` among its items), a projected volume, or the environment.
Its addresses come from the EndpointSlices of its Services. A port counts as TLS when its name or `appProtocol` says so
(`https`, `tls`, `https-admin`, `grpc-tls` …), or when it or its Service's port is one where TLS is usual. Where a pod's
containers declare their ports, only those of the container that loads the Secret count: the certificate of a sidecar is
not looked for at the application's port.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from msgspec import Struct
from msgspec import field as member

from rotator.lib.kube.objects import Metadata
from rotator.lib.kube.podspec import Container, Pod, SecretVolume, containers_of, from_environment

Key = tuple[str, str]

TLS_PORTS = frozenset({443, 465, 563, 636, 853, 989, 990, 992, 993, 994, 995, 5061, 5671, 6443, 8443, 8883, 9443})
"""Where TLS is spoken from the first byte."""

_TLS_NAME = re.compile(r"(^|-)(https|tls|ssl|h2|wss|grpcs|ldaps|mqtts|amqps)(-|$)")
_TLS_PROTOCOLS = ("https", "tls", "ssl", "grpcs", "wss", "kubernetes.io/wss", "ldaps", "imaps", "amqps")
_SERVICE_LABEL = "kubernetes.io/service-name"


@dataclass(frozen=True, slots=True)
class Served:
    """Where a Secret is served by pods, and by which Services."""

    addresses: tuple[tuple[str, int], ...]
    services: frozenset[Key]


@dataclass(slots=True)
class _Found:
    addresses: dict[tuple[str, int], None] = field(default_factory=dict)
    services: set[Key] = field(default_factory=set)


class Replicas:
    """The pods that load Secrets: (namespace, pod) → Secret → the ports of the containers that load it.

    Only this is kept of a list of pods. Ports that no container declares belong to every container.
    """

    def __init__(self, pods: Iterable[Pod]) -> None:
        self.pods: dict[Key, dict[str, frozenset[int]]] = {}
        self._declared: dict[Key, frozenset[int]] = {}
        for pod in pods:
            loads = _loads(pod)
            if loads:
                key = (pod.metadata.namespace, pod.metadata.name)
                self.pods[key] = loads
                self._declared[key] = frozenset(port for container in containers_of(pod) for port in _ports(container))

    def behind(self, pod: Key, port: int) -> Iterator[str]:
        """The Secrets that this port of a pod may serve."""
        for secret, ports in self.pods.get(pod, {}).items():
            if port in ports or port not in self._declared[pod]:
                yield secret


def replicas(pods: Replicas, services: Iterable[Service], slices: Iterable[EndpointSlice]) -> Mapping[Key, Served]:
    """Join pods, Services and EndpointSlices: which addresses serve which Secret."""
    numbers = {
        (service.metadata.namespace, service.metadata.name, port.name): port.port
        for service in services
        for port in service.spec.ports or ()
    }
    found: dict[Key, _Found] = {}
    for one in slices:
        namespace, service = one.metadata.namespace, (one.metadata.labels or {}).get(_SERVICE_LABEL, "")
        ports = [p for p in one.ports or () if _speaks_tls(p, numbers.get((namespace, service, p.name or "")))]
        for endpoint in one.endpoints or ():
            for port in ports:
                _add(found, pods, (namespace, service), endpoint, port.port or 0)
    return {key: Served(tuple(sorted(each.addresses)), frozenset(each.services)) for key, each in found.items()}


def _add(found: dict[Key, _Found], pods: Replicas, service: Key, endpoint: SliceEndpoint, port: int) -> None:
    reference = endpoint.target_ref
    if reference is None or reference.kind != "Pod":
        return
    for secret in pods.behind((service[0], reference.name), port):
        each = found.setdefault((service[0], secret), _Found())
        each.services.add(service)
        # An unset `ready` is to be read as true (the API's own words).
        if endpoint.conditions.ready is not False:
            each.addresses |= {(address, port): None for address in endpoint.addresses or ()}


def _speaks_tls(port: SlicePort, service_port: int | None) -> bool:
    if port.port is None or port.protocol not in {None, "", "TCP"}:
        return False
    if port.app_protocol:
        return port.app_protocol.lower() in _TLS_PROTOCOLS or _usual(port, service_port)
    return bool(port.name and _TLS_NAME.search(port.name)) or _usual(port, service_port)


def _usual(port: SlicePort, service_port: int | None) -> bool:
    return port.port in TLS_PORTS or service_port in TLS_PORTS


# ---------------------------------------------------------------- what a pod loads


def _ports(container: Container) -> Iterator[int]:
    return (port.container_port for port in container.ports or ())


def _loads(pod: Pod) -> dict[str, frozenset[int]]:
    volumes: dict[str, set[str]] = {}
    for volume in pod.spec.volumes or ():
        volumes.setdefault(volume.name, set()).update(s.secret for s in volume.secrets if _holds_certificate(s))
    loads: dict[str, set[int]] = {}
    for container in containers_of(pod):
        names = {name for mount in container.volume_mounts or () for name in volumes.get(mount.name, ())}
        names |= {each.name for each in from_environment(container) if each.key in {"", "tls.crt"}}
        for name in names:
            loads.setdefault(name, set()).update(_ports(container))
    return {name: frozenset(ports) for name, ports in loads.items()}


def _holds_certificate(secret: SecretVolume) -> bool:
    """A volume with chosen items may take the CA alone, which serves nothing."""
    return not secret.items or any(item.key == "tls.crt" for item in secret.items)


# ---------------------------------------------------------------- the fields that are read


class ServicePort(Struct):
    name: str = ""
    port: int = 0


class ServiceSpec(Struct):
    ports: list[ServicePort] | None = None


class Service(Struct):
    metadata: Metadata = member(default_factory=Metadata)
    spec: ServiceSpec = member(default_factory=ServiceSpec)


class SliceConditions(Struct):
    ready: bool | None = None


class ObjectRef(Struct):
    kind: str = ""
    name: str = ""


class SliceEndpoint(Struct, rename="camel"):
    addresses: list[str] | None = None
    conditions: SliceConditions = member(default_factory=SliceConditions)
    target_ref: ObjectRef | None = None


class SlicePort(Struct, rename="camel"):
    name: str | None = None
    port: int | None = None
    protocol: str | None = None
    app_protocol: str | None = None


class EndpointSlice(Struct):
    metadata: Metadata = member(default_factory=Metadata)
    endpoints: list[SliceEndpoint] | None = None
    ports: list[SlicePort] | None = None
