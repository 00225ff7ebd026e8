"""Asking a Vault for many things: with patience where it wants us slower, and a note of what it keeps from us."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from http import HTTPStatus
from typing import TypeVar

from rotator.lib.retryafter import clamp
from rotator.lib.vault import Answer, Vault, VaultError, data_of

_TRIES = 6
_SLOWER = timedelta(seconds=1)
_MOST_TOLD = 5

T = TypeVar("T")


@dataclass(slots=True)
class Closed:
    """Paths that could not be looked at for one reason: their number, the first of them, and what was said of one."""

    paths: list[str] = field(default_factory=list)
    count: int = 0
    said: str = ""

    def note(self, path: str, said: str = "") -> None:
        self.count += 1
        self.said = self.said or said
        if len(self.paths) < _MOST_TOLD:
            self.paths.append(path)

    def __str__(self) -> str:
        more = f" (and {self.count - len(self.paths)} more)" if self.count > len(self.paths) else ""
        return ", ".join(self.paths) + more


@dataclass(slots=True)
class Unseen:
    """What a look has missed, to be told at its end."""

    denied: Closed = field(default_factory=Closed)
    missing: Closed = field(default_factory=Closed)
    unfit: Closed = field(default_factory=Closed)
    cut: Closed = field(default_factory=Closed)

    def __bool__(self) -> bool:
        return any(each.count for each in (self.denied, self.missing, self.unfit, self.cut))

    def __str__(self) -> str:
        pieces = []
        if self.denied.count:
            pieces.append(f"may not read: {self.denied}; {self.denied.said}")
        if self.missing.count:
            pieces.append(f"there is nothing at: {self.missing}; check `paths`")
        if self.unfit.count:
            pieces.append(f"only KV and PKI mounts hold certificates, but not: {self.unfit}")
        if self.cut.count:
            pieces.append(f"more was issued than is read: {self.cut}; raise `most_issued`, or tidy the mount")
        return "; ".join(pieces)


class Reader:
    """Asks one Vault; safe to use from several threads."""

    def __init__(self, vault: Vault, wait: Callable[[float], None]) -> None:
        self._vault = vault
        self._wait = wait

    def read(self, path: str, *, public: bool = False) -> Answer:
        """What is at a path.

        Raises:
            VaultError: see there; status 404 where there is nothing.
        """
        return self._patiently(lambda: self._vault.read(path, public=public))

    def pages(
        self, path: str, *, most: int, public: bool = False, stored_as: Callable[[str], str] = str
    ) -> Iterator[Answer]:
        """The answers to listing a path, page by page where the server knows pages (OpenBao), else all in one.

        Args:
            stored_as: how the server's storage, by whose order it turns pages, writes a name.

        Raises:
            VaultError: see there; status 404 where there is nothing.
        """
        after, seen = "", frozenset[str]()
        while True:
            answer = data_of(self._names(path, after, most, public))
            keys = names_of(answer)
            if not keys and not after:  # what version 1 of KV answers where there is nothing, if asked for a page
                raise VaultError(f"there is nothing below {path}", status=HTTPStatus.NOT_FOUND)
            if not keys or seen.intersection(keys):  # it does not know pages: the same again
                return
            yield answer
            if len(keys) != most:
                return
            after, seen = stored_as(keys[-1]), frozenset(keys)

    def _names(self, path: str, after: str, most: int, public: bool) -> Answer:
        try:
            return self._patiently(lambda: self._vault.names(path, after=after, most=most, public=public))
        except VaultError as error:
            if error.status == HTTPStatus.NOT_FOUND and after:  # the last page was full, and there is no other
                return {}
            raise

    def _patiently(self, ask: Callable[[], T]) -> T:
        """Ask again a few times where a quota (429) says that we are too fast.

        Raises:
            VaultError: anything else, or it still says so.
        """
        for _ in range(_TRIES - 1):
            try:
                return ask()
            except VaultError as error:
                if error.status != HTTPStatus.TOO_MANY_REQUESTS:
                    raise
                pause = clamp(error.retry_after, default=_SLOWER, least=_SLOWER / 10, most=10 * _SLOWER)
                self._wait(pause.total_seconds())
        return ask()


def names_of(answer: Answer) -> list[str]:
    """The names in one page of a list."""
    keys = answer.get("keys")
    return [key for key in keys if isinstance(key, str)] if isinstance(keys, list) else []
