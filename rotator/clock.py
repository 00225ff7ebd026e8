"""The real clock; everything else gets its time from a `Clock`."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime

from rotator.lib.clock import Clock


def system_clock() -> Clock:
    """The clock of this machine."""
    pause = threading.Event()  # never set: a wait that signals may interrupt, unlike a plain sleep in a C call
    return Clock(now=lambda: datetime.now(UTC), monotonic=time.monotonic, wait=lambda seconds: _wait(pause, seconds))


def _wait(pause: threading.Event, seconds: float) -> None:
    pause.wait(max(0.0, seconds))
