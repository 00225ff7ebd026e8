"""A private event loop in a private thread, so that async work can be used from any thread, with or without a loop."""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
from collections.abc import Awaitable, Callable, Generator
from dataclasses import dataclass
from itertools import chain
from typing import Generic, TypeVar

T = TypeVar("T")

UNREAD = 512
"""Results that may wait for a slow reader before the work is held back."""

_BATCH = 64
_BATCH_SECONDS = 0.02  # a person sees no difference; waking the reader for each result would cost a tenth of all


@dataclass(frozen=True, slots=True)
class _Ended:
    error: BaseException | None = None


class Outlet(Generic[T]):
    """Takes results to the reader's thread, several at a time, and tells when the reader does not keep up."""

    def __init__(self, batches: queue.SimpleQueue[list[T] | _Ended]) -> None:
        self._batches = batches
        self._loop = asyncio.get_running_loop()
        self._batch: list[T] = []
        self._emitted = self._taken = 0
        self._held = False
        self.on_room: Callable[[], None] = lambda: None
        """Called in the loop when there is room again after `full` was true."""

    # ---------------------------------------------------------------- in the loop

    def emit(self, item: T) -> None:
        self._batch.append(item)
        self._emitted += 1
        if len(self._batch) == 1:
            self._loop.call_later(_BATCH_SECONDS, self.flush)
        elif len(self._batch) >= _BATCH:
            self.flush()

    def flush(self) -> None:
        if self._batch:
            self._batches.put(self._batch)
            self._batch = []

    @property
    def full(self) -> bool:
        """Whether enough waits for the reader; whoever is told so is called back through `on_room`."""
        if self._emitted - self._taken < UNREAD:
            return False
        self._held = True  # before looking once more: the reader may just have taken what there was
        return self._emitted - self._taken >= UNREAD

    def _room(self) -> None:
        self._held = False
        self.on_room()

    # ---------------------------------------------------------------- in the reader's thread

    def took(self, count: int) -> None:
        self._taken += count
        if self._held:
            with contextlib.suppress(RuntimeError):  # the loop is closed: the work has ended by itself
                self._loop.call_soon_threadsafe(self._room)


Work = Callable[[Outlet[T]], Awaitable[None]]
"""Async work that emits what it finds."""


class _Private(Generic[T]):
    """The thread and its loop."""

    def __init__(self, work: Work[T]) -> None:
        self.batches: queue.SimpleQueue[list[T] | _Ended] = queue.SimpleQueue()
        self._work = work
        self._cancel: Callable[[], object] = lambda: None
        self._outlet: Outlet[T] | None = None
        self._started = threading.Event()
        self._thread = threading.Thread(target=self._run, name="rotator-tls", daemon=True)
        self._thread.start()
        self._started.wait()

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
            if self._outlet is not None:
                self._outlet.flush()
            self.batches.put(ended)

    async def _main(self) -> None:
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        assert task is not None
        self._cancel = lambda: loop.call_soon_threadsafe(task.cancel)
        self._outlet = Outlet(self.batches)
        self._started.set()
        await self._work(self._outlet)

    def took(self, count: int) -> None:
        if self._outlet is not None:
            self._outlet.took(count)

    def end(self) -> None:
        """End the work, if it still goes on, and wait until its connections are closed."""
        try:
            self._cancel()
        except RuntimeError:  # the loop is closed: it has ended by itself
            return
        finally:
            self._thread.join()


def stream_batches(work: Work[T]) -> Generator[list[T]]:
    """Run the work and yield what it emits, as much as has come; an iterator that is closed early cancels it."""
    private = _Private(work)
    try:
        while not isinstance(batch := private.batches.get(), _Ended):
            private.took(len(batch))
            yield batch
        if batch.error is not None:
            raise batch.error
    finally:
        private.end()


def stream(work: Work[T]) -> Generator[T]:
    """The same, one by one."""
    with contextlib.closing(stream_batches(work)) as batches:
        yield from chain.from_iterable(batches)
