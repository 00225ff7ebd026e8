"""A rotation between its first deploy and its record, and bundles that did harm."""

from __future__ import annotations

from types import MappingProxyType

from sqlalchemy import Connection, delete, insert, select

from rotator.core.model import Location, Quarantine, Snapshot
from rotator.ports import Progress
from rotator.state.database import upsert
from rotator.state.seal import Place, Seal, Sealed
from rotator.state.serial.world import (
    observation_from_json,
    observation_to_json,
    sightings_from_json,
    sightings_to_json,
)
from rotator.state.tables import AnyRow, progress, quarantines, snapshots


def _place(certificate: str, location: Location) -> Place:
    return Place("snapshots", (certificate, location.system, location.address), "state")


def read_progress(connection: Connection, certificate: str, seal: Seal) -> Progress | None:
    row = connection.execute(select(progress).where(progress.c.certificate == certificate)).one_or_none()
    if row is None:
        return None
    taken: dict[Location, Snapshot] = {}
    for one in connection.execute(select(snapshots).where(snapshots.c.certificate == certificate)):
        location = Location(one.system, one.address)
        state = seal.open(Sealed(one.key_id, one.sealed), _place(certificate, location))
        taken[location] = Snapshot(observation_from_json(one.observation), state)
    return Progress(
        certificate=certificate,
        fingerprint=row.fingerprint,
        started=row.started,
        snapshots=MappingProxyType(taken),
        deployed=written(connection, certificate),
        before=sightings_from_json(row.before),
        undoing=row.undoing,
    )


def written(connection: Connection, certificate: str) -> tuple[Location, ...]:
    """The places that the rotation in progress has written, in that order."""
    query = (
        select(snapshots.c.system, snapshots.c.address)
        .where(snapshots.c.certificate == certificate, snapshots.c.written.is_not(None))
        .order_by(snapshots.c.written)
    )
    return tuple(Location(row.system, row.address) for row in connection.execute(query))


def keep_progress(connection: Connection, current: Progress, seal: Seal) -> None:
    """Write it over the one before.

    Raises:
        ValueError: a place was deployed to without a snapshot, so it could not be put back.
    """
    unknown = [location for location in current.deployed if location not in current.snapshots]
    if unknown:
        raise ValueError(f"{unknown[0]} was deployed to without a snapshot")
    end_progress(connection, current.certificate)
    connection.execute(
        insert(progress).values(
            certificate=current.certificate,
            fingerprint=current.fingerprint,
            started=current.started,
            before=sightings_to_json(current.before),
            undoing=current.undoing,
        )
    )
    for location, snapshot in current.snapshots.items():
        sealed = seal.close(snapshot.state, _place(current.certificate, location))
        connection.execute(
            insert(snapshots).values(
                certificate=current.certificate,
                system=location.system,
                address=location.address,
                observation=observation_to_json(snapshot.observation),
                written=current.deployed.index(location) if location in current.deployed else None,
                key_id=sealed.key_id,
                sealed=sealed.value,
            )
        )


def end_progress(connection: Connection, certificate: str) -> None:
    """Forget it, and its snapshots with it."""
    connection.execute(delete(progress).where(progress.c.certificate == certificate))


def undoing(connection: Connection) -> tuple[str, ...]:
    query = select(progress.c.certificate).where(progress.c.undoing).order_by(progress.c.certificate)
    return tuple(connection.execute(query).scalars())


def quarantine(connection: Connection, certificate: str, harm: Quarantine) -> None:
    """Write it, over one of the same bundle at the same place."""
    values = {
        "certificate": certificate,
        "system": harm.location.system,
        "address": harm.location.address,
        "fingerprint": harm.fingerprint,
        "digest": harm.digest,
        "since": harm.since,
        "until": harm.until,
        "by_hand": harm.by_hand,
    }
    upsert(connection, quarantines, values)


def lift_quarantine(connection: Connection, certificate: str) -> bool:
    """Lift every quarantine of a certificate; whether there was one."""
    done = connection.execute(delete(quarantines).where(quarantines.c.certificate == certificate))
    return done.rowcount > 0


def quarantine_from(row: AnyRow) -> Quarantine:
    return Quarantine(
        location=Location(row.system, row.address),
        fingerprint=row.fingerprint,
        digest=row.digest,
        since=row.since,
        until=row.until,
        by_hand=row.by_hand,
    )
