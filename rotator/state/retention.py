"""What is forgotten, and when."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import Connection, delete, func, select, update

from rotator.state.bundles import ACCEPTED, DROPPED, HELD_ELSEWHERE, SUPERSEDED
from rotator.state.tables import (
    adopted,
    approvals,
    bundles,
    decisions,
    orders,
    outcomes,
    pauses,
    pending,
    progress,
    quarantines,
    requests,
)

KEPT = timedelta(days=400)
"""Outcomes, orders and answered requests: a year's renewals, with a month to look back on it."""


def purge(connection: Connection, now: datetime, *, keep_superseded: timedelta, keep_keys: bool) -> None:
    """Forget what is past. The audit is append-only and stays.

    Args:
        keep_superseded: how long the key of the bundle before the newest is kept, to put it back. Its chain is kept to
            its end, so that rotator knows its own certificate when a person puts it back later.
        keep_keys: False erases the newest bundle's key too, once it has reached every target.
    """
    before = now - keep_superseded
    under_way = select(progress.c.certificate)
    no_key = {"sealed": None, "key_id": None}
    connection.execute(
        update(bundles)
        .where(bundles.c.status == SUPERSEDED, bundles.c.changed_at <= before, bundles.c.certificate.not_in(under_way))
        .values(no_key)
    )
    connection.execute(
        delete(bundles).where(
            (bundles.c.status == DROPPED) & (bundles.c.changed_at <= before)
            | (bundles.c.status == SUPERSEDED) & (bundles.c.ends < now) & (bundles.c.changed_at <= before)
        )
    )
    if not keep_keys:
        connection.execute(
            update(bundles)
            .where(
                bundles.c.status == ACCEPTED,
                bundles.c.finished_at.is_not(None),
                bundles.c.sealed != HELD_ELSEWHERE,
                bundles.c.certificate.not_in(under_way),
            )
            .values(no_key)
        )
    _forget_retired(connection, before)
    _forget_old(connection, now)


def _forget_retired(connection: Connection, before: datetime) -> None:
    """A certificate that nobody looks after any longer keeps no key here; one that is declared now is looked after."""
    planned = select(decisions.c.certificate)
    retired = select(adopted.c.certificate).where(adopted.c.retired_at <= before, adopted.c.certificate.not_in(planned))
    for table in (bundles, pending, progress):
        connection.execute(delete(table).where(table.c.certificate.in_(retired)))


def _forget_old(connection: Connection, now: datetime) -> None:
    old = now - KEPT
    connection.execute(delete(outcomes).where(outcomes.c.finished < old))
    newest_success = select(func.max(orders.c.id)).where(orders.c.result == "issued").group_by(orders.c.certificate)
    connection.execute(delete(orders).where(orders.c.at < old, orders.c.id.not_in(newest_success)))
    connection.execute(delete(requests).where(requests.c.finished < old))
    for table in (quarantines, approvals, pauses):
        connection.execute(delete(table).where(table.c.until <= now))
