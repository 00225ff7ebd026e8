"""The plan: what to do about every certificate, most urgent first, and when to look again. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from rotator.core.drift import current_chain
from rotator.core.guards import AN_HOUR, foreseen, guard, urgency
from rotator.core.lead import HOUR, PolicySettings, due_at, lead_of
from rotator.core.model import Facts, FleetHistory, Inventory, Outcome, Plan, Result
from rotator.core.policy import decide

__all__ = ["foreseen", "make_plan", "next_wake", "orders_an_hour", "wake_after"]


def make_plan(inventory: Inventory, fleet: FleetHistory, stored: Plan | None, settings: PolicySettings) -> Plan:
    """Decide about each certificate by itself, then guard the fleet, most urgent first.

    Args:
        stored: the plan of the look before this one.
    """
    now = inventory.at
    settings = replace(settings, an_hour=orders_an_hour(inventory.facts, settings))
    decisions = [decide(facts, settings) for facts in inventory.facts]
    guarded = guard(decisions, fleet, stored, inventory.first, now, settings)
    return Plan(now, tuple(sorted(guarded, key=lambda decision: urgency(decision, now))), first=inventory.first)


def orders_an_hour(facts: Iterable[Facts], settings: PolicySettings) -> int:
    """How many orders an hour may have: what the operator says, else twice what the fleet's lifetimes need, or 20."""
    if settings.an_hour is not None:
        return settings.an_hour
    needed = 0.0
    for one in facts:
        chain = current_chain(one)
        if chain is None:
            continue
        between = chain.lifetime - lead_of(chain, one.spec, settings)
        needed += HOUR / between if between > settings.shortest_tick else 0
    return max(AN_HOUR, math.ceil(round(2 * needed, 6)))


def next_wake(plan: Plan, settings: PolicySettings, now: datetime, *, first: bool) -> datetime:
    """When to look again: at the next moment that the plan names, after `check_every` at the latest.

    Moments that have passed are being worked on, and never make the daemon spin: such a certificate is looked at
    again within a twentieth of its lead, and so is the whole fleet after a first look.
    """
    named = [decision.at for decision in plan.decisions if decision.at > now]
    soon = [decision for decision in plan.decisions if first or decision.at <= now]
    named += [now + decision.lead / 20 for decision in soon if decision.lead is not None]
    soonest = min((now + settings.check_every, *named))
    return max(soonest, now + settings.shortest_tick)


def wake_after(outcome: Outcome, settings: PolicySettings, now: datetime) -> datetime:
    """When to look again because a rotation ended, if that is sooner than planned.

    A new certificate may live so much shorter than its predecessor that it is due before the next ordinary look;
    what is not done is looked at again at once.
    """
    soonest = now + settings.shortest_tick
    if outcome.result is not Result.DONE or outcome.after is None:
        return soonest
    return max(soonest, due_at(outcome.after, outcome.decision.spec, settings))
