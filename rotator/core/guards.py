"""What needs the whole fleet: first look, surge, breakers, budgets. Pure.

`guard` goes over the decisions of one look and holds back what would be too much at once. A certificate in an
emergency passes surge and budgets, never a breaker. What a breaker or a budget holds costs no attempt and no backoff.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from types import MappingProxyType

from rotator.core.gates import pass_breakers, read_issuers, urgency
from rotator.core.lead import DAY, HOUR, PolicySettings, second_look_after
from rotator.core.model import Action, CertificateSpec, Decision, FleetHistory, Order, Plan
from rotator.core.reasons import Reason

__all__ = ["AN_HOUR", "foreseen", "guard", "issuer_for", "urgency"]

AN_HOUR = 20
"""Orders an hour where the operator names no number and the fleet's lifetimes need less than half of it."""

SURGE_AT_LEAST = 5
SURGE_SHARE = 0.1
WEEK = timedelta(days=7)


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
        named |= {decision.spec.name: plan.at for decision in plan.decisions if decision.wanted is Action.RENEW}
    return MappingProxyType(named)


def issuer_for(
    spec: CertificateSpec, fleet: FleetHistory, now: datetime, settings: PolicySettings, *, trial: str = ""
) -> str | None:
    """The first issuer of the list that is not broken; None when all are, and nothing should be tried.

    One that refused this certificate for good today, or asked it to come back later, is passed over as long as there
    is another. A broken one counts again at its half-open moment, if no other is whole.

    Args:
        trial: what `Decision.trial` of the planned decision names: it is tried although it is broken.
    """
    if trial and trial in spec.issuers:
        return trial
    return read_issuers(fleet, now).for_spec(spec, now)


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
    """Certificates that are about to be ordered and that no plan named for a moment that has come."""
    named = {name for name, at in foreseen(stored).items() if at <= now} if stored else set()
    return frozenset(
        decision.spec.name
        for decision in decisions
        if _orders(decision) and not decision.foreseen and decision.spec.name not in named
    )


# ---------------------------------------------------------------- budgets


def _budgets(
    decisions: Sequence[Decision], fleet: FleetHistory, now: datetime, settings: PolicySettings
) -> tuple[Decision, ...]:
    """So many orders an hour, in all and per issuer, and one of a CA's weekly tokens for the same names kept back.

    The most urgent ones have the first turn. An emergency is not held, but uses up what the others may have.
    """
    spent = _Spent(fleet, now, settings)
    answers: dict[str, Decision] = {}
    for decision in sorted(filter(_orders, decisions), key=lambda decision: urgency(decision, now)):
        issuer = decision.trial or spent.issuers.for_spec(decision.spec, now) or ""
        limit = None if decision.emergency else spent.exceeded(decision.spec, issuer)
        if limit is not None:
            answers[decision.spec.name] = _held(decision, Action.WAIT, Reason.BUDGET, *limit)
        else:
            spent.spend(decision.spec, issuer)
    return tuple(answers.get(decision.spec.name, decision) for decision in decisions)


class _Spent:
    """What of the budgets is used up, while the decisions of one look are gone over."""

    def __init__(self, fleet: FleetHistory, now: datetime, settings: PolicySettings) -> None:
        self.issuers = read_issuers(fleet, now)
        self._now = now
        self._settings = settings
        self._hour = [order for order in fleet.orders if now - HOUR < order.at <= now + DAY]
        self._all = len(self._hour)
        self._by_issuer = Counter(order.issuer for order in self._hour)
        week = [order for order in fleet.orders if now - WEEK < order.at <= now + DAY and order.result != "failed"]
        self._sets = Counter(_exact_set(order.issuer, order.names) for order in week)
        self._oldest: dict[tuple[str, frozenset[str]], datetime] = {}
        for order in week:
            self._oldest.setdefault(_exact_set(order.issuer, order.names), order.at)

    def exceeded(self, spec: CertificateSpec, issuer: str) -> tuple[str, datetime] | None:
        """Which budget has no room for one more order, in words, and when it may have."""
        an_hour = AN_HOUR if self._settings.an_hour is None else self._settings.an_hour
        if self._all >= an_hour:
            return f"the hour's {an_hour} orders are used up", self._hour_over(self._hour)
        limit = self._settings.issuer_limits.get(issuer)
        if limit is not None and self._by_issuer[issuer] >= limit:
            theirs = [order for order in self._hour if order.issuer == issuer]
            return f"the hour's {limit} orders at {issuer} are used up", self._hour_over(theirs)
        tokens, same = self._settings.exact_set_week.get(issuer), _exact_set(issuer, spec.names)
        if tokens is not None and self._sets[same] >= tokens - 1:
            until = self._oldest.get(same, self._now) + WEEK
            return f"{issuer} issues for the same names {tokens} times a week; the last is kept for an emergency", until
        return None

    def spend(self, spec: CertificateSpec, issuer: str) -> None:
        self._all += 1
        self._by_issuer[issuer] += 1
        self._sets[_exact_set(issuer, spec.names)] += 1

    def _hour_over(self, orders: Iterable[Order]) -> datetime:
        return min((order.at for order in orders), default=self._now) + HOUR


def _exact_set(issuer: str, names: Sequence[str]) -> tuple[str, frozenset[str]]:
    return issuer, frozenset(names)


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
