"""One decision carried out."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from rotator.core.model.certificates import Certificate, Chain
from rotator.core.model.decisions import Decision
from rotator.core.model.history import Order
from rotator.core.model.observations import Observation
from rotator.core.model.places import Location, Sighting
from rotator.core.model.words import Result, Stage, Violation


@dataclass(frozen=True, slots=True)
class IssueRequest:
    """What an issuer gets: a CSR (PEM), never a key.

    Attributes:
        replaces: the certificate this one succeeds, where there is a clear one (RFC 9773, 5).
    """

    csr: bytes
    names: tuple[str, ...]
    lifetime: timedelta | None = None
    profile: str = ""
    replaces: Certificate | None = None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A target as it was: what was observed there, and all that is needed to put it back (sealed when stored)."""

    observation: Observation
    state: bytes = field(repr=False, default=b"")

    @property
    def chain(self) -> Chain | None:
        return self.observation.chain

    @property
    def fingerprint(self) -> str | None:
        """What `replacing` means: the leaf's fingerprint, None for a place that is empty or unreadable."""
        return self.observation.chain.fingerprint if self.observation.chain else None


@dataclass(frozen=True, slots=True)
class Deployed:
    """A target after a deploy or restore; `log` is what its reload command or API said."""

    location: Location
    log: str = ""


@dataclass(frozen=True, slots=True)
class Verification:
    """What every counted address showed before and after.

    Attributes:
        verified: one line for each address whose new chain was verified against the clients' trust.
    """

    before: tuple[Sighting, ...] = ()
    after: tuple[Sighting, ...] = ()
    verified: tuple[str, ...] = ()


FELL_BACK = "fell back from "
"""How each line of an outcome's log begins that says why an issuer was passed over."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one rotation ended, at which stage, and with what proof."""

    decision: Decision
    result: Result
    started: datetime
    finished: datetime
    stage: Stage | None = None
    error: str = ""
    before: Chain | None = None
    after: Chain | None = None
    verification: Verification = Verification()
    issuer: str = ""
    issued: bool = False
    permanent: bool = False
    retry_at: datetime | None = None
    violations: tuple[Violation, ...] = ()
    log: str = ""

    @property
    def fell_back(self) -> tuple[str, ...]:
        """The lines of the log that say why issuers before the one that signed were passed over."""
        return tuple(line for line in self.log.splitlines() if line.startswith(FELL_BACK))


@dataclass(frozen=True, slots=True)
class FleetHistory:
    """What decisions about the whole fleet look at.

    Attributes:
        orders: ledger rows of the last 14 days (`budget.limits.REMEMBERED`), all certificates, oldest first.
        outcomes: of the last day, all certificates, newest last.
        avoided: issuers that nothing new is ordered from, because a campaign leads away from them.
        approved_surge_until: until when a person has let unforeseen renewals through in bulk.
    """

    orders: tuple[Order, ...] = ()
    outcomes: tuple[Outcome, ...] = ()
    approved_surge_until: datetime | None = None
    avoided: frozenset[str] = frozenset()
