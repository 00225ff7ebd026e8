"""No loop: neither crashes, lost state, a clock that jumps nor an issuer that lies make more orders than the cap."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rotator.core.lead import lead, orders_a_day
from rotator.core.model import Decision, Facts
from tests import builders
from tests.builders import DAY, HOUR
from tests.core.life import Does, Life

MINE = settings(max_examples=6, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
LIES = st.sampled_from([Does.SAME_AGAIN, Does.SHORT, Does.ENDED, Does.REVOKES, Does.FAILS, Does.REFUSES, Does.HARM])
CRASHES = st.sampled_from([Does.CRASH_BEFORE, Does.CRASH_AFTER, Does.ISSUES, Does.NOT_DEPLOYED])
lifetimes = st.sampled_from([6 * HOUR, 6 * DAY, 47 * DAY, 90 * DAY])


class Counted(Life):
    """A life whose issuer counts what it is asked, by a clock that nobody turns; it survives what the state forgets."""

    def __init__(self, lives: timedelta, script: Sequence[Does]) -> None:
        found = builders.chain(lives=lives, left=lives / 4)
        super().__init__(builders.spec(), builders.settings(), found, script)
        self.cap = orders_a_day(lives, lead(lives))
        self.asked_at: list[timedelta] = []
        self.passed = timedelta(0)

    def looks(self, over: timedelta, before: Callable[[int], None] = lambda number: None) -> None:
        """Look as the daemon does, for so long by the clock that nobody turns, at most 60 times."""
        number = 0
        while self.passed < over and number < 60:
            before(number)
            number += 1
            placed, began = len(self.orders), self.now
            self.run(self.now + timedelta(microseconds=1), looks=1)
            self.asked_at += [self.passed] * (len(self.orders) - placed)
            self.passed += max(timedelta(0), self.now - began)

    def wipe(self) -> None:
        """All that was stored is gone."""
        self.attempts, self.seen, self.redeploys = [], {}, []
        self.orders, self.received, self.quarantine = [], None, None
        self.stored, self.foreseen_at, self.unfinished, self.ours = None, None, False, False
        self.ledger_since = None

    def most_in_a_day(self) -> int:
        return max((sum(at - DAY < other <= at for other in self.asked_at) for at in self.asked_at), default=0)


class Jumping(Counted):
    """A life whose own rules of time make no sense: only the clock that nobody turns is held against it."""

    def check_order(self, found: Decision, look: Facts) -> None:
        pass

    def check_patience(self, found: Decision) -> None:
        pass


@MINE
@given(lifetimes, st.lists(CRASHES, min_size=1, max_size=5))
def test_a_crash_loop(lives: timedelta, script: list[Does]) -> None:
    """It dies before or after each answer, over and over: never more orders a day than the cap."""
    life = Counted(lives, script)
    life.looks(4 * DAY)
    assert life.most_in_a_day() <= life.cap


@MINE
@given(lifetimes, st.lists(LIES, min_size=1, max_size=5))
def test_an_issuer_that_lies(lives: timedelta, script: list[Does]) -> None:
    """Old, ended, revoked, short or harmful certificates and refusals: never more orders a day than the cap.

    A certificate that is shorter than agreed has the cap of its own life.
    """
    life = Counted(lives, script)
    life.looks(4 * DAY)
    short = orders_a_day(life.short, lead(life.short)) if Does.SHORT in script else 0
    assert life.most_in_a_day() <= max(life.cap, short)


@pytest.mark.parametrize("lives", [6 * HOUR, 6 * DAY, 90 * DAY], ids=str)
@pytest.mark.parametrize("every", [2, 3, 7])
@pytest.mark.parametrize("does", [Does.ISSUES, Does.BACKDATES])
def test_state_that_is_lost_again_and_again(lives: timedelta, every: int, does: Does) -> None:
    """All that was stored is gone every few looks: what is fresh by its own dates counts; a first look only looks."""
    life = Counted(lives, [does])

    def wipe(number: int) -> None:
        if number % every == 0:
            life.wipe()

    life.looks(6 * DAY, wipe)
    assert life.most_in_a_day() <= life.cap


@settings(MINE, max_examples=60)
@given(
    st.sampled_from([6 * DAY, 47 * DAY, 90 * DAY]),
    st.lists(st.sampled_from([Does.REVOKES, Does.REVOKES, Does.ISSUES, Does.BACKDATES]), min_size=1, max_size=4),
    st.sets(st.integers(1, 59), max_size=12),
)
def test_state_that_is_lost_while_the_ca_revokes(lives: timedelta, script: list[Does], wiped: set[int]) -> None:
    """Wherever all that was stored is gone, a CA that revokes each new certificate at once gets no more than the cap.

    What the state forgets with the ledger is that the gap was skipped already.
    """
    life = Counted(lives, script)

    def wipe(number: int) -> None:
        if number in wiped:
            life.wipe()

    life.looks(6 * DAY, wipe)
    assert life.most_in_a_day() <= life.cap


@settings(MINE, max_examples=30)
@given(st.sampled_from([HOUR, 6 * HOUR, 20 * HOUR]), st.integers(2, 12))
def test_short_lives_whose_state_is_lost_while_the_ca_revokes(lives: timedelta, every: int) -> None:
    """What lives for hours is renewed often: lost state adds what its life needs in any case, no more."""
    life = Counted(lives, [Does.REVOKES])

    def wipe(number: int) -> None:
        if number and number % every == 0:
            life.wipe()

    life.looks(3 * DAY, wipe)
    assert life.asked_at
    assert life.most_in_a_day() <= life.cap + DAY / (lives - lead(lives))


@pytest.mark.parametrize("lives", [6 * HOUR, 6 * DAY, 90 * DAY], ids=str)
@pytest.mark.parametrize("script", [[Does.ISSUES], [Does.FAILS], [Does.CRASH_BEFORE]], ids=lambda script: script[0])
@pytest.mark.parametrize(
    "jumps",
    [{5: 30 * DAY}, {5: -30 * DAY}, {3: 40 * DAY, 9: -40 * DAY}, {3: -2 * DAY, 9: 2 * DAY}],
    ids=["forth", "back", "forth and back", "back and forth"],
)
def test_a_clock_that_jumps(lives: timedelta, script: list[Does], jumps: dict[int, timedelta]) -> None:
    """By days or weeks: a jump opens one more day's orders at most, and no jump opens a loop."""
    life = Jumping(lives, script)

    def jump(number: int) -> None:
        life.now += jumps.get(number, timedelta(0))

    life.looks(3 * DAY, jump)
    assert life.most_in_a_day() <= life.cap * (1 + len(jumps))
