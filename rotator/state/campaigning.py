"""Campaigns, their members, and what each replaces."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, insert, select, update

from rotator.core.model import Campaign, CampaignStatus, Member, MemberStatus, Old, RevocationReason
from rotator.core.pem import parse_certificate
from rotator.errors import StateError
from rotator.state.database import upsert
from rotator.state.tables import AnyRow, campaigns, members, replaced


def begin(connection: Connection, campaign: Campaign) -> Campaign:
    """Write a new campaign with its members; gives it with its number."""
    done = connection.execute(insert(campaigns).values(_values(campaign)).returning(campaigns.c.id))
    number = int(done.scalar_one())
    keep_members(connection, number, campaign.members)
    return replace(campaign, id=number)


def keep_status(connection: Connection, campaign: Campaign) -> None:
    """Change a campaign's own row.

    Raises:
        StateError: there is no such campaign.
    """
    done = connection.execute(
        update(campaigns)
        .where(campaigns.c.id == campaign.id)
        .values(status=campaign.status.value, ended=campaign.ended)
    )
    if done.rowcount == 0:
        raise StateError(f"there is no campaign {campaign.id}")


def keep_members(connection: Connection, number: int, changed: Iterable[Member]) -> None:
    """Write members over what they were; of what they replace, only what was not known before is added."""
    for member in changed:
        row = {"campaign": number, "certificate": member.certificate}
        state = {"position": member.position, "status": member.status.value, "why": member.why}
        upsert(connection, members, {**row, **state, "asked_at": member.asked_at, "since": member.since})
        known = set(connection.execute(_old_of(number, member.certificate, replaced.c.fingerprint)).scalars())
        for old in member.old:
            if old.certificate.fingerprint not in known:
                keep_old(connection, number, member.certificate, old)


def keep_old(connection: Connection, number: int, certificate: str, old: Old) -> None:
    """Write what has become of one that is replaced."""
    row = {"campaign": number, "certificate": certificate, "fingerprint": old.certificate.fingerprint}
    what = {"der": old.certificate.der, "issuer": old.issuer, "revoked_at": old.revoked_at}
    upsert(connection, replaced, {**row, **what, "error": old.error, "tries": old.tries, "retry_at": old.retry_at})


def list_campaigns(connection: Connection, *, open_only: bool) -> tuple[Campaign, ...]:
    """Oldest first, with their members in their order."""
    query = select(campaigns).order_by(campaigns.c.id)
    if open_only:
        query = query.where(campaigns.c.status.in_([status.value for status in CampaignStatus if status.open]))
    rows = connection.execute(query).all()
    numbers = [row.id for row in rows]
    old: defaultdict[tuple[int, str], list[Old]] = defaultdict(list)
    for row in connection.execute(select(replaced).where(replaced.c.campaign.in_(numbers))):
        old[row.campaign, row.certificate].append(_old(row))
    found: defaultdict[int, list[Member]] = defaultdict(list)
    for row in connection.execute(select(members).where(members.c.campaign.in_(numbers)).order_by(members.c.position)):
        found[row.campaign].append(_member(row, tuple(old[row.campaign, row.certificate])))
    return tuple(_campaign(row, tuple(found[row.id])) for row in rows)


def avoided(connection: Connection) -> frozenset[str]:
    """Issuers that nothing new is ordered from."""
    query = select(campaigns.c.issuer).where(
        campaigns.c.away, campaigns.c.status != CampaignStatus.CANCELLED.value, campaigns.c.issuer != ""
    )
    return frozenset(connection.execute(query).scalars())


def _old_of(number: int, certificate: str, column: Any) -> Any:
    return select(column).where(replaced.c.campaign == number, replaced.c.certificate == certificate)


def _values(campaign: Campaign) -> dict[str, Any]:
    plain = ("issuer", "match", "by", "began", "away", "revoke", "revoke_unproved", "deadline", "ended")
    own = {name: getattr(campaign, name) for name in plain}
    return {**own, "reason": campaign.reason.value, "status": campaign.status.value}


def _campaign(row: AnyRow, of: tuple[Member, ...]) -> Campaign:
    return Campaign(
        id=row.id,
        issuer=row.issuer,
        match=row.match,
        reason=RevocationReason(row.reason),
        by=row.by,
        began=row.began,
        away=row.away,
        revoke=row.revoke,
        revoke_unproved=row.revoke_unproved,
        deadline=row.deadline,
        status=CampaignStatus(row.status),
        ended=row.ended,
        members=of,
    )


def _member(row: AnyRow, old: tuple[Old, ...]) -> Member:
    status = MemberStatus(row.status)
    return Member(row.certificate, row.position, status, row.why, row.asked_at, row.since, old)


def _old(row: AnyRow) -> Old:
    return Old(parse_certificate(row.der), row.issuer, row.revoked_at, row.error, row.tries, row.retry_at)
