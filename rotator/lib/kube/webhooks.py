"""Which Secrets the API server itself depends on: those of webhooks, aggregated APIs and CRD conversions.

Their trust (`caBundle`) stands elsewhere and would have to change before the certificate does, so such a Secret is
never adopted. A Secret is one of them when its certificate is pinned in a caBundle, when it is issued for the host that
the API server calls, when its pods are behind that Service, or when cert-manager's injector takes the CA from it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import urlsplit

from msgspec import Struct
from msgspec import field as member

from rotator.core.model import Chain
from rotator.core.pem import PemError, read_certificates
from rotator.lib.kube.cluster import Cluster
from rotator.lib.kube.objects import Metadata, is_ignored
from rotator.lib.kube.reading import Denied, Reader
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


class What(NamedTuple):
    """A kind of object, and how it is called in a sentence."""

    kind: str
    said: str


_VALIDATING = What("ValidatingWebhookConfiguration", "webhook")
_MUTATING = What("MutatingWebhookConfiguration", "webhook")
_API_SERVICE = What("APIService", "APIService")
_CONVERSION = What("CustomResourceDefinition", "conversion webhook")


@dataclass(frozen=True, slots=True)
class Bundle:
    """What the API server trusts there.

    Attributes:
        kind: of the object that holds it; `name` is the object's.
        part: which of several in one object; empty where there is one.
        content: as it stands there.
    """

    kind: str
    name: str
    part: str
    content: bytes
    ignored: bool = False


@dataclass(frozen=True, slots=True)
class Dependency:
    """One thing that the API server calls by TLS."""

    by: str
    hosts: frozenset[str]
    service: Key | None
    pinned: frozenset[str]
    source: Key | None
    bundle: Bundle | None = None


@dataclass(frozen=True, slots=True)
class Dependencies:
    """All of them; `denied` has each kind that may not be read."""

    found: tuple[Dependency, ...] = ()
    denied: tuple[Denied, ...] = ()

    @property
    def unread(self) -> tuple[str, ...]:
        """One sentence for each kind that may not be read."""
        return tuple(each.why for each in self.denied)

    @property
    def bundles(self) -> tuple[Bundle, ...]:
        """What the API server trusts, wherever it is told."""
        return tuple(each.bundle for each in self.found if each.bundle)

    def on(self, metadata: Metadata, chain: Chain, services: frozenset[Key]) -> str:
        """Who depends on this Secret, empty when nobody does."""
        if not self.found:
            return ""
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
    look = Reader(cluster)
    found: list[Dependency] = []
    for resource in (VALIDATING_WEBHOOKS, MUTATING_WEBHOOKS, API_SERVICES, CUSTOM_RESOURCES):
        found += _of(look, resource)
    return Dependencies(tuple(found), tuple(look.denied))


def _of(look: Reader, resource: Resource) -> Iterator[Dependency]:
    if resource is API_SERVICES:
        for service in look.all(resource, ApiService, limit=_SMALL_PAGE):
            config = ClientConfig(service.spec.ca_bundle, service.spec.service)
            yield from _dependency(_API_SERVICE, service.metadata, [("", config)])
    elif resource is CUSTOM_RESOURCES:
        for definition in look.all(resource, CustomResource, limit=_SMALL_PAGE):
            webhook = definition.spec.conversion.webhook if definition.spec.conversion else None
            yield from _dependency(_CONVERSION, definition.metadata, [("", webhook.client_config if webhook else None)])
    else:
        what = _VALIDATING if resource is VALIDATING_WEBHOOKS else _MUTATING
        for configuration in look.all(resource, WebhookConfiguration, limit=_SMALL_PAGE):
            webhooks = configuration.webhooks or ()
            parts = [(each.name if len(webhooks) > 1 else "", each.client_config) for each in webhooks]
            yield from _dependency(what, configuration.metadata, parts)


def _dependency(
    what: What, metadata: Metadata, configs: Iterable[tuple[str, ClientConfig | None]]
) -> Iterator[Dependency]:
    source = (metadata.annotations or {}).get(INJECT, "").partition("/")
    injected = (source[0], source[2]) if source[2] else None
    for part, config in configs:
        if config is None or not (config.service or config.url):
            continue
        service = (config.service.namespace, config.service.name) if config.service else None
        content = (config.ca_bundle or b"").strip()
        yield Dependency(
            by=f"{what.said} {metadata.name}",
            hosts=_hosts(config),
            service=service,
            pinned=_fingerprints(content),
            source=injected,
            bundle=Bundle(what.kind, metadata.name, part, content, is_ignored(metadata)) if content else None,
        )


def _hosts(config: ClientConfig) -> frozenset[str]:
    """The names that the API server verifies: `service.namespace.svc`, or the host of the address."""
    if config.service:
        name = f"{config.service.name}.{config.service.namespace}.svc"
        return frozenset({name, f"{name}.cluster.local"})
    return frozenset({urlsplit(config.url or "").hostname or ""} - {""})


def _fingerprints(bundle: bytes) -> frozenset[str]:
    try:
        return frozenset(certificate.fingerprint for certificate in read_certificates(bundle))
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
    name: str = ""
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
