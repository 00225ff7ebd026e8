"""Who takes certificates from which Secret: Ingresses, Gateways, and pods by the name of their controller.

A mounted Secret is renewed by the kubelet within a minute or two; one that is mounted with `subPath`, or read into the
environment, stays what it was when the container started. A Gateway may refer to another namespace only where a
ReferenceGrant there allows it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from msgspec import Struct
from msgspec import field as member

from rotator.core.model import Consumer
from rotator.lib.kube.objects import Metadata
from rotator.lib.kube.podspec import Container, Pod, SecretVolume, VolumeMount, containers_of, from_environment
from rotator.lib.kube.sharing import Key, Shared

PAIR = frozenset({"tls.crt", "tls.key"})
"""What an Ingress or a Gateway takes of a Secret."""

GATEWAY_API = "gateway.networking.k8s.io"
_FINISHED = {"Succeeded", "Failed"}
_CERTIFICATE_FILE = re.compile(r"\.(crt|cer|cert|pem|p12|pfx|jks|jceks|der)$|(^|[-_.])(tls|cert|certs|ca|pki)([-_.]|$)")
_CERTIFICATE_WORD = re.compile(
    r"(^|[^a-z0-9])(tls|ssl|mtls|certs?|certificates?|pki|x509|keystore|truststore)([^a-z0-9]|$)"
)

# The labels by which a controller's pods tell what is above their ReplicaSet: `shop-5d4f9c` belongs to `shop`.
_ABOVE_REPLICA_SET = (("pod-template-hash", "Deployment"), ("rollouts-pod-template-hash", "Rollout"))


@dataclass(frozen=True, slots=True)
class Taking:
    """One consumer of a Secret.

    Attributes:
        consumer: with the hosts that this Secret alone is to serve.
        keys: the keys of its data that are taken; None means all of them.
        required: it is a certificate that is taken, and its absence is not allowed for.
        gateway: the namespace of a Gateway that refers across namespaces, else empty.
        resolved: what that Gateway's own status says of the reference; None when it says nothing.
        shared: the hosts that it serves together with others.
    """

    consumer: Consumer
    keys: frozenset[str] | None
    required: bool
    gateway: str = ""
    resolved: bool | None = None
    shared: tuple[Shared, ...] = ()

    def merged(self, other: Taking) -> Taking:
        """The same consumer seen twice: another pod, or another listener."""
        hosts = tuple(dict.fromkeys((*self.consumer.hosts, *other.consumer.hosts)))
        stuck = self.consumer.stuck or other.consumer.stuck
        return replace(
            self,
            consumer=replace(self.consumer, hosts=hosts, stuck=stuck),
            keys=None if self.keys is None or other.keys is None else self.keys | other.keys,
            required=self.required or other.required,
            resolved=other.resolved if self.resolved is None else self.resolved and other.resolved is not False,
            shared=tuple(dict.fromkeys((*self.shared, *other.shared))),
        )


@dataclass(slots=True)
class Takings:
    """Everything that was seen to take something from a Secret; `granted` has the ReferenceGrants.

    Attributes:
        names: those of the certificates in Secrets that share hosts with others, as far as they were seen.
    """

    found: dict[Key, dict[Key, Taking]] = field(default_factory=dict)
    granted: Granted = field(default_factory=lambda: Granted())
    names: dict[Key, tuple[str, ...]] = field(default_factory=dict)

    def add(self, key: Key, taking: Taking) -> None:
        there = self.found.setdefault(key, {})
        consumer = (taking.consumer.kind, taking.consumer.name)
        before = there.get(consumer)
        there[consumer] = before.merged(taking) if before else taking

    def of(self, key: Key, keys: frozenset[str]) -> tuple[Consumer, ...]:
        """Who takes any of these keys of a Secret; hosts that it shares with others are left to `settled`."""
        takings = self.found.get(key)
        if not takings:
            return ()
        return tuple(self._judged(key, each) for each in takings.values() if each.keys is None or each.keys & keys)

    def shares(self, key: Key) -> bool:
        """Whether a Secret serves hosts together with others, so that the names of all of them have to be seen."""
        return any(taking.shared for taking in self.found.get(key, {}).values())

    def saw(self, key: Key, names: Sequence[str]) -> None:
        """Keep the names of a certificate in a Secret that shares hosts."""
        self.names[key] = tuple(dict.fromkeys((*self.names.get(key, ()), *names)))

    def settled(self, key: Key, consumers: Sequence[Consumer]) -> tuple[Consumer, ...]:
        """These consumers of a Secret with its part of the hosts that it shares, once every Secret was seen."""
        takings = self.found.get(key, {})
        return tuple(self._settled(key, each, takings.get((each.kind, each.name))) for each in consumers)

    def _settled(self, key: Key, consumer: Consumer, taking: Taking | None) -> Consumer:
        shared = taking.shared if taking else ()
        hosts = (*consumer.hosts, *(host for each in shared for host in each.part(key, self.names)))
        return replace(consumer, hosts=tuple(dict.fromkeys(hosts))) if shared else consumer

    def required(self) -> Iterator[tuple[Key, tuple[Consumer, ...]]]:
        """The Secrets that somebody needs a certificate from, and who."""
        for key, takings in sorted(self.found.items()):
            consumers = tuple(self._judged(key, each) for each in takings.values() if each.required)
            if consumers:
                yield key, consumers

    def _judged(self, key: Key, taking: Taking) -> Consumer:
        foreign = self.granted.refusal(taking, key) if taking.gateway else ""
        return replace(taking.consumer, foreign=foreign) if foreign else taking.consumer


# ---------------------------------------------------------------- Ingresses and Gateways


def ingress_taking(metadata: Metadata, hosts: Sequence[str]) -> Taking:
    """An Ingress that serves these hosts with a Secret of its own namespace."""
    return Taking(Consumer("Ingress", f"{metadata.namespace}/{metadata.name}", tuple(hosts)), PAIR, required=True)


def gateway_taking(
    metadata: Metadata, hosts: Sequence[str], namespace: str, resolved: bool | None, keys: tuple[Key, ...] = ()
) -> Taking:
    """A Gateway whose listener serves these hosts with a Secret of that namespace; `keys` are all that it has."""
    shared = (Shared(keys, tuple(hosts)),) if len(keys) > 1 else ()
    return Taking(
        Consumer("Gateway", f"{metadata.namespace}/{metadata.name}", () if shared else tuple(hosts)),
        PAIR,
        required=True,
        gateway=metadata.namespace if namespace != metadata.namespace else "",
        resolved=resolved,
        shared=shared,
    )


@dataclass(slots=True)
class Granted:
    """The ReferenceGrants that could be read, and the namespaces whose grants are known.

    Attributes:
        grants: by the namespace that grants: the Gateways' namespace, and the one Secret it is for (empty: all).
        everywhere: the grants of all namespaces are known.
    """

    grants: dict[str, set[tuple[str, str]]] = field(default_factory=dict)
    everywhere: bool = False

    def read(self, namespace: str, grants: Sequence[ReferenceGrant]) -> None:
        """Keep what was listed in a namespace; an empty one stands for all."""
        if namespace:
            self.grants.setdefault(namespace, set())
        else:
            self.everywhere = True
        for grant in grants:
            allowed = self.grants.setdefault(grant.metadata.namespace, set())
            sources = [each.namespace for each in grant.spec.sources or () if _is(each, GATEWAY_API, "Gateway")]
            targets = [each.name for each in grant.spec.to or () if _is(each, "", "Secret")]
            allowed |= {(source, target) for source in sources for target in targets}

    def refusal(self, taking: Taking, key: Key) -> str:
        """Why a Gateway may not refer to a Secret of another namespace; empty when it may, or nobody can tell.

        What the Gateway's controller says it has resolved is not doubted.
        """
        namespace, name = key
        if taking.resolved:
            return ""
        if self.everywhere or namespace in self.grants:
            grants = self.grants.get(namespace, set())
            refused = not grants & {(taking.gateway, ""), (taking.gateway, name)}
        else:
            refused = taking.resolved is False
        return f"no ReferenceGrant in namespace {namespace} allows Gateways of {taking.gateway} to" if refused else ""


def _is(reference: GrantSource | GrantTarget, group: str, kind: str) -> bool:
    return reference.group == group and reference.kind == kind


# ---------------------------------------------------------------- pods


def pod_takings(pod: Pod) -> Iterator[tuple[Key, Taking]]:
    """What a pod takes; a pod that has ended takes nothing."""
    if pod.status.phase in _FINISHED:
        return
    namespace = pod.metadata.namespace
    kind, name = controller_of(pod.metadata)
    for secret, keys, stuck, required in (*_from_volumes(pod), *_from_environments(pod)):
        consumer = Consumer(kind, f"{namespace}/{name}", stuck=stuck)
        yield (namespace, secret), Taking(consumer, keys, required)


def controller_of(metadata: Metadata) -> tuple[str, str]:
    """What a person would restart: the pod's controller; for a ReplicaSet, what is above it by the pod's own label."""
    owner = next((each for each in metadata.owner_references or () if each.controller), None)
    if owner is None:
        return "Pod", metadata.name
    if owner.kind == "ReplicaSet":
        labels = metadata.labels or {}
        for label, kind in _ABOVE_REPLICA_SET:
            suffix = f"-{labels.get(label, '')}"
            if suffix != "-" and owner.name.endswith(suffix):
                return kind, owner.name.removesuffix(suffix)
    return owner.kind, owner.name


Taken = tuple[str, frozenset[str] | None, str, bool]
"""The Secret, the keys of it, why a renewal does not arrive, whether it is missed where it is absent."""


def _from_volumes(pod: Pod) -> Iterator[Taken]:
    containers = containers_of(pod)
    for volume in pod.spec.volumes or ():
        sources = volume.secrets
        for source in sources:
            keys = frozenset(item.key for item in source.items) if source.items else None
            mounts = [(c, m) for c in containers for m in c.volume_mounts or () if m.name == volume.name]
            stuck = next(filter(None, (_stuck(c, m, source, sources) for c, m in mounts)), "")
            words = (source.secret, volume.name, *(mount.mount_path for _, mount in mounts))
            yield source.secret, keys, stuck, not source.optional and _is_certificate(keys, words)


def _stuck(container: Container, mount: VolumeMount, source: SecretVolume, sources: Sequence[SecretVolume]) -> str:
    path = mount.sub_path or mount.sub_path_expr
    if not path or not _reaches(path, source, sources):
        return ""
    return f"container {container.name} mounts {path} with subPath, which is never updated"


def _reaches(path: str, source: SecretVolume, sources: Sequence[SecretVolume]) -> bool:
    """Whether a path in a volume comes from this Secret; where several are in it, by their items, else by its looks."""
    naming = [each for each in sources if _names(each, path)]
    if naming or source.items:
        return source in naming
    return len(sources) == 1 or _looks_like_certificate(path)


def _names(source: SecretVolume, path: str) -> bool:
    return any(item.path == path or item.path.startswith(f"{path}/") for item in source.items or ())


def _from_environments(pod: Pod) -> Iterator[Taken]:
    for container in containers_of(pod):
        stuck = f"container {container.name} reads it into the environment at its start"
        for each in from_environment(container):
            keys = frozenset({each.key}) if each.key else None
            yield each.name, keys, stuck, not each.optional and _is_certificate(keys, (each.name,))


def _is_certificate(keys: frozenset[str] | None, words: Sequence[str]) -> bool:
    """Whether it is likely a certificate that is taken: a password that is absent is not ours to tell."""
    if keys is not None:
        return any(_looks_like_certificate(key) for key in keys)
    return any(_CERTIFICATE_WORD.search(word.lower()) for word in words)


def _looks_like_certificate(name: str) -> bool:
    return bool(_CERTIFICATE_FILE.search(name.lower()))


# ---------------------------------------------------------------- the fields that are read


class GrantSource(Struct):
    group: str = ""
    kind: str = ""
    namespace: str = ""


class GrantTarget(Struct):
    group: str = ""
    kind: str = ""
    name: str = ""


class GrantSpec(Struct):
    sources: list[GrantSource] | None = member(name="from", default=None)
    to: list[GrantTarget] | None = None


class ReferenceGrant(Struct):
    metadata: Metadata = member(default_factory=Metadata)
    spec: GrantSpec = member(default_factory=GrantSpec)
