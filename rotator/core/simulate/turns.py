"""Whose turn it is: the guards of the whole fleet (`gates.pass_breakers`, `guards.guard`), certificate by certificate.

The policy goes over all decisions at every look. Here those that wait stand in a queue, and only those at its head are
asked: the others would get the same answer. Pure; moments are microseconds from the start.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush

from rotator.core.simulate.fleet import MICROSECONDS
from rotator.core.simulate.ledger import Hour, Purse, Row
from rotator.core.simulate.limit import Limit
from rotator.core.simulate.queue import Queue, Turn

_FROM_THE_FIRST: Turn = (-1, 0, 0)
_ASKED_AGAIN = 1000
"""As many that a CA's limit holds are asked for at each look, as the policy does; more of them at their moment."""


@dataclass(slots=True)
class Answer:
    """What one look lets through.

    Attributes:
        orders: certificates whose order is placed, with their issuers, the most urgent first.
        urgent: how many of them are past their emergency line.
        held: of an issuer whose breaker is half open, the one that would be tried and is held by a budget.
        wakes: moments at which those that are held are looked at again.
    """

    orders: list[tuple[int, int]] = field(default_factory=list)
    urgent: int = 0
    held: dict[int, Limit] = field(default_factory=dict)
    wakes: list[int] = field(default_factory=list)


@dataclass(slots=True)
class _Look:
    """One look at those that wait.

    Attributes:
        trials: who is tried, by issuer whose breaker is half open.
        full: after whose turn the hour had no room; None while it has.
        issuer_full: after whose turn an issuer's hour had none.
    """

    now: int
    an_hour: int
    answer: Answer = field(default_factory=Answer)
    trials: dict[int, int] = field(default_factory=dict)
    full: Turn | None = None
    issuer_full: dict[int, Turn] = field(default_factory=dict)


