"""Those of one issuer whose renewal is wanted and waits for its turn, most urgent first. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container
from dataclasses import dataclass
from heapq import heapify, heappop, heappush
from typing import TypeAlias

Turn: TypeAlias = tuple[int, int, int]
"""What sorts the most urgent first, as `gates.urgency` does: 0 in an emergency, else 1; when it ends; which one."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """One that waits.

    Attributes:
        ends: the last second of its validity.
        line: the second of its emergency line.
        life: its way to live.
    """

    ends: int
    line: int
    life: int


class Queue:
    """Entries of the heaps that do not count any more are passed over when they come up."""

    def __init__(self) -> None:
        self.members: dict[int, Waiting] = {}
        self.lives: Counter[int] = Counter()
        self.aside: dict[int, int] = {}
        """Members that a limit of the CA holds, and until when (microseconds)."""
        self._urgent: set[int] = set()
        self._turns: list[Turn] = []
        self._lines: list[tuple[int, int]] = []
        self._aside_until: list[tuple[int, int]] = []

    def __bool__(self) -> bool:
        return bool(self.members)

    def join(self, one: int, waiting: Waiting) -> None:
        """Add one; it may be a member already."""
        if one in self.members:
            return
        self.members[one] = waiting
        self.lives[waiting.life] += 1
        heappush(self._turns, (1, waiting.ends, one))
        heappush(self._lines, (waiting.line, one))

    def leave(self, one: int) -> None:
        """Take one out; it may be gone already."""
        waiting = self.members.pop(one, None)
        if waiting is None:
            return
        self.lives[waiting.life] -= 1
        if not self.lives[waiting.life]:
            del self.lives[waiting.life]
        self._urgent.discard(one)
        self.aside.pop(one, None)

    def turn(self, one: int) -> Turn:
        """Where a member stands."""
        return (0 if one in self._urgent else 1), self.members[one].ends, one

    def urgent(self, one: int) -> bool:
        """Whether a member is past its emergency line."""
        return one in self._urgent

    def promote(self, second: int) -> None:
        """Those whose emergency line has come go first."""
        while self._lines and self._lines[0][0] <= second:
            _, one = heappop(self._lines)
            waiting = self.members.get(one)
            if waiting is not None and waiting.line <= second and one not in self._urgent:
                self._urgent.add(one)
                self.take_back(one)

    def put_aside(self, one: int, until: int) -> None:
        """It has no turn until a moment, or until its emergency line."""
        self.aside[one] = until
        heappush(self._aside_until, (until, one))

    def first_aside(self) -> int | None:
        """When the first of those that were put aside has turns again; None where there is none."""
        while self._aside_until:
            until, one = self._aside_until[0]
            if self.aside.get(one) == until:
                return until
            heappop(self._aside_until)
        return None

    def take_back(self, one: int) -> None:
        """It has turns again."""
        self.aside.pop(one, None)
        heappush(self._turns, self.turn(one))

    def take_back_until(self, now: int) -> None:
        """So do all whose moment has come."""
        while (until := self.first_aside()) is not None and until <= now:
            self.take_back(heappop(self._aside_until)[1])

    def take_back_all(self) -> None:
        """So do all, whatever their moment."""
        for one in list(self.aside):
            self.take_back(one)
        self._aside_until.clear()

    def head(self) -> Turn | None:
        """The most urgent member that may have a turn; it stays."""
        while self._turns:
            first = self._turns[0]
            if first[2] in self.members and first[2] not in self.aside and first == self.turn(first[2]):
                return first
            heappop(self._turns)
        return None

    def pop(self) -> None:
        """Pass over the head for now, without taking it out."""
        heappop(self._turns)

    def push(self, one: int) -> None:
        """Have a member that was passed over stand where it stood."""
        heappush(self._turns, self.turn(one))

    def first_but(self, tried: Container[int]) -> int | None:
        """The most urgent member that was not tried; None where all were."""
        passed: list[int] = []
        found: int | None = None
        while (head := self.head()) is not None:
            if head[2] not in tried:
                found = head[2]
                break
            passed.append(head[2])
            self.pop()
        for one in passed:
            self.push(one)
        return found

    def trim(self) -> None:
        """Drop what does not count any more, once that is most of it."""
        if len(self._turns) > 64 + 4 * len(self.members):
            self._turns = [self.turn(one) for one in self.members if one not in self.aside]
            heapify(self._turns)
            self._lines = [(waiting.line, one) for one, waiting in self.members.items()]
            heapify(self._lines)
