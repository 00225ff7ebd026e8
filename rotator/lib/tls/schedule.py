"""Which place is looked at next: as they come, but never more than so many at one address at once."""

from __future__ import annotations

from collections import deque
from typing import TypeAlias

from rotator.core.model import Endpoint

Place: TypeAlias = tuple[Endpoint, str]
"""An endpoint and one address of it."""


class Schedule:
    """Places that wait; those whose address is busy step aside for the others."""

    def __init__(self, per_address: int) -> None:
        self._per_address = per_address
        self._ready: deque[Place] = deque()
        self._aside: dict[str, deque[Place]] = {}
        self._busy: dict[str, int] = {}
        self.waiting = 0

    def add(self, place: Place) -> None:
        self._ready.append(place)
        self.waiting += 1

    def next(self) -> Place | None:
        """The next place, now busy until `done`; None when each that waits is at a busy address, or none waits."""
        while self._ready:
            place = self._ready.popleft()
            busy = self._busy.get(place[1], 0)
            if busy < self._per_address:
                self._busy[place[1]] = busy + 1
                self.waiting -= 1
                return place
            self._aside.setdefault(place[1], deque()).append(place)
        return None

    def done(self, place: Place) -> None:
        """Say that a place was looked at: the next one at its address may come."""
        address = place[1]
        left = self._busy.pop(address) - 1
        if left:
            self._busy[address] = left
        aside = self._aside.get(address)
        if aside:
            self._ready.appendleft(aside.popleft())
            if not aside:
                del self._aside[address]
