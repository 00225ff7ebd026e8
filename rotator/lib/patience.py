"""How long a silent resolver is waited for: a dead zone costs its own names an answer, never those of others."""

from __future__ import annotations

from threading import Lock

GIVE_UP = 12
"""After so many lookups in a row without an answer, whatever their zones, the resolver itself is in doubt."""

GIVE_UP_ZONE = 3
"""After so many in a row within one zone no more of its names are asked for."""

IN_VAIN = 300.0
"""Seconds that lookups may have waited for nothing, all taken together; then each gets a tenth of its time only."""

_SHORTER = 0.1
_COUNTRY, _SECOND_LEVEL = 2, 3


class Patience:
    """What was waited for in vain in one run; for callers in many threads.

    Args:
        seconds: for one lookup at first.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._lock = Lock()
        self._in_vain = 0.0
        self._in_a_row = 0
        self._silent: dict[str, int] = {}
        self._is_dead = False

    @property
    def seconds(self) -> float:
        """What the next lookup may take."""
        return self._seconds * _SHORTER if self._in_vain >= IN_VAIN else self._seconds

    def objection(self, domain: str) -> str:
        """A clause why a domain is not asked for; empty where it is."""
        if self._is_dead:
            return f"the resolver gave no answer {GIVE_UP} times in a row; not asked again"
        zone = zone_of(domain)
        if self._silent.get(zone, 0) >= GIVE_UP_ZONE:
            return f"the resolver gave no answer for {zone} {GIVE_UP_ZONE} times in a row; not asked again"
        return ""

    def answered(self, domain: str) -> None:
        with self._lock:
            self._in_a_row = 0
            self._silent.pop(zone_of(domain), None)

    def silent(self, domain: str, seconds: float) -> bool:
        """A lookup had no answer in so many seconds; says whether the caller should ask if the resolver lives."""
        zone = zone_of(domain)
        with self._lock:
            self._in_vain += seconds
            self._silent[zone] = self._silent.get(zone, 0) + 1
            self._in_a_row += 1
            return self._in_a_row % GIVE_UP == 0

    def dead(self) -> None:
        """The resolver itself answers nothing."""
        self._is_dead = True


def zone_of(domain: str) -> str:
    """What one owner registered, as far as a name tells: two labels, or three under one like `co.uk`."""
    labels = domain.split(".")
    top, below = labels[-1], labels[-2] if len(labels) > 1 else ""
    shared = len(top) == _COUNTRY and len(below) <= _SECOND_LEVEL
    return ".".join(labels[-3:] if shared else labels[-2:])
