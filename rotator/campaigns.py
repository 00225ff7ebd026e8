"""Campaigns carried out, look by look: who is asked for next, and whose old certificates are revoked.

What comes next is decided by `rotator.core.campaign` from the facts of the look; here it is stored before it is done,
so that a crash between any two lines is met by the next look. Rotations are the ordinary ones, held by the ordinary
limits; an old certificate is revoked under the lock of its name, after one more look at all its places.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from types import MappingProxyType

from rotator.core.campaign.members import old_of, replaced, to_revoke, unfit_to_revoke
from rotator.core.campaign.pace import CaRoom, Pace, Recent, pace_of, recent_orders
from rotator.core.campaign.planning import ask_of, members_of, why_asked
from rotator.core.campaign.preview import Preview, preview
from rotator.core.campaign.steps import next_step
from rotator.core.limits import STEPS
from rotator.core.model import (
    Ask,
    Campaign,
    CampaignStatus,
    Certificate,
    CertificateSpec,
    Facts,
    Inventory,
    Member,
    MemberStatus,
    Old,
    Outcome,
)
from rotator.core.noticetext import counted
from rotator.core.plan import orders_an_hour
from rotator.errors import Busy, IssueError, RotatorError
from rotator.inventory import look_again
from rotator.log import logger
from rotator.ports import Store
from rotator.revoke import NEVER_REVOKED, Candidate, Kept, in_use, revoke, used_by_others
from rotator.steps.request import give_up_order
from rotator.world import World

log = logger(__name__)

STILL_IN_USE = timedelta(minutes=10)
"""Until what turned out to be in use is looked at again."""

_NOBODY: Mapping[str, tuple[str, ...]] = MappingProxyType({})

Submit = Callable[[str, Callable[[], Outcome | None]], bool]


@dataclass(frozen=True, slots=True)
class Advanced:
    """A look after the campaigns have had their turn.

    Attributes:
        inventory: the look, with what was asked for just now in the histories.
        done_at: when each open campaign has asked for everything and has it, at the earliest.
        wake: when a campaign can go on, if that is known to be soon.
    """

    inventory: Inventory
    done_at: Mapping[int, datetime] = field(default_factory=lambda: MappingProxyType({}))
    wake: datetime | None = None


def advance(world: World, inventory: Inventory, submit: Submit) -> Advanced:
    """One step of every open campaign.

    Raises:
        StateError: the state cannot be used.
    """
    # Without the state's key nothing can be renewed, and what is sealed not be given up.
    idle = inventory.first or world.store.key_problem
    open_ones = () if idle else world.store.campaigns(open_only=True)
    if not open_ones:
        return Advanced(inventory)
    known = {facts.spec.name: facts for facts in inventory.facts}
    pace, recent, ca_room = pace_now(world, inventory)
    revoked = world.store.revoked().keys()
    done_at: dict[int, datetime] = {}
    wakes: list[datetime] = []
    for campaign in open_ones:
        step = next_step(
            campaign,
            known,
            revoked,
            pace,
            recent,
            world.policy,
            inventory.at,
            complete=not inventory.problems,
            ca_room=ca_room,
        )
        _keep(step.campaign, campaign, world.store)
        for name in step.ask:
            known[name] = _ask(name, known[name], step.campaign, world)
        for name in step.revoke:
            shared = used_by_others(_old_of(name, step.campaign), inventory, name)
            submit(name, partial(revoke_old, campaign.id, known[name].spec, world, shared))
        if step.last is not None:
            done_at[campaign.id] = step.last
        wakes += [step.wake] if step.wake else []
    facts = tuple(known[one.spec.name] for one in inventory.facts)
    return Advanced(replace(inventory, facts=facts), done_at, min(wakes, default=None))


def pace_now(world: World, inventory: Inventory) -> tuple[Pace, Recent, CaRoom]:
    """How fast renewals may be ordered now, the orders of the last hour, and what the CAs have room for."""
    fleet, now = world.store.fleet(inventory.at), inventory.at
    pace = pace_of(fleet, orders_an_hour(inventory.facts, world.policy), world.policy)
    return pace, recent_orders(fleet, now), CaRoom(fleet, now, world.policy)


def look_ahead(campaign: Campaign, inventory: Inventory, world: World) -> Preview:
    """What a campaign would do; changes nothing."""
    pace, recent, ca_room = pace_now(world, inventory)
    return preview(campaign, inventory.facts, pace, recent, world.policy, inventory.at, ca_room=ca_room)


def begin(campaign: Campaign, inventory: Inventory, world: World) -> Campaign:
    """Store a campaign with its members in their order; the next look makes its first step."""
    planned = members_of(campaign, inventory.facts, world.policy)
    members = tuple(
        Member(
            one.name,
            position,
            MemberStatus.SKIPPED if one.never else MemberStatus.WAITING,
            one.obstacle,
            since=inventory.at,
        )
        for position, one in enumerate(planned, start=1)
    )
    return world.store.begin_campaign(replace(campaign, members=members))


def cancel(campaign: Campaign, store: Store, now: datetime) -> None:
    """End it: nothing more is asked for or revoked, and what was asked for and has not begun is let go."""
    store.keep_campaign(replace(campaign, status=CampaignStatus.CANCELLED, ended=now))
    names = [member.certificate for member in campaign.members if member.asked_at is not None]
    for name, history in store.histories(names, now).items():
        ask, why = history.ask, f"campaign {campaign.id} was cancelled"
        if ask is not None and ask.force and ask.reason == why_asked(campaign):
            # A new key that the campaign did not ask for is a person's wish, which goes on.
            another = ask.wants_new_key and not campaign.new_keys
            store.keep_ask(name, replace(ask, reason=why) if another else Ask(now, reason=why))


def _keep(now: Campaign, before: Campaign, store: Store) -> None:
    was = {member.certificate: member for member in before.members}
    store.keep_members(now.id, [member for member in now.members if member != was[member.certificate]])
    if now.status is not before.status:
        store.keep_campaign(now)
        store.audit("campaign-ended", f"campaign {now.id}", told_in_short(now), now.ended or now.began)
        log.info("campaign ended", campaign=now.id, status=now.status)


def told_in_short(campaign: Campaign) -> str:
    """`12 certificates: 9 revoked, 2 waiting, 1 skipped`."""
    parts = ", ".join(f"{count} {status}" for status, count in campaign.counts.items() if count)
    return f"{counted(len(campaign.members), 'certificate')}: {parts or 'none'}"


# ---------------------------------------------------------------- asking


def _ask(name: str, facts: Facts, campaign: Campaign, world: World) -> Facts:
    """Ask for one renewal: what it replaces is stored first, so that nothing of it is ever taken for new."""
    store = world.store
    member = next(one for one in campaign.members if one.certificate == name)
    try:
        with store.lock(name):
            now = world.clock.now()
            issued = [(one.chain.leaf, one.issuer) for one in store.issued(name)]
            asked = replace(
                member,
                asked_at=member.asked_at or now,
                status=MemberStatus.ASKED,
                why="",
                since=now,
                old=member.old or old_of(facts, issued, campaign, world.policy),
            )
            store.keep_members(campaign.id, [asked])
            if campaign.new_keys or campaign.away:
                _forget_what_is_begun(name, campaign, world)
            ask = ask_of(facts, campaign, now)
            store.keep_ask(name, ask)
    except Busy:
        return facts  # a rotation of it is in flight; it is asked for in the next look
    received = facts.history.received and not (campaign.new_keys or campaign.away)
    return replace(facts, history=replace(facts.history, ask=ask, received=received))


def _forget_what_is_begun(name: str, campaign: Campaign, world: World) -> None:
    """A key that was made before a compromise was noticed is not used any more, nor an order where nothing is to be
    ordered any more, nor what was issued by either. A key that nobody else knows stays: clients may pin it already."""
    store, now = world.store, world.clock.now()
    if campaign.new_keys:
        store.drop_pending(name)
    elif (pending := store.pending(name)) is not None:
        give_up_order(pending, world)
    for one in store.issued(name):
        if one.status in NEVER_REVOKED:
            store.set_bundle_status(name, one.chain.fingerprint, "dropped", now)


# ---------------------------------------------------------------- revoking


def revoke_old(
    number: int, spec: CertificateSpec, world: World, shared: Mapping[str, tuple[str, ...]] = _NOBODY
) -> None:
    """Revoke what a member's renewal replaced, if one more look shows that nobody uses it any more.

    Args:
        shared: who else used each of the old ones in this look, by fingerprint.

    Raises:
        Busy: a rotation of this certificate is in flight.
        StateError: the state cannot be used.
    """
    store = world.store
    with store.lock(spec.name):
        now = world.clock.now()
        campaign = next((one for one in store.campaigns(open_only=True) if one.id == number), None)
        member = _member(campaign, spec.name)
        if campaign is None or member is None or campaign.status is not CampaignStatus.RUNNING:
            return
        facts = look_again(spec, world, now)
        chain = replaced(member, facts, campaign)
        if chain is None or (why := unfit_to_revoke(chain, facts, campaign)):
            log.info("not revoked", certificate=spec.name, reason=why if chain else "there is no new one any more")
            return
        for old in to_revoke(member, campaign, store.revoked().keys(), now):
            others = shared.get(old.certificate.fingerprint, ())
            store.keep_replaced(number, spec.name, _revoked(old, facts, others, campaign, world))


def _old_of(name: str, campaign: Campaign) -> tuple[Certificate, ...]:
    member = _member(campaign, name)
    return tuple(old.certificate for old in member.old) if member else ()


def _member(campaign: Campaign | None, name: str) -> Member | None:
    return next((one for one in campaign.members if one.certificate == name), None) if campaign else None


def _revoked(old: Old, facts: Facts, others: tuple[str, ...], campaign: Campaign, world: World) -> Old:
    """What has become of one old certificate."""
    now, used = world.clock.now(), (*in_use(old.certificate.fingerprint, [facts]), *others)
    if used:
        return replace(old, error=f"it is still in use: {used[0]}", retry_at=now + STILL_IN_USE)
    if not old.issuer:
        why = "nobody knows who signed it; `rotator revoke --certificate FILE --issuer ISSUER`"
        return replace(old, error=why, retry_at=now + STEPS[-1])
    try:
        revoke(Candidate(old.certificate, facts.spec.name, old.issuer), campaign.reason, world)
    except (IssueError, Kept) as error:
        log.warning("not revoked; it is tried again", certificate=facts.spec.name, error=str(error))
        return replace(old, error=f"not revoked: {error}", tries=old.tries + 1, retry_at=now + _wait(error, old.tries))
    return replace(old, revoked_at=now, error="", retry_at=None)


def _wait(error: RotatorError, tries: int) -> timedelta:
    """The same steps as for orders; what the issuer names is waited for, up to a day."""
    named = error.retry_after if isinstance(error, IssueError) else None
    permanent = isinstance(error, Kept) or (isinstance(error, IssueError) and error.permanent)
    step = STEPS[-1] if permanent else STEPS[min(tries, len(STEPS) - 1)]
    return min(STEPS[-1], max(step, named)) if named else step
