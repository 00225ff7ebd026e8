"""What stands about certificates: adopted specs, joins, reasons seen, pinned roots."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import Connection, delete, insert, select, update

from rotator.core.model import CertificateSpec, Endpoint
from rotator.core.reasons import Reason
from rotator.state.database import upsert
from rotator.state.serial.specs import spec_from_json, spec_to_json
from rotator.state.tables import adopted, joins, seen, standing


def list_adopted(connection: Connection) -> tuple[CertificateSpec, ...]:
    """Specs that were adopted and not retired, by name."""
    query = select(adopted.c.spec).where(adopted.c.retired_at.is_(None)).order_by(adopted.c.certificate)
    return tuple(spec_from_json(document) for document in connection.execute(query).scalars())


def keep_adopted(connection: Connection, spec: CertificateSpec, at: datetime) -> None:
    """Write an adopted spec, over one of the same name; the moment of the first adoption stays."""
    values = {"spec": spec_to_json(spec), "retired_at": None}
    changed = connection.execute(update(adopted).where(adopted.c.certificate == spec.name).values(values))
    if changed.rowcount == 0:
        connection.execute(insert(adopted).values(certificate=spec.name, at=at, **values))


def retire(connection: Connection, certificate: str, at: datetime) -> None:
    """Look after it no longer; its history stays, its endpoints may join another certificate."""
    connection.execute(
        update(adopted)
        .where(adopted.c.certificate == certificate, adopted.c.retired_at.is_(None))
        .values(retired_at=at)
    )
    connection.execute(delete(joins).where(joins.c.certificate == certificate))


def list_joins(connection: Connection) -> Mapping[Endpoint, str]:
    rows = connection.execute(select(joins))
    return {Endpoint(row.host, row.port, row.server_name, row.starttls): row.certificate for row in rows}


def keep_joins(connection: Connection, new: Mapping[Endpoint, str]) -> None:
    """Add joins to those that are known; an endpoint that was joined before is joined anew."""
    for endpoint, certificate in new.items():
        place = {
            "host": endpoint.host,
            "port": endpoint.port,
            "server_name": endpoint.server_name,
            "starttls": endpoint.starttls,
        }
        upsert(connection, joins, {**place, "certificate": certificate})


def keep_seen(connection: Connection, looked: Mapping[str, Mapping[Reason, datetime]]) -> None:
    """Replace what the last look saw."""
    connection.execute(delete(seen))
    rows = [
        {"certificate": certificate, "reason": reason.value, "since": since}
        for certificate, reasons in looked.items()
        for reason, since in reasons.items()
    ]
    if rows:
        connection.execute(insert(seen), rows)


def pin_root(connection: Connection, certificate: str, fingerprint: str, at: datetime) -> None:
    upsert(connection, standing, {"certificate": certificate, "pinned_root": fingerprint, "pinned_at": at})


def hold_by_hand(connection: Connection, certificate: str, why: str, at: datetime) -> None:
    upsert(connection, standing, {"certificate": certificate, "held_by_hand": why, "held_at": at})
