"""What the web server may know: the store to read from, the metrics, and whether the daemon is well. Read only."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from rotator.core.model import Outcome
from rotator.core.summary import read_summary
from rotator.metrics import Metrics
from rotator.ports import Store
from rotator.preflight.kept import read_kept


@dataclass(frozen=True, slots=True)
class View:
    """A window on the daemon.

    Attributes:
        alive: looks still happen.
        ready: a first look has ended.
        error: why the last look failed; empty when it did not.
    """

    store: Store
    metrics: Metrics
    now: Callable[[], datetime]
    alive: Callable[[], bool]
    ready: Callable[[], bool]
    error: Callable[[], str]

    def status(self) -> dict[str, Any]:
        """The last look with the open notices: what the page and `/api/v1/status` show."""
        kept = self.store.look()
        look = read_summary(*kept) if kept else None
        notices = [state.notice for state in self.store.notices().values() if not state.notice.resolved]
        return {
            "at": look.at.isoformat() if look else None,
            "error": self.error(),
            "look": look.fields if look else None,
            "preflight": self._preflight(),
            "notices": [
                {
                    "key": notice.key,
                    "kind": notice.kind,
                    "severity": notice.severity,
                    "title": notice.title,
                    "detail": notice.detail,
                    "since": notice.since.isoformat(),
                    "subjects": list(notice.subjects),
                    "command": notice.command,
                }
                for notice in sorted(notices, key=lambda notice: (-notice.severity.rank, notice.since))
            ],
        }

    def _preflight(self) -> dict[str, Any] | None:
        """When it was last asked beforehand, about how many, and whose renewal would fail; None before that."""
        kept = read_kept(self.store)
        if not kept:
            return None
        return {
            "at": max(one.asked for one in kept.values()).isoformat(),
            "certificates": len(kept),
            "failing": sorted(name for name, one in kept.items() if one.readiness.fails),
        }

    def outcomes(self, certificate: str | None, limit: int) -> list[dict[str, Any]]:
        """The newest rotations first."""
        return [_outcome(outcome) for outcome in self.store.outcomes(certificate, limit=limit)]


def _outcome(outcome: Outcome) -> dict[str, Any]:
    decision = outcome.decision
    return {
        "certificate": decision.spec.name,
        "action": decision.action,
        "reason": decision.because or decision.reason,
        "result": outcome.result,
        "stage": outcome.stage or "",
        "error": outcome.error,
        "started": outcome.started.isoformat(),
        "finished": outcome.finished.isoformat(),
        "issuer": outcome.issuer,
        "before": outcome.before.fingerprint if outcome.before else "",
        "after": outcome.after.fingerprint if outcome.after else "",
        "proof": list(outcome.verification.verified),
    }
