"""What has become of one member of a campaign: what it replaces, whether it is renewed and proved, what is left. Pure.

An old certificate is never to be revoked before every place holds and every endpoint shows the new one.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from rotator.core.budget.known import may_have_signed
from rotator.core.campaign.planning import obstacle
from rotator.core.drift import current_chain, is_ours
from rotator.core.lead import PolicySettings
from rotator.core.limits import HARMS, SUCCESSES
from rotator.core.model import (
    Attempt,
    Campaign,
    Certificate,
    Chain,
    Facts,
    Member,
    MemberStatus,
    Old,
    Result,
    SightingState,
)
from rotator.core.policy import decide
from rotator.core.sightings import place

NO_ENDPOINT = "no endpoint of it is known that could show the new one"
"""Nothing here can ever prove it: a person has to look."""


def old_of(
    facts: Facts, issued: Sequence[tuple[Certificate, str]], campaign: Campaign, settings: PolicySettings
) -> tuple[Old, ...]:
    """What a renewal of this member replaces: all that is ours and has not ended, and whatever is stored or served.

    Not what another CA has signed, as the store knows or its own fields say: the issuer could not revoke it.

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
        if campaign.issuer and not may_have_signed(campaign.issuer, chain, settings):
            continue
        if chain is facts.newest or _is_its_own(chain, facts):
            found.setdefault(chain.fingerprint, Old(chain.leaf, campaign.issuer))
    return tuple(found.values())


def _is_its_own(chain: Chain, facts: Facts) -> bool:
    """Not what somebody else serves at the same address: it covers a name of this certificate."""
    return is_ours(facts, chain) or bool(set(chain.names) & set(facts.spec.names))


# ---------------------------------------------------------------- how far it is


def seen(
    member: Member,
    facts: Facts | None,
    campaign: Campaign,
    revoked: Collection[str],
    settings: PolicySettings,
    now: datetime,
) -> Member:
    """The member with what has become of it by this look; `facts` is None where it is not in our care any more."""
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
    open_ones = [old for old in member.old if not _is_settled(old, revoked, now)]
    missing = unproved(chain, facts)
    if missing == NO_ENDPOINT and campaign.revoke and not open_ones:
        return MemberStatus.REVOKED, ""  # a person has looked, and has had them revoked
    if unfit_to_revoke(chain, facts, campaign):
        return _rotated(chain, missing, last_try(member, facts), facts)
    if not campaign.revoke or open_ones:
        return MemberStatus.PROVED, next((old.error for old in open_ones if old.error), "")
    return MemberStatus.REVOKED, ""


def _rotated(chain: Chain, missing: str, last: Attempt | None, facts: Facts) -> tuple[MemberStatus, str]:
    """How far a new certificate has come that is not proved: no place without it counts as rotated."""
    if last is not None and last.result in HARMS:
        return MemberStatus.FAILED, last.error
    if not _unheld(chain, facts):
        return MemberStatus.ROTATED, missing
    return MemberStatus.ISSUED, last.error if last is not None and last.result is Result.FAILED else missing


def _unanswered(member: Member, facts: Facts, settings: PolicySettings) -> tuple[MemberStatus, str]:
    decision, last = decide(facts, settings), last_try(member, facts)
    why = "" if decision.due else f"{decision.reason}: {decision.message.partition('; ')[2] or decision.message}"
    if last is not None and last.result not in SUCCESSES and last.result is not Result.PENDING:
        return MemberStatus.FAILED, last.error or why
    return MemberStatus.ASKED, why


def last_try(member: Member, facts: Facts) -> Attempt | None:
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
        return NO_ENDPOINT
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


def unfit_to_revoke(chain: Chain, facts: Facts, campaign: Campaign) -> str:
    """Why the old ones are not to be revoked yet, in a clause; empty when they may be: it is proved, or every place
    holds it, no endpoint is known, and a person has said that this is proof enough."""
    enough = campaign.revoke_unproved and not facts.served and not _unheld(chain, facts)
    return "" if enough else unproved(chain, facts)


def _unheld(chain: Chain, facts: Facts) -> str:
    for location, observation in facts.installed.items():
        if observation.chain is None or observation.chain.fingerprint != chain.fingerprint:
            return f"{location} does not hold the new one" if observation.chain else f"{location} could not be read"
    return ""


# ---------------------------------------------------------------- what is left of it


def is_over(member: Member, campaign: Campaign) -> bool:
    """Whether nothing is left to do about a member."""
    if member.status in {MemberStatus.REVOKED, MemberStatus.SKIPPED}:
        return True
    return not campaign.revoke and member.status in {MemberStatus.PROVED, MemberStatus.ROTATED}


def to_revoke(member: Member, campaign: Campaign, revoked: Collection[str], now: datetime) -> tuple[Old, ...]:
    """The old certificates of a member that are to be revoked now."""
    if not (campaign.revoke and member.status is MemberStatus.PROVED):
        return ()
    return tuple(
        old
        for old in member.old
        if not _is_settled(old, revoked, now) and (old.retry_at is None or old.retry_at <= now)
    )


def with_revoked(campaign: Campaign, moments: Mapping[str, datetime]) -> Campaign:
    """The campaign with what was revoked otherwise, by a person's `rotator revoke`; the moments by fingerprint."""

    def known(old: Old) -> Old:
        at = moments.get(old.certificate.fingerprint)
        return old if at is None or old.revoked_at else replace(old, revoked_at=at, error="", retry_at=None)

    return replace(
        campaign,
        members=tuple(replace(member, old=tuple(known(old) for old in member.old)) for member in campaign.members),
    )


def _is_settled(old: Old, revoked: Collection[str], now: datetime) -> bool:
    """Revoked, or ended: CAs revoke nothing that has ended."""
    return old.revoked_at is not None or old.certificate.fingerprint in revoked or old.certificate.not_after <= now
