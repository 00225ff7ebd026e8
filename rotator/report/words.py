"""Dates, lengths and counts as reports say them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from rotator.core.lead import span
from rotator.core.model import Action, CertificateSpec, Decision
from rotator.core.reasons import Reason

__all__ = ["PLAN_WORDS", "count", "day", "iso", "key_of", "kind_of", "left", "plan_counts", "plan_line", "span"]

PLAN_WORDS: Mapping[str, str] = {
    "renew": "to renew",
    "redeploy": "to reload",
    "wait": "waiting",
    "observe": "in observe mode",
    "delegate": "left to another controller",
    "hold": "held for a person",
    "refuse": "refused",
    "keep": "fine",
}
_ALWAYS = frozenset({"renew", "redeploy", "wait", "keep"})


def day(moment: datetime | None) -> str:
    """The date in UTC, `2026-11-22`; `-` where there is none."""
    return moment.astimezone(UTC).strftime("%Y-%m-%d") if moment else "-"


def iso(moment: datetime | None) -> str | None:
    """The moment as ISO 8601 in UTC with a `Z`; None where there is none."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z") if moment else None


def left(ends: datetime | None, now: datetime) -> str:
    """How long until a moment: `29 d`, `3 d ago`, `-` where there is none."""
    if ends is None:
        return "-"
    return span(ends - now) if ends > now else f"{span(now - ends)} ago"


def key_of(spec: CertificateSpec) -> str:
    """`ecdsa 256`, `rsa 2048, used again`, or where it is held elsewhere the request that was made with it."""
    if spec.csr:
        return f"held elsewhere; the request is {spec.csr}"
    return f"{spec.key.algorithm} {spec.key.size or ''}".strip() + _life(spec)


def _life(spec: CertificateSpec) -> str:
    return ", used again" if spec.key.reuse else ", the next one made ahead" if spec.key.ahead else ""


def count(number: int, one: str, many: str = "") -> str:
    """`1 place`, `3 places`."""
    return f"{number} {one if number == 1 else many or one + 's'}"


def kind_of(decision: Decision) -> str:
    """The word under which a plan counts a decision: its action, or `observe` where only the mode holds it back."""
    if decision.action is not Action.KEEP and decision.reason is Reason.OBSERVE:
        return "observe"
    return decision.action.value


def plan_counts(decisions: Iterable[Decision]) -> Mapping[str, int]:
    """How many decisions there are of each kind, every kind named."""
    counts = dict.fromkeys(PLAN_WORDS, 0)
    for decision in decisions:
        counts[kind_of(decision)] += 1
    return counts


def plan_line(decisions: Iterable[Decision]) -> str:
    """`Plan: 3 to renew, 1 to reload, 2 waiting, 34 fine.`"""
    counts = plan_counts(decisions)
    parts = [f"{counts[kind]} {words}" for kind, words in PLAN_WORDS.items() if counts[kind] or kind in _ALWAYS]
    return f"Plan: {', '.join(parts)}."
