"""Work in lanes, side by side."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from functools import partial

from rotator.clock import system_clock
from rotator.lib.lanes import Work, in_lanes

FAR = 60.0


def test_everything_is_done_and_told() -> None:
    """Each answer is under its key, and each end was told once."""
    told: list[int] = []
    works = [Work(n, f"lane {n % 3}", partial(pow, n, 2)) for n in range(50)]
    assert in_lanes(works, system_clock(), seconds=FAR, width=4, done=told.append) == {n: n * n for n in range(50)}
    assert sorted(told) == list(range(50))
    assert in_lanes([], system_clock(), seconds=FAR, width=4) == {}


def test_a_stuck_lane_delays_no_other() -> None:
    """The others have all their answers when the time is up; the stuck one has none, and nobody waits for it."""
    stuck = threading.Event()
    works: list[Work[str, bool]] = [Work("never", "bad", stuck.wait)]
    works += [Work(f"good {n}", "good", lambda: True) for n in range(20)]
    began = time.monotonic()
    found = in_lanes(works, system_clock(), seconds=5.0, width=2)
    assert time.monotonic() - began < FAR / 2
    stuck.set()
    assert set(found) == {f"good {n}" for n in range(20)}


def test_no_more_at_once_than_the_lane_is_wide() -> None:
    """Two threads a lane, and not one more."""
    most, now, guard = 0, 0, threading.Lock()
    together = threading.Barrier(2)

    def work() -> None:
        nonlocal most, now
        with guard:
            now += 1
            most = max(most, now)
        together.wait(FAR)
        with guard:
            now -= 1

    in_lanes([Work(n, "one", work) for n in range(8)], system_clock(), seconds=FAR, width=2)
    assert most == 2


def test_whoever_stops_gets_what_has_ended() -> None:
    """What is not begun by then never is."""
    begun: list[int] = []
    stop, go = threading.Event(), threading.Event()

    def work(number: int) -> Callable[[], int]:
        def do() -> int:
            begun.append(number)
            if number == 1:
                stop.set()
                go.wait(FAR)
            return number

        return do

    found = in_lanes([Work(n, "one", work(n)) for n in range(5)], system_clock(), seconds=FAR, width=1, stop=stop)
    go.set()
    assert found == {0: 0}
    assert begun == [0, 1]
