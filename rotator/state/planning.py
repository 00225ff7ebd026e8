"""The last plan, what it foresaw, and the last look."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, delete, insert, select

from rotator.core.guards import foreseen
from rotator.core.model import Decision, Plan
from rotator.state.database import upsert
from rotator.state.serial.plans import decision_from_json, decision_to_json
from rotator.state.tables import decisions, looks, plans, standing

_THE_ONE = 1


def is_empty(connection: Connection) -> bool:
    return connection.execute(select(plans.c.id)).first() is None


def ledger_since(connection: Connection) -> datetime | None:
    """When the first plan of this state was kept; None before it."""
    return connection.execute(select(plans.c.began)).scalar_one_or_none()


def keep_plan(connection: Connection, plan: Plan) -> None:
    """Write it over the one before, and remember which renewals it foresees."""
    began = ledger_since(connection) or plan.at
    upsert(connection, plans, {"id": _THE_ONE, "at": plan.at, "first": plan.first, "began": began})
    connection.execute(delete(decisions))
    rows = [
        {"position": position, "certificate": decision.spec.name, "document": decision_to_json(decision)}
        for position, decision in enumerate(plan.decisions)
    ]
    if rows:
        connection.execute(insert(decisions), rows)
    _foresee(connection, plan)


def _foresee(connection: Connection, plan: Plan) -> None:
    """Remember the moment that this plan names for each renewal to come; what it names no more stays remembered."""
    known = select(standing.c.certificate, standing.c.foreseen_at).where(standing.c.foreseen_at.is_not(None))
    before = {row.certificate: row.foreseen_at for row in connection.execute(known)}
    for certificate, at in foreseen(plan).items():
        if before.get(certificate) != at:
            upsert(connection, standing, {"certificate": certificate, "foreseen_at": at})


def read_plan(connection: Connection) -> Plan | None:
    row = connection.execute(select(plans)).one_or_none()
    if row is None:
        return None
    documents = connection.execute(select(decisions.c.document).order_by(decisions.c.position)).scalars()
    return Plan(row.at, tuple(decision_from_json(document) for document in documents), row.first)


def decision_of(connection: Connection, certificate: str) -> Decision | None:
    """What the last plan said of one certificate."""
    query = select(decisions.c.document).where(decisions.c.certificate == certificate)
    document = connection.execute(query).scalars().first()
    return None if document is None else decision_from_json(document)


def keep_look(connection: Connection, summary: str, at: datetime) -> None:
    upsert(connection, looks, {"id": _THE_ONE, "at": at, "summary": summary})


def read_look(connection: Connection) -> tuple[str, datetime] | None:
    row = connection.execute(select(looks.c.summary, looks.c.at)).one_or_none()
    return None if row is None else (row.summary, row.at)
