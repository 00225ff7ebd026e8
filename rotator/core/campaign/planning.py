"""Who belongs to a campaign, in which order, and what cannot be done. Pure.

Whether a member can be renewed is not decided here: the policy is asked what it would do if a person insisted today.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from fnmatch import fnmatchcase

from rotator.core.budget.known import may_have_signed
from rotator.core.drift import current_chain, is_ours
from rotator.core.lead import PolicySettings
from rotator.core.limits import open_ask
from rotator.core.model import Action, Ask, Campaign, Decision, Facts
from rotator.core.policy import decide
from rotator.core.reasons import Reason

NEVER = frozenset({Action.REFUSE, Action.DELEGATE})
"""Answers of the policy that nothing but another configuration changes."""


@dataclass(frozen=True, slots=True)
class Planned:
    """One certificate of a campaign, before anything is asked for.

    Attributes:
        exposure: 2 where a public address serves it, 1 where any endpoint does, 0 where it is only stored.
        ends: when the current one ends; None where there is none.
        issuer: who would sign the new one; empty where nobody can.
        obstacle: what holds it back now, in a clause; empty where nothing does.
        never: it is left out, because nothing but another configuration would change that.
    """

    name: str
    exposure: int
    ends: datetime | None
    issuer: str
    obstacle: str = ""
    never: bool = False


def members_of(campaign: Campaign, everything: Iterable[Facts], settings: PolicySettings) -> tuple[Planned, ...]:
    """All that belong to a campaign, most exposed first, then those that end first, then by name."""
    chosen = [_planned(facts, campaign, settings) for facts in everything if belongs(facts, campaign, settings)]
    return tuple(sorted(chosen, key=lambda one: (-one.exposure, _by_end(one.ends), one.name)))


def belongs(facts: Facts, campaign: Campaign, settings: PolicySettings) -> bool:
    """Whether the current certificate is one of those that are to be replaced.

    Where it is not known who signed it, its list of issuers says who may have, unless it names another public CA.
    """
    if not fnmatchcase(facts.spec.name, campaign.match or "*"):
        return False
    chain = current_chain(facts)
    if chain is None:
        return False
    if not campaign.issuer:
        return True
    signer = facts.history.accepted_issuer if is_ours(facts, chain) else ""
    if signer:
        return signer == campaign.issuer
    return campaign.issuer in facts.spec.issuers and may_have_signed(campaign.issuer, chain, settings)


def exposure(facts: Facts) -> int:
    """How exposed it is: served at a public address, served anywhere, or only stored."""
    if any(_is_public(s.address) for sightings in facts.served.values() for s in sightings if s.state.up):
        return 2
    return 1 if facts.served else 0


def would(facts: Facts, campaign: Campaign, settings: PolicySettings) -> Decision:
    """What the policy would decide if a person insisted on this renewal now."""
    return decide(replace(facts, history=replace(facts.history, ask=ask_of(facts, campaign, facts.now))), settings)


def ask_of(facts: Facts, campaign: Campaign, at: datetime) -> Ask:
    """How a member's renewal is asked for, besides what a person may have asked for it."""
    ask = Ask(at, force=True, reason=why_asked(campaign), key_after=at if campaign.new_keys else None)
    return ask.besides(open_ask(facts))


def why_asked(campaign: Campaign) -> str:
    """The reason that a member's renewal is asked for with."""
    return f"campaign {campaign.id}: {campaign.reason}"


def obstacle(facts: Facts, campaign: Campaign, settings: PolicySettings) -> tuple[str, bool]:
    """What holds a member back, and whether that lasts as long as the config is what it is; empty when nothing does."""
    if not signers(facts, [campaign.issuer] if campaign.away else []):
        return f"its list has no issuer but {campaign.issuer}", True
    if campaign.new_keys and facts.spec.csr:
        return "its key is held elsewhere: make a new request there first", True
    decision = would(facts, campaign, settings)
    if decision.action is Action.RENEW:
        return "", False
    held = decision.message.partition("; ")[2] or decision.message
    return f"{decision.reason}: {held}", decision.action in NEVER or decision.reason is Reason.OBSERVE


def signers(facts: Facts, avoided: Collection[str]) -> tuple[str, ...]:
    """The issuers of its list that may sign the new one."""
    return tuple(issuer for issuer in facts.spec.issuers if issuer not in avoided)


def _planned(facts: Facts, campaign: Campaign, settings: PolicySettings) -> Planned:
    chain = current_chain(facts)
    why, never = obstacle(facts, campaign, settings)
    can = signers(facts, [campaign.issuer] if campaign.away else [])
    return Planned(
        name=facts.spec.name,
        exposure=exposure(facts),
        ends=chain.not_after if chain else None,
        issuer=can[0] if can else "",
        obstacle=why,
        never=never,
    )


def _by_end(ends: datetime | None) -> tuple[bool, float]:
    return (ends is None, ends.timestamp() if ends else 0.0)


def _is_public(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_global
    except ValueError:
        return False
