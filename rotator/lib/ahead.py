"""Ask for many things at once without holding many answers: a bounded window that moves along a stream."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def ahead(task: Callable[[T], R], items: Iterable[T], *, at_once: int) -> Iterator[R]:
    """Yield `task(item)` for each item, in their order; `at_once` of them run in threads of their own.

    No more than twice as many are begun as are taken, so neither the items nor the results pile up. What a task raises
    is raised here in its turn; nothing is begun after that, and what runs is waited for.
    """
    begun: deque[Future[R]] = deque()
    with ThreadPoolExecutor(at_once, thread_name_prefix="ahead") as pool:
        try:
            for item in items:
                begun.append(pool.submit(task, item))
                if len(begun) >= 2 * at_once:
                    yield begun.popleft().result()
            while begun:
                yield begun.popleft().result()
        finally:
            for each in begun:
                each.cancel()
