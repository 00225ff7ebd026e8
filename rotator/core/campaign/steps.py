"""What has become of each member of a campaign, and what comes next: whom to ask for, whose old ones to revoke. Pure.

Level-triggered: everything is found out anew from the facts of a look, so a crash between any two steps converges.
An old certificate is never to be revoked before every place holds and every endpoint shows the new one.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from rotator.core.campaign.pace import CaRoom, Pace, Recent, finished, room
from rotator.core.campaign.planning import obstacle, signers
from rotator.core.drift import current_chain, is_ours
from rotator.core.lead import HOUR, PolicySettings
from rotator.core.limits import HARMS, ISSUED, SUCCESSES, open_ask
from rotator.core.model import (
    Attempt,
    Campaign,
    CampaignStatus,
    Certificate,
    Chain,
    Facts,
    Member,
    MemberStatus,
    Old,
    Result,
    SightingState,
)
from rotator.core.pem import moment
from rotator.core.policy import decide
from rotator.core.sightings import place

AGAIN_AFTER = HOUR
"""An ask that came to nothing (a chain that was refused for good) is made again after this long."""


BUDGET = "budget: "
"""What the reason of those begins with that wait for room at their CA."""


@dataclass(frozen=True, slots=True)
class Next:
    """One step of a campaign.

    Attributes:
        ask: certificates whose renewal is to be asked for now, in their order.
        revoke: certificates whose old ones are to be revoked now.
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
        _seen(member, known.get(member.certificate), campaign, revoked, settings, now)
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
    due = tuple(member.certificate for member in campaign.members if any(_to_revoke(member, campaign, revoked, now)))
    later = [
        old.retry_at for member in members for old in member.old if old.retry_at is not None and old.retry_at > now
    ]
    last = _last_done(campaign, known, pace, recent, now)
    return Next(campaign, asked, due, min([*([wake] if wake else []), *later], default=None), last)


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
    """The members, where a CA has no room for one it says so: it holds nobody else back."""
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
                member = replace(member, why=f"{BUDGET}{short.why}, room again {moment(short.at)}")
        found.append(member)
    return tuple(found)


def is_over(member: Member, campaign: Campaign) -> bool:
    """Whether nothing is left to do about a member."""
    if member.status in {MemberStatus.REVOKED, MemberStatus.SKIPPED}:
        return True
    return not campaign.revoke and member.status in {MemberStatus.PROVED, MemberStatus.ROTATED}


def to_revoke(member: Member, campaign: Campaign, revoked: Collection[str], now: datetime) -> tuple[Old, ...]:
    """The old certificates of a member that are to be revoked now."""
    return tuple(_to_revoke(member, campaign, revoked, now))


def _to_revoke(member: Member, campaign: Campaign, revoked: Collection[str], now: datetime) -> Iterable[Old]:
    if not (campaign.revoke and member.status is MemberStatus.PROVED):
        return ()
    return (
        old
        for old in member.old
        if not _is_settled(old, revoked, now) and (old.retry_at is None or old.retry_at <= now)
    )


def _is_settled(old: Old, revoked: Collection[str], now: datetime) -> bool:
    """Revoked, or ended: CAs revoke nothing that has ended."""
    return old.revoked_at is not None or old.certificate.fingerprint in revoked or old.certificate.not_after <= now


# ---------------------------------------------------------------- what has become of a member


def _seen(
    member: Member,
    facts: Facts | None,
    campaign: Campaign,
    revoked: Collection[str],
    settings: PolicySettings,
    now: datetime,
) -> Member:
    status, why = _status(member, facts, campaign, revoked, settings, now)
    since = member.since if status is member.status and member.since else now
    return replace(member, status=status, why=why, since=since)


def _status(
    member: Member,
    facts: Facts | None,
    campaign: Campaign,
    revoked: Collection[str],
    settings: PolicySettings,
    now: datetime,
) -> tuple[MemberStatus, str]:
    if facts is None:
        return MemberStatus.SKIPPED, "it is not in our care any more"
    if member.asked_at is None:
        why, never = obstacle(facts, campaign, settings)
        return (MemberStatus.SKIPPED if never else MemberStatus.WAITING), why
    chain = replaced(member, facts, campaign)
    if chain is None:
        return _unanswered(member, facts, settings)
    missing = unproved(chain, facts)
    if missing and not (campaign.revoke_unproved and not facts.served and not _unheld(chain, facts)):
        failed = _last(member, facts)
        if failed is not None and failed.result in HARMS:
            return MemberStatus.FAILED, failed.error
        return MemberStatus.ROTATED, missing
    open_ones = [old for old in member.old if not _is_settled(old, revoked, now)]
    if not campaign.revoke or open_ones:
        return MemberStatus.PROVED, next((old.error for old in open_ones if old.error), "")
    return MemberStatus.REVOKED, ""


