"""Begin, pause, resume and cancel a campaign."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from rotator.asked.named import Declined, until
from rotator.campaigns import begin, cancel, told_in_short
from rotator.core.model import Campaign, CampaignStatus, MemberStatus, RevocationReason
from rotator.core.noticetext import counted
from rotator.inventory import take_stock
from rotator.ports import Request
from rotator.wiring import Wiring


def begin_campaign(request: Request, wiring: Wiring) -> str:
    """Begin a campaign; the look that follows makes its first step."""
    world = wiring.world
    wanted = campaign_asked_for(request.arguments, request.by, world.clock.now())
    same = [c for c in world.store.campaigns(open_only=True) if (c.issuer, c.match) == (wanted.issuer, wanted.match)]
    if same:
        raise Declined(f"campaign {same[0].id} is about the same certificates; `rotator campaign cancel {same[0].id}`")
    inventory = take_stock(world, world.clock.now())
    campaign = begin(wanted, inventory, world)
    skipped = campaign.counts[MemberStatus.SKIPPED]
    left = f", {skipped} of them cannot be done as they are configured" if skipped else ""
    return (
        f"campaign {campaign.id} has begun: {counted(len(campaign.members), 'certificate')}{left}; "
        f"`rotator run` carries it out, `rotator campaign show {campaign.id}` follows it"
    )


def campaign_asked_for(arguments: Mapping[str, str], by: str, now: datetime) -> Campaign:
    """The campaign that a person asks for, without members yet.

    Raises:
        Declined: the deadline is no moment, or has passed.
    """
    return Campaign(
        id=0,
        issuer=arguments.get("issuer", ""),
        match=arguments.get("match", ""),
        reason=RevocationReason(arguments.get("reason", RevocationReason.UNSPECIFIED)),
        by=by,
        began=now,
        away=arguments.get("away") == "yes",
        revoke=arguments.get("revoke") == "yes",
        revoke_unproved=arguments.get("revoke_unproved") == "yes",
        deadline=until(arguments.get("deadline", ""), now),
    )


def _campaign_named(request: Request, wiring: Wiring) -> Campaign:
    number, store = request.arguments.get("campaign", ""), wiring.world.store
    known = {str(campaign.id): campaign for campaign in store.campaigns()}
    if number not in known:
        raise Declined(f"there is no campaign {number}; there are {', '.join(known) or 'none'}")
    return known[number]


def pause_campaign(request: Request, wiring: Wiring) -> str:
    campaign = _campaign_named(request, wiring)
    if campaign.status is not CampaignStatus.RUNNING:
        raise Declined(f"campaign {campaign.id} is {campaign.status}")
    wiring.world.store.keep_campaign(replace(campaign, status=CampaignStatus.PAUSED))
    return f"campaign {campaign.id} asks for nothing new and revokes nothing; what was asked for goes on"


def resume_campaign(request: Request, wiring: Wiring) -> str:
    campaign = _campaign_named(request, wiring)
    if campaign.status is not CampaignStatus.PAUSED:
        raise Declined(f"campaign {campaign.id} is {campaign.status}, not paused")
    wiring.world.store.keep_campaign(replace(campaign, status=CampaignStatus.RUNNING))
    return f"campaign {campaign.id} goes on"


def cancel_campaign(request: Request, wiring: Wiring) -> str:
    campaign = _campaign_named(request, wiring)
    if campaign.status is CampaignStatus.CANCELLED or not (campaign.status.open or campaign.avoided):
        raise Declined(f"campaign {campaign.id} is {campaign.status} already")
    cancel(campaign, wiring.world.store, wiring.world.clock.now())
    again = f"; {campaign.issuer} may sign again" if campaign.avoided else ""
    return f"campaign {campaign.id} is cancelled ({told_in_short(campaign)}){again}"
