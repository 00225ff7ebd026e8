"""What rotator asks of the store: everything that outlives a process."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol, Self

from rotator.core.model import (
    Ask,
    Bundle,
    Campaign,
    CertificateSpec,
    Chain,
    Endpoint,
    FleetHistory,
    History,
    Location,
    Member,
    Notice,
    Old,
    Order,
    Outcome,
    Pause,
    Plan,
    Quarantine,
    RevocationReason,
    Sighting,
    Snapshot,
)
from rotator.core.reasons import Reason
from rotator.ports.plugins import Keep


@dataclass(frozen=True, slots=True)
class PendingIssue:
    """What must survive between making a key and having its chain: the same key and order are used again."""

    certificate: str
    digest: str
    key: bytes = field(repr=False)
    csr: bytes = field(repr=False)
    issuer: str = ""
    checkpoint: str | None = None
    started: datetime | None = None


@dataclass(frozen=True, slots=True)
class OrderEnd:
    """How an order ended, as `Order` has it: `issued`, `failed` or `pending`, and what the issuer said of a failure."""

    result: str
    permanent: bool = False
    failed_names: tuple[str, ...] = ()
    limited: bool = False
    retry_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class StoredBundle:
    """A bundle in the store. `status` is `received`, `accepted`, `superseded` or `dropped`."""

    certificate: str
    bundle: Bundle
    status: str
    digest: str
    issuer: str
    at: datetime
    keys_kept: bool = True


@dataclass(frozen=True, slots=True)
class Progress:
    """A rotation between its first deploy and its record; what is here is finished or undone before anything else.

    Attributes:
        snapshots: each place as it was before this rotation touched it.
        deployed: places that were written.
        before: what every endpoint showed before the first deploy.
        undoing: harm was seen; the snapshots are being put back.
    """

    certificate: str
    fingerprint: str
    started: datetime
    snapshots: Mapping[Location, Snapshot]
    deployed: tuple[Location, ...] = ()
    before: tuple[Sighting, ...] = ()
    undoing: bool = False


@dataclass(frozen=True, slots=True)
class Request:
    """A change that a person asked for by the CLI; the daemon carries it out. `verb` is the CLI's."""

    id: int
    verb: str
    arguments: Mapping[str, str]
    at: datetime
    by: str
    answer: str = ""
    finished: datetime | None = None


@dataclass(frozen=True, slots=True)
class NoticeState:
    """What was told of a notice, to whom, and when."""

    notice: Notice
    first_sent: datetime | None
    last_sent: datetime | None
    times: int
    receipts: Mapping[str, str]
    undelivered: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Issued:
    """A certificate of ours that the store still knows, without its key; `status` as in `StoredBundle`."""

    certificate: str
    chain: Chain
    status: str
    issuer: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Revoked:
    """A certificate that rotator had revoked. `certificate` is the name it belonged to; empty when nobody knew."""

    fingerprint: str
    certificate: str
    issuer: str
    reason: RevocationReason
    at: datetime


@dataclass(frozen=True, slots=True)
class AuditEntry:
    at: datetime
    event: str
    subject: str
    detail: str


