"""When maintenance windows close: the moment from which a renewal that may be made now may not. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from rotator.core.model import MaintenanceWindow


def closes(windows: Sequence[MaintenanceWindow], now: datetime) -> datetime | None:
    """When the first of the windows that are open now closes; None where none is open."""
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    ends: list[datetime] = []
    for window in windows:
        for days in range(-7, 1):
            day = midnight + timedelta(days=days)
            starts = day + timedelta(minutes=window.start_minute)
            if day.weekday() in window.weekdays and starts <= now < starts + window.length:
                ends.append(starts + window.length)
    return min(ends, default=None)
