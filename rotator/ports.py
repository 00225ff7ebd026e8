"""The ports: what rotator asks of sources, issuers, targets, alerters and the store.

A plugin is one class in one module. Its `Settings` are what the operator writes under its kind; it is built as
`Class(name, settings, …)` by `rotator.plugins`. Conformance suites for each port are in `rotator.conformance`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import ClassVar, Protocol, Self, runtime_checkable

from rotator.core.model import (
    Bundle,
    Certificate,
    CertificateSpec,
    Chain,
    Decision,
    Deployed,
    Endpoint,
    FleetHistory,
    History,
    IssueRequest,
    Location,
    Notice,
    Observation,
    Order,
    Outcome,
    Pause,
    Plan,
    Quarantine,
    Sighting,
    Snapshot,
    Suggestion,
    TargetSpec,
)
from rotator.core.reasons import Reason
from rotator.settings import PluginSettings


@dataclass(frozen=True, slots=True)
class Clock:
    """The only way to learn or spend time.

    Attributes:
        now: the moment, aware, in UTC.
        monotonic: seconds that never jump, for limits.
        wait: returns after that many seconds; a rotation that has begun is finished, so a stop does not cut it short.
    """

    now: Callable[[], datetime]
    monotonic: Callable[[], float]
    wait: Callable[[float], None]


class Prober(Protocol):
    """One fresh, full, unverified handshake with every address of every endpoint; see `rotator.lib.tls.probe`."""

    def __call__(self, endpoints: Sequence[Endpoint], *, key_algorithm: str | None = None) -> Iterator[Sighting]:
        """Yield one sighting per address; a server with several certificates is asked for one with such a key."""
        ...


class Keep(Protocol):
    """A small sealed drawer in the store for what an issuer must not lose (an ACME account key)."""

    def get(self, key: str) -> bytes | None: ...

    def put(self, key: str, value: bytes) -> None: ...


class Source(Protocol):
    """A place to look for certificates; read only."""

    Settings: ClassVar[type[PluginSettings]]
    name: str

    def __init__(self, name: str, settings: PluginSettings, clock: Clock) -> None: ...

    def observe(self) -> Iterable[Observation]:
        """Look at everything once.

        An item that cannot be read is an observation with a problem. Items may be yielded before the place turns
        out to be unreadable: only a look that ends without an error is complete.

        Raises:
            SourceError: the place, or a named part of it, could not be looked at.
        """
        ...


class Issuer(Protocol):
    """Whoever signs. Given a CSR, never a key."""

    Settings: ClassVar[type[PluginSettings]]
    name: str

    def __init__(self, name: str, settings: PluginSettings, clock: Clock, keep: Keep) -> None: ...

    def issue(self, request: IssueRequest, *, resume: str | None, checkpoint: Callable[[str], None]) -> Chain:
        """Have the request signed; leaf first, root left out.

        Args:
            resume: the last token that was checkpointed for this very CSR, None at the first try.
            checkpoint: keeps a token (the issuer's own JSON) that lets an interrupted order be resumed.

        Raises:
            Pending: taken, not finished; ask again with the token after `retry_after`.
            IssueError: refused or failed; `permanent` says whether trying again can help.
        """
        ...


@runtime_checkable
class SuggestsRenewal(Protocol):
    """An issuer that says when it would like a renewal (ACME ARI, RFC 9773)."""

    def suggestion(self, certificate: Certificate) -> Suggestion | None: ...


@runtime_checkable
class Anchors(Protocol):
    """An issuer that knows the roots its chains end in."""

    def roots(self) -> tuple[Certificate, ...]:
        """The trusted roots.

        Raises:
            IssueError: they cannot be had right now.
        """
        ...


@runtime_checkable
class Preflight(Protocol):
    """An issuer that can say, without ordering, why the next order would fail; empty when it would not."""

    def preflight(self, names: tuple[str, ...]) -> tuple[str, ...]: ...


class Target(Protocol):
    """A place that holds one certificate and can be put back as it was."""

    Settings: ClassVar[type[PluginSettings]]
    kind: ClassVar[str]

    def __init__(self, name: str, spec: TargetSpec, settings: PluginSettings, clock: Clock) -> None: ...

    @property
    def location(self) -> Location: ...

    @property
    def settle(self) -> timedelta:
        """How long consumers may take until they serve what was deployed."""
        ...

    def snapshot(self) -> Snapshot:
        """Read the place as it is.

        Content that is no certificate is an observation with a problem of kind `unreadable`.

        Raises:
            TargetError: it could not be looked at.
        """
        ...

    def deploy(self, bundle: Bundle, *, replacing: str | None) -> Deployed:
        """Put the bundle there and have its consumers reload, also when the bytes are equal already.

        Compare-and-swap: `replacing` is the leaf fingerprint that was seen there, None for a place that was empty
        or unreadable. A place that holds this very bundle already is no conflict. On failure the old content stands.

        Raises:
            Conflict: something else is there; nothing was written.
            TargetError: it could not be written, or its reload failed.
        """
        ...

    def restore(self, to: Snapshot, *, replacing: str | None) -> Deployed:
        """Put the place back as the snapshot says and reload. Safe to repeat; a place that was empty stays as it is.

        Raises:
            Conflict: it no longer holds `replacing`; nothing was written.
            TargetError: it could not be written, or its reload failed.
        """
        ...

    @classmethod
    def adopt(cls, observation: Observation, rule: Mapping[str, object]) -> TargetSpec | None:
        """The target for a place that was observed, with the rule's target settings; None when it is not ours to write.

        `rule` holds the target settings that the adoption rule names (such as `reload`).
        """
        ...


@runtime_checkable
class RestartsWorkloads(Protocol):
    """A target that can restart a named workload; used only for what the config names."""

    def restart(self, workload: str) -> str:
        """Restart one workload when it is fully available, and wait until it is again; says what was done.

        Raises:
            TargetError: it is not fully available, or did not come back.
        """
        ...


class Alerter(Protocol):
    """A way to reach people."""

    Settings: ClassVar[type[PluginSettings]]
    name: str

    def __init__(self, name: str, settings: PluginSettings, clock: Clock) -> None: ...

    def send(self, notice: Notice, *, receipt: str | None) -> str | None:
        """Deliver at least once, under the notice's key; `resolved` closes what the key opened.

        Args:
            receipt: what the last delivery of this key returned (a thread), None at the first.

        Raises:
            AlertError: not delivered.
        """
        ...


# ---------------------------------------------------------------- the store


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
class AuditEntry:
    at: datetime
    event: str
    subject: str
    detail: str


class Store(Keep, Protocol):
    """Everything that outlives a process. Each method is one transaction; all raise `StateError`."""

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

    def close_order(self, order_id: int, *, result: str, permanent: bool = False) -> None: ...

    # Bundles
    def keep_bundle(self, bundle: StoredBundle) -> None: ...

    def bundles(self, certificate: str) -> tuple[StoredBundle, ...]:
        """Newest first."""
        ...

    def set_bundle_status(self, certificate: str, fingerprint: str, status: str, at: datetime) -> None:
        """Accepting one supersedes the accepted one before it."""
        ...

    def purge(self, now: datetime, *, keep_superseded: timedelta, keep_keys: bool) -> None: ...

    # Deploying
    def progress(self, certificate: str) -> Progress | None: ...

    def keep_progress(self, progress: Progress) -> None: ...

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
    def ask(self, certificate: str, *, force: bool, reason: str, at: datetime) -> None: ...

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

    # Telling
    def notices(self) -> Mapping[str, NoticeState]: ...

    def keep_notice(self, state: NoticeState) -> None: ...

    def drop_notice(self, key: str) -> None: ...

    def close(self) -> None: ...

    def __enter__(self) -> Self: ...

    def __exit__(self, *exc: object) -> None: ...


TargetFactory = Callable[[str, TargetSpec], Target]
"""Builds the target of a certificate (its name first)."""

__all__ = [
    "Alerter",
    "Anchors",
    "AuditEntry",
    "Clock",
    "Decision",
    "FleetHistory",
    "Issuer",
    "Keep",
    "NoticeState",
    "PendingIssue",
    "Preflight",
    "Prober",
    "Progress",
    "Request",
    "RestartsWorkloads",
    "Source",
    "Store",
    "StoredBundle",
    "SuggestsRenewal",
    "Target",
    "TargetFactory",
]
