"""Facts, decisions and the plan."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import MappingProxyType

from rotator.core.model.certificates import Chain
from rotator.core.model.clocks import PeerClock
from rotator.core.model.history import History
from rotator.core.model.observations import Evidence, Observation
from rotator.core.model.pins import Pins
from rotator.core.model.places import Endpoint, Location, Sighting
from rotator.core.model.specs import CertificateSpec, Suggestion
from rotator.core.model.words import Action
from rotator.core.reasons import Reason


@dataclass(frozen=True, slots=True)
class Facts:
    """All that a decision about one certificate may look at; no private key in it.

    Attributes:
        installed: what each target holds; a target that could not be looked at has a problem of kind `unseen`.
        served: what each counted endpoint showed.
        newest: the current chain: the newest accepted, or a hand-made one, or the one found with the latest end.
        replaced_by_hand: the current chain was put there by somebody else and wins.
        now: the moment of the look.
    """

    spec: CertificateSpec
    now: datetime
    installed: Mapping[Location, Observation] = field(default_factory=lambda: MappingProxyType({}))
    served: Mapping[Endpoint, tuple[Sighting, ...]] = field(default_factory=lambda: MappingProxyType({}))
    newest: Chain | None = None
    evidence: Evidence = field(default_factory=Evidence)
    history: History = field(default_factory=History)
    suggestion: Suggestion | None = None
    replaced_by_hand: bool = False


@dataclass(frozen=True, slots=True)
class SourceProblem:
    """A source that could not be looked at, whole or in part."""

    source: str
    message: str


@dataclass(frozen=True, slots=True)
class AdoptionProblem:
    """Why something that matched a rule was not adopted, or is held."""

    location: Location
    message: str


@dataclass(frozen=True, slots=True)
class Inventory:
    """One look at the world.

    Attributes:
        facts: one per certificate spec.
        unmanaged: observations that belong to no spec.
        observations: everything that was seen, for reports and metrics.
        problems: sources that could not be looked at.
        held: matches that were not adopted, and why.
        retired: names of adopted specs whose place disappeared in a complete look.
        first: there was no stored state before this look.
        clocks: what the clocks of others say of ours.
    """

    at: datetime
    facts: tuple[Facts, ...] = ()
    unmanaged: tuple[Observation, ...] = ()
    observations: tuple[Observation, ...] = ()
    problems: tuple[SourceProblem, ...] = ()
    held: tuple[AdoptionProblem, ...] = ()
    retired: tuple[str, ...] = ()
    first: bool = False
    clocks: tuple[PeerClock, ...] = ()


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do about one certificate, why, and when.

    Attributes:
        wanted: for wait, hold and refuse: what would be done otherwise; None for keep.
        because: why `wanted` is wanted; equal to `reason` where nothing holds it back.
        at: when it is done, or looked at again.
        ends: the end of the current certificate, None when there is none.
        emergency: past the emergency line.
        command: what a person may run about it.
        lead: the lead of the current certificate, None when there is none.
        foreseen: a plan stored before it fell due named this renewal, or a person asked for or approved it.
        resumes: a received bundle or a pending order is carried on; no new order is needed.
        trial: the issuer whose breaker is open and that is tried again with this very renewal; empty otherwise.
        pins: what clients may pin of its keys.
        known_at: issuers of the list whose CA has issued for exactly these names before.
    """

    spec: CertificateSpec
    action: Action
    reason: Reason
    message: str
    at: datetime
    wanted: Action | None = None
    because: Reason | None = None
    ends: datetime | None = None
    emergency: bool = False
    command: str = ""
    lead: timedelta | None = None
    foreseen: bool = False
    resumes: bool = False
    trial: str = ""
    known_at: frozenset[str] = frozenset()
    pins: Pins = field(default_factory=Pins)

    @property
    def due(self) -> bool:
        """Whether the executor has something to do now.

        `delegate` is carried out where it is what is wanted; as a hold it leaves something else to the owner.
        """
        asks_owner = self.action is Action.DELEGATE and self.wanted is Action.DELEGATE
        return asks_owner or self.action in {Action.RENEW, Action.REDEPLOY}

    @property
    def told(self) -> str:
        """The message, and what a person may run about it where the message does not name that."""
        if not self.command or self.command in self.message:
            return self.message
        lets_through = self.action is Action.HOLD or self.reason is Reason.PAUSED
        return f"{self.message}; {'to let it through' if lets_through else 'to do'}: {self.command}"


@dataclass(frozen=True, slots=True)
class Plan:
    """All decisions of one look, most urgent first.

    Attributes:
        first: nothing was stored before this look.
    """

    at: datetime
    decisions: tuple[Decision, ...] = ()
    first: bool = False

    @property
    def due(self) -> tuple[Decision, ...]:
        return tuple(decision for decision in self.decisions if decision.due)
