"""The last look in a few plain values: what `status`, the page and the JSON API show without looking again. Pure."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from datetime import datetime

from rotator.core.model import Decision, Facts, Inventory, Plan


def summary_of(inventory: Inventory, plan: Plan) -> str:
    """The look as JSON text."""
    facts = {one.spec.name: one for one in inventory.facts}
    rows = [_row(decision, facts.get(decision.spec.name)) for decision in plan.decisions]
    return json.dumps(
        {
            "at": inventory.at.isoformat(),
            "certificates": rows,
            "counts": dict(Counter(row["state"] for row in rows)),
            "unmanaged": [
                {
                    "place": str(o.location),
                    "names": list(o.chain.names) if o.chain else [],
                    "ends": _iso(o.chain.not_after if o.chain else None),
                    "problem": o.problem.message if o.problem else "",
                }
                for o in inventory.unmanaged
            ],
            "problems": [{"source": p.source, "message": p.message} for p in inventory.problems],
            "held": [{"place": str(h.location), "message": h.message} for h in inventory.held],
        }
    )


def state_of(decision: Decision) -> str:
    """One word for a list: `ok`, `waiting`, `due`, `held` or `refused`."""
    words = {"keep": "ok", "wait": "waiting", "hold": "held", "refuse": "refused", "delegate": "waiting"}
    return words.get(decision.action, "due")


def _row(decision: Decision, facts: Facts | None) -> dict[str, object]:
    served = [s for many in facts.served.values() for s in many] if facts else []
    newest = facts.newest if facts else None
    return {
        "name": decision.spec.name,
        "owner": decision.spec.owner,
        "names": list(decision.spec.names),
        "state": state_of(decision),
        "action": decision.action,
        "reason": decision.reason,
        "message": decision.message,
        "command": decision.command,
        "at": _iso(decision.at),
        "ends": _iso(decision.ends),
        "emergency": decision.emergency,
        "fingerprint": newest.fingerprint if newest else "",
        "places": [str(place) for place in facts.installed] if facts else [],
        "endpoints": [str(endpoint) for endpoint in facts.served] if facts else [],
        "served": sum(1 for s in served if newest and s.fingerprint == newest.fingerprint),
        "seen": len(served),
    }


def _iso(moment: datetime | None) -> str:
    return moment.isoformat() if moment else ""


@dataclass(frozen=True, slots=True)
class Look:
    """A summary read back: when, and its JSON object."""

    at: datetime
    fields: dict[str, object]


def read_summary(text: str, at: datetime) -> Look:
    """Read what `summary_of` wrote."""
    return Look(at, json.loads(text))
