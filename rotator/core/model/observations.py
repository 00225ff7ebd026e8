"""What one look saw at one place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

from rotator.core.model.certificates import Certificate, Chain
from rotator.core.model.pins import TlsaSet
from rotator.core.model.places import Endpoint, Handshake, Location


class ProblemKind(StrEnum):
    UNREADABLE = "unreadable"  # looked at; what is there is no certificate
    UNSEEN = "unseen"  # could not be looked at: says nothing about what is there


@dataclass(frozen=True, slots=True)
class Problem:
    """Why an observation has no chain, in one sentence."""

    kind: ProblemKind
    message: str


@dataclass(frozen=True, slots=True)
class KeyFacts:
    """What is known of the private key at a place; never the key.

    Attributes:
        spki: SHA-256 of its public part; empty when the key is unreadable or absent.
        matches: whether it belongs to the leaf; None when it could not be told.
        mode: permission bits of the file as they count (others cannot read through a closed folder), None where there
            is no file.
        sealed: it is encrypted with a password.
    """

    spki: str = ""
    matches: bool | None = None
    mode: int | None = None
    sealed: bool = False


@dataclass(frozen=True, slots=True)
class Owner:
    """Who else writes a place, and what a person may run to have it renewed there.

    Attributes:
        kind: `cert-manager`, `external-secrets`, `argocd`, `controller`, `field-manager` …
        name: the owning object, as `Kind namespace/name`.
        remedy: a command to run, or a sentence.
        asks: what of the owner's can be asked for a new certificate (the name of a Certificate); empty where it
            renews by itself only, or not at all.
    """

    kind: str
    name: str
    remedy: str
    asks: str = ""


class Use(StrEnum):
    """What the certificates at a place are there for."""

    SERVE = "serve"  # a leaf and its chain, shown to clients
    CLIENT = "client"  # a leaf and its chain, shown to servers
    TRUST = "trust"  # CA certificates that something trusts, in no order


@dataclass(frozen=True, slots=True)
class Consumer:
    """What takes its certificate from a place, as far as the place's own system tells.

    Attributes:
        kind: `Ingress`, `Gateway`, `Pod`, `Deployment` …
        name: the object, as `namespace/name`.
        hosts: names that it serves with what it takes; empty where that is not known.
        stuck: why a renewal does not reach it by itself (`container web mounts it with subPath`); empty when it does.
        foreign: why it may not refer to the place (another namespace, no ReferenceGrant); empty when it may.
    """

    kind: str
    name: str
    hosts: tuple[str, ...] = ()
    stuck: str = ""
    foreign: str = ""

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


@dataclass(frozen=True, slots=True)
class Observation:
    """What one location held or served when it was looked at.

    Attributes:
        location: the place.
        chain: what is there; None with no `problem` means that the place is empty.
        key: facts of the key beside it; None where a key is not expected (an endpoint) or there is none.
        owner: another writer of this place.
        handshake: for an endpoint.
        endpoint: set when this was seen on the wire.
        labels: what adoption rules match on: `namespace`, `name`, `path`, `label.<key>`, …
        anchors: the `ca.crt` beside it.
        never_adopt: why this place may only be declared, never adopted; empty when it may.
        ignored: `rotator/ignore` is set on it or on its namespace.
        immutable: the place refuses writes (`immutable: true`).
        fronts: endpoints that are known to serve this place (Ingress, Gateway route, Service).
        use: what the certificates are there for.
        consumers: what takes its certificate from this place. An empty place with consumers is one that is missed.
        rivals: other writers beside `owner`.
        beside: certificates that lie beside it and may complete its chain: known, not trusted.
        remarks: what of the place could not be read, beside what could; a clause each.
    """

    location: Location
    chain: Chain | None = None
    problem: Problem | None = None
    key: KeyFacts | None = None
    owner: Owner | None = None
    handshake: Handshake | None = None
    endpoint: Endpoint | None = None
    labels: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    anchors: tuple[Certificate, ...] = ()
    never_adopt: str = ""
    ignored: bool = False
    immutable: bool = False
    fronts: tuple[Endpoint, ...] = ()
    use: Use = Use.SERVE
    consumers: tuple[Consumer, ...] = ()
    rivals: tuple[Owner, ...] = ()
    beside: tuple[Certificate, ...] = ()
    remarks: tuple[str, ...] = ()

    @property
    def address(self) -> str:
        """The address that an endpoint was looked at by; empty for what is stored, and where its name led nowhere."""
        before, at = f"{self.endpoint}@", self.location.address
        return at.removeprefix(before).partition(" ")[0] if self.endpoint and at.startswith(before) else ""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What was gathered once about the current chain beyond the chain itself.

    Attributes:
        revoked: None when it could not be told.
        revocation: the reason of its revocation, since when and who says so, in a clause.
        trusted: whether the clients' trust verifies what is installed; None when it could not be told.
        trust_unknown: why that cannot be told now, as where roots cannot be had; empty otherwise.
        trust: in words, the trust it was held against (`system`, `issuer internal`, `file /…`).
        requested: SHA-256 of the public key in the request that was made elsewhere; empty where there is none.
        tlsa: what the DNS publishes of its keys; empty where nobody asked.
        request_problem: why that request cannot be ordered with, in a clause; empty when it can.
    """

    revoked: bool | None = None
    revocation: str = ""
    trusted: bool | None = None
    trust_unknown: str = ""
    trust: str = ""
    requested: str = ""
    request_problem: str = ""
    tlsa: tuple[TlsaSet, ...] = ()