class Store(Keep, Protocol):
    """Everything that outlives a process. Each method is one transaction; all raise `StateError`."""

    @property
    def key_problem(self) -> str:
        """Why no key can be sealed or opened right now, in one sentence; empty when all is well."""
        ...

    def is_empty(self) -> bool:
        """No plan was ever stored: the next look is the first."""
        ...

    def lock(self, certificate: str) -> AbstractContextManager[None]:
        """Hold the certificate for one rotation.

        Raises:
            Busy: it is held by a living holder.
        """
        ...

    def clear_dead_locks(self) -> tuple[str, ...]: ...

    # What is known of a certificate
    def histories(self, certificates: Iterable[str], now: datetime) -> Mapping[str, History]: ...

    def fleet(self, now: datetime) -> FleetHistory: ...

    def adopted(self) -> tuple[CertificateSpec, ...]: ...

    def keep_adopted(self, spec: CertificateSpec, at: datetime) -> None: ...

    def retire(self, certificate: str, at: datetime) -> None: ...

    def joins(self) -> Mapping[Endpoint, str]: ...

    def keep_joins(self, joins: Mapping[Endpoint, str]) -> None: ...

    def keep_seen(self, seen: Mapping[str, Mapping[Reason, datetime]]) -> None:
        """Replace what the last look saw: reasons per certificate, with the beginning of each."""
        ...

    def pin_root(self, certificate: str, fingerprint: str, at: datetime) -> None: ...

    # Issuing
    def pending(self, certificate: str) -> PendingIssue | None: ...

    def keep_pending(self, pending: PendingIssue) -> None: ...

    def drop_pending(self, certificate: str) -> None: ...

    def open_order(self, order: Order) -> int:
        """Write the intent before the request; returns the row's id."""
        ...

    def unfinished_order(self, certificate: str, issuer: str) -> int | None:
        """The newest row that has no end yet: what a resumed order was opened as."""
        ...

    def exempt_order(self, order_id: int) -> None:
        """The CA took the order as a successor that it counts nowhere."""
        ...

    def close_order(self, order_id: int, end: OrderEnd) -> None: ...

    # Bundles
    def keep_bundle(self, bundle: StoredBundle) -> None: ...

    def bundles(self, certificate: str) -> tuple[StoredBundle, ...]:
        """Newest first."""
        ...

    def set_bundle_status(self, certificate: str, fingerprint: str, status: str, at: datetime) -> None:
        """Accepting one supersedes the accepted one before it."""
        ...

    def issued(self, certificate: str | None = None) -> tuple[Issued, ...]:
        """Every certificate of ours that is still known, of one name or of all, newest first; needs no key."""
        ...

    # Revoking
    def keep_revoked(self, revoked: Revoked) -> None:
        """Remember for good that it was revoked; the first time counts."""
        ...

    def revoked(self) -> Mapping[str, Revoked]:
        """What rotator has had revoked, by fingerprint."""
        ...

    def purge(self, now: datetime, *, keep_superseded: timedelta, keep_keys: bool) -> None: ...

    # Deploying
    def progress(self, certificate: str) -> Progress | None: ...

    def keep_progress(self, progress: Progress, quarantines: Iterable[Quarantine] = ()) -> None:
        """Write it over the one before, and quarantine what its undoing begins with: both or neither."""
        ...

    def end_progress(self, certificate: str) -> None: ...

    def undoing(self) -> tuple[str, ...]:
        """Certificates whose roll-back was cut off; it is finished before anything else."""
        ...

    def quarantine(self, certificate: str, quarantine: Quarantine) -> None: ...

    def lift_quarantine(self, certificate: str) -> None: ...

    # Recording
    def record(self, outcome: Outcome) -> None:
        """Outcome and audit row in one transaction."""
        ...

    def outcomes(
        self, certificate: str | None = None, *, since: datetime | None = None, limit: int = 100
    ) -> tuple[Outcome, ...]:
        """Newest first."""
        ...

    def keep_plan(self, plan: Plan) -> None: ...

    def plan(self) -> Plan | None: ...

    def keep_look(self, summary: str, at: datetime) -> None:
        """The JSON summary of the last inventory, for `status` and the page."""
        ...

    def look(self) -> tuple[str, datetime] | None: ...

    def audit(self, event: str, subject: str, detail: str, at: datetime) -> None: ...

    def audited(self, *, subject: str | None = None, limit: int = 100) -> tuple[AuditEntry, ...]: ...

    # People
    def keep_ask(self, certificate: str, ask: Ask) -> None:
        """Keep what a person asks for, in place of what was asked before; see `Ask.besides`."""
        ...

    def approve(self, certificate: str, at: datetime) -> tuple[Reason, ...]:
        """Approve what the present decision is held for, lift quarantines; returns the reasons approved.

        The certificate `*` approves the surge for a day.
        """
        ...

    def pause(self, match: str, pause: Pause) -> None:
        """Pause every certificate whose name matches the glob."""
        ...

    def resume(self, match: str, at: datetime) -> None: ...

    def pauses(self) -> Mapping[str, Pause]: ...

    def hold_by_hand(self, certificate: str, why: str, at: datetime) -> None: ...

    def enqueue(self, verb: str, arguments: Mapping[str, str], by: str, at: datetime) -> int: ...

    def requests(self, *, open_only: bool = True) -> tuple[Request, ...]: ...

    def answer(self, request_id: int, answer: str, at: datetime) -> None: ...

    # Campaigns
    def begin_campaign(self, campaign: Campaign) -> Campaign:
        """Write a new campaign with its members; gives it with its number."""
        ...

    def keep_campaign(self, campaign: Campaign) -> None:
        """Write its status and end; its members are `keep_members`'."""
        ...

    def keep_members(self, number: int, changed: Iterable[Member]) -> None:
        """Write these members; of what they replace, only what was not known before is added."""
        ...

    def keep_replaced(self, number: int, certificate: str, old: Old) -> None:
        """Write what has become of one certificate that is replaced."""
        ...

    def campaigns(self, *, open_only: bool = False) -> tuple[Campaign, ...]:
        """Oldest first, with their members in their order."""
        ...

    # Telling
    def notices(self) -> Mapping[str, NoticeState]: ...

    def keep_notice(self, state: NoticeState) -> None: ...

    def drop_notice(self, key: str) -> None: ...

    def close(self) -> None: ...

    def __enter__(self) -> Self: ...

    def __exit__(self, *exc: object) -> None: ...