class Turns:
    """Queues, breakers and budgets.

    Args:
        patience: how long a breaker stays shut for the sake of a certificate, by its way to live.
    """

    def __init__(self, issuers: int, patience: Sequence[int], hour: Hour, purse: Purse) -> None:
        self.queues = [Queue() for _ in range(issuers)]
        self.rows = [Row() for _ in range(issuers)]
        self.hour = hour
        self.purse = purse
        self._patience = patience
        self._was_open = [False] * issuers
        self._odd: tuple[int, ...] = ()

    @property
    def disturbed(self) -> bool:
        """Whether anybody waits, or an issuer failed since its last success."""
        return any(self.queues) or any(row.tried for row in self.rows)

    @property
    def limited(self) -> bool:
        """Whether an issuer has limits of its own."""
        return self.hour.limited or self.purse.limited

    def take(self, now: int, an_hour: int) -> Answer:
        """Who orders now. Those have left their queue and are counted; how their orders end is told to `ended`."""
        look = _Look(now, an_hour)
        self.purse.look(now)
        for issuer, queue in enumerate(self.queues):
            if queue:
                queue.trim()
                queue.promote(now // MICROSECONDS)
                self._pass_breaker(issuer, queue, look)
        self._spend(look)
        for issuer, queue in enumerate(self.queues):
            if queue:
                look.answer.wakes += self._wakes(issuer, queue, look)
        return look.answer

    def ended(self, issuer: int, now: int, good: bool, failed: Collection[int]) -> None:
        """How the orders of one moment at an issuer ended; successes come first, as in the ledger."""
        if good:
            self.rows[issuer].succeed()
        for one in sorted(failed):
            self.rows[issuer].fail(one, now)
            self.queues[issuer].take_back_all()  # others may have been held by what this order drew on

    def held(self, joined: Iterable[int], answer: Answer) -> Iterator[tuple[int, Limit]]:
        """What holds those that have no turn at the look just taken, where that may have changed since the last one.

        Args:
            joined: who joined a queue at this look.
        """
        for issuer, queue in enumerate(self.queues):
            is_open = self.rows[issuer].open
            if is_open != self._was_open[issuer]:
                self._was_open[issuer] = is_open
                yield from ((one, answer.held.get(one) or self._why(issuer, one)) for one in queue.members)
        for one in (*joined, *self._odd, *answer.held):
            for issuer, queue in enumerate(self.queues):
                if one in queue.members:
                    yield one, answer.held.get(one) or self._why(issuer, one)
        self._odd = tuple(answer.held)

    def _why(self, issuer: int, one: int) -> Limit:
        if self.rows[issuer].open:
            return Limit.BREAKER
        if one in self.queues[issuer].aside:
            return self.purse.why[one]
        return Limit.ISSUER_HOUR if self.hour.issuer_full(issuer) else Limit.AN_HOUR

    # ------------------------------------------------------------ breakers

    def _pass_breaker(self, issuer: int, queue: Queue, look: _Look) -> None:
        """An open one lets nobody through, half-open one."""
        row = self.rows[issuer]
        if not row.open:
            if len(queue.aside) <= _ASKED_AGAIN:
                queue.take_back_all()
            else:
                queue.take_back_until(look.now)
            return
        queue.take_back_all()
        shut = min(self._patience[life] for life in queue.lives)
        if look.now < row.last + shut:
            look.answer.wakes.append(row.last + shut)
            return
        untried = queue.first_but(row.tried)
        trial = untried if untried is not None else next(one for one in row.tried if one in queue.members)
        look.trials[issuer] = trial
        if len(queue.members) > 1:
            look.answer.wakes.append(look.now + shut)

    # ------------------------------------------------------------ budgets

    def _spend(self, look: _Look) -> None:
        """The most urgent first, until the hour has no room; an emergency passes all the same, and is counted."""
        heads: list[tuple[Turn, int]] = []
        for issuer in range(len(self.queues)):
            self._offer(issuer, look, heads)
            if self.hour.issuer_full(issuer):
                look.issuer_full[issuer] = _FROM_THE_FIRST
        look.full = _FROM_THE_FIRST if self.hour.all >= look.an_hour else None
        while heads:
            turn, issuer = heappop(heads)
            if turn[0] and look.full is not None:
                self._hold_trials([(turn, issuer), *heads], look)
                return
            if self._ask(turn, issuer, look):
                self._offer(issuer, look, heads)

    def _offer(self, issuer: int, look: _Look, heads: list[tuple[Turn, int]]) -> None:
        """Have the next one of an issuer stand among the heads of the queues."""
        queue, trial = self.queues[issuer], look.trials.get(issuer)
        if self.rows[issuer].open:
            head = queue.turn(trial) if trial is not None and trial in queue.members else None
        else:
            head = queue.head()
        if head is not None:
            heappush(heads, (head, issuer))

    def _ask(self, turn: Turn, issuer: int, look: _Look) -> bool:
        """Let one order or set it aside; whether there may be another one of this issuer."""
        one, queue, now = turn[2], self.queues[issuer], look.now
        if turn[0] and self.hour.issuer_full(issuer):
            self._hold_trials([(turn, issuer)], look)
            return False
        until = self.purse.held_until(issuer, one, now, urgent=turn[0] == 0, ends=queue.members[one].ends)
        if until is not None:
            if self.rows[issuer].open:
                look.answer.held[one] = self.purse.why[one]
                look.answer.wakes.append(until)
                return False
            queue.put_aside(one, until)
            return True
        queue.leave(one)
        self.hour.add(now, issuer)
        self.purse.spend(issuer, one)
        look.answer.orders.append((one, issuer))
        look.answer.urgent += turn[0] == 0
        if look.full is None and self.hour.all >= look.an_hour:
            look.full = turn
        if issuer not in look.issuer_full and self.hour.issuer_full(issuer):
            look.issuer_full[issuer] = turn
        return not self.rows[issuer].open

    def _hold_trials(self, heads: Sequence[tuple[Turn, int]], look: _Look) -> None:
        """Those that a half-open breaker would let through and a budget does not."""
        for turn, issuer in heads:
            if look.trials.get(issuer) == turn[2]:
                by_hour = look.full is not None and turn > look.full
                look.answer.held[turn[2]] = Limit.AN_HOUR if by_hour else Limit.ISSUER_HOUR
                look.answer.wakes.append(self.hour.over(look.now, None if by_hour else issuer))

    # ------------------------------------------------------------ when those that are held are looked at again

    def _wakes(self, issuer: int, queue: Queue, look: _Look) -> list[int]:
        if self.rows[issuer].open:
            return []
        if not queue.aside and issuer not in look.issuer_full:
            return [self.hour.over(look.now)]
        first = queue.first_aside()
        if look.full is None and issuer not in look.issuer_full and first is not None:
            return [first]
        return [self._held_until(issuer, one, queue, look) for one in queue.members]

    def _held_until(self, issuer: int, one: int, queue: Queue, look: _Look) -> int:
        turn = queue.turn(one)
        if turn[0] == 0:
            return queue.aside[one]
        if look.full is not None and turn > look.full:
            return self.hour.over(look.now)
        if issuer in look.issuer_full and turn > look.issuer_full[issuer]:
            return self.hour.over(look.now, issuer)
        return queue.aside[one]
