"""Waiting on the clock: for a CA as it asks (`Retry-After`), and for anything else."""

from __future__ import annotations

from datetime import timedelta

import requests

from rotator.errors import Pending
from rotator.lib.retryafter import clamp, parse_retry_after
from rotator.ports import Clock

LEAST, MOST = timedelta(seconds=1), timedelta(days=1)
BUSY = timedelta(seconds=30)
"""When to come back where another order is in the way."""

_SLOWEST = 16  # seconds between two looks at a CA that names no time


class Patience:
    """Waits as the CA asks, growing to 16 s where it does not say, up to a total."""

    def __init__(self, clock: Clock, total: timedelta, issuer: str) -> None:
        self._clock = clock
        self._issuer = issuer
        self._deadline = clock.monotonic() + total.total_seconds()
        self._pauses = 0

    def excuse(self, seconds: float) -> None:
        """Do not count time that was not spent on the CA."""
        self._deadline += seconds

    def pause(self, answer: requests.Response | None, *, named: timedelta | None = None) -> None:
        """Wait before the next look.

        Args:
            named: the wait that a refusal named, which came after that answer.

        Raises:
            Pending: there is no time left for that, or the process is asked to stop.
        """
        if named is None and answer is not None:
            named = parse_retry_after(answer.headers.get("Retry-After"), self._clock.now())
        own = timedelta(seconds=min(2**self._pauses, _SLOWEST))
        wait = clamp(named, default=own, least=LEAST, most=MOST)
        self._pauses += 1
        if self._clock.monotonic() + wait.total_seconds() > self._deadline:
            raise Pending(f"{self._issuer}: the CA has not finished yet", retry_after=wait)
        pause(self._clock, wait, f"{self._issuer}: stopped before the CA had finished")


def pause(clock: Clock, wait: timedelta, stopped: str) -> None:
    """Wait that long.

    Raises:
        Pending: with this sentence, when the wait returns early, which means "stop": asking on without pauses would
            only hammer whoever is asked.
    """
    seconds = wait.total_seconds()
    began = clock.monotonic()
    clock.wait(seconds)
    if clock.monotonic() - began < seconds / 2:
        raise Pending(stopped, retry_after=max(wait, LEAST))
