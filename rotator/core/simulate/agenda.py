"""When each certificate is due next: a calendar of hours, of which only the nearest one is sorted. Pure.

With a million certificates a heap would spend most of its time comparing; here an entry is put into its hour, and an
hour is sorted once, when it comes.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import defaultdict

_HOUR = 3600


class Agenda:
    """Entries are (second, certificate), kept as one number each."""

    def __init__(self, certificates: int) -> None:
        self._count = max(1, certificates)
        self._hours: defaultdict[int, list[int]] = defaultdict(list)
        self._hour: int | None = None
        self._open: list[int] = []
        self._taken = 0

    def put(self, second: int, certificate: int) -> None:
        """Add an entry."""
        entry, hour = second * self._count + certificate, second // _HOUR
        if self._hour is None or hour > self._hour:
            self._hours[hour].append(entry)
        else:
            insort(self._open, entry, self._taken)

    def first(self) -> int | None:
        """The second of the first entry; None when there is none."""
        if self._taken >= len(self._open):
            if not self._hours:
                return None
            hour = self._hour
            hour = hour + 1 if hour is not None and hour + 1 in self._hours else min(self._hours)
            self._hour, self._open, self._taken = hour, sorted(self._hours.pop(hour)), 0
        return self._open[self._taken] // self._count

    def take(self, until: int) -> list[tuple[int, int]]:
        """Remove and give back everything up to and including a second, in order."""
        taken: list[tuple[int, int]] = []
        below = (until + 1) * self._count
        while (first := self.first()) is not None and first <= until:
            end = bisect_left(self._open, below, self._taken)
            taken += [divmod(entry, self._count) for entry in self._open[self._taken : end]]
            self._taken = end
        return taken
