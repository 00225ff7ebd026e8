"""What the status page shows, as plain rows. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from rotator.core.lead import span

_ORDER = {"refused": 0, "held": 1, "due": 2, "waiting": 3, "ok": 4}


def rows(status: dict[str, Any], now: datetime) -> list[dict[str, Any]]:
    """The certificates of the last look: those that need attention first, then the soonest end."""
    look = status["look"]
    if look is None:
        return []
    found = [{**row, "left": _left(row["ends"], now)} for row in look["certificates"]]
    return sorted(found, key=lambda row: (_ORDER[row["state"]], row["ends"] or ""))


def _left(ends: str, now: datetime) -> timedelta | None:
    return datetime.fromisoformat(ends) - now if ends else None


def left_of(left: timedelta | None) -> str:
    """A time left as people say it: `29 d`, `7 h`, `ended 3 d ago`."""
    if left is None:
        return "none"
    return span(left) if left > timedelta(0) else f"ended {span(left)} ago"
