"""How long a CA is left alone that could not be asked for renewal information."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta

from rotator.log import logger

log = logger(__name__)

FIRST_PAUSE = timedelta(minutes=1)
LONGEST_PAUSE = timedelta(hours=6)


class Outage:
    """Pauses after failures in a row: a minute, then twice as long each time, six hours at most (RFC 9773, 4.3.3).

    So a dead CA holds up no look at a thousand certificates, and is told of once: as it begins, and as it ends.
    """

    def __init__(self, issuer: str, monotonic: Callable[[], float]) -> None:
        self._issuer = issuer
        self._monotonic = monotonic
        self._guard = threading.Lock()
        self._failures = 0
        self._until = 0.0

    @property
    def pauses(self) -> bool:
        """Whether the CA is left alone now."""
        return self._monotonic() < self._until

    def failed(self, why: str, *, wished: timedelta = timedelta(0)) -> None:
        """The CA could not be asked.

        Args:
            wished: the least pause that the CA asks for (`Retry-After`); six hours of it at most are kept.
        """
        with self._guard:
            doubled = FIRST_PAUSE * 2 ** min(self._failures, 10)
            pause = min(max(doubled, wished), LONGEST_PAUSE)
            self._failures += 1
            self._until = self._monotonic() + pause.total_seconds()
            first = self._failures == 1
        tell = log.warning if first else log.debug
        tell("the CA cannot be asked for renewal information", issuer=self._issuer, error=why, again_in=str(pause))

    def ended(self) -> None:
        """The CA has answered."""
        with self._guard:
            failures, self._failures = self._failures, 0
        if failures:
            log.info("the CA can be asked for renewal information again", issuer=self._issuer)
