"""One limit, counted as its CA counts it: a bucket that fills again one by one. Pure.

What was ordered before the ledger begins is not known, so there are two counts of each bucket. The *cautious* one takes
the bucket to have been empty back then; it is never above what the CA has left, so what it lets pass is not refused.
The *hopeful* one takes it to have been full; it is never below, so where it is empty the CA would refuse. After a time
of `per` with little use both are the CA's own. Moments are whole microseconds, from any beginning.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from datetime import timedelta

from rotator.core.budget.limits import Bucket

_MICROSECOND = timedelta(microseconds=1)


@dataclass(slots=True)
class Counts:
    """Until when each count of a bucket lacks a token: the moment at which it is full again."""

    cautious: int
    hopeful: int


class Tally:
    """What was drawn from one bucket, and what is left."""

    def __init__(self, bucket: Bucket) -> None:
        self._size = bucket.size
        self._reserve = bucket.reserve
        self._per = bucket.per // _MICROSECOND
        self._one = self._per // bucket.size
        self._drawn: deque[int] = deque()
        self._counts: tuple[int, Counts] | None = None

    def draw(self, at: int) -> None:
        """Take a token; the draws come in the order of their moments."""
        self._drawn.append(at)
        if self._counts is not None and self._counts[0] == at:
            _add(self._counts[1], at, self._one)
        else:
            self._counts = None

    def give_back(self) -> None:
        """The token that was taken last was not used."""
        self._drawn.pop()
        self._counts = None

    def opens(self, now: int, *, emergency: bool) -> int | None:
        """From when on there is a token for an order; None where there is one now.

        Args:
            emergency: the order may have the reserve, and is held only where the CA would refuse it.
        """
        counts = self._count(now)
        full, kept = (counts.hopeful, 0) if emergency else (counts.cautious, self._reserve)
        opens = full - (self._size - 1 - kept) * self._one
        return opens if opens > now else None

    def left(self, now: int) -> int:
        """How many tokens there are by the cautious count; the reserve is among them."""
        return min(self._size, max(0, (now + self._per - self._count(now).cautious) // self._one))

    def used(self, now: int) -> int:
        """How many were drawn within `per`."""
        return sum(at > now - self._per for at in self._drawn)

    def _count(self, now: int) -> Counts:
        if self._counts is not None and self._counts[0] == now:
            return self._counts[1]
        while self._drawn and self._drawn[0] <= now - 2 * self._per:
            self._drawn.popleft()
        counts = Counts(cautious=now - self._per, hopeful=now - 2 * self._per)
        for at in self._drawn:
            _add(counts, min(at, now), self._one)
        self._counts = now, counts
        return counts


def _add(counts: Counts, at: int, one: int) -> None:
    counts.cautious = max(counts.cautious, at) + one
    counts.hopeful = max(counts.hopeful, at) + one
