"""What is to be kept alive, and how."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType

from rotator.core.model.pins import TlsaMode
from rotator.core.model.places import Endpoint
from rotator.core.reasons import Reason

NOTHING: Mapping[str, object] = MappingProxyType({})


class Mode(StrEnum):
    OBSERVE = "observe"
    ROTATE = "rotate"


@dataclass(frozen=True, slots=True)
class KeySpec:
    """The key to make: `rsa` with 2048–4096 bits, `ecdsa` with 256 or 384, `ed25519` with 0.

    `reuse` keeps it over renewals, for clients that pin it; without it each certificate gets a new one. `ahead` makes
    the next one as soon as the present one is in place, so that it can be published before it is used.
    """

    algorithm: str = "ecdsa"
    size: int = 256
    reuse: bool = False
    ahead: bool = False


@dataclass(frozen=True, slots=True)
class TargetSpec:
    """Where a certificate is to be put: the kind of a target plugin and its settings as plain JSON values.

    `restart` names workloads to restart where a reload does not do (`Deployment/checkout`).
    """

    kind: str
    settings: Mapping[str, object] = field(default_factory=lambda: NOTHING)
    restart: tuple[str, ...] = ()

    @property
    def canonical(self) -> str:
        return json.dumps({"kind": self.kind, "settings": dict(self.settings)}, sort_keys=True, default=str)

    def __hash__(self) -> int:
        return hash((self.canonical, self.restart))


class TrustKind(StrEnum):
    SYSTEM = "system"
    ISSUER = "issuer"
    FILE = "file"


@dataclass(frozen=True, slots=True)
class TrustSpec:
    """What the clients of a certificate trust; `path` for `file`."""

    kind: TrustKind
    path: str = ""


@dataclass(frozen=True, slots=True)
class MaintenanceWindow:
    """When changes are allowed, in UTC: weekdays (0 = Monday), start minute of the day, length."""

    weekdays: frozenset[int]
    start_minute: int
    length: timedelta


@dataclass(frozen=True, slots=True)
class CertificateSpec:
    """One certificate to keep alive, declared in the config or adopted from an observation.

    Attributes:
        name: unique; the key of locks, history and notices.
        owner: the team that hears about it; empty when nobody is named.
        names: DNS names and addresses that the certificate must cover, the first one foremost.
        issuers: names of configured issuers, the first that can is used.
        lifetime: what to ask the issuer for; None leaves it to the issuer.
        renew_before: an explicit lead; None means the rule.
        allow: reasons of grade *hold* that the operator has allowed beforehand.
        adopted_from: the adoption rule's place in the config, empty when declared.
        csr: the file of a request whose key is held elsewhere (an HSM, an appliance); rotator then never has a key,
            and `key` says nothing. Empty where rotator makes the key.
        tlsa: what is done about TLSA records at its endpoints.
    """

    name: str
    names: tuple[str, ...]
    issuers: tuple[str, ...]
    owner: str = ""
    key: KeySpec = KeySpec()
    targets: tuple[TargetSpec, ...] = ()
    endpoints: tuple[Endpoint, ...] = ()
    lifetime: timedelta | None = None
    profile: str = ""
    renew_before: timedelta | None = None
    trust: TrustSpec | None = None
    mode: Mode = Mode.OBSERVE
    windows: tuple[MaintenanceWindow, ...] = ()
    allow: frozenset[Reason] = frozenset()
    adopted_from: str = ""
    csr: str = ""
    tlsa: TlsaMode = TlsaMode.OFF

    @property
    def key_algorithm(self) -> str | None:
        """What servers are asked to show a certificate for; None where only the key's holder knows."""
        return None if self.csr else self.key.algorithm

    @property
    def digest(self) -> str:
        """Changes when what is to be issued or where it goes changes; nothing else resets gap and backoff.

        Whether a key is used again is no part of it: turning that on or off calls for no order.
        """
        text = json.dumps(
            [
                sorted(self.names),
                list(self.issuers),
                ["csr", self.csr] if self.csr else [self.key.algorithm, self.key.size],
                self.profile,
                sorted(target.canonical for target in self.targets),
            ]
        )
        return hashlib.sha256(text.encode()).hexdigest()[:32]


@dataclass(frozen=True, slots=True)
class Suggestion:
    """When the issuer would like a renewal (ACME ARI, RFC 9773).

    Attributes:
        explanation: the CA's page about it, or without a window what the CA answered instead of one; empty where it
            suggests nothing and that is all there is to say.
    """

    start: datetime
    end: datetime
    explanation: str
    ask_again_at: datetime
