"""What is worth telling of a campaign: that it is under way, and what keeps it from its end. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime

from rotator.core.cases import Case
from rotator.core.lead import span
from rotator.core.model import Campaign, CampaignStatus, MemberStatus, NoticeKind, Severity
from rotator.core.noticetext import clause, counted, listed, moment, run

_OVER = frozenset({MemberStatus.REVOKED, MemberStatus.SKIPPED})


def of_campaigns(campaigns: Iterable[Campaign], done_at: Mapping[int, datetime], now: datetime) -> Iterator[Case]:
    """One case for each campaign that is open.

    Args:
        done_at: when each is through with its renewals, at the earliest.
    """
    for campaign in campaigns:
        if not campaign.status.open:
            continue
        worry = worry_of(campaign, done_at.get(campaign.id), now)
        paused = " and is paused" if campaign.status is CampaignStatus.PAUSED else ""
        what = f"replaces {counted(len(campaign.members), 'certificate')} ({campaign.reason}){paused}"
        yield Case(
            kind=NoticeKind.CAMPAIGN,
            severity=Severity.WARNING if worry else Severity.INFO,
            subject=f"campaign {campaign.id}",
            owner="",
            since=campaign.began,
            headline=f"{what}: {worry}" if worry else what,
            detail=_detail(campaign),
            command=run("campaign", "show", str(campaign.id)),
            noun="campaign",
        )


def worry_of(campaign: Campaign, done_at: datetime | None, now: datetime) -> str:
    """What keeps it from its end, in a clause; empty where all is well."""
    left = [member for member in campaign.members if not _is_through(member.status, campaign)]
    deadline = campaign.deadline
    if deadline is not None and left and now >= deadline:
        return f"{len(left)} are not done, and its deadline was {moment(deadline)}"
    if deadline is not None and done_at is not None and done_at > deadline:
        return f"it will be {span(done_at - deadline)} late, {moment(done_at)} at the earliest"
    unrevoked = [member for member in left if any(old.error for old in member.old)]
    if unrevoked:
        return f"the old ones of {len(unrevoked)} could not be revoked"
    failed = [member for member in left if member.status is MemberStatus.FAILED]
    return f"{len(failed)} failed and are tried again" if failed else ""


def _is_through(status: MemberStatus, campaign: Campaign) -> bool:
    return status in _OVER or (not campaign.revoke and status in {MemberStatus.PROVED, MemberStatus.ROTATED})


def _detail(campaign: Campaign) -> str:
    counts = ", ".join(f"{count} {status}" for status, count in campaign.counts.items() if count)
    stuck = [m for m in campaign.members if m.why and not _is_through(m.status, campaign)]
    lines = listed(f"{member.certificate}: {member.status}, {clause(member.why)}" for member in stuck)
    return f"Asked for by {campaign.by}, {moment(campaign.began)}. {counts}." + (f"\n{lines}" if stuck else "")
