"""Bundles: the chain in the clear, the private key sealed."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, insert, select, update

from rotator.core.model import Bundle
from rotator.errors import StateError
from rotator.ports import StoredBundle
from rotator.state.seal import Place, Seal, Sealed
from rotator.state.serial.certificates import chain_from_json, chain_to_json
from rotator.state.tables import AnyRow, bundles

RECEIVED = "received"
ACCEPTED = "accepted"
SUPERSEDED = "superseded"
DROPPED = "dropped"
HELD_ELSEWHERE = b""
"""What stands for the key of a bundle that has none here: all there is to put in place is kept."""
STATUSES = frozenset({RECEIVED, ACCEPTED, SUPERSEDED, DROPPED})


def _place(certificate: str, fingerprint: str) -> Place:
    return Place("bundles", (certificate, fingerprint), "key")


def list_bundles(connection: Connection, certificate: str, seal: Seal) -> tuple[StoredBundle, ...]:
    """Newest first."""
    query = (
        select(bundles).where(bundles.c.certificate == certificate).order_by(bundles.c.at.desc(), bundles.c.id.desc())
    )
    return tuple(_from_row(row, seal) for row in connection.execute(query))


def _from_row(row: AnyRow, seal: Seal) -> StoredBundle:
    key = b""
    if row.sealed:
        key = seal.open(Sealed(row.key_id, row.sealed), _place(row.certificate, row.fingerprint))
    return StoredBundle(
        certificate=row.certificate,
        bundle=Bundle(chain_from_json(row.chain), key),
        status=row.status,
        digest=row.digest,
        issuer=row.issuer,
        at=row.at,
        keys_kept=row.sealed is not None,
    )


def keep(connection: Connection, stored: StoredBundle, seal: Seal) -> None:
    """Write a bundle, over the one with the same leaf; one that was accepted does not become received again."""
    _known(stored.status)
    chain = stored.bundle.chain
    values: dict[str, Any] = {
        "chain": chain_to_json(chain),
        "ends": chain.not_after,
        "digest": stored.digest,
        "issuer": stored.issuer,
        "at": stored.at,
    }
    if stored.keys_kept and not stored.bundle.key:
        values |= {"key_id": None, "sealed": HELD_ELSEWHERE}
    elif stored.keys_kept:
        sealed = seal.close(stored.bundle.key, _place(stored.certificate, chain.fingerprint))
        values |= {"key_id": sealed.key_id, "sealed": sealed.value}
    row = _find(connection, stored.certificate, chain.fingerprint)
    if row is None:
        connection.execute(
            insert(bundles).values(
                certificate=stored.certificate,
                fingerprint=chain.fingerprint,
                status=RECEIVED,
                changed_at=stored.at,
                **values,
            )
        )
    else:
        connection.execute(update(bundles).where(bundles.c.id == row.id).values(values))
    if not (stored.status == RECEIVED and row is not None and row.status == ACCEPTED):
        set_status(connection, stored.certificate, chain.fingerprint, stored.status, stored.at)


def set_status(connection: Connection, certificate: str, fingerprint: str, status: str, at: datetime) -> None:
    """Change a bundle's status. Accepting one supersedes the accepted one before it, and begins its deployment anew.

    One that is received or accepted drops whatever else was received: it would wait for ever.

    Raises:
        StateError: there is no such bundle, or no such status.
    """
    _known(status)
    row = _find(connection, certificate, fingerprint)
    if row is None:
        raise StateError(f"the state holds no bundle {fingerprint[:16]}… of {certificate}")
    if status in {RECEIVED, ACCEPTED}:
        connection.execute(
            update(bundles)
            .where(bundles.c.certificate == certificate, bundles.c.status == RECEIVED, bundles.c.id != row.id)
            .values(status=DROPPED, changed_at=at)
        )
    if row.status == status:
        return
    if status == ACCEPTED:
        connection.execute(
            update(bundles)
            .where(bundles.c.certificate == certificate, bundles.c.status == ACCEPTED)
            .values(status=SUPERSEDED, changed_at=at)
        )
    connection.execute(
        update(bundles).where(bundles.c.id == row.id).values(status=status, changed_at=at, finished_at=None)
    )


def finish(connection: Connection, certificate: str, fingerprint: str | None, at: datetime) -> bool:
    """Note that the accepted bundle has reached its targets; whether this is the first time that it has.

    Args:
        fingerprint: what was deployed; None when the outcome does not say, which means the accepted one.
    """
    query = update(bundles).where(
        bundles.c.certificate == certificate, bundles.c.status == ACCEPTED, bundles.c.finished_at.is_(None)
    )
    if fingerprint is not None:
        query = query.where(bundles.c.fingerprint == fingerprint)
    return connection.execute(query.values(finished_at=at)).rowcount > 0


def is_unfinished(connection: Connection, certificate: str) -> bool:
    """Whether an accepted bundle has not yet reached its targets."""
    query = select(bundles.c.id).where(
        bundles.c.certificate == certificate, bundles.c.status == ACCEPTED, bundles.c.finished_at.is_(None)
    )
    return connection.execute(query).first() is not None


def _find(connection: Connection, certificate: str, fingerprint: str) -> AnyRow | None:
    query = select(bundles.c.id, bundles.c.status).where(
        bundles.c.certificate == certificate, bundles.c.fingerprint == fingerprint
    )
    return connection.execute(query).one_or_none()


def _known(status: str) -> None:
    if status not in STATUSES:
        raise StateError(f"a bundle cannot be {status!r}; it is one of {', '.join(sorted(STATUSES))}")
