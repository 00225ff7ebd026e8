"""What comes next in a campaign: whom to ask for, whose old ones to revoke, and when it goes on. Pure.

Level-triggered: what has become of each member is found out anew from the facts of a look (`campaign.members`), so a
crash between any two steps converges.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from rotator.core.campaign.members import is_over, last_try, replaced, seen, to_revoke
from rotator.core.campaign.pace import HELD_AT_CA, CaRoom, Pace, Recent, finished, held_at_ca, room
from rotator.core.campaign.planning import signers
from rotator.core.lead import HOUR, PolicySettings
from rotator.core.limits import ISSUED, open_ask
from rotator.core.model import Campaign, CampaignStatus, Facts, Member, MemberStatus
from rotator.core.policy import decide

AGAIN_AFTER = HOUR
"""An ask that came to nothing (a chain that was refused for good) is made again after this long."""


@dataclass(frozen=True, slots=True)
class Next:
    """One step of a campaign.

    Attributes:
        ask: certificates whose renewal is to be asked for now, in their order.
        revoke: certificates whose old ones are to be revoked now; no more than may be rotated side by side.
        wake: when the next step can be made, if that is known to be soon.
        last: when all that nothing holds back is renewed, at the earliest; None where nothing waits.
    """

    campaign: Campaign
    ask: tuple[str, ...] = ()
    revoke: tuple[str, ...] = ()
    wake: datetime | None = None
    last: datetime | None = None


def next_step(
    campaign: Campaign,
    known: Mapping[str, Facts],
    revoked: Collection[str],
    pace: Pace,
    recent: Recent,
    settings: PolicySettings,
    now: datetime,
    *,
    complete: bool = True,
    ca_room: CaRoom | None = None,
) -> Next:
    """What has become of the members by this look, and what comes next.

    Args:
        known: the facts of this look, by certificate.
        revoked: fingerprints of what is revoked already, by whomever.
        ca_room: what the CAs have room for by their own limits; it is used up by what is asked for.
        complete: everything could be looked at, so what is not in the facts is not in our care any more.
    """
    members = tuple(
        seen(member, known.get(member.certificate), campaign, revoked, settings, now)
        if complete or member.certificate in known
        else member
        for member in campaign.members
    )
    campaign = replace(campaign, members=_turns(members, known, campaign, ca_room) if ca_room else members)
    if campaign.status is not CampaignStatus.RUNNING:
        return Next(campaign)
    if all(is_over(member, campaign) for member in campaign.members):
        return Next(replace(campaign, status=CampaignStatus.DONE, ended=now))
    asked, wake = _to_ask(campaign, known, pace, recent, settings, now)
    due = tuple(member.certificate for member in campaign.members if to_revoke(member, campaign, revoked, now))
    later = [
        old.retry_at for member in members for old in member.old if old.retry_at is not None and old.retry_at > now
    ]
    later += [wake] if wake else []
    # They share the threads with renewals, of which one may be past its emergency line.
    later += [now + settings.shortest_tick] if len(due) > pace.at_once else []
    last = _last_done(campaign, known, pace, recent, now)
    return Next(campaign, asked, due[: pace.at_once], min(later, default=None), last)


def _last_done(
    campaign: Campaign, known: Mapping[str, Facts], pace: Pace, recent: Recent, now: datetime
) -> datetime | None:
    """When the last of those is done that are asked for, or wait for nothing but their turn."""
    avoided = [campaign.avoided] if campaign.avoided else []
    turns = [
        (member.certificate, can[0])
        for member in campaign.members
        if member.status is MemberStatus.ASKED or (member.status is MemberStatus.WAITING and not member.why)
        if member.certificate in known and (can := signers(known[member.certificate], avoided))
    ]
    return max(finished(turns, pace, recent, now).values(), default=None)


def _turns(
    members: Iterable[Member], known: Mapping[str, Facts], campaign: Campaign, ca_room: CaRoom
) -> tuple[Member, ...]:
    """The members, where its CA has no room for one, or is not asked, it says so: it holds nobody else back."""
    avoided = [campaign.avoided] if campaign.avoided else []
    found: list[Member] = []
    for member in members:
        facts = known.get(member.certificate)
        waits = member.status in {MemberStatus.WAITING, MemberStatus.ASKED} and not member.why
        if facts is not None and waits:
            can = signers(facts, avoided)
            short = ca_room.short(facts, can)
            if short is None:
                ca_room.spend(facts, can)
            else:
                member = replace(member, why=held_at_ca(short))
        found.append(member)
    return tuple(found)


# ---------------------------------------------------------------- whom to ask for


def _to_ask(
    campaign: Campaign,
    known: Mapping[str, Facts],
    pace: Pace,
    recent: Recent,
    settings: PolicySettings,
    now: datetime,
) -> tuple[tuple[str, ...], datetime | None]:
    """The next ones in their order, as many as the hour, their issuers and the threads have room for."""
    hour, by_issuer = room(pace, recent, now)
    left = dict(by_issuer)
    avoided = [campaign.avoided] if campaign.avoided else []
    at_work = [
        member
        for member in campaign.members
        if member.asked_at and not member.why.startswith(HELD_AT_CA) and _is_at_work(member, known, campaign, settings)
    ]
    for member in at_work:
        hour -= 1
        _spend(left, signers(known[member.certificate], avoided))
    free = pace.at_once - len(at_work)
    asked: list[str] = []
    full = False
    for member in campaign.members:
        if not _wants_asking(member, known, now):
            continue
        if free <= len(asked):
            break
        can = signers(known[member.certificate], avoided)
        if hour <= 0 or not _spend(left, can):
            full = True
            continue
        hour -= 1
        asked.append(member.certificate)
    if asked or at_work:
        return tuple(asked), now + settings.shortest_tick
    if full:
        return (), max(now + settings.shortest_tick, min((at for at, _ in recent), default=now) + HOUR)
    return (), None


def _is_at_work(member: Member, known: Mapping[str, Facts], campaign: Campaign, settings: PolicySettings) -> bool:
    facts = known.get(member.certificate)
    if facts is None or replaced(member, facts, campaign) is not None:
        return False
    return open_ask(facts) is not None and decide(facts, settings).due


def _wants_asking(member: Member, known: Mapping[str, Facts], now: datetime) -> bool:
    """Whether its renewal is to be asked for: not yet, or in vain, and nothing of it is under way."""
    facts = known.get(member.certificate)
    if facts is None:
        return False
    if member.asked_at is None:
        return member.status is MemberStatus.WAITING and not member.why
    if (
        member.status not in {MemberStatus.ASKED, MemberStatus.FAILED}
        or open_ask(facts) is not None
        or facts.history.received
    ):
        return False
    moments = [order.at for order in facts.history.orders if order.at >= member.asked_at and order.result == ISSUED]
    last = last_try(member, facts)
    moments += [last.at] if last is not None else []
    return not moments or now >= max(moments) + AGAIN_AFTER


def _spend(left: dict[str, int], can: Sequence[str]) -> bool:
    """Take one order of the first issuer that has room; False where none has."""
    for issuer in can:
        if issuer not in left:
            return True
        if left[issuer] > 0:
            left[issuer] -= 1
            return True
    return False
