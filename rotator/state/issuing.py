"""Between making a key and having its chain: the pending request and the ledger of orders."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import Connection, delete, insert, select, update

from rotator.core.model import Order
from rotator.errors import StateError
from rotator.ports import OrderEnd, PendingIssue
from rotator.state.database import upsert
from rotator.state.seal import Place, Seal, Sealed
from rotator.state.tables import AnyRow, orders, pending


def _place(certificate: str) -> Place:
    return Place("pending", (certificate,), "key")


def read_pending(connection: Connection, certificate: str, seal: Seal) -> PendingIssue | None:
    row = connection.execute(select(pending).where(pending.c.certificate == certificate)).one_or_none()
    if row is None:
        return None
    return PendingIssue(
        certificate=certificate,
        digest=row.digest,
        key=seal.open(Sealed(row.key_id, row.sealed), _place(certificate)),
        csr=row.csr,
        issuer=row.issuer,
        checkpoint=row.checkpoint,
        started=row.started,
    )


def keep_pending(connection: Connection, issue: PendingIssue, seal: Seal) -> None:
    """Write it over the one before."""
    sealed = seal.close(issue.key, _place(issue.certificate))
    values = {
        "certificate": issue.certificate,
        "digest": issue.digest,
        "csr": issue.csr,
        "issuer": issue.issuer,
        "checkpoint": issue.checkpoint,
        "started": issue.started,
        "key_id": sealed.key_id,
        "sealed": sealed.value,
    }
    upsert(connection, pending, values)


def drop_pending(connection: Connection, certificate: str) -> None:
    connection.execute(delete(pending).where(pending.c.certificate == certificate))


def open_order(connection: Connection, order: Order) -> int:
    """Write the intent; returns the row's id."""
    done = connection.execute(
        insert(orders)
        .values(
            certificate=order.certificate,
            issuer=order.issuer,
            digest=order.digest,
            names=list(order.names),
            at=order.at,
            result=order.result,
            permanent=order.permanent,
            skipped_gap=order.skipped_gap,
            renewal=order.renewal,
            exempt=order.exempt,
            failed_names=list(order.failed_names),
            limited=order.limited,
            retry_at=order.retry_at,
        )
        .returning(orders.c.id)
    )
    return int(done.scalar_one())


def unfinished_order(connection: Connection, certificate: str, issuer: str) -> int | None:
    """The newest order of this certificate at this issuer of which no end is known."""
    own = (orders.c.certificate == certificate) & (orders.c.issuer == issuer)
    query = select(orders.c.id).where(own, orders.c.result.in_(("", "pending"))).order_by(orders.c.id.desc()).limit(1)
    return connection.execute(query).scalar_one_or_none()


def close_order(connection: Connection, order_id: int, end: OrderEnd) -> None:
    """Say how an order ended.

    Raises:
        StateError: there is no such order.
    """
    values = {
        "result": end.result,
        "permanent": end.permanent,
        "failed_names": list(end.failed_names),
        "limited": end.limited,
        "retry_at": end.retry_at,
    }
    _change(connection, order_id, values)


def exempt_order(connection: Connection, order_id: int) -> None:
    """Say that the CA counts an order nowhere.

    Raises:
        StateError: there is no such order.
    """
    _change(connection, order_id, {"exempt": True})


def _change(connection: Connection, order_id: int, values: Mapping[str, object]) -> None:
    done = connection.execute(update(orders).where(orders.c.id == order_id).values(dict(values)))
    if done.rowcount == 0:
        raise StateError(f"the ledger has no order {order_id}, so its end cannot be written")


def order_from(row: AnyRow) -> Order:
    return Order(
        certificate=row.certificate,
        issuer=row.issuer,
        digest=row.digest,
        names=tuple(row.names),
        at=row.at,
        result=row.result,
        permanent=row.permanent,
        skipped_gap=row.skipped_gap,
        renewal=row.renewal,
        exempt=row.exempt,
        failed_names=tuple(row.failed_names),
        limited=row.limited,
        retry_at=row.retry_at,
    )
