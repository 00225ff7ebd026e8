"""What the clocks of the servers that rotator talks to say of ours: the newest reading of each, until the next one."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from threading import Lock

from rotator.core.clockskew import by_certificate, by_date, still_holds
from rotator.core.model import PeerClock
from rotator.lib.clock import Clock

_MOST_PEERS = 256


class ClockWatch:
    """Listens to the `Date` of answers (`rotator.lib.http.listening`); safe to use from any thread."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = Lock()
        self._readings: dict[str, tuple[PeerClock, float]] = {}

    def heard(self, peer: str, date: str, seconds: float) -> None:
        """Take a reading; what is no date says nothing.

        Args:
            peer: `host:port`.
            date: the header as it came.
            seconds: how long ago the request was begun.
        """
        said = _moment(date)
        if said is not None:
            self._keep(by_date(peer, said, self._clock.now(), timedelta(seconds=max(0.0, seconds))))

    def issued(self, issuer: str, not_before: datetime) -> None:
        """A certificate was signed just now; one that has begun says nothing, but ends what an earlier one said."""
        reading = by_certificate(issuer, not_before, self._clock.now())
        if reading is not None:
            self._keep(reading)
            return
        with self._lock:
            self._readings.pop(issuer, None)

    def _keep(self, reading: PeerClock) -> None:
        with self._lock:
            self._readings.pop(reading.peer, None)
            self._readings[reading.peer] = (reading, self._clock.monotonic())
            while len(self._readings) > _MOST_PEERS:
                del self._readings[next(iter(self._readings))]

    def readings(self, preferred: Collection[str]) -> tuple[PeerClock, ...]:
        """What still holds of these peers; of all others where none of these was heard."""
        now, monotonic = self._clock.now(), self._clock.monotonic()
        with self._lock:
            every = tuple(self._readings.values())
        holding = [one for one, at in every if still_holds(one, timedelta(seconds=monotonic - at), now)]
        chosen = [one for one in holding if one.peer in preferred]
        return tuple(sorted(chosen or holding, key=lambda one: one.peer))


def _moment(date: str) -> datetime | None:
    with suppress(ValueError, TypeError, IndexError, OverflowError):
        moment = parsedate_to_datetime(date)
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    return None
