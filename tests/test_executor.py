"""Where rotations run: each certificate once at a time, so many at once, and an orderly end."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from rotator.core.model import Outcome
from rotator.errors import Busy
from rotator.executor import LocalExecutor
from tests.builders import decision, outcome, spec

SECONDS = 20.0


@contextmanager
def executor(at_once: int = 2) -> Iterator[LocalExecutor]:
    made = LocalExecutor(at_once)
    try:
        yield made
    finally:
        made.close()


def ends(name: str) -> Callable[[], Outcome]:
    """A job that ends at once with an outcome of this certificate."""
    return lambda: outcome(decision(spec(name)))


class Slow:
    """A job that has begun and goes on until it is told to end."""

    def __init__(self, name: str) -> None:
        self.began = threading.Event()
        self.go_on = threading.Event()
        self._name = name

    def __call__(self) -> Outcome:
        self.began.set()
        assert self.go_on.wait(SECONDS)
        return outcome(decision(spec(self._name)))


def names(outcomes: tuple[Outcome, ...]) -> list[str]:
    return sorted(one.decision.spec.name for one in outcomes)


def test_outcomes_are_collected_once() -> None:
    """What has ended is given to whoever asks first, and not again."""
    with executor() as local:
        assert local.submit("shop", ends("shop"))
        assert local.submit("mail", ends("mail"))
        local.drain()
        assert names(local.collect()) == ["mail", "shop"]
        assert local.collect() == ()


def test_a_certificate_is_in_flight_once() -> None:
    """A second job for what is in flight is refused; after its end the next one is taken."""
    with executor() as local:
        slow = Slow("shop")
        assert local.submit("shop", slow)
        assert slow.began.wait(SECONDS)
        assert list(local.in_flight) == ["shop"]
        assert not local.submit("shop", ends("shop"))
        slow.go_on.set()
        local.drain()
        assert local.in_flight == ()
        assert local.submit("shop", ends("shop"))


def test_no_more_than_so_many_at_once() -> None:
    """The third of two waits its turn, and gets it."""
    with executor(at_once=2) as local:
        slow = [Slow(name) for name in ("a", "b", "c")]
        for number, job in enumerate(slow):
            local.submit(f"job {number}", job)
        assert slow[0].began.wait(SECONDS)
        assert slow[1].began.wait(SECONDS)
        assert not slow[2].began.is_set()
        slow[0].go_on.set()
        assert slow[2].began.wait(SECONDS)
        for job in slow:
            job.go_on.set()
        local.drain()
        assert len(local.collect()) == 3


@pytest.mark.parametrize("error", [Busy("in flight elsewhere"), ValueError("a fault of ours")], ids=["said", "fault"])
def test_what_fails_takes_nobody_with_it(error: Exception) -> None:
    """A job that raises has no outcome; it is not in flight any more, and the others go on."""

    def fails() -> Outcome:
        raise error

    ended: list[tuple[str, bool]] = []
    with executor() as local:
        local.listen(lambda name, outcome: ended.append((name, outcome is not None)))
        local.submit("broken", fails)
        local.submit("shop", ends("shop"))
        local.drain()
        assert names(local.collect()) == ["shop"]
        assert local.submit("broken", ends("broken"))
        local.drain()
    assert sorted(ended) == [("broken", False), ("broken", True), ("shop", True)]


def test_nothing_to_do_is_no_outcome() -> None:
    """A job that finds nothing left to do ends without one."""
    with executor() as local:
        local.submit("shop", lambda: None)
        local.drain()
        assert local.collect() == ()


def test_an_end_finishes_what_runs_and_drops_what_waits() -> None:
    """Closing waits for what has begun; what had not begun never does, and nothing is taken any more."""
    local = LocalExecutor(1)
    slow, waiting = Slow("shop"), Slow("mail")
    local.submit("shop", slow)
    local.submit("mail", waiting)
    assert slow.began.wait(SECONDS)
    with ThreadPoolExecutor(1) as pool:
        closing = pool.submit(local.close)
        while local.submit("other", ends("other")):
            assert not closing.done()
        assert not closing.done(), "it must wait for what runs"
        slow.go_on.set()
        closing.result(SECONDS)
    assert not waiting.began.is_set()
    assert names(local.collect()) in (["shop"], ["other", "shop"])
    assert local.in_flight == ()


def test_closing_twice_is_closing_once() -> None:
    """Whoever closes after somebody else has nothing to do."""
    local = LocalExecutor(1)
    local.close()
    local.close()
    assert not local.submit("shop", ends("shop"))


def test_closing_and_submitting_at_once_is_no_error() -> None:
    """A look that submits while the executor is closed is told no, at whatever moment."""
    for _ in range(50):
        local = LocalExecutor(2)
        both = threading.Barrier(2)

        def submit(to: LocalExecutor = local, both: threading.Barrier = both) -> None:
            both.wait(SECONDS)
            for number in range(20):
                to.submit(f"job {number}", ends("job"))

        with ThreadPoolExecutor(1) as pool:
            submitting = pool.submit(submit)
            both.wait(SECONDS)
            local.close()
            submitting.result(SECONDS)
