"""The few fields of Kubernetes objects that rotator reads; everything else is skipped while decoding.

What only one module reads stands in that module. `bytes` fields are base64 in JSON; msgspec decodes them. A Secret's
key never shows in a `repr`.
"""

from __future__ import annotations

from typing import Generic, TypeVar

from msgspec import Struct, field

T = TypeVar("T")


class ListMetadata(Struct):
    continue_with: str = field(name="continue", default="")


class Page(Struct, Generic[T]):
    """One page of a list."""

    items: list[T] | None = None
    metadata: ListMetadata = field(default_factory=ListMetadata)


# ---------------------------------------------------------------- metadata


class OwnerReference(Struct, rename="camel"):
    kind: str = ""
    name: str = ""
    api_version: str = ""
    controller: bool | None = None


class Written(Struct):
    """That a field was written, and nothing more."""


class Fields(Struct):
    """What a field manager wrote; of `data`, which keys (`f:tls.crt`)."""

    data: dict[str, Written] | None = field(name="f:data", default=None)


class ManagedFields(Struct, rename="camel"):
    manager: str = ""
    fields_v1: Fields | None = None


class Metadata(Struct, rename="camel"):
    name: str = ""
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    generation: int = 0
    labels: dict[str, str] | None = None
    annotations: dict[str, str] | None = None
    owner_references: list[OwnerReference] | None = None
    managed_fields: list[ManagedFields] | None = None
    deletion_timestamp: str | None = None


IGNORE = "rotator/ignore"


def is_ignored(metadata: Metadata) -> bool:
    """`rotator/ignore` as a label or an annotation, with any value but `false`; the annotation counts first."""
    marks = metadata.annotations
    value = marks.get(IGNORE) if marks else None
    if value is None and metadata.labels:
        value = metadata.labels.get(IGNORE)
    return value is not None and value.lower() != "false"


class Bare(Struct):
    """Any object of which only the metadata counts."""

    metadata: Metadata = field(default_factory=Metadata)


# ---------------------------------------------------------------- Secrets


class TlsData(Struct):
    """The keys of a `kubernetes.io/tls` Secret; foreign keys are not even decoded."""

    certificate: bytes = field(name="tls.crt", default=b"")
    key: bytes = field(name="tls.key", default=b"")
    ca: bytes | None = field(name="ca.crt", default=None)

    def __repr__(self) -> str:
        return f"TlsData({len(self.certificate)} bytes, key hidden)"


class Secret(Struct):
    metadata: Metadata = field(default_factory=Metadata)
    type: str = ""
    immutable: bool | None = None
    data: TlsData | None = None


# ---------------------------------------------------------------- Ingress


class IngressTls(Struct, rename="camel"):
    hosts: list[str] | None = None
    secret_name: str = ""


class IngressRule(Struct):
    host: str = ""


class IngressSpec(Struct):
    tls: list[IngressTls] | None = None
    rules: list[IngressRule] | None = None


class Ingress(Struct):
    metadata: Metadata = field(default_factory=Metadata)
    spec: IngressSpec = field(default_factory=IngressSpec)


# ---------------------------------------------------------------- Gateway API


class CertificateRef(Struct):
    name: str = ""
    namespace: str | None = None
    group: str = ""
    kind: str = "Secret"


class ListenerTls(Struct, rename="camel"):
    mode: str = "Terminate"
    certificate_refs: list[CertificateRef] | None = None


class Listener(Struct):
    name: str = ""
    hostname: str = ""
    port: int = 443
    tls: ListenerTls | None = None


class Condition(Struct):
    type: str = ""
    status: str = ""
    reason: str = ""
    message: str = ""


class ListenerStatus(Struct):
    name: str = ""
    conditions: list[Condition] | None = None


class GatewaySpec(Struct):
    listeners: list[Listener] | None = None


class GatewayStatus(Struct):
    listeners: list[ListenerStatus] | None = None


class Gateway(Struct):
    metadata: Metadata = field(default_factory=Metadata)
    spec: GatewaySpec = field(default_factory=GatewaySpec)
    status: GatewayStatus = field(default_factory=GatewayStatus)


class ParentRef(Struct, rename="camel"):
    name: str = ""
    namespace: str | None = None
    section_name: str | None = None


class RouteSpec(Struct, rename="camel"):
    parent_refs: list[ParentRef] | None = None
    hostnames: list[str] | None = None


class HttpRoute(Struct):
    metadata: Metadata = field(default_factory=Metadata)
    spec: RouteSpec = field(default_factory=RouteSpec)
