"""A Secret of type `kubernetes.io/tls` as an observation, the same for the source and for the target."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from rotator.core.adoptable import issuer_name
from rotator.core.model import Certificate, Chain, Consumer, Location, Observation, Owner, Problem, ProblemKind, Use
from rotator.core.pem import PemError
from rotator.core.usages import use_of
from rotator.lib.kube.anchors import signed_by
from rotator.lib.kube.chains import facts_of, read_anchors, read_chain
from rotator.lib.kube.consumers import PAIR, Takings
from rotator.lib.kube.objects import Metadata, Secret, TlsData, is_ignored
from rotator.lib.kube.owners import CERTIFICATE, owner_of, rivals_of
from rotator.lib.kube.references import References
from rotator.lib.kube.webhooks import Dependencies
from rotator.log import logger

TLS = "kubernetes.io/tls"
OWNER = "rotator/owner"
_SYSTEM = ("kube-", "openshift-")
_TEAM_LABELS = ("owner", "team", "app.kubernetes.io/part-of")
_MOST_ISSUERS = 1000
_ISSUERS: dict[str, str] = {}
_NOTHING = TlsData()
_NOWHERE = Metadata()

log = logger(__name__)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What is known around the Secrets of one look.

    Attributes:
        system: the cluster's identity.
        namespaces: metadata of namespaces that could be read.
        allow_managers: globs of field managers that may have written `tls.crt`.
        labels: put on every observation.
        takings: who takes what from a Secret, where that was looked up.
    """

    system: str
    namespaces: Mapping[str, Metadata] = field(default_factory=lambda: MappingProxyType({}))
    references: References = field(default_factory=References)
    dependencies: Dependencies = field(default_factory=Dependencies)
    allow_managers: Sequence[str] = ()
    labels: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    takings: Takings | None = None

    def owners(self, metadata: Metadata, key: str = CERTIFICATE) -> tuple[Owner | None, tuple[Owner, ...]]:
        """The owner of a key of a Secret, and its rivals."""
        asked = self.references.owners(metadata) if key == CERTIFICATE else ()
        owner = owner_of(metadata, self.allow_managers, key) or next(iter(asked), None)
        return owner, rivals_of(metadata, owner, asked, self.allow_managers, key) if owner else ()

    def consumers(self, metadata: Metadata, keys: frozenset[str] = PAIR) -> tuple[Consumer, ...]:
        """Who takes any of these keys of a Secret."""
        return self.takings.of((metadata.namespace, metadata.name), keys) if self.takings else ()

    def namespace(self, name: str) -> Metadata:
        """What is said on a namespace; nothing where it could not be read."""
        return self.namespaces.get(name, _NOWHERE)


def location_of(system: str, namespace: str, name: str, key: str = CERTIFICATE) -> Location:
    """The place of a Secret, equal for source and target; a key that no target writes is named."""
    return Location(system, f"Secret {namespace}/{name}" + (f"#{key}" if key != CERTIFICATE else ""))


def read(secret: Secret) -> tuple[Chain | None, Problem | None]:
    """What a Secret holds; neither a chain nor a problem when both of its keys are empty."""
    held = secret.data or _NOTHING
    if not held.certificate.strip():
        problem = Problem(ProblemKind.UNREADABLE, "tls.crt is empty though tls.key is not") if held.key else None
        return None, problem
    try:
        return read_chain(held.certificate), None
    except PemError as error:
        return None, Problem(ProblemKind.UNREADABLE, f"tls.crt: {error}")


def observe(secret: Secret, around: Surroundings) -> Observation:
    """Say what a Secret holds, who owns it, who serves it, who takes it, and whether it may be adopted."""
    metadata = secret.metadata
    location = location_of(around.system, metadata.namespace, metadata.name)
    chain, problem = read(secret)
    held = secret.data or _NOTHING
    anchors = anchors_of(held, location)
    namespace = around.namespace(metadata.namespace)
    owner, rivals = around.owners(metadata)
    return Observation(
        location=location,
        chain=chain,
        problem=problem,
        key=facts_of(chain, held.key) if held.key else None,
        owner=owner,
        labels=MappingProxyType({**around.labels, **labels_of(metadata, namespace, chain)}),
        anchors=anchors,
        never_adopt=never_adopt(metadata, chain, anchors, around),
        ignored=is_ignored(metadata) or is_ignored(namespace),
        immutable=bool(secret.immutable),
        fronts=around.references.fronts(metadata, chain),
        use=use_of(chain.leaf if chain else None),
        consumers=around.consumers(metadata),
        rivals=rivals,
    )


def anchors_of(held: TlsData, location: Location) -> tuple[Certificate, ...]:
    """The certificates of `ca.crt`; an unreadable one anchors nothing, and is logged."""
    if not held.ca or not held.ca.strip():
        return ()
    try:
        return read_anchors(held.ca)
    except PemError as error:
        log.warning("ca.crt cannot be read", location=str(location), error=str(error))
        return ()


# ---------------------------------------------------------------- labels


def labels_of(metadata: Metadata, namespace: Metadata, chain: Chain | None, kind: str = "Secret") -> dict[str, str]:
    """What adoption rules and reports may ask of an object, and the team it belongs to."""
    labels = {f"label.{key}": value for key, value in metadata.labels.items()} if metadata.labels else {}
    if metadata.namespace:
        labels["namespace"] = metadata.namespace
    labels["name"] = metadata.name
    labels["kind"] = kind
    if chain:
        labels["issuer"] = _issuer(chain.leaf)
    owner = _team(metadata) or _team(namespace)
    if owner:
        labels["owner"] = owner
    return labels


def _team(metadata: Metadata) -> str:
    own, marks = metadata.labels, metadata.annotations
    if not own:
        return (marks.get(OWNER) or "") if marks else ""
    said = own[OWNER] if OWNER in own else marks.get(OWNER) if marks else None
    return said or next((own[key] for key in _TEAM_LABELS if key in own), "")


def _issuer(certificate: Certificate) -> str:
    """Its issuer's name; a cluster has few issuers."""
    name = _ISSUERS.get(certificate.issuer)
    if name is None:
        if len(_ISSUERS) >= _MOST_ISSUERS:
            _ISSUERS.clear()
        name = _ISSUERS[certificate.issuer] = issuer_name(certificate)
    return name


# ---------------------------------------------------------------- adoption


def never_adopt(metadata: Metadata, chain: Chain | None, anchors: Sequence[Certificate], around: Surroundings) -> str:
    """Why a Secret may only be declared; empty when it may be adopted."""
    if metadata.namespace.startswith(_SYSTEM):
        return f"the namespace {metadata.namespace} belongs to the platform"
    if chain is None:
        return ""
    leaf = chain.leaf
    if leaf.is_ca:
        return "it is a CA certificate"
    if any(name.startswith("spiffe://") for name in leaf.names):
        return "it is a SPIFFE identity, which SPIRE renews"
    if use_of(leaf) is Use.CLIENT:
        return "it is for clients only"
    if leaf.self_signed:
        return "it is self-signed: whoever trusts it trusts this very certificate"
    if signed_by(chain, anchors):
        return "the ca.crt beside it signed it, and whoever reads that file trusts only this CA"
    needed = around.dependencies.on(metadata, chain, around.references.services(metadata))
    return f"the API server depends on it: {needed}" if needed else ""
