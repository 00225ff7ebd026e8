"""Certificates anywhere in Secrets, ConfigMaps and the API server's own configuration, as observations.

The same CA bundle lies in hundreds of namespaces (`kube-root-ca.crt`, the `ca.crt` beside every certificate of one
issuer). It is one observation, at the first of its places, that says in how many namespaces it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from hashlib import sha256
from types import MappingProxyType

from msgspec import Struct
from msgspec import field as member

from rotator.core.model import Certificate, Chain, Consumer, Location, Observation, Problem, ProblemKind, Use
from rotator.core.pem import PemError, read_anchors
from rotator.lib.kube import chains
from rotator.lib.kube.objects import Metadata, Secret, TlsData, is_ignored
from rotator.lib.kube.owners import CERTIFICATE
from rotator.lib.kube.secrets import TLS, Surroundings, labels_of, location_of, never_adopt
from rotator.lib.kube.values import Held, Values, is_authority
from rotator.lib.kube.webhooks import Bundle

ANCHORS = "ca.crt"
KIND_SECRET, KIND_CONFIG_MAP = "Secret", "ConfigMap"
_MARKS = ("-----BEGIN ", "certificate-", '"x5c"')
"""One of these is in every text that holds a certificate; most ConfigMaps have none."""

_ONLY_TRUSTED = "it is what others trust, and nothing serves it"


class AnySecret(Struct):
    """A Secret with all its values; they are gone as soon as its observations are made."""

    metadata: Metadata = member(default_factory=Metadata)
    type: str = ""
    immutable: bool | None = None
    data: dict[str, bytes] | None = None

    def __repr__(self) -> str:
        return f"AnySecret({self.metadata.namespace}/{self.metadata.name}, values hidden)"

    @property
    def tls(self) -> Secret:
        """The same as a TLS Secret."""
        held = self.data or {}
        values = TlsData(held.get("tls.crt", b""), held.get("tls.key", b""), held.get(ANCHORS))
        return Secret(self.metadata, self.type, self.immutable, values)


class ConfigMap(Struct, rename="camel"):
    metadata: Metadata = member(default_factory=Metadata)
    immutable: bool | None = None
    data: dict[str, str] | None = None
    binary_data: dict[str, bytes] | None = None

    @property
    def values(self) -> dict[str, bytes]:
        """What may hold a certificate."""
        texts = {name: text for name, text in (self.data or {}).items() if any(mark in text for mark in _MARKS)}
        return {**{name: text.encode() for name, text in texts.items()}, **(self.binary_data or {})}


# ---------------------------------------------------------------- CA bundles


@dataclass(slots=True)
class _Copies:
    """One bundle: its first place, and what is known of the others."""

    observation: Observation
    namespaces: set[str]
    ignored: bool
    consumers: dict[Consumer, None] = field(default_factory=dict)


Content = tuple[str, str, bytes]
"""The kind of the object, the key of the value, and the digest of what it holds."""


@dataclass(slots=True)
class Bundles:
    """The CA bundles of a look, each content once."""

    found: dict[Content, list[_Copies]] = field(default_factory=dict)

    def again(self, content: Content, metadata: Metadata, ignored: bool, consumers: tuple[Consumer, ...]) -> None:
        """Count one more place of a content that is known."""
        for each in self.found[content]:
            each.namespaces.add(metadata.namespace)
            each.ignored &= ignored
            each.consumers |= dict.fromkeys(consumers)

    def add(self, content: Content, observation: Observation, metadata: Metadata) -> None:
        copies = _Copies(observation, {metadata.namespace}, observation.ignored)
        copies.consumers |= dict.fromkeys(observation.consumers)
        self.found.setdefault(content, []).append(copies)

    def observations(self) -> Iterator[Observation]:
        """Each of them, with the number of namespaces that have it."""
        for copies in self.found.values():
            for each in copies:
                labels = {**each.observation.labels, "namespaces": str(len(each.namespaces))}
                yield replace(
                    each.observation,
                    labels=MappingProxyType(labels),
                    ignored=each.ignored,
                    consumers=tuple(each.consumers),
                )


# ---------------------------------------------------------------- Secrets and ConfigMaps


def observe_values(secret: AnySecret, around: Surroundings, bundles: Bundles) -> Iterator[Observation]:
    """What a Secret holds beside what a TLS Secret is read for; CA bundles are put with the others of their content."""
    values = secret.data or {}
    names = [name for name in values if not (secret.type == TLS and name in {"tls.crt", "tls.key"})]
    place = _Place(KIND_SECRET, secret.metadata, bool(secret.immutable), secret.type, around)
    yield from _observed(place, values, names, bundles)


def observe_config_map(found: ConfigMap, around: Surroundings, bundles: Bundles) -> Iterator[Observation]:
    """What a ConfigMap holds: without a key nobody can serve it, so it is there to be trusted."""
    values = found.values
    if values:
        place = _Place(KIND_CONFIG_MAP, found.metadata, bool(found.immutable), "", around)
        yield from _observed(place, values, list(values), bundles)


@dataclass(frozen=True, slots=True)
class _Place:
    """One object."""

    kind: str
    metadata: Metadata
    immutable: bool
    type: str
    around: Surroundings

    @property
    def ignored(self) -> bool:
        return is_ignored(self.metadata) or is_ignored(self.around.namespace(self.metadata.namespace))

    def consumers(self, keys: frozenset[str]) -> tuple[Consumer, ...]:
        return self.around.consumers(self.metadata, keys) if self.kind == KIND_SECRET else ()

    def location(self, held: Held) -> Location:
        name = held.name + (f":{held.alias}" if held.alias else "")
        if self.kind == KIND_SECRET:
            return location_of(self.around.system, self.metadata.namespace, self.metadata.name, name)
        return Location(self.around.system, f"{self.kind} {self.metadata.namespace}/{self.metadata.name}#{name}")


def _observed(place: _Place, values: Mapping[str, bytes], names: list[str], bundles: Bundles) -> Iterator[Observation]:
    read: Values | None = None
    for name in names:
        content = (place.kind, name, sha256(values[name]).digest())
        if content in bundles.found:
            bundles.again(content, place.metadata, place.ignored, place.consumers(frozenset({name})))
            continue
        read = read or Values(values)
        found = [_made_of(place, held, values) for held in read.held(name)]
        if found and all(each.use is Use.TRUST for each in found):
            for each in found:
                bundles.add(content, each, place.metadata)
        else:
            yield from found


def _made_of(place: _Place, held: Held, values: Mapping[str, bytes]) -> Observation:
    metadata, around = place.metadata, place.around
    use, chain = held.use, held.chain
    if place.kind == KIND_CONFIG_MAP and use is Use.SERVE and held.key is None:
        use = Use.TRUST
    anchors = () if use is Use.TRUST else _anchors(values)
    owner, rivals = around.owners(metadata, held.name)
    labels = labels_of(metadata, around.namespace(metadata.namespace), chain, place.kind)
    return Observation(
        location=place.location(held),
        chain=chain,
        problem=held.problem,
        key=held.key,
        owner=owner,
        labels=MappingProxyType({**around.labels, **labels, "key": held.name}),
        anchors=anchors,
        never_adopt=_why_not(place, held, use, anchors),
        ignored=place.ignored,
        immutable=place.immutable,
        fronts=around.references.fronts(metadata, chain) if held.name == CERTIFICATE else (),
        use=use,
        consumers=place.consumers(held.keys),
        rivals=rivals,
    )


def _why_not(place: _Place, held: Held, use: Use, anchors: tuple[Certificate, ...]) -> str:
    if use is Use.TRUST:
        return _ONLY_TRUSTED
    why = never_adopt(place.metadata, held.chain, anchors, place.around)
    what = f"a Secret of type {place.type or 'Opaque'}" if place.kind == KIND_SECRET else f"a {place.kind}"
    return why or f"it is in {what}, under {held.name}; rotator writes tls.crt of {TLS} only"


def _anchors(values: Mapping[str, bytes]) -> tuple[Certificate, ...]:
    """The CA certificates beside it; those that cannot be read are told at their own place."""
    for name, value in values.items():
        if is_authority(name) and name.endswith((".crt", ".pem", ".cer")):
            try:
                return chains.read_anchors(value)
            except PemError:
                continue
    return ()


# ---------------------------------------------------------------- what the API server trusts


def observe_bundle(bundle: Bundle, around: Surroundings) -> Observation:
    """The `caBundle` of a webhook, an aggregated API or a CRD conversion."""
    part = f"#{bundle.part}" if bundle.part else ""
    labels = {"name": bundle.name, "kind": bundle.kind}
    chain, problem = None, None
    try:
        certificates, skipped = read_anchors(bundle.content)
    except PemError as error:
        problem = Problem(ProblemKind.UNREADABLE, f"caBundle: {error}")
    else:
        chain = Chain(certificates)
        labels |= {"unreadable": str(skipped)} if skipped else {}
    return Observation(
        location=Location(around.system, f"{bundle.kind} {bundle.name}{part}"),
        chain=chain,
        problem=problem,
        labels=MappingProxyType({**around.labels, **labels}),
        never_adopt=_ONLY_TRUSTED,
        ignored=bundle.ignored,
        use=Use.TRUST,
    )


def missed(key: tuple[str, str], consumers: tuple[Consumer, ...], around: Surroundings) -> Observation:
    """A Secret that is not there, though somebody needs a certificate from it."""
    namespace, name = key
    metadata = Metadata(name=name, namespace=namespace)
    owner, _ = around.owners(metadata)
    return Observation(
        location=location_of(around.system, namespace, name),
        owner=owner,
        labels=MappingProxyType({**around.labels, **labels_of(metadata, around.namespace(namespace), None)}),
        ignored=is_ignored(around.namespace(namespace)),
        consumers=consumers,
    )
