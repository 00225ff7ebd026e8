"""How the demo's fleet ended, held against its script. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any

from rotator.core.model import Action, Decision, Outcome, Result, Sighting
from rotator.core.toil import MINUTES_PER_ROTATION
from rotator.demo.fleet import Ending, Service


@dataclass(frozen=True, slots=True)
class Score:
    """The fleet at one moment; every list has names of services.

    Attributes:
        served_ok: services that show a certificate which verifies for their name.
    """

    rotated: tuple[str, ...]
    redeployed: tuple[str, ...]
    rolled_back: tuple[str, ...]
    left_alone: tuple[str, ...]
    served_ok: tuple[str, ...]
    failed: tuple[Outcome, ...]
    outcomes: tuple[Outcome, ...]
    waiting: tuple[Decision, ...]

    def as_scripted(self, services: Sequence[Service]) -> bool:
        """Whether every service ended as its story says."""
        ends = {
            Ending.ROTATED: set(self.rotated),
            Ending.RELOADED: set(self.redeployed),
            Ending.WAITING: set(self.rolled_back),
            Ending.LEFT_ALONE: set(self.left_alone),
        }
        return (
            all(service.name in ends[service.case.ending] for service in services)
            and len(self.served_ok) == len(services)
            and len(self.waiting) == len(self.rolled_back)
        )

    def headline(self) -> str:
        """The last line of the demo."""
        persons = ", ".join(f"{d.spec.name}: {d.reason}, `{d.command}`" for d in self.waiting)
        return (
            f"rotated without a hand: {len(self.rotated)} · reloaded: {len(self.redeployed)} · "
            f"waiting for a person: {len(self.waiting)}{f' ({persons})' if persons else ''} · "
            f"left alone: {len(self.left_alone)} · "
            f"estimated hand work saved: {len(self.rotated)} × {MINUTES_PER_ROTATION:g} min"
        )

    def as_json(self) -> dict[str, Any]:
        """The demo's JSON output."""
        return {
            "services": sum(len(part) for part in (self.rotated, self.redeployed, self.rolled_back, self.left_alone)),
            "rotated": len(self.rotated),
            "redeployed": len(self.redeployed),
            "rolled_back": len(self.rolled_back),
            "left_alone": len(self.left_alone),
            "failed": len(self.failed),
            "served_ok": len(self.served_ok),
            "waiting": [
                {"name": d.spec.name, "reason": d.reason, "message": d.message, "command": d.command}
                for d in self.waiting
            ],
            "outcomes": [_outcome(outcome) for outcome in self.outcomes],
        }


def score(
    services: Sequence[Service],
    certificates: Mapping[str, str],
    outcomes: Sequence[Outcome],
    decisions: Sequence[Decision],
    served_ok: AbstractSet[str],
) -> Score:
    """Count by services: one certificate that two of them share counts for both.

    Args:
        certificates: the name of the certificate of each service.
        outcomes: oldest first.
    """
    rotated: list[str] = []
    redeployed: list[str] = []
    rolled_back: list[str] = []
    left_alone: list[str] = []
    for service in services:
        ends = [o for o in outcomes if o.decision.spec.name == certificates[service.name]]
        if not ends:
            left_alone.append(service.name)
        elif ends[-1].result is Result.DONE:
            renewed = any(o.decision.action is Action.RENEW for o in ends)
            (rotated if renewed else redeployed).append(service.name)
        elif ends[-1].result is Result.ROLLED_BACK:
            rolled_back.append(service.name)
    held = tuple(decision for decision in decisions if decision.action is Action.HOLD)
    return Score(
        tuple(rotated),
        tuple(redeployed),
        tuple(rolled_back),
        tuple(left_alone),
        tuple(sorted(served_ok)),
        tuple(o for o in outcomes if o.result is not Result.DONE),
        tuple(outcomes),
        held,
    )


def _outcome(outcome: Outcome) -> dict[str, Any]:
    decision = outcome.decision
    return {
        "name": decision.spec.name,
        "action": decision.action,
        "reason": decision.because or decision.reason,
        "result": outcome.result,
        "stage": outcome.stage or "",
        "error": outcome.error,
        "seconds": round((outcome.finished - outcome.started).total_seconds(), 2),
        "before": outcome.before.fingerprint if outcome.before else "",
        "after": outcome.after.fingerprint if outcome.after else "",
        "proof": list(outcome.verification.verified),
    }


def shown_by(sightings: Sequence[Sighting]) -> Mapping[int, Sighting]:
    """What each port showed."""
    return {sighting.endpoint.port: sighting for sighting in sightings}
