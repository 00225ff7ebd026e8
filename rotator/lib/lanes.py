"""Work in lanes, side by side: a lane that is slow or stuck delays no other, and none delays whoever waits too long.

Threads here are daemons: what has not ended when the time is up is left to its own time limits, and its answer to
nobody.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from threading import Condition, Event, Thread
from typing import Generic, TypeVar

from rotator.lib.clock import Clock

_LOOK_UP_SECONDS = 0.5
"""How often whoever waits looks at the clock and whether it should stop; the end of work is told at once.

Seconds of the machine, whatever the clock: neither a stop nor a clock that leaps can notify, and the clock's own wait
would not end with the work.
"""

Key = TypeVar("Key", bound=Hashable)
Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class Work(Generic[Key, Answer]):
    """One piece of work.

    Attributes:
        key: tells it from all others.
        lane: what it shares the threads of.
        do: does it; whatever it raises is its answer's business, so it should raise nothing.
    """

    key: Key
    lane: str
    do: Callable[[], Answer]


class _Lanes(Generic[Key, Answer]):
    def __init__(self, works: Sequence[Work[Key, Answer]], done: Callable[[Key], None]) -> None:
        self.changed = Condition()
        self.answers: dict[Key, Answer] = {}
        self.running = 0
        self.closed = False
        self._done = done
        self._waiting: dict[str, deque[Work[Key, Answer]]] = {}
        for work in works:
            self._waiting.setdefault(work.lane, deque()).append(work)

    def start(self, width: int) -> None:
        threads = [
            Thread(target=self._go, args=(lane,), name=f"lane-{lane}", daemon=True)
            for lane, waiting in self._waiting.items()
            for _ in range(min(width, len(waiting)))
        ]
        self.running = len(threads)
        for thread in threads:
            thread.start()

    def _go(self, lane: str) -> None:
        try:
            while (work := self._next(lane)) is not None:
                answer = work.do()
                with self.changed:
                    if self.closed:
                        return
                    self.answers[work.key] = answer
                self._done(work.key)
        finally:
            with self.changed:
                self.running -= 1
                self.changed.notify_all()

    def _next(self, lane: str) -> Work[Key, Answer] | None:
        with self.changed:
            waiting = self._waiting[lane]
            return waiting.popleft() if waiting and not self.closed else None


def in_lanes(
    works: Sequence[Work[Key, Answer]],
    clock: Clock,
    *,
    seconds: float,
    width: int,
    stop: Event | None = None,
    grace: float = 0.0,
    done: Callable[[Key], None] = lambda _key: None,
) -> dict[Key, Answer]:
    """Do all of it, as far as that can be done in time; what is missing from the answers has not ended.

    Args:
        seconds: for everything, on the clock's monotonic time.
        width: threads a lane.
        stop: leaves it at what has ended so far; set as well where the wait is interrupted, for whoever still works.
        grace: seconds that what runs has after a stop, to take away what it has put somewhere.
        done: told of each piece that has ended, from any thread.
    """
    lanes, stop = _Lanes(works, done), stop or Event()
    deadline = clock.monotonic() + seconds
    lanes.start(width)
    with lanes.changed:
        try:
            while lanes.running and clock.monotonic() < deadline and not stop.is_set():
                lanes.changed.wait(max(0.0, min(deadline - clock.monotonic(), _LOOK_UP_SECONDS)))
        except BaseException:  # Ctrl-C, say
            stop.set()
            raise
        finally:
            lanes.closed = True
            if stop.is_set():
                lanes.changed.wait_for(lambda: not lanes.running, grace)
        return dict(lanes.answers)
