"""Tests of `rotator.lib.ahead`: a bounded window of tasks along a stream."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from rotator.lib.ahead import ahead


def test_results_come_in_the_order_of_the_items() -> None:
    """Whoever is done first waits for its turn, so that a look tells the same each time."""
    last_is_done = threading.Event()

    def task(item: int) -> int:
        if item == 0:
            assert last_is_done.wait(10)
        if item == 3:
            last_is_done.set()
        return item * item

    assert list(ahead(task, range(4), at_once=4)) == [0, 1, 4, 9]


def test_no_more_is_begun_than_the_window_holds() -> None:
    """A million names are never in memory at once: the stream is drawn on only as results are taken."""
    drawn = 0

    def stream() -> Iterator[int]:
        nonlocal drawn
        for number in range(1000):
            drawn += 1
            yield number

    results = ahead(str, stream(), at_once=3)
    assert [next(results) for _ in range(5)] == ["0", "1", "2", "3", "4"]
    assert drawn <= 5 + 6
    results.close()  # type: ignore[attr-defined]  # it is a generator
    assert drawn <= 5 + 6


def test_what_a_task_raises_ends_the_stream() -> None:
    """The error comes in the turn of its item, after all before it were told."""

    def task(item: int) -> int:
        if item == 2:
            raise ValueError("the third")
        return item

    taken = []
    with pytest.raises(ValueError, match="the third"):
        for result in ahead(task, range(100), at_once=2):
            taken.append(result)
    assert taken == [0, 1]
