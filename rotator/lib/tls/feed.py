"""What is to be looked at, read as it is needed: an iterator may have millions, may never end, and may block."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Protocol

from rotator.core.model import Endpoint

REMEMBERED = 16_384
"""An endpoint that was given among the last so many, and at most twice as many, is not looked at again."""


class Feed(Protocol):
    """Where endpoints come from."""

    def take(self, most: int) -> list[Endpoint]:
        """What has been read, at most so many; never waits."""
        ...

    @property
    def ended(self) -> bool:
        """Whether nothing will come any more."""
        ...

    def check(self) -> None:
        """Raise what the iterator raised, if that is how it ended."""
        ...

    def wait(self) -> None:
        """Wait until there is something to take, or it has ended."""
        ...

    def close(self) -> None: ...


def feed_of(endpoints: Iterable[Endpoint], arrived: Callable[[], object], ahead: int) -> Feed:
    """Read from a sequence directly, from any other iterable in a thread of its own.

    Args:
        arrived: called from that thread when there is more after `take` had less than was wanted, and at the end.
        ahead: how many are read before they are taken.
    """
    return Given(endpoints) if isinstance(endpoints, Sequence) else ReadAhead(endpoints, arrived, ahead)


class Given:
    """Endpoints that lie in memory already."""

    def __init__(self, endpoints: Iterable[Endpoint]) -> None:
        self._left = _each_once(endpoints)
        self._ended = False

    def take(self, most: int) -> list[Endpoint]:
        taken = list(islice(self._left, most))
        self._ended = len(taken) < most
        return taken

    @property
    def ended(self) -> bool:
        return self._ended

    def check(self) -> None:
        """An error of a sequence is raised where it is taken from."""

    def wait(self) -> None:
        """It never has to."""

    def close(self) -> None:
        """It holds nothing."""


class ReadAhead:
    """Endpoints from an iterator, which is read by a thread and a bounded way ahead."""

    def __init__(self, endpoints: Iterable[Endpoint], arrived: Callable[[], object], ahead: int) -> None:
        self._endpoints = endpoints
        self._arrived = arrived
        self._ahead = ahead
        self._read: deque[Endpoint] = deque()
        self._changed = threading.Condition()
        self._hungry = True
        self._exhausted = self._closed = False
        self._error: BaseException | None = None
        # A daemon: an iterator that waits for a terminal or a pipe cannot be told to stop.
        threading.Thread(target=self._run, name="rotator-tls-input", daemon=True).start()

    def take(self, most: int) -> list[Endpoint]:
        with self._changed:
            taken = [self._read.popleft() for _ in range(min(most, len(self._read)))]
            self._hungry = len(taken) < most
            if len(self._read) <= self._ahead // 2:
                self._changed.notify_all()
        return taken

    @property
    def ended(self) -> bool:
        with self._changed:
            return self._exhausted and not self._read

    def check(self) -> None:
        if self._error is not None:
            raise self._error

    def wait(self) -> None:
        with self._changed:
            self._hungry = not self._read
            self._changed.wait_for(lambda: self._read or self._exhausted or self._closed)

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _run(self) -> None:
        try:
            for endpoint in _each_once(self._endpoints):
                if not self._add(endpoint):
                    return
        except BaseException as error:  # noqa: BLE001 - raised again where the endpoints are taken
            self._error = error
        with self._changed:
            self._exhausted = True
            self._changed.notify_all()
        self._tell()

    def _add(self, endpoint: Endpoint) -> bool:
        with self._changed:
            if len(self._read) >= self._ahead:
                self._changed.wait_for(lambda: len(self._read) <= self._ahead // 2 or self._closed)
            if self._closed:
                return False
            self._read.append(endpoint)
            told, self._hungry = self._hungry, False
            if told:
                self._changed.notify_all()
        if told:
            self._tell()
        return True

    def _tell(self) -> None:
        if not self._closed:
            self._arrived()


def _each_once(endpoints: Iterable[Endpoint]) -> Iterator[Endpoint]:
    """Leave out what was given shortly before, in bounded memory."""
    recent: set[Endpoint] = set()
    older: set[Endpoint] = set()
    for endpoint in endpoints:
        if endpoint in recent or endpoint in older:
            continue
        if len(recent) >= REMEMBERED:
            recent, older = set(), recent
        recent.add(endpoint)
        yield endpoint
