"""What needs the whole fleet: first look, surge, breakers, budgets. Pure.

`guard` goes over the decisions of one look and holds back what would be too much at once. A certificate in an
emergency passes surge and the reserves of budgets, never a breaker. What a breaker or a budget holds costs no attempt
and no backoff.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from types import MappingProxyType

from rotator.core.budget.spending import AN_HOUR, Choice, Spending
from rotator.core.gates import Issuers, pass_breakers, read_issuers, urgency
from rotator.core.lead import PolicySettings, second_look_after
from rotator.core.model import Action, Decision, FleetHistory, Plan
from rotator.core.reasons import Reason

__all__ = ["AN_HOUR", "Choice", "choose", "foreseen", "guard", "urgency"]

RENEWALS = frozenset({Action.RENEW, Action.DELEGATE})

SURGE_AT_LEAST = 5
SURGE_SHARE = 0.1


def guard(
    decisions: Sequence[Decision],
    fleet: FleetHistory,
    stored: Plan | None,
    first: bool,
    now: datetime,
    settings: PolicySettings,
) -> tuple[Decision, ...]:
    """Hold back what the fleet as a whole does not bear; the order of the decisions stays.

    Args:
        stored: the plan of the look before this one; None where there is none.
        first: nothing was stored before this look.
    """
    if not first:
        guarded = _surge(decisions, fleet, stored, now, settings)
    else:
        guarded = tuple(decisions) if settings.first_look_acts else _first_look(decisions, now, settings)
    return _budgets(pass_breakers(guarded, fleet, now), fleet, now, settings)


def foreseen(plan: Plan) -> Mapping[str, datetime]:
    """What a plan names for later: certificate → when.

    The store keeps the newest such moment of each certificate (`History.foreseen_at`), so that a renewal which waits
    its turn for many looks stays foreseen. Only what is not wanted yet is foreseen; being seen once, or held, is not.
    What the very first look found due is: people were told of all of it, and it is carried out from the next look on.
    """
    named = {
        decision.spec.name: decision.at
        for decision in plan.decisions
        if decision.wanted is None and decision.ends is not None and decision.at > plan.at
    }
    if plan.first:
        named |= {decision.spec.name: plan.at for decision in plan.decisions if decision.wanted in RENEWALS}
    return MappingProxyType(named)


def choose(
    decision: Decision, fleet: FleetHistory, now: datetime, settings: PolicySettings, *, tried: Collection[str] = ()
) -> Choice:
    """The issuer that is asked for a decision's order: the first of the list that is neither broken nor out of budget.

    One that refused this certificate for good today, or asked it to come back later, is passed over as long as there
    is another. A broken one counts again at its half-open moment, if no other is whole.

    Args:
        tried: those that were asked in this rotation already.
    """
    issuers = read_issuers(fleet, now)
    spec = decision.spec
    ranked = [issuer for issuer in _ranked(decision, issuers, now) if issuer not in tried]
    choice = Spending(fleet, now, settings).choose(decision, ranked)
    before = spec.issuers[: spec.issuers.index(choice.issuer)] if choice.issuer in spec.issuers else spec.issuers
    short = dict(choice.passed)
    why = {issuer: short.get(issuer) or issuers.why_not(spec, issuer) for issuer in before if issuer not in tried}
    return replace(choice, passed=tuple((issuer, reason) for issuer, reason in why.items() if reason))


def _ranked(decision: Decision, issuers: Issuers, now: datetime) -> tuple[str, ...]:
    """Who may be asked, in order. Where all are broken the one of `trial` is tried."""
    if decision.trial and decision.trial in decision.spec.issuers:
        return (decision.trial,)
    return issuers.ranked(decision.spec, now)


# ---------------------------------------------------------------- first look and surge


def _first_look(decisions: Sequence[Decision], now: datetime, settings: PolicySettings) -> tuple[Decision, ...]:
    """An empty store knows nothing: look once more before acting, unless a person asked for it by name."""
    why = "this is the first look; done from the next one on"
    return tuple(
        _held(decision, Action.WAIT, Reason.FIRST_LOOK, why, now + second_look_after(decision.lead, settings))
        if decision.due and not decision.foreseen
        else decision
        for decision in decisions
    )


def _surge(
    decisions: Sequence[Decision], fleet: FleetHistory, stored: Plan | None, now: datetime, settings: PolicySettings
) -> tuple[Decision, ...]:
    """More renewals at once than anybody foresaw are more likely a fault of ours than of the certificates.

    Without a stored plan (the state was lost) only the certificates' own histories can have foreseen any.
    """
    unforeseen = _unforeseen(decisions, stored, now)
    approved = fleet.approved_surge_until is not None and now < fleet.approved_surge_until
    bearable = max(SURGE_AT_LEAST, int(SURGE_SHARE * len(decisions)))
    if approved or len(unforeseen) <= bearable:
        return tuple(decisions)
    why = f"one of {len(unforeseen)} renewals that no plan foresaw, more than the {bearable} that pass unasked"
    at, command = now + settings.check_every, "rotator approve --surge"
    return tuple(
        _held(decision, Action.HOLD, Reason.SURGE, why, at, command)
        if decision.spec.name in unforeseen and not decision.emergency
        else decision
        for decision in decisions
    )


def _unforeseen(decisions: Sequence[Decision], stored: Plan | None, now: datetime) -> frozenset[str]:
    """Certificates that are about to be ordered, or asked of their owner, and that no plan named for now or earlier."""
    named = {name for name, at in foreseen(stored).items() if at <= now} if stored else set()
    return frozenset(
        decision.spec.name
        for decision in decisions
        if decision.action in RENEWALS
        and not decision.resumes
        and not decision.foreseen
        and decision.spec.name not in named
    )


# ---------------------------------------------------------------- budgets


def _budgets(
    decisions: Sequence[Decision], fleet: FleetHistory, now: datetime, settings: PolicySettings
) -> tuple[Decision, ...]:
    """So many orders an hour, in all and per issuer, and no more than each CA's own limits let pass.

    The most urgent ones have the first turn, so that the last of a budget goes to what ends first, and a part of each
    CA's limit is kept for emergencies. An emergency is held by nothing but a limit that has nothing left: the CA would
    refuse it. It uses up what the others may have.
    """
    spending, issuers = Spending(fleet, now, settings), read_issuers(fleet, now)
    answers: dict[str, Decision] = {}
    for decision in sorted(filter(_orders, decisions), key=lambda decision: urgency(decision, now)):
        short = None if decision.emergency else spending.hour_used_up()
        choice = Choice(short=short) if short else spending.choose(decision, _ranked(decision, issuers, now))
        if choice.short is None:
            spending.spend(decision, choice.issuer)
        else:
            why, at = choice.short.why, choice.short.at
            answers[decision.spec.name] = _held(decision, Action.WAIT, Reason.BUDGET, why, at)
    return tuple(answers.get(decision.spec.name, decision) for decision in decisions)


def _orders(decision: Decision) -> bool:
    """Whether a decision is about to place an order."""
    return decision.action is Action.RENEW and not decision.resumes


def _held(decision: Decision, action: Action, reason: Reason, why: str, at: datetime, command: str = "") -> Decision:
    return replace(
        decision,
        action=action,
        reason=reason,
        message=f"{decision.message}; {why}",
        at=at,
        wanted=decision.action,
        because=decision.because or decision.reason,
        command=command or decision.command,
    )
