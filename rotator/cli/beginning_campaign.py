"""`rotator rotate --all`: begin a campaign, after having shown what it would do."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from rotator.cli.ending import Ending, Mistake
from rotator.cli.options import Output, agreed
from rotator.cli.screen import progress, show

if TYPE_CHECKING:
    from rotator.config.build import Config
    from rotator.core.campaign.preview import Preview
    from rotator.core.model import RevocationReason


@dataclass(frozen=True, slots=True)
class Wish:
    """What a person asks for; None where the reason decides."""

    issuer: str
    match: str
    reason: str
    deadline: str
    away: bool | None
    revoke: bool | None
    revoke_unproved: bool
    dry_run: bool
    yes: bool


def begin(wish: Wish, read: Config, output: Output) -> Ending:
    """Show what the campaign would do, and begin it where that is meant."""
    from rotator.cli.asking import ask, tell

    arguments = _arguments(wish, read)
    found = _preview(arguments, read)
    if not found.members and not found.skipped:
        raise Mistake(f"no certificate {f'was signed by {wish.issuer}' if wish.issuer else f'matches {wish.match!r}'}")
    if wish.dry_run:
        _show(found, output)
        return Ending.CLEAN
    agreed(_question(found), wish.yes)
    return tell(output, ask(read, "campaign", [arguments]))


def _arguments(wish: Wish, read: Config) -> dict[str, str]:
    """What is asked of the daemon; all mistakes are found before anybody is."""
    from rotator.clock import system_clock
    from rotator.core.model import RevocationReason

    reason = _reason(wish.reason)
    away = wish.away if wish.away is not None else reason is RevocationReason.CA_COMPROMISE and bool(wish.issuer)
    if away and not wish.issuer:
        raise Mistake("--away leads away from an issuer; say which, --issuer ISSUER")
    revoke = _revokes(wish, reason, read)
    if wish.revoke_unproved and not revoke:
        raise Mistake("--revoke-unproved says what is revoked; it goes with --revoke")
    flags = {"away": away, "revoke": revoke, "revoke_unproved": wish.revoke_unproved}
    deadline = (system_clock().now() + _span(wish.deadline)).isoformat() if wish.deadline else ""
    words = {"issuer": wish.issuer, "match": wish.match, "reason": reason.value, "deadline": deadline}
    return {**words, **{name: "yes" if value else "no" for name, value in flags.items()}}


def _reason(text: str) -> RevocationReason:
    from rotator.core.model import RevocationReason

    try:
        return RevocationReason(text)
    except ValueError as error:
        words = ", ".join(RevocationReason)
        raise Mistake(f"a campaign needs a reason that its CA knows, --reason with one of: {words}") from error


def _span(text: str) -> timedelta:
    from rotator.settings import parse_duration

    try:
        found = parse_duration(text)
    except ValueError as error:
        raise Mistake(f"--deadline: {error}") from error
    if not isinstance(found, timedelta) or found <= timedelta(0):
        raise Mistake(f"--deadline: {text!r} is no length of time; write one like 24h or 5d")
    return found


def _revokes(wish: Wish, reason: RevocationReason, read: Config) -> bool:
    """Whether the old ones are revoked: what the person says, else where their keys are known to others."""
    from rotator.core.model import RevocationReason
    from rotator.plugins import find

    entry = next((entry for entry in read.issuers if entry.name == wish.issuer), None)
    able = entry is None or hasattr(find("issuers", entry.kind), "revoke")
    if wish.revoke and not able:
        raise Mistake(f"{wish.issuer} cannot revoke; say --no-revoke, and revoke at the CA itself")
    if wish.revoke is not None:
        return wish.revoke
    return reason is RevocationReason.KEY_COMPROMISE and able


def _preview(arguments: dict[str, str], read: Config) -> Preview:
    from rotator.asked import campaign_asked_for
    from rotator.campaigns import look_ahead
    from rotator.cli.asking import person
    from rotator.cli.opening import on_a_copy
    from rotator.inventory import take_stock

    with progress("looking"), on_a_copy(read) as wiring:
        now = wiring.world.clock.now()
        campaign = campaign_asked_for(arguments, person(), now)
        return look_ahead(campaign, take_stock(wiring.world, now), wiring.world)


def _show(found: Preview, output: Output) -> None:
    from rotator.report import campaigns

    now = found.campaign.began
    show(output, table=lambda: campaigns.preview_table(found, now), json=lambda: campaigns.preview_json(found))


def _question(found: Preview) -> str:
    """The same as the dry run shows, in the few lines that a person reads before agreeing."""
    from rotator.core.lead import span
    from rotator.core.noticetext import counted

    campaign = found.campaign
    lines = [f"{counted(len(found.members), 'certificate')} to replace, {campaign.reason}"]
    lines[0] += f", by another issuer than {campaign.issuer}." if campaign.away else "."
    if found.last:
        late = ", after the deadline" if found.late else ""
        lines.append(f"That takes {span(found.last - campaign.began)} at the earliest{late}.")
    if campaign.revoke:
        lines.append("Their old ones are revoked then, which nothing takes back.")
    if found.skipped:
        lines.append(f"{len(found.skipped)} cannot be done as they are configured; --dry-run names them.")
    return "\n".join(lines)
