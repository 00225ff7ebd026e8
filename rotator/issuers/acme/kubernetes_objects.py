"""The objects that lead a CA's requests to a pod: built here, sent by `kubernetes_routes`."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any

from rotator.core.csr import is_address
from rotator.issuers.acme.entrance import PATH
from rotator.issuers.acme.proving import Http01Kubernetes
from rotator.issuers.acme.solver import Proof
from rotator.lib.kube.resources import ENDPOINT_SLICES, HTTP_ROUTES, INGRESSES, SERVICES, Resource

LABELS: Mapping[str, str] = {"app.kubernetes.io/managed-by": "rotator", "app.kubernetes.io/component": "acme-challenge"}
SELECTOR = ",".join(f"{key}={value}" for key, value in LABELS.items())
HOLDER, UNTIL, ATTEMPT = "rotator/holder", "rotator/until", "rotator/attempt"
_KINDS = {SERVICES: "Service", ENDPOINT_SLICES: "EndpointSlice", INGRESSES: "Ingress", HTTP_ROUTES: "HTTPRoute"}


@dataclass(frozen=True, slots=True)
class Made:
    """One object, ready to be sent."""

    resource: Resource
    body: Mapping[str, Any]

    @property
    def name(self) -> str:
        return str(self.body["metadata"]["name"])


@dataclass(frozen=True, slots=True)
class Plan:
    """What the objects of one order have in common.

    Attributes:
        marks: annotations that say whose they are, of which attempt, and until when.
        owner: owner references, by which the cluster itself clears up after the pod; empty where the pod is not known.
    """

    settings: Http01Kubernetes
    issuer: str
    namespace: str
    pod: str
    port: int
    marks: Mapping[str, str]
    owner: tuple[Mapping[str, Any], ...] = ()

    def objects(self, proofs: tuple[Proof, ...]) -> list[Made]:
        """All objects, in the order in which they are made."""
        service = _name(self.issuer, "".join(sorted(proof.token for proof in proofs)))
        entrances = [self._entrance(proof, service) for proof in proofs]
        if self.settings.selector:
            return [self._service(service), *entrances]
        return [self._service(service), self._slice(service), *entrances]

    def _made(self, resource: Resource, name: str, rest: Mapping[str, Any], **metadata: Mapping[str, str]) -> Made:
        version = f"{resource.group}/{resource.version}" if resource.group else resource.version
        meta: dict[str, Any] = {
            "name": name,
            "namespace": self.namespace,
            "labels": {**LABELS, **metadata.get("labels", {})},
            "annotations": {**metadata.get("annotations", {}), **self.marks},
        }
        if self.owner:
            meta["ownerReferences"] = [dict(each) for each in self.owner]
        return Made(resource, {"apiVersion": version, "kind": _KINDS[resource], "metadata": meta, **rest})

    def _service(self, name: str) -> Made:
        port = {"name": "http", "port": self.port, "targetPort": self.port, "protocol": "TCP"}
        spec: dict[str, Any] = {"type": "ClusterIP", "ports": [port]}
        if self.settings.selector:
            spec["selector"] = dict(self.settings.selector)
        return self._made(SERVICES, name, {"spec": spec})

    def _slice(self, service: str) -> Made:
        """To this pod alone: another replica does not know the proof."""
        rest = {
            "addressType": f"IPv{ip_address(self.pod).version}",
            "endpoints": [{"addresses": [self.pod], "conditions": {"ready": True}}],
            "ports": [{"name": "http", "port": self.port, "protocol": "TCP"}],
        }
        labels = {"kubernetes.io/service-name": service, "endpointslice.kubernetes.io/managed-by": "rotator"}
        return self._made(ENDPOINT_SLICES, service, rest, labels=labels)

    def _entrance(self, proof: Proof, service: str) -> Made:
        # One for a proof, whichever issuer needs it: some controllers refuse a second one for a host and path.
        name, path = _name(proof.name, proof.token), f"{PATH}{proof.token}"
        # Neither Ingress nor HTTPRoute takes an address as a host: without one they are for all.
        host = "" if is_address(proof.name) else proof.name.lower()
        if self.settings.gateway is not None:
            rest = {"spec": _http_route(self.settings, host, path, service, self.port)}
            return self._made(HTTP_ROUTES, name, rest, annotations=self.settings.annotations)
        rest = {"spec": _ingress(self.settings.ingress_class, host, path, service, self.port)}
        return self._made(INGRESSES, name, rest, annotations=self.settings.annotations)


def _name(*parts: str) -> str:
    """The same for the same order, so that one that is resumed finds what it left."""
    return f"rotator-acme-{hashlib.sha256(chr(10).join(parts).encode()).hexdigest()[:20]}"


def _ingress(ingress_class: str, host: str, path: str, service: str, port: int) -> dict[str, Any]:
    backend = {"service": {"name": service, "port": {"number": port}}}
    rule: dict[str, Any] = {"http": {"paths": [{"path": path, "pathType": "Exact", "backend": backend}]}}
    if host:
        rule["host"] = host
    return {"ingressClassName": ingress_class, "rules": [rule]}


def _http_route(settings: Http01Kubernetes, host: str, path: str, service: str, port: int) -> dict[str, Any]:
    gateway = settings.gateway
    assert gateway is not None
    parent = {"name": gateway.name, "namespace": gateway.namespace, "sectionName": gateway.section}
    spec: dict[str, Any] = {
        "parentRefs": [{key: value for key, value in parent.items() if value}],
        "rules": [
            {
                "matches": [{"path": {"type": "Exact", "value": path}}],
                "backendRefs": [{"name": service, "port": port}],
            }
        ],
    }
    if host:
        spec["hostnames"] = [host]
    return spec
