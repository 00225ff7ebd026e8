"""A private event loop in a private thread, so that async work can be used from any thread, with or without a loop."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")
Work = Callable[[Callable[[T], None]], Awaitable[None]]
"""Async work that emits what it finds."""


@dataclass(frozen=True, slots=True)
class _Ended:
    error: BaseException | None = None


class _Private(Generic[T]):
    """The thread, its loop, and what was found so far."""

    def __init__(self, work: Work[T]) -> None:
        self.found: queue.SimpleQueue[T | _Ended] = queue.SimpleQueue()
        self._work = work
        self._cancel: Callable[[], object] = lambda: None
        self._started = threading.Event()
        self._thread = threading.Thread(target=self._run, name="rotator-tls", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        ended = _Ended()
        try:
            asyncio.run(self._main())
        except asyncio.CancelledError:
            ended = _Ended()  # nobody reads on
        except BaseException as error:  # noqa: BLE001 - raised again where the results are read
            ended = _Ended(error)
        finally:
            self._started.set()
            self.found.put(ended)

    async def _main(self) -> None:
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        assert task is not None
        self._cancel = lambda: loop.call_soon_threadsafe(task.cancel)
        self._started.set()
        await self._work(self.found.put)

    def end(self) -> None:
        """End the work, if it still goes on, and wait until its connections are closed."""
        self._started.wait()
        try:
            self._cancel()
        except RuntimeError:  # the loop is closed: it has ended by itself
            return
        finally:
            self._thread.join()


def stream(work: Work[T]) -> Iterator[T]:
    """Run `work(emit)` and yield what it emits as it comes; an iterator that is closed early cancels it."""
    private = _Private(work)
    try:
        while not isinstance(item := private.found.get(), _Ended):
            yield item
        if item.error is not None:
            raise item.error
    finally:
        private.end()
