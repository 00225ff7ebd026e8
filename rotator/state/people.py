"""What people say: asks, approvals, pauses, and requests that the daemon carries out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from fnmatch import fnmatchcase

from sqlalchemy import Connection, delete, insert, or_, select, update

from rotator.core.holds import APPROVABLE
from rotator.core.model import Action, Ask, Pause
from rotator.core.reasons import Reason
from rotator.errors import StateError
from rotator.ports import Request
from rotator.state import bundles, deploying, planning
from rotator.state.database import upsert
from rotator.state.serial.plans import outcome_from_json
from rotator.state.tables import FLEET, approvals, outcomes, pauses, requests, standing
from rotator.state.tables import bundles as bundle_rows

SURGE_APPROVED_FOR = timedelta(days=1)

# ---------------------------------------------------------------- rotate and approve


def keep_ask(connection: Connection, certificate: str, ask: Ask) -> None:
    values = {
        "asked_at": ask.at,
        "ask_force": ask.force,
        "ask_reason": ask.reason,
        "ask_key_after": ask.key_after,
    }
    upsert(connection, standing, {"certificate": certificate, **values})


def approve(connection: Connection, certificate: str, at: datetime) -> tuple[Reason, ...]:
    """Approve what the last plan holds a certificate for, and what is found wrong with the chain that waits for it.

    A quarantine is lifted rather than approved, so that the next harm is held again.
    """
    if certificate == FLEET:
        _approve(connection, FLEET, Reason.SURGE, at, at + SURGE_APPROVED_FOR)
        return (Reason.SURGE,)
    approved: dict[Reason, None] = {}
    decision = planning.decision_of(connection, certificate)
    if decision is not None and decision.action is Action.HOLD and decision.reason is not Reason.QUARANTINED:
        approved[decision.reason] = None
    approved |= dict.fromkeys(_found_in_received(connection, certificate))
    if _lift_hold_by_hand(connection, certificate):
        approved[Reason.REPLACED_BY_HAND] = None
    for reason in approved:
        _approve(connection, certificate, reason, at, None)
    if deploying.lift_quarantine(connection, certificate):
        approved[Reason.QUARANTINED] = None
    return tuple(approved)


def _approve(connection: Connection, certificate: str, reason: Reason, at: datetime, until: datetime | None) -> None:
    upsert(connection, approvals, {"certificate": certificate, "reason": reason.value, "at": at, "until": until})


def _found_in_received(connection: Connection, certificate: str) -> Iterable[Reason]:
    """The holds that validation found in a chain that was received and waits, as its newest outcome says."""
    waits = select(bundle_rows.c.id).where(
        bundle_rows.c.certificate == certificate, bundle_rows.c.status == bundles.RECEIVED
    )
    if connection.execute(waits).first() is None:
        return ()
    newest = (
        select(outcomes.c.document)
        .where(outcomes.c.certificate == certificate)
        .order_by(outcomes.c.finished.desc(), outcomes.c.id.desc())
        .limit(1)
    )
    document = connection.execute(newest).scalar_one_or_none()
    if document is None:
        return ()
    return [v.reason for v in outcome_from_json(document).violations if v.reason in APPROVABLE]


def _lift_hold_by_hand(connection: Connection, certificate: str) -> bool:
    done = connection.execute(
        update(standing)
        .where(standing.c.certificate == certificate, standing.c.held_by_hand.is_not(None))
        .values(held_by_hand=None, held_at=None)
    )
    return done.rowcount > 0


# ---------------------------------------------------------------- pause and resume


def pause(connection: Connection, match: str, why: Pause) -> None:
    upsert(connection, pauses, {"match": match, "reason": why.reason, "since": why.since, "until": why.until})


def resume(connection: Connection, match: str) -> None:
    """End the pauses that were given with this glob, or with one that it matches: `*` ends them all."""
    known = connection.execute(select(pauses.c.match)).scalars().all()
    ended = [pattern for pattern in known if pattern == match or fnmatchcase(pattern, match)]
    connection.execute(delete(pauses).where(pauses.c.match.in_(ended)))


def list_pauses(connection: Connection, now: datetime) -> Mapping[str, Pause]:
    """Pauses in force, by glob."""
    query = select(pauses).where(or_(pauses.c.until.is_(None), pauses.c.until > now)).order_by(pauses.c.match)
    return {row.match: Pause(row.reason, row.since, row.until) for row in connection.execute(query)}


def pause_of(certificate: str, known: Mapping[str, Pause]) -> Pause | None:
    """The pause that holds a certificate longest; None when none does."""
    matching = [replace(pause, match=match) for match, pause in known.items() if fnmatchcase(certificate, match)]
    endless = [pause for pause in matching if pause.until is None]
    if endless:
        return min(endless, key=lambda pause: pause.since)
    return max(matching, key=lambda pause: (pause.until is None, pause.until), default=None)


# ---------------------------------------------------------------- requests


def enqueue(connection: Connection, verb: str, arguments: Mapping[str, str], by: str, at: datetime) -> int:
    done = connection.execute(
        insert(requests).values(verb=verb, arguments=dict(arguments), at=at, by=by, answer="").returning(requests.c.id)
    )
    return int(done.scalar_one())


def list_requests(connection: Connection, *, open_only: bool) -> tuple[Request, ...]:
    """Oldest first."""
    query = select(requests).order_by(requests.c.id)
    if open_only:
        query = query.where(requests.c.finished.is_(None))
    return tuple(
        Request(row.id, row.verb, dict(row.arguments), row.at, row.by, row.answer, row.finished)
        for row in connection.execute(query)
    )


def answer(connection: Connection, request_id: int, text: str, at: datetime) -> None:
    """Say what came of a request.

    Raises:
        StateError: there is no such request.
    """
    done = connection.execute(update(requests).where(requests.c.id == request_id).values(answer=text, finished=at))
    if done.rowcount == 0:
        raise StateError(f"there is no request {request_id} to answer")
