"""What time is asked of; by itself, so that whoever needs no port loads none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Clock:
    """The only way to learn or spend time.

    Attributes:
        now: the moment, aware, in UTC.
        monotonic: seconds that never jump, for limits.
        wait: returns after that many seconds; a rotation that has begun is finished, so a stop does not cut it short.
    """

    now: Callable[[], datetime]
    monotonic: Callable[[], float]
    wait: Callable[[float], None]
