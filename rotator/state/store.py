"""The store of `rotator.ports` on SQLAlchemy. What each method does stands in the module of its topic beside this one;
here is where its transaction begins and ends, and what threads must not do at once."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime, timedelta
from typing import Self

from sqlalchemy import Connection

from rotator.core.model import (
    Ask,
    Campaign,
    CertificateSpec,
    Endpoint,
    FleetHistory,
    History,
    Member,
    Old,
    Order,
    Outcome,
    Pause,
    Plan,
    Quarantine,
)
from rotator.core.reasons import Reason
from rotator.errors import StateError
from rotator.ports import (
    AuditEntry,
    Clock,
    Issued,
    NoticeState,
    OrderEnd,
    PendingIssue,
    Progress,
    Request,
    Revoked,
    StoredBundle,
)
from rotator.state import (
    bundles,
    campaigning,
    certificates,
    deploying,
    history,
    issuing,
    locks,
    people,
    planning,
    recording,
    retention,
    revoking,
    telling,
)
from rotator.state.database import Database
from rotator.state.processes import this_process
from rotator.state.seal import Seal


class SqlStore:
    """Everything that outlives a process; threads may share it. Opened by `rotator.state.open.open_store`.

    Args:
        writer: False makes every change but `enqueue` a StateError.
        is_alone: whoever opens it holds the lock that keeps every other writer away.
        ended: called once by `close`, after the last connection is closed.
    """

    def __init__(
        self,
        database: Database,
        seal: Seal,
        clock: Clock,
        *,
        writer: bool,
        is_alone: bool = False,
        ended: Callable[[], None] = lambda: None,
    ) -> None:
        self._database = database
        self._seal = seal
        self._clock = clock
        self._writer = writer
        self._is_alone = is_alone
        self._ended = ended
        self._token = secrets.token_hex(16)
        self._process = this_process()
        self._held: set[str] = set()
        self._guard = threading.Lock()

    def __repr__(self) -> str:
        return f"SqlStore({str(self._database.path)!r}, writer={self._writer})"

    @property
    def key_problem(self) -> str:
        """Why no key can be sealed or opened right now, in one sentence; empty when all is well."""
        return self._seal.problem

    @property
    def is_alone(self) -> bool:
        return self._is_alone

    def _reading(self) -> AbstractContextManager[Connection]:
        return self._database.reading()

    def _writing(self) -> AbstractContextManager[Connection]:
        if not self._writer:
            raise StateError(
                f"the state {self._database.path} was opened for reading only; changes are the running daemon's, "
                "or those of a command that holds the state's lock"
            )
        return self._database.writing()

    def is_empty(self) -> bool:
        with self._reading() as connection:
            return planning.is_empty(connection)

    # ---------------------------------------------------------------- locks

    @contextmanager
    def lock(self, certificate: str) -> Iterator[None]:
        """Hold the certificate for one rotation; see `Store.lock`."""
        with self._guard:
            if certificate in self._held:
                raise locks.busy(certificate, "in this process")
            self._held.add(certificate)
        try:
            with self._writing() as connection:
                locks.take(connection, certificate, self._token, self._process, self._clock.now())
            try:
                yield
            finally:
                with self._writing() as connection:
                    locks.release(connection, certificate, self._token)
        finally:
            with self._guard:
                self._held.discard(certificate)

    def clear_dead_locks(self) -> tuple[str, ...]:
        """Remove what a predecessor left behind: the file lock says that no other store can be held."""
        with self._writing() as connection:
            return locks.clear(connection, self._token)

    # ---------------------------------------------------------------- what is known of a certificate

    def histories(self, certificates: Iterable[str], now: datetime) -> Mapping[str, History]:
        with self._reading() as connection:
            return history.histories(connection, certificates, now)

    def fleet(self, now: datetime) -> FleetHistory:
        with self._reading() as connection:
            return history.fleet(connection, now)

    def adopted(self) -> tuple[CertificateSpec, ...]:
        with self._reading() as connection:
            return certificates.list_adopted(connection)

    def keep_adopted(self, spec: CertificateSpec, at: datetime) -> None:
        with self._writing() as connection:
            certificates.keep_adopted(connection, spec, at)

    def retire(self, certificate: str, at: datetime) -> None:
        with self._writing() as connection:
            certificates.retire(connection, certificate, at)

    def joins(self) -> Mapping[Endpoint, str]:
        with self._reading() as connection:
            return certificates.list_joins(connection)

    def keep_joins(self, joins: Mapping[Endpoint, str]) -> None:
        """Add to the joins that are known."""
        with self._writing() as connection:
            certificates.keep_joins(connection, joins)

    def keep_seen(self, seen: Mapping[str, Mapping[Reason, datetime]]) -> None:
        with self._writing() as connection:
            certificates.keep_seen(connection, seen)

    def pin_root(self, certificate: str, fingerprint: str, at: datetime) -> None:
        with self._writing() as connection:
            certificates.pin_root(connection, certificate, fingerprint, at)

    # ---------------------------------------------------------------- issuing

    def pending(self, certificate: str) -> PendingIssue | None:
        with self._reading() as connection:
            return issuing.read_pending(connection, certificate, self._seal)

    def keep_pending(self, pending: PendingIssue) -> None:
        with self._writing() as connection:
            issuing.keep_pending(connection, pending, self._seal)

    def drop_pending(self, certificate: str) -> None:
        with self._writing() as connection:
            issuing.drop_pending(connection, certificate)

    def open_order(self, order: Order) -> int:
        with self._writing() as connection:
            return issuing.open_order(connection, order)

    def unfinished_order(self, certificate: str, issuer: str) -> int | None:
        with self._reading() as connection:
            return issuing.unfinished_order(connection, certificate, issuer)

    def exempt_order(self, order_id: int) -> None:
        with self._writing() as connection:
            issuing.exempt_order(connection, order_id)

    def close_order(self, order_id: int, end: OrderEnd) -> None:
        with self._writing() as connection:
            issuing.close_order(connection, order_id, end)

    # ---------------------------------------------------------------- bundles

    def keep_bundle(self, bundle: StoredBundle) -> None:
        with self._writing() as connection:
            bundles.keep(connection, bundle, self._seal)

    def bundles(self, certificate: str) -> tuple[StoredBundle, ...]:
        with self._reading() as connection:
            return bundles.list_bundles(connection, certificate, self._seal)

    def set_bundle_status(self, certificate: str, fingerprint: str, status: str, at: datetime) -> None:
        with self._writing() as connection:
            bundles.set_status(connection, certificate, fingerprint, status, at)

    def purge(self, now: datetime, *, keep_superseded: timedelta, keep_keys: bool) -> None:
        with self._writing() as connection:
            retention.purge(connection, now, keep_superseded=keep_superseded, keep_keys=keep_keys)

    def issued(self, certificate: str | None = None) -> tuple[Issued, ...]:
        with self._reading() as connection:
            return revoking.list_issued(connection, certificate)

    def keep_revoked(self, revoked: Revoked) -> None:
        with self._writing() as connection:
            revoking.keep(connection, revoked)

    def revoked(self) -> Mapping[str, Revoked]:
        with self._reading() as connection:
            return revoking.list_revoked(connection)

    # ---------------------------------------------------------------- deploying

    def progress(self, certificate: str) -> Progress | None:
        with self._reading() as connection:
            return deploying.read_progress(connection, certificate, self._seal)

    def keep_progress(self, progress: Progress, quarantines: Iterable[Quarantine] = ()) -> None:
        with self._writing() as connection:
            deploying.keep_progress(connection, progress, self._seal)
            for quarantine in quarantines:
                deploying.quarantine(connection, progress.certificate, quarantine)

    def end_progress(self, certificate: str) -> None:
        with self._writing() as connection:
            deploying.end_progress(connection, certificate)

    def undoing(self) -> tuple[str, ...]:
        with self._reading() as connection:
            return deploying.undoing(connection)

    def quarantine(self, certificate: str, quarantine: Quarantine) -> None:
        with self._writing() as connection:
            deploying.quarantine(connection, certificate, quarantine)

    def lift_quarantine(self, certificate: str) -> None:
        with self._writing() as connection:
            deploying.lift_quarantine(connection, certificate)

    # ---------------------------------------------------------------- recording

    def record(self, outcome: Outcome) -> None:
        """Outcome, audit row and what a success ends, in one transaction; before `end_progress`, whose places count."""
        with self._writing() as connection:
            recording.record(connection, outcome)

    def outcomes(
        self, certificate: str | None = None, *, since: datetime | None = None, limit: int = 100
    ) -> tuple[Outcome, ...]:
        with self._reading() as connection:
            return recording.list_outcomes(connection, certificate, since, limit)

    def keep_plan(self, plan: Plan) -> None:
        with self._writing() as connection:
            planning.keep_plan(connection, plan)

    def plan(self) -> Plan | None:
        with self._reading() as connection:
            return planning.read_plan(connection)

    def keep_look(self, summary: str, at: datetime) -> None:
        with self._writing() as connection:
            planning.keep_look(connection, summary, at)

    def look(self) -> tuple[str, datetime] | None:
        with self._reading() as connection:
            return planning.read_look(connection)

    def audit(self, event: str, subject: str, detail: str, at: datetime) -> None:
        with self._writing() as connection:
            recording.write_audit(connection, event, subject, detail, at)

    def audited(self, *, subject: str | None = None, limit: int = 100) -> tuple[AuditEntry, ...]:
        with self._reading() as connection:
            return recording.list_audit(connection, subject, limit)

    # ---------------------------------------------------------------- people

    def keep_ask(self, certificate: str, ask: Ask) -> None:
        with self._writing() as connection:
            people.keep_ask(connection, certificate, ask)

    def approve(self, certificate: str, at: datetime) -> tuple[Reason, ...]:
        with self._writing() as connection:
            return people.approve(connection, certificate, at)

    def pause(self, match: str, pause: Pause) -> None:
        with self._writing() as connection:
            people.pause(connection, match, pause)

    def resume(self, match: str, at: datetime) -> None:
        with self._writing() as connection:
            people.resume(connection, match)

    def pauses(self) -> Mapping[str, Pause]:
        with self._reading() as connection:
            return people.list_pauses(connection, self._clock.now())

    def hold_by_hand(self, certificate: str, why: str, at: datetime) -> None:
        with self._writing() as connection:
            certificates.hold_by_hand(connection, certificate, why, at)

    def enqueue(self, verb: str, arguments: Mapping[str, str], by: str, at: datetime) -> int:
        """The one change that a store opened for reading makes, while the daemon runs."""
        with self._database.writing() as connection:
            return people.enqueue(connection, verb, arguments, by, at)

    def requests(self, *, open_only: bool = True) -> tuple[Request, ...]:
        with self._reading() as connection:
            return people.list_requests(connection, open_only=open_only)

    def answer(self, request_id: int, answer: str, at: datetime) -> None:
        with self._writing() as connection:
            people.answer(connection, request_id, answer, at)

    # ---------------------------------------------------------------- campaigns

    def begin_campaign(self, campaign: Campaign) -> Campaign:
        with self._writing() as connection:
            return campaigning.begin(connection, campaign)

    def keep_campaign(self, campaign: Campaign) -> None:
        with self._writing() as connection:
            campaigning.keep_status(connection, campaign)

    def keep_members(self, number: int, changed: Iterable[Member]) -> None:
        with self._writing() as connection:
            campaigning.keep_members(connection, number, changed)

    def keep_replaced(self, number: int, certificate: str, old: Old) -> None:
        with self._writing() as connection:
            campaigning.keep_old(connection, number, certificate, old)

    def campaigns(self, *, open_only: bool = False) -> tuple[Campaign, ...]:
        with self._reading() as connection:
            return campaigning.list_campaigns(connection, open_only=open_only)

    # ---------------------------------------------------------------- telling and keeping

    def notices(self) -> Mapping[str, NoticeState]:
        with self._reading() as connection:
            return telling.list_notices(connection)

    def keep_notice(self, state: NoticeState) -> None:
        with self._writing() as connection:
            telling.keep_notice(connection, state)

    def drop_notice(self, key: str) -> None:
        with self._writing() as connection:
            telling.drop_notice(connection, key)

    def get(self, key: str) -> bytes | None:
        with self._reading() as connection:
            return telling.read_drawer(connection, key, self._seal)

    def put(self, key: str, value: bytes) -> None:
        with self._writing() as connection:
            telling.fill_drawer(connection, key, value, self._seal)

    def change(self, key: str, change: Callable[[bytes | None], bytes]) -> bytes:
        with self._writing() as connection:
            value = change(telling.read_drawer(connection, key, self._seal))
            telling.fill_drawer(connection, key, value, self._seal)
            return value

    # ---------------------------------------------------------------- the end

    def close(self) -> None:
        """Close every connection and let go of the file lock; safe to repeat."""
        self._database.close()
        self._ended()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()
