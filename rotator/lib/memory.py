"""Answers that were got once, for as long as they hold, within bounds; for callers in many threads."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import datetime
from threading import Lock
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class Kept(Generic[V]):
    """An answer, until when it may be given again, and the bytes that it takes."""

    value: V
    until: datetime
    size: int = 0


class Memory(Generic[K, V]):
    """Gives the answer of each key; whoever asks first gets it, whoever asks meanwhile waits for that one.

    Beyond so many entries or bytes the one that was least lately asked for is forgotten.
    """

    def __init__(self, now: Callable[[], datetime], *, entries: int, size: int = 1 << 40) -> None:
        self._now, self._entries, self._size = now, entries, size
        self._lock = Lock()
        self._kept: OrderedDict[K, Kept[V]] = OrderedDict()
        self._used = 0
        self._pending: dict[K, Future[V]] = {}

    def get(self, key: K, ask: Callable[[], Kept[V]]) -> V:
        """The answer; what `ask` raises is raised here, and in those that waited for it, and is not kept."""
        with self._lock:
            kept = self._kept.get(key)
            if kept is not None and kept.until > self._now():
                self._kept.move_to_end(key)
                return kept.value
            waiting = self._pending.get(key)
            if waiting is None:
                mine: Future[V] = Future()
                self._pending[key] = mine
        if waiting is not None:
            return waiting.result()
        try:
            answer = ask()
        except BaseException as error:
            with self._lock:
                del self._pending[key]
            mine.set_exception(error)
            raise
        with self._lock:
            del self._pending[key]
            self._keep(key, answer)
        mine.set_result(answer.value)
        return answer.value

    def _keep(self, key: K, answer: Kept[V]) -> None:
        before = self._kept.pop(key, None)
        self._used += answer.size - (before.size if before else 0)
        self._kept[key] = answer
        while self._kept and (len(self._kept) > self._entries or self._used > self._size):
            _, forgotten = self._kept.popitem(last=False)
            self._used -= forgotten.size
