"""What the past says of many certificates, read with one query a table, and of the whole fleet."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any, TypeAlias

from sqlalchemy import ColumnElement, Connection, Table, func, or_, select

from rotator.core.budget.limits import REMEMBERED
from rotator.core.csr import csr_spki
from rotator.core.model import Ask, FleetHistory, History, Location, Pause
from rotator.core.pem import PemError
from rotator.core.reasons import Reason
from rotator.state import bundles as bundle
from rotator.state.campaigning import avoided
from rotator.state.deploying import quarantine_from
from rotator.state.issuing import order_from
from rotator.state.people import list_pauses, pause_of
from rotator.state.planning import ledger_since
from rotator.state.recording import attempt_from, list_outcomes
from rotator.state.serial.certificates import chain_from_json
from rotator.state.serial.world import location_from_json
from rotator.state.tables import (
    FLEET,
    AnyRow,
    approvals,
    bundles,
    orders,
    outcomes,
    pending,
    progress,
    quarantines,
    revocations,
    seen,
    standing,
)

ATTEMPTS = timedelta(days=30)
ORDERS = timedelta(days=7)
OUTCOMES = timedelta(days=1)
_MOST_NAMES = 500
"""With more names than this a query reads all certificates: fewer parameters, and rarely more rows."""

Rows: TypeAlias = Mapping[str, Sequence[AnyRow]]


@dataclass(frozen=True, slots=True)
class _Past:
    """Rows of each table, by certificate."""

    outcomes: Rows
    orders: Rows
    seen: Rows
    quarantines: Rows
    approvals: Rows
    bundles: Rows
    revocations: Rows
    pending: Rows
    progress: Rows
    standing: Rows
    pauses: Mapping[str, Pause]
    ledger_since: datetime | None


def histories(connection: Connection, certificates: Iterable[str], now: datetime) -> Mapping[str, History]:
    """The history of each certificate, also of one that is unknown."""
    names = frozenset(certificates)
    past = _read(connection, names, now)
    return {name: _history(name, past) for name in names}


def _read(connection: Connection, names: frozenset[str], now: datetime) -> _Past:
    newest_success = select(func.max(orders.c.id)).where(orders.c.result == "issued").group_by(orders.c.certificate)

    def rows(table: Table, *where: ColumnElement[bool], by: Sequence[Any] = (), only: Sequence[Any] = ()) -> Rows:
        query = select(*only) if only else select(table)
        query = query.where(*where).order_by(*by)
        if len(names) <= _MOST_NAMES:
            query = query.where(table.c.certificate.in_(names))
        found: defaultdict[str, list[AnyRow]] = defaultdict(list)
        for row in connection.execute(query):
            found[row.certificate].append(row)
        return found

    return _Past(
        outcomes=rows(
            outcomes,
            outcomes.c.finished >= now - ATTEMPTS,
            by=(outcomes.c.finished, outcomes.c.id),
            only=[column for column in outcomes.c if column is not outcomes.c.document],
        ),
        orders=rows(
            orders,
            or_(orders.c.at >= now - ORDERS, orders.c.id.in_(newest_success)),
            by=(orders.c.at, orders.c.id),
        ),
        seen=rows(seen),
        quarantines=rows(
            quarantines, or_(quarantines.c.until.is_(None), quarantines.c.until > now), by=(quarantines.c.since,)
        ),
        approvals=rows(approvals, or_(approvals.c.until.is_(None), approvals.c.until > now)),
        bundles=rows(bundles),
        revocations=rows(revocations),
        pending=rows(pending, only=(pending.c.certificate, pending.c.csr, pending.c.digest)),
        progress=rows(progress, only=(progress.c.certificate, progress.c.fingerprint)),
        standing=rows(standing),
        pauses=list_pauses(connection, now),
        ledger_since=ledger_since(connection),
    )


def _history(name: str, past: _Past) -> History:
    outcomes_of = past.outcomes.get(name, ())
    stands = next(iter(past.standing.get(name, ())), None)
    held = past.bundles.get(name, ())
    accepted = next((row for row in held if row.status == bundle.ACCEPTED), None)
    waiting = next(iter(past.pending.get(name, ())), None)
    under_way = {row.fingerprint for row in past.progress.get(name, ())}
    return History(
        attempts=tuple(attempt_from(row) for row in outcomes_of),
        orders=tuple(order_from(row) for row in past.orders.get(name, ())),
        redeploys=_redeploys(outcomes_of),
        seen_since=MappingProxyType({Reason(row.reason): row.since for row in past.seen.get(name, ())}),
        quarantines=tuple(quarantine_from(row) for row in past.quarantines.get(name, ())),
        approvals=frozenset(Reason(row.reason) for row in past.approvals.get(name, ())),
        pause=pause_of(name, past.pauses),
        ask=_ask(stands),
        foreseen_at=stands.foreseen_at if stands else None,
        accepted=chain_from_json(accepted.chain) if accepted else None,
        accepted_digest=accepted.digest if accepted else "",
        accepted_issuer=accepted.issuer if accepted else "",
        received=any(row.status == bundle.RECEIVED for row in held),
        key_kept=accepted is not None and accepted.sealed is not None,
        unfinished=accepted is not None and (accepted.finished_at is None or accepted.fingerprint in under_way),
        pending_spki=_spki(waiting.csr) if waiting else "",
        pending_digest=waiting.digest if waiting else "",
        pinned_root=(stands.pinned_root or "") if stands else "",
        held_by_hand=(stands.held_by_hand or "") if stands else "",
        ours=frozenset(row.fingerprint for row in held),
        revoked=frozenset(row.fingerprint for row in past.revocations.get(name, ())),
        ledger_since=past.ledger_since,
    )


def _spki(csr: bytes) -> str:
    """The key that a request is for; empty where it cannot be read, which whoever uses it is told."""
    try:
        return csr_spki(csr)
    except PemError:
        return ""


def _redeploys(rows: Sequence[AnyRow]) -> Mapping[Location, tuple[datetime, ...]]:
    found: defaultdict[Location, list[datetime]] = defaultdict(list)
    for row in rows:
        for document in row.redeployed:
            found[location_from_json(document)].append(row.finished)
    return MappingProxyType({location: tuple(moments) for location, moments in found.items()})


def _ask(stands: AnyRow | None) -> Ask | None:
    if stands is None or stands.asked_at is None:
        return None
    return Ask(stands.asked_at, bool(stands.ask_force), stands.ask_reason or "", stands.ask_key_after)


def fleet(connection: Connection, now: datetime) -> FleetHistory:
    """Orders of two weeks and outcomes of a day, of all certificates, oldest first."""
    ledger = connection.execute(
        select(orders).where(orders.c.at >= now - REMEMBERED).order_by(orders.c.at, orders.c.id)
    )
    surge = select(approvals.c.until).where(
        approvals.c.certificate == FLEET, approvals.c.reason == Reason.SURGE.value, approvals.c.until > now
    )
    return FleetHistory(
        orders=tuple(order_from(row) for row in ledger),
        outcomes=list_outcomes(connection, None, now - OUTCOMES, None)[::-1],
        approved_surge_until=connection.execute(surge).scalar_one_or_none(),
        avoided=avoided(connection),
    )
