"""The lock of one certificate during one rotation: a row, and who holds it."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, delete, insert, select

from rotator.core.pem import moment
from rotator.errors import Busy
from rotator.state.processes import Process
from rotator.state.tables import AnyRow, locks


def take(connection: Connection, certificate: str, store: str, holder: Process, at: datetime) -> None:
    """Take the lock; a row that nobody living stands behind does not hold.

    Args:
        store: the token of the store that takes it. A row of this very store is what a failed release left behind:
            its threads are told apart before this is called.

    Raises:
        Busy: it is held by a living process.
    """
    row = connection.execute(select(locks).where(locks.c.certificate == certificate)).one_or_none()
    if row is not None and row.store != store and _process(row).lives:
        raise busy(certificate, f"by process {row.pid} since {moment(row.at)}")
    connection.execute(delete(locks).where(locks.c.certificate == certificate))
    connection.execute(
        insert(locks).values(
            certificate=certificate,
            store=store,
            pid=holder.pid,
            boot_id=holder.boot_id,
            born=holder.born,
            at=at,
        )
    )


def release(connection: Connection, certificate: str, store: str) -> None:
    """Let go; a lock that another store has taken over meanwhile stays."""
    connection.execute(delete(locks).where(locks.c.certificate == certificate, locks.c.store == store))


def clear(connection: Connection, store: str) -> tuple[str, ...]:
    """Remove the locks of every store but this one, for a store that nobody else can hold; returns their names."""
    rows = connection.execute(select(locks.c.certificate).where(locks.c.store != store).order_by(locks.c.certificate))
    dead = tuple(rows.scalars())
    connection.execute(delete(locks).where(locks.c.store != store))
    return dead


def busy(certificate: str, how: str) -> Busy:
    return Busy(f"another rotation of {certificate} is in flight ({how}); wait for its end")


def _process(row: AnyRow) -> Process:
    return Process(row.pid, row.boot_id, row.born)
