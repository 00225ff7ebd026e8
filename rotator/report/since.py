"""A plan and what was done since it was made."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from rotator.core.model import Action, Decision, Outcome, Pins, Plan, Result
from rotator.core.reasons import Reason

_FINISHED = frozenset({Result.DONE, Result.UNPROVED})


def since_look(plan: Plan, outcomes: Iterable[Outcome]) -> tuple[Decision, ...]:
    """The decisions of a plan, where what was due and has been finished since counts as fine.

    Args:
        outcomes: newest first.
    """
    newest: dict[str, Outcome] = {}
    for outcome in outcomes:
        newest.setdefault(outcome.decision.spec.name, outcome)
    return tuple(_since(plan, decision, newest.get(decision.spec.name)) for decision in plan.decisions)


def _since(plan: Plan, decision: Decision, outcome: Outcome | None) -> Decision:
    if not decision.due or outcome is None or outcome.finished < plan.at:
        return decision
    if outcome.result not in _FINISHED or outcome.error:
        return decision
    return replace(
        decision,
        action=Action.KEEP,
        reason=Reason.HEALTHY,
        because=None,
        emergency=False,
        message=f"{decision.action} finished since the last look",
        ends=outcome.after.not_after if outcome.after else decision.ends,
        pins=_pins(decision, outcome),
    )


def _pins(decision: Decision, outcome: Outcome) -> Pins:
    """Those of what is in place now; a next key that it had is the present one, and only a look knows the one after."""
    if outcome.after is None or not outcome.after.spki:
        return decision.pins
    spec, current = decision.spec, outcome.after.spki
    return replace(decision.pins, current=current, next=current if spec.key.reuse or spec.csr else "")
