"""One limit, counted as its CA counts it: a bucket that fills again one by one. Pure.

What was ordered before the ledger begins is not known, so there are two counts of each bucket. The *cautious* one takes
the bucket to have been empty back then; it is never above what the CA has left, so what it lets pass is not refused.
The *hopeful* one takes it to have been full; it is never below, so where it is empty the CA would refuse. After a time
of `per` with little use both are the CA's own. Moments are whole microseconds, from any beginning.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeAlias

from rotator.core.budget.limits import Bucket

_MICROSECOND = timedelta(microseconds=1)

_Did: TypeAlias = tuple[int, int]
_NOTHING: _Did = 0, -(1 << 80)  # before all moments


@dataclass(slots=True)
class Counts:
    """Until when each count of a bucket lacks a token: the moment at which it is full again."""

    cautious: int
    hopeful: int


class Tally:
    """What was drawn from one bucket, and what is left.

    The draws of a time make of a count `full` the count `max(full + wait, least)`, and so do those of two times one
    after the other. What each stretch does is kept, so that neither a draw nor a forgotten one is a walk over all.
    """

    def __init__(self, bucket: Bucket) -> None:
        self._size = bucket.size
        self._reserve = bucket.reserve
        self._per = bucket.per // _MICROSECOND
        self._one = self._per // bucket.size
        self._older: list[tuple[int, _Did]] = []  # the oldest last, each with what it and all newer of these did
        self._newer: list[tuple[int, _Did]] = []  # the newest last, each with what all of these up to it did
        self._counts: tuple[int, Counts] | None = None

    def draw(self, at: int) -> None:
        """Take a token; the draws come in the order of their moments."""
        self._newer.append((at, _then(self._newer[-1][1] if self._newer else _NOTHING, self._alone(at))))
        if self._counts is not None and self._counts[0] == at:
            _add(self._counts[1], at, self._one)
        else:
            self._counts = None

    def give_back(self) -> None:
        """The token that was taken last was not used."""
        if not self._newer:
            self._newer = self._each(at for at, _ in reversed(self._older))
            self._older = []
        self._newer.pop()
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
        return sum(at > now - self._per for at, _ in (*self._older, *self._newer))

    def _count(self, now: int) -> Counts:
        if self._counts is not None and self._counts[0] == now:
            return self._counts[1]
        self._forget(now - 2 * self._per)
        counts = Counts(cautious=now - self._per, hopeful=now - 2 * self._per)
        newest = self._newer[-1] if self._newer else self._older[0] if self._older else None
        if newest is not None and newest[0] > now:  # by a clock that ran ahead: they count as drawn now
            for at in (*(at for at, _ in reversed(self._older)), *(at for at, _ in self._newer)):
                _add(counts, min(at, now), self._one)
        else:
            for stretch in (self._older, self._newer):
                if stretch:
                    wait, least = stretch[-1][1]
                    counts.cautious = max(counts.cautious + wait, least)
                    counts.hopeful = max(counts.hopeful + wait, least)
        self._counts = now, counts
        return counts

    def _forget(self, until: int) -> None:
        """Drop what was drawn by then."""
        while True:
            if not self._older:
                if not self._newer or self._newer[0][0] > until:
                    return
                did = _NOTHING
                for at, _ in reversed(self._newer):
                    did = _then(self._alone(at), did)
                    self._older.append((at, did))
                self._newer = []
            if self._older[-1][0] > until:
                return
            self._older.pop()

    def _alone(self, at: int) -> _Did:
        return self._one, at + self._one

    def _each(self, moments: Iterable[int]) -> list[tuple[int, _Did]]:
        did, found = _NOTHING, list[tuple[int, _Did]]()
        for at in moments:
            did = _then(did, self._alone(at))
            found.append((at, did))
        return found


def _then(first: _Did, second: _Did) -> _Did:
    return first[0] + second[0], max(first[1] + second[0], second[1])


def _add(counts: Counts, at: int, one: int) -> None:
    counts.cautious = max(counts.cautious, at) + one
    counts.hopeful = max(counts.hopeful, at) + one
