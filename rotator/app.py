"""What happens: `tick` is the whole path in one function; `build` makes what it needs from the config.

read the world     decide            change the world                 tell
take_stock ──────► make_plan ──────► executor: rotate, one by one ──► notify
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from types import MappingProxyType

from rotator.campaigns import advance
from rotator.core.budget.failing import of_failing
from rotator.core.budget.forecast import Outlook, forecast
from rotator.core.budget.telling import of_budget
from rotator.core.campaign.telling import of_campaigns
from rotator.core.lead import PolicySettings
from rotator.core.model import Action, Decision, Facts, Finding, Inventory, Mode, Notice, Outcome, Plan
from rotator.core.notices import notices
from rotator.core.plan import make_plan
from rotator.core.policy import decide, reasons_seen
from rotator.core.reasons import Reason
from rotator.core.summary import summary_of
from rotator.errors import Busy, StateError
from rotator.inventory import look_again, take_stock
from rotator.log import logger
from rotator.notify import notify
from rotator.preflight import read_kept
from rotator.rotate import finish_roll_back, rotate
from rotator.steps.request import make_ahead
from rotator.wiring import Wiring, build
from rotator.world import World

__all__ = ["Tick", "Wiring", "after", "build", "look_and_plan", "once", "remember", "tell", "tick"]

log = logger(__name__)

KEEP_SUPERSEDED = timedelta(hours=72)
"""How long the bundle before the newest one can still be put back."""

_IDLE = frozenset({Action.KEEP, Action.WAIT, Action.HOLD})

MOST_OUTCOMES = 10_000
"""Since one look; more than that many rotations between two looks cannot be."""


@dataclass(frozen=True, slots=True)
class Tick:
    """What one tick saw, decided and told.

    Attributes:
        done_at: when each open campaign is through, at the earliest.
        wake: when a campaign can go on, if that is known to be soon.
    """

    inventory: Inventory
    plan: Plan
    notices: tuple[Notice, ...]
    done_at: Mapping[int, datetime] = field(default_factory=lambda: MappingProxyType({}))
    wake: datetime | None = None


def tick(wiring: Wiring, now: datetime) -> Tick:
    """Look, plan, submit what is due, notify; never waits for a rotation.

    Raises:
        StateError: the state cannot be used; nothing was submitted.
    """
    finish_what_was_cut_off(wiring)
    world = wiring.world
    going = advance(world, take_stock(world, now), wiring.executor.submit)
    plan = _planned(world, going.inventory)
    remember(wiring, going.inventory, plan)
    for decision in plan.due:
        wiring.executor.submit(decision.spec.name, partial(rotate, decision, world))
    _make_keys_ahead(wiring, plan)
    told = after(wiring, Tick(going.inventory, plan, (), going.done_at, going.wake), wiring.executor.collect())
    wiring.world.store.purge(now, keep_superseded=KEEP_SUPERSEDED, keep_keys=wiring.world.keep_keys)
    wiring.ping()
    return told


def _make_keys_ahead(wiring: Wiring, plan: Plan) -> None:
    """The next key of whatever wants it known beforehand: also of what waits, since it may wait for just that."""
    busy = frozenset(wiring.executor.in_flight)
    for one in plan.decisions:
        spec, idle = one.spec, one.action in _IDLE and one.spec.name not in busy
        if spec.key.ahead and not spec.csr and spec.mode is Mode.ROTATE and idle and not one.pins.next:
            try:
                with wiring.world.store.lock(spec.name):
                    make_ahead(spec, one.pins.current, wiring.world)
            except Busy:
                continue  # somebody renews it just now
            except StateError as error:  # without the state's key nothing is sealed, but people are still told
                log.warning("the next key was not made ahead", certificate=spec.name, error=str(error))
                return


def once(wiring: Wiring) -> tuple[Tick, tuple[Outcome, ...]]:
    """One tick that waits for its rotations and tells how they ended; the outcomes, oldest first.

    Raises:
        StateError: the state cannot be used.
    """
    world = wiring.world
    ticked = tick(wiring, world.clock.now())
    wiring.executor.drain()
    ended = after(wiring, ticked, wiring.executor.collect())
    outcomes = world.store.outcomes(since=ticked.inventory.at, limit=MOST_OUTCOMES)
    return replace(ended, plan=ticked.plan), tuple(reversed(outcomes))


def after(wiring: Wiring, last: Tick, ended: tuple[Outcome, ...]) -> Tick:
    """The last tick with what has ended since its look: looked at again, so that what is told is what is true now.

    Args:
        ended: outcomes that were not counted yet.

    Raises:
        StateError: the state cannot be used.
    """
    world, inventory, plan = wiring.world, last.inventory, last.plan
    since = world.store.outcomes(since=inventory.at, limit=MOST_OUTCOMES)
    latest = {outcome.decision.spec.name: outcome.finished for outcome in reversed(since)}
    stale = [one for one in inventory.facts if one.now < latest.get(one.spec.name, one.now)]
    if stale:
        fresh = {one.spec.name: look_again(one.spec, world, world.clock.now()) for one in stale}
        inventory = replace(inventory, facts=tuple(fresh.get(one.spec.name, one) for one in inventory.facts))
        decided = {name: decide(facts, world.policy) for name, facts in fresh.items()}
        plan = replace(plan, decisions=tuple(decided.get(one.spec.name, one) for one in plan.decisions))
        world.store.keep_look(summary_of(inventory, plan), inventory.at)
        wiring.metrics.observe(inventory, plan)
    look = replace(last, inventory=inventory, plan=plan)
    return replace(look, notices=tell(wiring, look, ended, since))


def look_and_plan(world: World, now: datetime) -> tuple[Inventory, Plan]:
    """Take stock and decide; writes nothing but what adoption and joins must remember."""
    inventory = take_stock(world, now)
    return inventory, _planned(world, inventory)


def _planned(world: World, inventory: Inventory) -> Plan:
    return make_plan(inventory, world.store.fleet(inventory.at), world.store.plan(), world.policy)


def remember(wiring: Wiring, inventory: Inventory, plan: Plan) -> None:
    """Store what the next look and the readers of the state need."""
    world = wiring.world
    world.store.keep_seen({facts.spec.name: seen_now(facts, world.policy) for facts in inventory.facts})
    world.store.keep_plan(plan)
    world.store.keep_look(summary_of(inventory, plan), inventory.at)
    wiring.metrics.observe(inventory, plan)
    wiring.metrics.found(_found(wiring, inventory, plan))


def _found(wiring: Wiring, inventory: Inventory, plan: Plan) -> tuple[Finding, ...]:
    try:
        return wiring.audit(inventory, plan)
    except Exception:  # an audit that cannot be made must not keep a certificate from being renewed
        log.exception("the look was not audited")
        return ()


def seen_now(facts: Facts, policy: PolicySettings) -> Mapping[Reason, datetime]:
    """What this look saw, with the beginning of each reason: its first look in an unbroken row."""
    since = facts.history.seen_since
    return {reason: since.get(reason, facts.now) for reason in reasons_seen(facts, policy)}


def tell(wiring: Wiring, look: Tick, ended: tuple[Outcome, ...], since: tuple[Outcome, ...] = ()) -> tuple[Notice, ...]:
    """Derive what is worth telling from one look and the outcomes since, and send what is to be sent now."""
    store = wiring.world.store
    for outcome in ended:
        wiring.metrics.outcome(outcome)
    previous = {key: state.notice for key, state in store.notices().items()}
    foretold = read_kept(store) if wiring.preflight else {}
    wiring.metrics.foretold(foretold)
    campaigns = store.campaigns(open_only=True)
    wiring.metrics.campaigns(campaigns)
    outlook = budget_outlook(wiring.world, look.inventory, look.plan)
    wiring.metrics.budget(outlook)
    now = wiring.world.clock.now()
    about = (
        *of_campaigns(campaigns, look.done_at, now),
        *of_budget(outlook.shortages, outlook.remaining, look.inventory.at),
        *of_failing(outlook.failing, look.inventory.at),
    )
    open_now = notices(
        look.inventory,
        look.plan,
        since or ended,
        previous,
        wiring.notice_settings,
        preflight=foretold if foretold or not wiring.preflight else None,
        more=about,
    )
    if look.inventory.first and ended:
        # A first look sends one digest; what a rotation that it began has done is told all the same.
        begun = _about(look, {outcome.decision.spec.name for outcome in ended})
        open_now += notices(begun.inventory, begun.plan, since or ended, previous, wiring.notice_settings)
    deliveries = notify(open_now, store, wiring.routes, wiring.world.clock.now())
    arrived = [delivery.alerter for delivery in deliveries if delivery.arrived]
    failed = [delivery.alerter for delivery in deliveries if not delivery.arrived]
    wiring.metrics.told(open_now, arrived, failed)
    return open_now


def budget_outlook(world: World, inventory: Inventory, plan: Plan) -> Outlook:
    """What the budgets of the issuers have left, and when they will run short."""
    return forecast(inventory.facts, plan, world.store.fleet(inventory.at), world.policy)


def _about(look: Tick, names: Set[str]) -> Tick:
    """A look narrowed to some certificates."""
    facts = tuple(one for one in look.inventory.facts if one.spec.name in names)
    decisions = tuple(one for one in look.plan.decisions if one.spec.name in names)
    inventory = replace(look.inventory, first=False, facts=facts, unmanaged=(), problems=(), held=(), retired=())
    return Tick(inventory, replace(look.plan, decisions=decisions), ())


def finish_what_was_cut_off(wiring: Wiring) -> None:
    """A roll-back that a crash cut off is finished before anything else."""
    world = wiring.world
    names = world.store.undoing()
    specs = {spec.name: spec for spec in (*world.specs, *(world.store.adopted() if names else ()))}
    for name in names:
        if name in specs:
            wiring.executor.submit(name, partial(finish_roll_back, specs[name], world))
        else:
            log.error("a roll-back was cut off and its certificate is no longer in the config", certificate=name)


def decisions_by_name(plan: Plan) -> Mapping[str, Decision]:
    """The decisions of a plan by the name of their certificate."""
    return {decision.spec.name: decision for decision in plan.decisions}
