"""A fleet on a virtual clock under the policy, look by look. Pure.

Where nothing stands in the way (no failure, room in every budget) a renewal is a few sums: `_smooth`. Everything else
goes the careful way: certificates with a past or with maintenance windows are decided by `policy.decide`, and those
whose renewal is wanted stand in the queues of `turns`. That both are what the daemon would do (`plan.make_plan`,
`plan.next_wake`, `plan.wake_after`) is held by property tests that step the two side by side.

A rotation takes no time, the daemon has looked before (so that every renewal is foreseen), and what is renewed is
deployed: failures are those of issuers alone. Moments are microseconds from the start.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from rotator.core.lead import DAY, PolicySettings
from rotator.core.simulate.agenda import Agenda
from rotator.core.simulate.fleet import MICROSECONDS, Fleet, microseconds, shortest_cycle
from rotator.core.simulate.holds import Holds
from rotator.core.simulate.issuer import ModelIssuer
from rotator.core.simulate.ledger import Hour, Purse
from rotator.core.simulate.limit import OF_REASON, Limit
from rotator.core.simulate.pasts import Pasts
from rotator.core.simulate.present import Present
from rotator.core.simulate.queue import Waiting
from rotator.core.simulate.turns import Answer, Turns
from rotator.core.simulate.windows import closes

_NEVER = 2**62


@dataclass(slots=True)
class Look:
    """One look of the daemon and what came of it.

    Attributes:
        renewed: certificate, how much later than due (microseconds), the lead that it had (microseconds).
        failed: certificates whose order came to nothing, and the CA's limit that refused it, or empty.
        held: certificates that begin to be held, and by what.
        emergencies: how many orders were placed past the emergency line.
        ended: certificates that had ended before they were renewed.
        idle: further looks at which nothing was to be done, each `check_every` after the one before it.
    """

    at: int
    renewed: list[tuple[int, int, int]] = field(default_factory=list)
    failed: list[tuple[int, str]] = field(default_factory=list)
    held: list[tuple[int, Limit]] = field(default_factory=list)
    emergencies: int = 0
    ended: list[int] = field(default_factory=list)
    idle: int = 0


class Run:
    """One simulation; its looks can be gone through once.

    Args:
        moving: the CAs have not issued for these names before, and rotator knows it.
    """

    def __init__(self, fleet: Fleet, settings: PolicySettings, issuer: ModelIssuer, *, moving: bool = False) -> None:
        self._fleet, self._settings, self._issuer = fleet, settings, issuer
        self._present = Present(fleet, settings)
        self._agenda = Agenda(len(fleet))
        for one, (begins, cycle) in enumerate(zip(fleet.begins, fleet.cycle, strict=True)):
            self._agenda.put(begins + cycle, one)
        self._tick = microseconds(settings.shortest_tick)
        self._every = microseconds(settings.check_every)
        self._step = max(self._every, self._tick)
        self._pasts = Pasts(fleet, settings)
        self._holds = Holds()
        self._due: dict[int, int] = {}
        """When those that are not renewed yet fell due, in seconds."""
        self._joined: list[int] = []
        purse = Purse(fleet, settings, known=not moving)
        patience = [life.patience for life in fleet.lives]
        self._turns = Turns(len(fleet.issuers), patience, _hour(fleet, settings), purse)
        self._remember = issuer.may_fail and shortest_cycle(fleet) <= DAY
        self._always = bool(self._remember or fleet.windowed or self._turns.limited)

    def looks(self, length: timedelta) -> Iterator[Look]:
        """Every look from the start until so much later."""
        now, end = 0, microseconds(length)
        while now < end:
            due = self._agenda.take(now // MICROSECONDS)
            self._turns.hour.forget(now)
            smooth = now and not self._disturbed(now, due)
            look, wake = self._smoothly(now, due) if smooth else self._carefully(now, due)
            following = self._next_moment()
            if smooth and not due and wake < following:
                look.idle = (min(following, end) - now - 1) // self._step
            yield look
            waited = look.idle * self._step
            now += max(min(wake + waited, following) - now, waited + self._tick)

    def _next_moment(self) -> int:
        due, check = self._agenda.first(), self._holds.first()
        return min(_NEVER if due is None else due * MICROSECONDS, _NEVER if check is None else check)

    def _disturbed(self, now: int, due: Sequence[tuple[int, int]]) -> bool:
        """Whether anything stands in the way of those that are due, or of others."""
        return bool(
            self._always
            or self._turns.disturbed
            or self._present.changing
            or self._holds.any_until(now)
            or self._present.an_hour - self._turns.hour.all < len(due)
            or self._issuer.sure(now) < len(due)
            or self._pasts.any_of(due)
        )

    # ------------------------------------------------------------ where nothing stands in the way

    def _smoothly(self, now: int, due: Sequence[tuple[int, int]]) -> tuple[Look, int]:
        """All that are due are renewed at once; when to look again because of it."""
        look, wake = Look(now), now + self._every
        if not due:
            return look, wake
        leads, soon, life, cycle = self._present.leads, self._present.soon, self._present.life, self._present.cycle
        second, put = now // MICROSECONDS, self._agenda.put
        for was_due, one in due:
            own = life[one]
            look.renewed.append((one, now - was_due * MICROSECONDS, leads[own]))
            put(second + cycle[one], one)
            wake = min(wake, now + soon[own])
        self._issuer.passed(len(due))
        self._turns.hour.add(now, 0, len(due))
        return look, wake

    # ------------------------------------------------------------ where something does

    def _carefully(self, now: int, due: Sequence[tuple[int, int]]) -> tuple[Look, int]:
        """As `_smoothly`, certificate by certificate."""
        look = Look(now)
        self._joined.clear()
        for was_due, one in due:
            self._due[one] = was_due
            self._judge(one, now, look)
        for one in self._holds.take(now):
            if one in self._due:
                self._judge(one, now, look)
        answer = self._turns.take(now, self._present.an_hour)
        for one, limit in self._turns.held(self._joined, answer):
            self._hold(one, limit, look)
        look.emergencies = answer.urgent
        wakes = [now + self._every, *answer.wakes]
        wakes += [now + self._present.soon[self._present.life[one]] for one, _ in answer.orders]
        if self._order(answer, now, look):
            wakes.append(now + self._tick)
        return look, min(wakes)

    def _judge(self, one: int, now: int, look: Look) -> None:
        """Hold one that is due by what the policy says of it alone, or have it wait for its turn."""
        queue, windowed = self._turns.queues[self._fleet.issuer[one]], one in self._fleet.windowed
        begins = self._due[one] - self._present.cycle[one]
        own = self._present.life[one]
        life = self._fleet.lives[own]
        if windowed or self._pasts.hold_back(one, now):
            decision = self._pasts.decide(one, life, begins, now)
            closing = closes(decision.spec.windows, self._pasts.moment(now))
            if closing is not None:
                self._holds.again_after(one, self._pasts.microseconds(closing))
            if not decision.due:
                queue.leave(one)
                self._holds.until(one, self._pasts.microseconds(decision.at))
                self._hold(one, OF_REASON[decision.reason], look)
                return
        self._holds.over(one)
        queue.join(one, Waiting(begins + life.ends, begins + life.line, own))
        self._joined.append(one)

    def _hold(self, one: int, limit: Limit, look: Look) -> None:
        if self._holds.begins(one, limit):
            look.held.append((one, limit))

    def _order(self, answer: Answer, now: int, look: Look) -> bool:
        """Place the orders; whether one came to nothing."""
        good: set[int] = set()
        failed: dict[int, list[int]] = {}
        for one, issuer in answer.orders:
            self._holds.ordered(one)
            refused = self._issuer.answer(one, now)
            self._turns.purse.ended(issuer, one, now, refused)
            self._pasts.ordered(one, now, refused, remember=self._remember)
            if refused is None:
                good.add(issuer)
                self._renewed(one, now, look)
                continue
            failed.setdefault(issuer, []).append(one)
            look.failed.append((one, refused.limit))
            self._holds.again_after(one, now)
        for issuer in good | failed.keys():
            self._turns.ended(issuer, now, issuer in good, failed.get(issuer, ()))
        return bool(failed)

    def _renewed(self, one: int, now: int, look: Look) -> None:
        was_due, own = self._due.pop(one), self._present.life[one]
        ends = was_due - self._present.cycle[one] + self._fleet.lives[own].ends
        look.renewed.append((one, now - was_due * MICROSECONDS, self._present.leads[own]))
        if now > ends * MICROSECONDS:
            look.ended.append(one)
        self._present.succeed(one)
        self._agenda.put(now // MICROSECONDS + self._present.cycle[one], one)

    def overdue(self, at: timedelta) -> Iterator[tuple[int, int, int, bool]]:
        """Those that are due and not renewed at a moment: as `Look.renewed` has it, and whether they have ended."""
        now = microseconds(at)
        for one, was_due in self._due.items():
            own = self._present.life[one]
            ends = was_due - self._present.cycle[one] + self._fleet.lives[own].ends
            yield one, now - was_due * MICROSECONDS, self._present.leads[own], now > ends * MICROSECONDS


def _hour(fleet: Fleet, settings: PolicySettings) -> Hour:
    """The hours that the settings give the issuers of the fleet."""
    numbers = {name: number for number, name in enumerate(fleet.issuers)}
    return Hour({numbers[name]: limit for name, limit in settings.issuer_limits.items() if name in numbers})
