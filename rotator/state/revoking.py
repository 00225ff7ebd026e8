"""What rotator had revoked, and what it could: the certificates of ours that are still known."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from sqlalchemy import Connection, insert, select

from rotator.core.model import RevocationReason
from rotator.ports import Issued, Revoked
from rotator.state.serial.certificates import chain_from_json
from rotator.state.tables import bundles, revocations


def list_issued(connection: Connection, certificate: str | None) -> tuple[Issued, ...]:
    """Newest first; the sealed keys stay where they are."""
    columns = (bundles.c.certificate, bundles.c.chain, bundles.c.status, bundles.c.issuer, bundles.c.at)
    query = select(*columns).order_by(bundles.c.at.desc(), bundles.c.id.desc())
    if certificate is not None:
        query = query.where(bundles.c.certificate == certificate)
    return tuple(
        Issued(row.certificate, chain_from_json(row.chain), row.status, row.issuer, row.at)
        for row in connection.execute(query)
    )


def keep(connection: Connection, revoked: Revoked) -> None:
    """The first time counts: a revocation is safe to repeat, and when it began is what matters."""
    known = select(revocations.c.fingerprint).where(revocations.c.fingerprint == revoked.fingerprint)
    if connection.execute(known).first() is None:
        connection.execute(
            insert(revocations).values(
                fingerprint=revoked.fingerprint,
                certificate=revoked.certificate,
                issuer=revoked.issuer,
                reason=revoked.reason.value,
                at=revoked.at,
            )
        )


def list_revoked(connection: Connection) -> Mapping[str, Revoked]:
    return MappingProxyType(
        {
            row.fingerprint: Revoked(row.fingerprint, row.certificate, row.issuer, RevocationReason(row.reason), row.at)
            for row in connection.execute(select(revocations).order_by(revocations.c.at))
        }
    )
