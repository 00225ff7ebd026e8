"""Campaigns for people and for programs: what one would do, what there are, and what has become of one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from rich.console import Group, RenderableType
from rich.text import Text

from rotator.core.campaign.planning import Planned
from rotator.core.campaign.preview import Preview
from rotator.core.lead import span
from rotator.core.model import Campaign, Member, MemberStatus
from rotator.core.pem import moment
from rotator.report.grid import grid, headed
from rotator.report.objects import Object
from rotator.report.words import count, iso, left

_EXPOSED = ("stored only", "served", "served publicly")
_STORED_ONLY = 0
_STYLE = {
    MemberStatus.REVOKED: "green",
    MemberStatus.PROVED: "green",
    MemberStatus.ROTATED: "cyan",
    MemberStatus.ISSUED: "cyan",
    MemberStatus.ASKED: "cyan",
    MemberStatus.FAILED: "bold red",
    MemberStatus.SKIPPED: "yellow",
    MemberStatus.WAITING: "",
}


# ---------------------------------------------------------------- before it begins


def preview_table(one: Preview, now: datetime) -> RenderableType:
    """Count, pace and time first, then every certificate in its turn."""
    table = grid("#", "certificate", "exposed", "ends in", "from", "done in", "held back by", right=("#",))
    for turn, member in enumerate(one.members, start=1):
        done = one.done_at.get(member.name)
        table.add_row(
            str(turn),
            member.name,
            _EXPOSED[member.exposure],
            left(member.ends, now),
            member.issuer,
            span(done - now) if done else "-",
            Text(member.obstacle, "yellow"),
        )
    parts: list[RenderableType] = [Text("\n".join(_preview_lines(one, now)))]
    parts += [headed("In this order", table)] if one.members else []
    return Group(*parts, *_skipped(one.skipped))


def _preview_lines(one: Preview, now: datetime) -> Iterator[str]:
    campaign, pace = one.campaign, one.pace
    total = len(one.members) + len(one.skipped)
    held = sum(bool(member.obstacle) for member in one.members)
    whose = f"signed by {campaign.issuer}" if campaign.issuer else f"whose name matches {campaign.match}"
    yield f"{count(total, 'certificate')} {whose}: {len(one.done_at)} now, {held} held back, {len(one.skipped)} not."
    orders = ", ".join(f"{number} from {issuer}" for issuer, number in sorted(one.orders.items()))
    yield f"Orders: {orders or 'none'}{', each with a new key' if campaign.new_keys else ''}."
    limits = "".join(f", {limit} at {issuer}" for issuer, limit in sorted(pace.issuers.items()) if issuer in one.orders)
    yield f"Pace: at most {pace.an_hour} orders an hour{limits}; {pace.at_once} at once, {span(pace.each)} each."
    if one.last is not None:
        yield f"Done in {span(one.last - now)} at the earliest, {moment(one.last)}."
    if campaign.deadline is not None:
        late = f"; it would be {span(one.last - campaign.deadline)} late" if one.late and one.last else ""
        yield f"Deadline: {moment(campaign.deadline)}{late}."
    revoking = "once every endpoint shows the new one" if campaign.revoke else "not revoked"
    yield f"The old ones are {'revoked ' if campaign.revoke else ''}{revoking}."
    unseen = sum(member.exposure == _STORED_ONLY for member in one.members)
    if campaign.revoke and not campaign.revoke_unproved and unseen:
        yield (
            f"{unseen} of them {'has' if unseen == 1 else 'have'} no known endpoint that could show it: their old "
            "ones stay until `rotator revoke NAME`, or say --revoke-unproved."
        )


def _skipped(skipped: Sequence[Planned]) -> Iterator[RenderableType]:
    if skipped:
        table = grid("certificate", "why")
        for one in skipped:
            table.add_row(Text(one.name, "yellow"), one.obstacle)
        yield headed("Cannot be done as they are configured", table)


def preview_json(one: Preview) -> Object:
    """`campaign`, `count`, `members` (`certificate`, `exposure` 0–2, `ends`, `issuer`, `done_at`, `obstacle`),
    `skipped` (the same), `pace` (`an_hour`, `at_once`, `issuers`, `rotation_seconds`), `orders` by issuer, `done_at`,
    `late`.
    """
    return {
        "campaign": _about(one.campaign),
        "count": len(one.members) + len(one.skipped),
        "members": [_planned(member, one.done_at.get(member.name)) for member in one.members],
        "skipped": [_planned(member, None) for member in one.skipped],
        "pace": {
            "an_hour": one.pace.an_hour,
            "at_once": one.pace.at_once,
            "issuers": dict(one.pace.issuers),
            "rotation_seconds": one.pace.each.total_seconds(),
        },
        "orders": dict(one.orders),
        "done_at": iso(one.last),
        "late": one.late,
    }


def _planned(one: Planned, done_at: datetime | None) -> Object:
    return {
        "certificate": one.name,
        "exposure": one.exposure,
        "ends": iso(one.ends),
        "issuer": one.issuer,
        "done_at": iso(done_at),
        "obstacle": one.obstacle,
    }


# ---------------------------------------------------------------- once it has begun


def list_table(many: Sequence[Campaign], now: datetime) -> RenderableType:
    """One line a campaign, newest first."""
    if not many:
        return Text("No campaign was ever begun.")
    table = grid("#", "about", "reason", "status", "began", "deadline", "certificates", right=("#",))
    for one in sorted(many, key=lambda campaign: -campaign.id):
        table.add_row(
            str(one.id),
            one.issuer or one.match,
            one.reason.value,
            one.status.value,
            f"{span(now - one.began)} ago",
            left(one.deadline, now),
            _counts(one),
        )
    return table


def show_table(one: Campaign, now: datetime) -> RenderableType:
    """The campaign, and each of its members in its turn."""
    table = grid("#", "certificate", "status", "for", "revoked", "why", right=("#",))
    for member in one.members:
        gone = sum(old.revoked_at is not None for old in member.old)
        table.add_row(
            str(member.position),
            member.certificate,
            Text(member.status.value, _STYLE[member.status]),
            span(now - member.since) if member.since else "-",
            f"{gone} of {len(member.old)}" if member.old and one.revoke else "-",
            member.why,
        )
    return Group(Text("\n".join(_lines(one, now))), headed("Certificates", table))


def _lines(one: Campaign, now: datetime) -> Iterator[str]:
    about = f"away from {one.issuer}" if one.away else one.issuer or one.match
    yield f"Campaign {one.id}: {about}, {one.reason}. {one.status.value.capitalize()}."
    ended = f", ended {moment(one.ended)}" if one.ended else ""
    yield f"Asked for by {one.by}, {moment(one.began)}{ended}."
    if one.deadline is not None:
        yield f"Deadline: {moment(one.deadline)} ({left(one.deadline, now)})."
    yield f"{count(len(one.members), 'certificate')}: {_counts(one)}."


def _counts(one: Campaign) -> str:
    return ", ".join(f"{number} {status}" for status, number in one.counts.items() if number) or "none"


def list_json(many: Sequence[Campaign]) -> Object:
    """`campaigns`, oldest first."""
    return {"campaigns": [{**_about(one), "counts": _counted(one)} for one in many]}


def show_json(one: Campaign) -> Object:
    """The campaign with `counts` and `members` (`certificate`, `position`, `status`, `why`, `since`, `asked_at`,
    `replaced`: `fingerprint`, `issuer`, `revoked_at`, `error`, `retry_at`).
    """
    return {**_about(one), "counts": _counted(one), "members": [_member(member) for member in one.members]}


def _counted(one: Campaign) -> Object:
    return {status.value: number for status, number in one.counts.items()}


def _about(one: Campaign) -> Object:
    return {
        "id": one.id or None,
        "issuer": one.issuer or None,
        "match": one.match or None,
        "reason": one.reason.value,
        "away": one.away,
        "revoke": one.revoke,
        "revoke_unproved": one.revoke_unproved,
        "status": one.status.value,
        "by": one.by,
        "began": iso(one.began),
        "deadline": iso(one.deadline),
        "ended": iso(one.ended),
    }


def _member(one: Member) -> Object:
    return {
        "certificate": one.certificate,
        "position": one.position,
        "status": one.status.value,
        "why": one.why,
        "since": iso(one.since),
        "asked_at": iso(one.asked_at),
        "replaced": [
            {
                "fingerprint": old.certificate.fingerprint,
                "issuer": old.issuer or None,
                "revoked_at": iso(old.revoked_at),
                "error": old.error,
                "retry_at": iso(old.retry_at),
            }
            for old in one.old
        ],
    }
