"""What time is asked of; by itself, so that whoever needs no port loads none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

WAKE_SECONDS = 0.5
"""How often a wait of the main thread that has no end of its own wakes up: a signal may reach another thread, and
Python's handler runs in the main one, but not within such a wait."""

_LOOK_UP_SECONDS = 0.5
"""How often a wait that may be cut short looks whether it is to end."""


@dataclass(frozen=True, slots=True)
class Clock:
    """The only way to learn or spend time.

    Attributes:
        now: the moment, aware, in UTC.
        monotonic: seconds that never jump, for limits.
        wait: returns after that many seconds; a rotation that has begun is finished, so a stop does not cut it short.
            Only what can be gone on with later waits on a `stoppable` clock.
    """

    now: Callable[[], datetime]
    monotonic: Callable[[], float]
    wait: Callable[[float], None]


def stoppable(clock: Clock, stopping: Callable[[], bool]) -> Clock:
    """The same clock for whoever can leave off and go on later: its waits end soon after a stop."""

    def wait(seconds: float) -> None:
        left = seconds
        while left > 0 and not stopping():
            clock.wait(min(left, _LOOK_UP_SECONDS))
            left -= _LOOK_UP_SECONDS

    return replace(clock, wait=wait)
