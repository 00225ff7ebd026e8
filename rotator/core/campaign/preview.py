"""What a campaign would do, before anybody has agreed to it: count, order, pace and time. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from rotator.core.campaign.pace import CaRoom, Pace, Recent, finished, held_at_ca
from rotator.core.campaign.planning import Planned, members_of, signers
from rotator.core.lead import PolicySettings
from rotator.core.model import Campaign, Facts


@dataclass(frozen=True, slots=True)
class Preview:
    """A campaign as it would go.

    Attributes:
        members: what can be done, in its order, also what something holds back for now.
        skipped: what cannot be done as it is configured, and why.
        done_at: when each member that nothing holds back is done, at the earliest.
        orders: how many each issuer gets.
    """

    campaign: Campaign
    members: tuple[Planned, ...]
    skipped: tuple[Planned, ...]
    pace: Pace
    done_at: Mapping[str, datetime]
    orders: Mapping[str, int]

    @property
    def last(self) -> datetime | None:
        """When all that nothing holds back is done, at the earliest; None where there is nothing."""
        return max(self.done_at.values(), default=None)

    @property
    def late(self) -> bool:
        """Whether the deadline is missed."""
        deadline = self.campaign.deadline
        return deadline is not None and self.last is not None and self.last > deadline


def preview(
    campaign: Campaign,
    everything: Sequence[Facts],
    pace: Pace,
    recent: Recent,
    settings: PolicySettings,
    now: datetime,
    *,
    ca_room: CaRoom | None = None,
) -> Preview:
    """Look ahead; changes nothing.

    Args:
        ca_room: what the CAs have room for by their own limits; it is used up by what could be ordered.
    """
    chosen = members_of(campaign, everything, settings)
    known = {facts.spec.name: facts for facts in everything}
    members = tuple(_in_turn(one, known[one.name], campaign, ca_room) for one in chosen if not one.never)
    free = [(one.name, one.issuer) for one in members if not one.obstacle]
    return Preview(
        campaign=campaign,
        members=members,
        skipped=tuple(one for one in chosen if one.never),
        pace=pace,
        done_at=finished(free, pace, recent, now),
        orders=Counter(issuer for _, issuer in free),
    )


def _in_turn(one: Planned, facts: Facts, campaign: Campaign, ca_room: CaRoom | None) -> Planned:
    """A member with what its CA says to it, once those before it have had their turn."""
    if one.obstacle or ca_room is None:
        return one
    can = signers(facts, [campaign.issuer] if campaign.away else [])
    short = ca_room.short(facts, can)
    if short is not None:
        return replace(one, obstacle=held_at_ca(short))
    return replace(one, issuer=ca_room.spend(facts, can) or one.issuer)
