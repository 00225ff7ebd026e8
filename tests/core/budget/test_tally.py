"""One limit of a CA, counted as the CA counts it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from time import perf_counter

from hypothesis import given, settings
from hypothesis import strategies as st

from rotator.core.budget.limits import Bucket
from rotator.core.budget.tally import Tally

HOUR = 3_600_000_000

buckets = st.builds(Bucket, st.integers(1, 12), st.timedeltas(timedelta(minutes=1), timedelta(hours=3)))


@dataclass
class Ca:
    """The bucket as a CA keeps it, from its very beginning; it refuses what it has no token for."""

    bucket: Bucket
    full: int = -(2**62)

    def takes(self, now: int) -> bool:
        one = self.bucket.per // timedelta(microseconds=1) // self.bucket.size
        if self.full - (self.bucket.size - 1) * one > now:
            return False
        self.full = max(self.full, now) + one
        return True


@settings(max_examples=300, deadline=None, derandomize=True)
@given(buckets, st.lists(st.tuples(st.integers(0, HOUR), st.booleans()), max_size=120))
def test_what_the_cautious_count_lets_pass_is_never_refused(bucket: Bucket, asked: list[tuple[int, bool]]) -> None:
    """Whatever was drawn before the ledger begins, the CA has a token; where the hopeful count is empty it has none.

    The tally forgets what is older than twice the time of the bucket, the CA nothing.
    """
    tally, ca, now = Tally(bucket), Ca(bucket), 0
    for later, emergency in asked:
        now += later
        if tally.opens(now, emergency=emergency) is None:
            taken = ca.takes(now)
            assert taken or emergency
            if taken:
                tally.draw(now)
        elif emergency:
            assert not ca.takes(now)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(buckets, st.lists(st.integers(0, HOUR), max_size=60))
def test_ordinary_orders_leave_the_reserve(bucket: Bucket, asked: list[int]) -> None:
    """However many ask: what is kept for emergencies is there when one comes."""
    tally, now = Tally(bucket), 0
    for later in asked:
        now += later
        if tally.opens(now, emergency=False) is None:
            tally.draw(now)
        assert tally.left(now) >= bucket.reserve


@settings(max_examples=200, deadline=None, derandomize=True)
@given(buckets, st.lists(st.integers(0, HOUR), max_size=40), st.booleans())
def test_a_bucket_opens_when_it_says(bucket: Bucket, drawn: list[int], emergency: bool) -> None:
    """Before the moment that is named there is no room."""
    tally, now = Tally(bucket), 0
    for later in drawn:
        now += later
        if tally.opens(now, emergency=True) is None:
            tally.draw(now)
    opens = tally.opens(now, emergency=emergency)
    assert opens is None or tally.opens(opens - 1, emergency=emergency) is not None


def test_a_token_comes_back_by_and_by() -> None:
    """Five a week: one comes back every 33.6 hours, as Let's Encrypt says."""
    tally = Tally(Bucket(5, timedelta(days=7)))
    for _ in range(5):
        tally.draw(30 * 24 * HOUR)
    now = 30 * 24 * HOUR
    assert (tally.left(now), tally.used(now)) == (0, 5)
    assert tally.opens(now, emergency=True) == now + int(33.6 * HOUR)
    assert tally.opens(now, emergency=False) == now + int(67.2 * HOUR)
    assert tally.left(now + 34 * HOUR) == 1


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.lists(st.tuples(st.integers(0, 300), st.sampled_from(["draw", "ahead", "give back", "look"])), max_size=80))
def test_a_long_row_is_counted_as_one_by_one(steps: list[tuple[int, str]]) -> None:
    """What is kept of stretches of draws gives what all draws give one after the other, whatever comes between."""
    bucket = Bucket(5, timedelta(microseconds=500))
    tally, drawn, now = Tally(bucket), list[int](), 0
    for wait, step in steps:
        now += wait
        if step in {"draw", "ahead"}:
            drawn.append(max([now + (step == "ahead") * 50, *drawn[-1:]]))
            tally.draw(drawn[-1])
        elif step == "give back" and drawn and drawn[-1] > now - 1000:
            drawn.pop()
            tally.give_back()
        drawn = [at for at in drawn if at > now - 1000]
        full = now - 500
        for at in drawn:
            full = max(full, min(at, now)) + 100
        assert tally.left(now) == min(5, max(0, (now + 500 - full) // 100))


def test_a_crowd_is_counted_quickly() -> None:
    """Twenty thousand orders that stand in line at one bucket are looked through in a moment, not each by each."""
    tally, now, began = Tally(Bucket(50, timedelta(days=7))), 10**15, perf_counter()
    for _ in range(20_000):
        now += 180 * 10**6
        tally.opens(now, emergency=False)
        tally.draw(now)
    assert perf_counter() - began < 5
