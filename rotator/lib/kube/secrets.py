"""A Secret of type `kubernetes.io/tls` as an observation, the same for the source and for the target."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from cryptography.x509.oid import NameOID

from rotator.core.model import Certificate, Chain, Location, Observation, Problem, ProblemKind
from rotator.core.pem import PemError, key_facts, load, read_certificates, read_chain
from rotator.lib.kube.anchors import signed_by
from rotator.lib.kube.objects import Metadata, Secret, TlsData
from rotator.lib.kube.owners import owner_of
from rotator.lib.kube.references import References, is_client_only
from rotator.lib.kube.webhooks import Dependencies
from rotator.log import logger

TLS = "kubernetes.io/tls"
IGNORE = "rotator/ignore"
OWNER = "rotator/owner"
_SYSTEM = ("kube-", "openshift-")
_TEAM_LABELS = ("owner", "team", "app.kubernetes.io/part-of")

log = logger(__name__)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What is known around the Secrets of one look.

    Attributes:
        system: the cluster's identity.
        namespaces: metadata of namespaces that could be read.
        allow_managers: globs of field managers that may have written `tls.crt`.
        labels: put on every observation.
    """

    system: str
    namespaces: Mapping[str, Metadata] = field(default_factory=lambda: MappingProxyType({}))
    references: References = field(default_factory=References)
    dependencies: Dependencies = field(default_factory=Dependencies)
    allow_managers: Sequence[str] = ()
    labels: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


def location_of(system: str, namespace: str, name: str) -> Location:
    """The place of a Secret; equal for source and target."""
    return Location(system, f"Secret {namespace}/{name}")


def read(secret: Secret) -> tuple[Chain | None, Problem | None]:
    """What a Secret holds; neither a chain nor a problem when both of its keys are empty."""
    held = secret.data or TlsData()
    if not held.certificate.strip():
        problem = Problem(ProblemKind.UNREADABLE, "tls.crt is empty though tls.key is not") if held.key else None
        return None, problem
    try:
        return read_chain(held.certificate), None
    except PemError as error:
        return None, Problem(ProblemKind.UNREADABLE, f"tls.crt: {error}")


def observe(secret: Secret, around: Surroundings) -> Observation:
    """Say what a Secret holds, who owns it, who serves it, and whether it may be adopted."""
    metadata = secret.metadata
    location = location_of(around.system, metadata.namespace, metadata.name)
    chain, problem = read(secret)
    held = secret.data or TlsData()
    anchors = anchors_of(held, location)
    namespace = around.namespaces.get(metadata.namespace, Metadata())
    return Observation(
        location=location,
        chain=chain,
        problem=problem,
        key=key_facts(chain, held.key) if held.key else None,
        owner=owner_of(metadata, around.allow_managers) or around.references.owner(metadata),
        labels=MappingProxyType({**around.labels, **_labels(metadata, namespace, chain)}),
        anchors=anchors,
        never_adopt=_never_adopt(metadata, chain, anchors, around),
        ignored=is_ignored(metadata) or is_ignored(namespace),
        immutable=bool(secret.immutable),
        fronts=around.references.fronts(metadata, chain),
    )


def anchors_of(held: TlsData, location: Location) -> tuple[Certificate, ...]:
    """The certificates of `ca.crt`; an unreadable one anchors nothing, and is logged."""
    if not held.ca or not held.ca.strip():
        return ()
    try:
        return read_certificates(held.ca)
    except PemError as error:
        log.warning("ca.crt cannot be read", location=str(location), error=str(error))
        return ()


def is_ignored(metadata: Metadata) -> bool:
    """`rotator/ignore` as a label or an annotation, with any value but `false`."""
    marks = {**(metadata.labels or {}), **(metadata.annotations or {})}
    return marks.get(IGNORE, "false").lower() != "false"


# ---------------------------------------------------------------- labels


def _labels(metadata: Metadata, namespace: Metadata, chain: Chain | None) -> dict[str, str]:
    own = metadata.labels or {}
    labels = {f"label.{key}": value for key, value in own.items()}
    labels |= {"namespace": metadata.namespace, "name": metadata.name, "kind": "Secret"}
    if chain:
        labels["issuer"] = issuer_name(chain.leaf)
    owner = _team(metadata) or _team(namespace)
    return {**labels, "owner": owner} if owner else labels


def _team(metadata: Metadata) -> str:
    marks = {**(metadata.annotations or {}), **(metadata.labels or {})}
    return marks.get(OWNER) or next((marks[key] for key in _TEAM_LABELS if key in (metadata.labels or {})), "")


def issuer_name(certificate: Certificate) -> str:
    """The issuer's common name, or the whole name where it has none."""
    try:
        common = load(certificate).issuer.get_attributes_for_oid(NameOID.COMMON_NAME)
    except ValueError:
        return certificate.issuer
    return str(common[0].value) if common else certificate.issuer


# ---------------------------------------------------------------- adoption


def _never_adopt(metadata: Metadata, chain: Chain | None, anchors: Sequence[Certificate], around: Surroundings) -> str:
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
    if is_client_only(chain):
        return "it is for clients only"
    if leaf.self_signed:
        return "it is self-signed: whoever trusts it trusts this very certificate"
    if signed_by(chain, anchors):
        return "the ca.crt beside it signed it, and whoever reads that file trusts only this CA"
    needed = around.dependencies.on(metadata, chain, around.references.services(metadata))
    return f"the API server depends on it: {needed}" if needed else ""
