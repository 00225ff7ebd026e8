"""Which Secrets the API server itself depends on: those of webhooks, aggregated APIs and CRD conversions.

Their trust (`caBundle`) stands elsewhere and would have to change before the certificate does, so such a Secret is
never adopted. A Secret is one of them when its certificate is pinned in a caBundle, when it is issued for the host that
the API server calls, when its pods are behind that Service, or when cert-manager's injector takes the CA from it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import urlsplit

from msgspec import Struct
from msgspec import field as member

from rotator.core.model import Chain
from rotator.core.pem import PemError, read_certificates
from rotator.lib.kube.cluster import Cluster
from rotator.lib.kube.errors import Call, KubeError
from rotator.lib.kube.objects import Metadata
from rotator.lib.kube.resources import (
    API_SERVICES,
    CUSTOM_RESOURCES,
    MUTATING_WEBHOOKS,
    VALIDATING_WEBHOOKS,
    Resource,
)

Key = tuple[str, str]
INJECT = "cert-manager.io/inject-ca-from-secret"
_SMALL_PAGE = 50
"""A definition may be a megabyte; only a few bytes of each are kept."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Dependency:
    """One thing that the API server calls by TLS."""

    by: str
    hosts: frozenset[str]
    service: Key | None
    pinned: frozenset[str]
    source: Key | None


@dataclass(frozen=True, slots=True)
class Dependencies:
    """All of them; `unread` has a sentence for each kind that may not be read."""

    found: tuple[Dependency, ...] = ()
    unread: tuple[str, ...] = ()

    def on(self, metadata: Metadata, chain: Chain, services: frozenset[Key]) -> str:
        """Who depends on this Secret, empty when nobody does."""
        names = set(chain.names)
        fingerprints = {certificate.fingerprint for certificate in chain.certificates[:1]}
        for each in self.found:
            if (
                each.source == (metadata.namespace, metadata.name)
                or each.hosts & names
                or each.pinned & fingerprints
                or (each.service in services)
            ):
                return each.by
        return ""


def dependencies(cluster: Cluster) -> Dependencies:
    """Look at everything that the API server calls; cluster-wide rights are needed.

    Raises:
        KubeError: the cluster cannot be asked at all.
    """
    found: list[Dependency] = []
    unread: list[str] = []
    for resource in (VALIDATING_WEBHOOKS, MUTATING_WEBHOOKS, API_SERVICES, CUSTOM_RESOURCES):
        try:
            found += _of(cluster, resource)
        except KubeError as error:
            if error.status not in {403, 404}:
                raise
            unread.append(str(error))
    return Dependencies(tuple(found), tuple(unread))


def _of(cluster: Cluster, resource: Resource) -> Iterator[Dependency]:
    if resource is API_SERVICES:
        for service in _all(cluster, resource, ApiService):
            config = ClientConfig(service.spec.ca_bundle, service.spec.service)
            yield from _dependency("APIService", service.metadata, [config])
    elif resource is CUSTOM_RESOURCES:
        for definition in _all(cluster, resource, CustomResource):
            webhook = definition.spec.conversion.webhook if definition.spec.conversion else None
            yield from _dependency(
                "conversion webhook", definition.metadata, [webhook.client_config if webhook else None]
            )
    else:
        for configuration in _all(cluster, resource, WebhookConfiguration):
            webhooks = configuration.webhooks or ()
            yield from _dependency("webhook", configuration.metadata, [each.client_config for each in webhooks])


def _all(cluster: Cluster, resource: Resource, kind: type[T]) -> Iterator[T]:
    for page in cluster.pages(Call("list", resource), kind, limit=_SMALL_PAGE):
        yield from page


def _dependency(what: str, metadata: Metadata, configs: Iterable[ClientConfig | None]) -> Iterator[Dependency]:
    source = (metadata.annotations or {}).get(INJECT, "").partition("/")
    injected = (source[0], source[2]) if source[2] else None
    for config in configs:
        if config is None or not (config.service or config.url):
            continue
        service = (config.service.namespace, config.service.name) if config.service else None
        yield Dependency(f"{what} {metadata.name}", _hosts(config), service, _fingerprints(config.ca_bundle), injected)


def _hosts(config: ClientConfig) -> frozenset[str]:
    """The names that the API server verifies: `service.namespace.svc`, or the host of the address."""
    if config.service:
        name = f"{config.service.name}.{config.service.namespace}.svc"
        return frozenset({name, f"{name}.cluster.local"})
    return frozenset({urlsplit(config.url or "").hostname or ""} - {""})


def _fingerprints(bundle: bytes | None) -> frozenset[str]:
    try:
        return frozenset(certificate.fingerprint for certificate in read_certificates(bundle or b""))
    except PemError:
        return frozenset()  # such a bundle trusts nothing


# ---------------------------------------------------------------- the fields that are read


class ServiceRef(Struct):
    name: str = ""
    namespace: str = ""


class ClientConfig(Struct, rename="camel"):
    """How the API server reaches a webhook, and what it trusts there."""

    ca_bundle: bytes | None = None
    service: ServiceRef | None = None
    url: str | None = None


class Webhook(Struct, rename="camel"):
    client_config: ClientConfig | None = None


class WebhookConfiguration(Struct):
    metadata: Metadata = member(default_factory=Metadata)
    webhooks: list[Webhook] | None = None


class ApiServiceSpec(Struct, rename="camel"):
    ca_bundle: bytes | None = None
    service: ServiceRef | None = None


class ApiService(Struct):
    metadata: Metadata = member(default_factory=Metadata)
    spec: ApiServiceSpec = member(default_factory=ApiServiceSpec)


class Conversion(Struct):
    webhook: Webhook | None = None


class CustomResourceSpec(Struct):
    conversion: Conversion | None = None


class CustomResource(Struct):
    metadata: Metadata = member(default_factory=Metadata)
    spec: CustomResourceSpec = member(default_factory=CustomResourceSpec)
