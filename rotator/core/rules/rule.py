"""What a rule of the audit is, what it may look at, and how the operator may judge otherwise."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import NamedTuple

from rotator.core.model import Caa, Certificate, Chain, Decision, Observation, Revocation, Severity, Use
from rotator.core.usages import ANY_USAGE, SERVER_AUTH


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of the catalogue.

    Attributes:
        id: stable for ever; a rule that goes is not replaced by another of the same id.
        severity: the worst that it gives.
        cause: what it means, in a sentence.
        remedy: what to do about it, in a sentence.
        source: the standard or document that it follows.
        notes: what it takes into account, and when it keeps quiet.
        cwe: the weakness it belongs to in the Common Weakness Enumeration; 0 where none fits.
    """

    id: str
    name: str
    severity: Severity
    cause: str
    remedy: str
    source: str
    notes: str = ""
    cwe: int = 0


class Said(NamedTuple):
    """One thing that is wrong; see `Finding.about`."""

    severity: Severity
    message: str
    about: str = ""


@dataclass(frozen=True, slots=True)
class Thresholds:
    """From when on something is worth saying.

    Attributes:
        expiring_within: also say what ends within this, whatever its lifetime; None asks the lifetime alone.
        scts: how many signed certificate timestamps a public certificate has to have; None asks its lifetime.
    """

    expiring_within: timedelta | None = None
    scts: int | None = None


@dataclass(frozen=True, slots=True)
class ChainFacts:
    """What rules about a chain may look at; the same wherever the chain is found, so it is judged once.

    Attributes:
        use: what it is there for.
        beside: certificates that lie beside it and complete its chain for whoever puts them together.
        left_out: how many more were sent than are judged.
        path: from the leaf to the root that vouches for it, now or at its last moment; empty where there is none.
        refusal: why there is none, in a clause.
        public: its root is one of the system's store, so that the web's rules (CA/B Forum, CT, CAA) hold for it.
        trust: False where nothing is known of what clients trust, so that nothing can be told of it.
        revocation, caa: None and empty where nobody was asked; `caa` has the answer for each name.
    """

    chain: Chain
    now: datetime
    use: Use = Use.SERVE
    beside: tuple[Certificate, ...] = ()
    left_out: int = 0
    path: tuple[Certificate, ...] = ()
    refusal: str = ""
    public: bool = False
    trust: bool = True
    revocation: Revocation | None = None
    caa: Mapping[str, Caa] = field(default_factory=lambda: MappingProxyType({}))
    thresholds: Thresholds = Thresholds()

    @property
    def leaf(self) -> Certificate:
        return self.chain.leaf

    @property
    def counted(self) -> tuple[Certificate, ...]:
        """What of the chain clients need: the part of it that is on their path, or all of it where there is none."""
        certificates = self.chain.certificates
        return tuple(c for c in certificates if c in self.path or c is self.leaf) if self.path else certificates

    @property
    def is_for_servers(self) -> bool:
        """Whether servers may use it, by its extended key usage."""
        usages = set(self.leaf.extended_key_usages)
        return self.use is Use.SERVE and (not usages or bool(usages & {SERVER_AUTH, ANY_USAGE}))


@dataclass(frozen=True, slots=True)
class PlaceFacts:
    """What rules about one place may look at.

    Attributes:
        decision: what rotator decides about the certificate it belongs to; None where it is not managed.
        plan: whether there is a plan at all; without a config nothing can be managed.
    """

    observation: Observation
    now: datetime
    decision: Decision | None = None
    plan: bool = False

    @property
    def chain(self) -> Chain | None:
        return self.observation.chain


ChainCheck = Callable[[ChainFacts], Iterator[Said]]
PlaceCheck = Callable[[PlaceFacts], Iterator[Said]]
