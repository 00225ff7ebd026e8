"""What is worth telling of a campaign: that it is under way, and what keeps it from its end. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime

from rotator.core.campaign.members import NO_ENDPOINT, is_over
from rotator.core.cases import Case
from rotator.core.lead import span
from rotator.core.model import Campaign, CampaignStatus, MemberStatus, NoticeKind, Severity
from rotator.core.noticetext import clause, counted, listed, moment, run

_LOOK_YOURSELF = (
    "To do: see that nobody serves the old ones any more, then `rotator revoke NAME` for each; or name their endpoints "
    "in the config."
)


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
        whose = f"of {campaign.issuer}" if campaign.issuer else f"named like {campaign.match}"
        what = f"replaces {counted(len(campaign.members), 'certificate')} {whose} ({campaign.reason}){paused}"
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
    left = [member for member in campaign.members if not is_over(member, campaign)]
    deadline = campaign.deadline
    if deadline is not None and left and now >= deadline:
        return f"{len(left)} are not done, and its deadline was {moment(deadline)}"
    if deadline is not None and done_at is not None and done_at > deadline:
        return f"it will be {span(done_at - deadline)} late, {moment(done_at)} at the earliest"
    unrevoked = [member for member in left if any(old.error for old in member.old)]
    if unrevoked:
        return f"the old ones of {len(unrevoked)} could not be revoked"
    if unknown := _for_a_person(campaign):
        return (
            f"the old {'one' if unknown == 1 else 'ones'} of {unknown} will not be revoked until a person says so, "
            "because no endpoint is known that could show the new one"
        )
    failed = [member for member in left if member.status is MemberStatus.FAILED]
    return f"{len(failed)} failed and are tried again" if failed else ""


def _for_a_person(campaign: Campaign) -> int:
    """How many are renewed and wait for somebody to look, since nothing here can prove what is served."""
    if not campaign.revoke:
        return 0
    return sum(one.status is MemberStatus.ROTATED and one.why == NO_ENDPOINT for one in campaign.members)


def _detail(campaign: Campaign) -> str:
    counts = ", ".join(f"{count} {status}" for status, count in campaign.counts.items() if count)
    stuck = [m for m in campaign.members if m.why and not is_over(m, campaign)]
    lines = listed(f"{member.certificate}: {member.status}, {clause(member.why)}" for member in stuck)
    told = f"Asked for by {campaign.by}, {moment(campaign.began)}. {counts}." + (f"\n{lines}" if stuck else "")
    return f"{told}\n{_LOOK_YOURSELF}" if _for_a_person(campaign) else told
