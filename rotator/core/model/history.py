"""What the past of a certificate contributes to a decision."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType

from rotator.core.model.certificates import Chain
from rotator.core.model.places import Location
from rotator.core.model.words import Action, Result, Stage, Violation
from rotator.core.reasons import Reason


@dataclass(frozen=True, slots=True)
class Attempt:
    """One rotation of the past, as far as later decisions look at it.

    Attributes:
        issued: an order was placed (successful or not) in this attempt.
        retry_at: the earliest moment the issuer named (`Retry-After`), None when it named none.
        permanent: trying again unchanged will not help.
        violations: what validation found on the new chain, where it stopped there.
    """

    at: datetime
    action: Action
    reason: Reason
    digest: str
    result: Result
    stage: Stage | None = None
    issuer: str = ""
    issued: bool = False
    retry_at: datetime | None = None
    permanent: bool = False
    error: str = ""
    violations: tuple[Violation, ...] = ()


@dataclass(frozen=True, slots=True)
class Order:
    """One row of the issuance ledger: an intent to order, written before the request.

    Attributes:
        result: empty while nothing is known, `issued`, `failed`, `pending`.
        digest: the spec's digest at the time.
        renewal: the CA had issued for exactly these names before, which some CAs do not count.
        exempt: the CA took it as the successor of a certificate (`replaces`, RFC 9773, 5), and counts it nowhere.
        failed_names: names that the CA looked at and could not verify.
        limited: the CA refused it because of a limit of its own; such an order counts nowhere.
        retry_at: the moment that the issuer named when it failed.
    """

    certificate: str
    issuer: str
    digest: str
    names: tuple[str, ...]
    at: datetime
    result: str = ""
    permanent: bool = False
    skipped_gap: bool = False
    renewal: bool = False
    exempt: bool = False
    failed_names: tuple[str, ...] = ()
    limited: bool = False
    retry_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Quarantine:
    """A bundle that did harm at a place: not deployed there again until it ends or a person approves."""

    location: Location
    fingerprint: str
    digest: str
    since: datetime
    until: datetime | None
    by_hand: bool = False


@dataclass(frozen=True, slots=True)
class Pause:
    """A person's stop.

    Attributes:
        match: in the history of a certificate, the glob that it was given with.
    """

    reason: str
    since: datetime
    until: datetime | None = None
    match: str = ""


@dataclass(frozen=True, slots=True)
class Ask:
    """A person's `rotate`: resets the backoff; `force` renews though nothing is due.

    Attributes:
        key_after: since when a new key is asked for, also where the config says that the old one is used again; None
            where it is not.
    """

    at: datetime
    force: bool = False
    reason: str = ""
    key_after: datetime | None = None

    @property
    def new_key_after(self) -> datetime | None:
        """The moment after which the next key has to be made, None where an older one will do: asked for, or said by
        the reason, since a key that is known to others is never used again."""
        compromised = "key-compromise" in self.reason.lower().replace(" ", "-").replace("_", "-")
        return self.at if self.key_after is None and compromised else self.key_after

    @property
    def wants_new_key(self) -> bool:
        return self.new_key_after is not None

    def besides(self, before: Ask | None) -> Ask:
        """This one and what was asked for before and is still open: nobody takes that back by asking for less.

        The later moment counts for the backoff; a key that was made since a new one was asked for stays.
        """
        if before is None:
            return self
        return Ask(
            self.at,
            self.force or before.force,
            self.reason or before.reason,
            self.new_key_after or before.new_key_after,
        )


@dataclass(frozen=True, slots=True)
class History:
    """All that the past of one certificate contributes to a decision.

    Attributes:
        attempts: newest last, at least those of the last 30 days.
        orders: ledger rows, newest last, at least those of the last 7 days and the newest success.
        redeploys: per place, when it was written without a new issuance, newest last.
        seen_since: reasons that the *previous* looks saw without a break, since when.
        approvals: reasons a person approved for the present state of things.
        foreseen_at: the newest moment that a plan, stored before it fell due, named for this renewal.
        accepted_digest: the spec's digest when the newest accepted bundle was ordered; empty when unknown.
        accepted_issuer: who signed the newest accepted bundle; empty when unknown.
        accepted: the newest accepted chain; None when the store holds none.
        received: a bundle is stored that was not yet validated, or is held for approval.
        key_kept: the key of the newest accepted bundle is sealed in the store.
        unfinished: an accepted bundle has not reached every target yet (a crash, or harm at some).
        pending_spki: SHA-256 of the public key of a request that is not answered yet; empty when there is none.
        pending_digest: the spec's digest when that request was made.
        pinned_root: fingerprint of the root pinned at first use; empty when none.
        ours: fingerprints of every certificate of ours that the store knows, also of past ones.
        revoked: fingerprints of what rotator itself had revoked: known before any CRL says so.
        held_by_hand: a person put an older certificate back; hold, do not overwrite.
        ledger_since: when the ledger began to be kept, with the state's first plan; None where there is none yet.
        failing_since: the first failed attempt since the last success; None when the last one succeeded.
    """

    attempts: tuple[Attempt, ...] = ()
    orders: tuple[Order, ...] = ()
    redeploys: Mapping[Location, tuple[datetime, ...]] = field(default_factory=lambda: MappingProxyType({}))
    seen_since: Mapping[Reason, datetime] = field(default_factory=lambda: MappingProxyType({}))
    quarantines: tuple[Quarantine, ...] = ()
    approvals: frozenset[Reason] = frozenset()
    pause: Pause | None = None
    ask: Ask | None = None
    foreseen_at: datetime | None = None
    accepted: Chain | None = None
    accepted_digest: str = ""
    accepted_issuer: str = ""
    received: bool = False
    key_kept: bool = False
    unfinished: bool = False
    pending_spki: str = ""
    pending_digest: str = ""
    pinned_root: str = ""
    held_by_hand: str = ""
    ours: frozenset[str] = frozenset()
    revoked: frozenset[str] = frozenset()
    ledger_since: datetime | None = None

    @property
    def failing_since(self) -> datetime | None:
        since: datetime | None = None
        for attempt in self.attempts:
            if attempt.result in {Result.DONE, Result.UNPROVED}:
                since = None
            elif attempt.result is not Result.PENDING and since is None:
                since = attempt.at
        return since
