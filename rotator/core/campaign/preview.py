"""What a campaign would do, before anybody has agreed to it: count, order, pace and time. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from rotator.core.campaign.pace import Pace, Recent, finished
from rotator.core.campaign.planning import Planned, members_of
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
    campaign: Campaign, everything: Iterable[Facts], pace: Pace, recent: Recent, settings: PolicySettings, now: datetime
) -> Preview:
    """Look ahead; changes nothing."""
    chosen = members_of(campaign, everything, settings)
    members = tuple(one for one in chosen if not one.never)
    free = [(one.name, one.issuer) for one in members if not one.obstacle]
    return Preview(
        campaign=campaign,
        members=members,
        skipped=tuple(one for one in chosen if one.never),
        pace=pace,
        done_at=finished(free, pace, recent, now),
        orders=Counter(issuer for _, issuer in free),
    )