def _unanswered(member: Member, facts: Facts, settings: PolicySettings) -> tuple[MemberStatus, str]:
    decision, last = decide(facts, settings), _last(member, facts)
    why = "" if decision.due else f"{decision.reason}: {decision.message.partition('; ')[2] or decision.message}"
    if last is not None and last.result not in SUCCESSES and last.result is not Result.PENDING:
        return MemberStatus.FAILED, last.error or why
    return MemberStatus.ASKED, why


def _last(member: Member, facts: Facts) -> Attempt | None:
    """The last try since it was asked for."""
    since = [a for a in facts.history.attempts if member.asked_at is not None and a.at >= member.asked_at]
    return since[-1] if since else None


def replaced(member: Member, facts: Facts, campaign: Campaign) -> Chain | None:
    """The chain that has taken the place of the old ones; None while none has. Not with a key that others know."""
    chain = current_chain(facts)
    if chain is None or chain.fingerprint in {old.certificate.fingerprint for old in member.old}:
        return None
    if campaign.new_keys and chain.spki in {old.certificate.spki for old in member.old}:
        return None
    return chain


def unproved(chain: Chain, facts: Facts) -> str:
    """Why it is not certain that nobody sees an old certificate any more, in a clause; empty when it is."""
    if why := _unheld(chain, facts):
        return why
    if not facts.served:
        return "no endpoint of it is known that could show the new one"
    for endpoint, sightings in facts.served.items():
        counted = [s for s in sightings if s.state is not SightingState.UNROUTED]
        if not counted:
            return f"{endpoint} did not show what it serves"
        for sighting in counted:
            if not sighting.state.up:
                return f"{place(sighting)} did not show what it serves ({sighting.state})"
            if sighting.fingerprint != chain.fingerprint:
                return f"{place(sighting)} shows another one, {sighting.fingerprint[:16]}…"
    if facts.evidence.trust_unknown:
        return f"it cannot be told whether its clients trust it: {facts.evidence.trust_unknown}"
    return "" if facts.evidence.trusted is not False else "what is served is not trusted by its clients"


def _unheld(chain: Chain, facts: Facts) -> str:
    for location, observation in facts.installed.items():
        if observation.chain is None or observation.chain.fingerprint != chain.fingerprint:
            return f"{location} does not hold the new one" if observation.chain else f"{location} could not be read"
    return ""


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
        if member.asked_at and not member.why.startswith(BUDGET) and _is_at_work(member, known, campaign, settings)
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
    last = _last(member, facts)
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


def old_of(facts: Facts, issued: Sequence[tuple[Certificate, str]], campaign: Campaign) -> tuple[Old, ...]:
    """What a renewal of this member replaces: all that is ours and has not ended, and whatever is stored or served.

    Args:
        issued: certificates of this name that the store knows, with who signed them.
    """
    found = {
        certificate.fingerprint: Old(certificate, signer)
        for certificate, signer in issued
        if certificate.not_after > facts.now and (not campaign.issuer or signer == campaign.issuer)
    }
    signed = {certificate.fingerprint: signer for certificate, signer in issued}
    chains = [facts.newest, *(o.chain for o in facts.installed.values())]
    chains += [s.chain for sightings in facts.served.values() for s in sightings]
    for chain in chains:
        if chain is None or signed.get(chain.fingerprint, campaign.issuer) != campaign.issuer:
            continue
        if chain is facts.newest or _is_its_own(chain, facts):
            found.setdefault(chain.fingerprint, Old(chain.leaf, campaign.issuer))
    return tuple(found.values())


def _is_its_own(chain: Chain, facts: Facts) -> bool:
    """Not what somebody else serves at the same address: it covers a name of this certificate."""
    return is_ours(facts, chain) or bool(set(chain.names) & set(facts.spec.names))
