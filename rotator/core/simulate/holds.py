"""Those that are held by what the policy says of them alone, and what holds every one that waits. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from heapq import heappop, heappush

from rotator.core.simulate.limit import Limit


class Holds:
    """Until when certificates are held, in microseconds, and by what."""

    def __init__(self) -> None:
        self._why: dict[int, Limit] = {}
        self._until: dict[int, int] = {}
        self._moments: list[tuple[int, int]] = []
        self._again: list[tuple[int, int]] = []

    def until(self, one: int, moment: int) -> None:
        """It is held until a moment; the daemon wakes then."""
        self._until[one] = moment
        heappush(self._moments, (moment, one))

    def again_after(self, one: int, moment: int) -> None:
        """It is decided anew at the first look from a moment on, whenever that is."""
        heappush(self._again, (moment, one))

    def over(self, one: int) -> None:
        """It is not held by itself any more."""
        self._until.pop(one, None)

    def begins(self, one: int, limit: Limit) -> bool:
        """Note what holds it now; whether it was held by something else before, or not at all."""
        before = self._why.get(one)
        self._why[one] = limit
        return before is None or before.reason is not limit.reason

    def ordered(self, one: int) -> None:
        """Nothing holds it any more."""
        self._why.pop(one, None)

    def first(self) -> int | None:
        """The next moment at which one is not held any more; None when none is."""
        while self._moments:
            moment, one = self._moments[0]
            if self._until.get(one) == moment:
                return moment
            heappop(self._moments)
        return None

    def any_until(self, now: int) -> bool:
        """Whether one is to be decided anew by now."""
        first = self.first()
        return (first is not None and first <= now) or bool(self._again and self._again[0][0] <= now)

    def take(self, now: int) -> Iterator[int]:
        """Those that are to be decided anew by now, each once."""
        taken: set[int] = set()
        while (first := self.first()) is not None and first <= now:
            taken.add(heappop(self._moments)[1])
        while self._again and self._again[0][0] <= now:
            taken.add(heappop(self._again)[1])
        yield from sorted(taken)
