"""What is asked of a cluster: objects, lists in pages, writes, and who it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TypeVar

import msgspec

from rotator.lib.kube.errors import Call, KubeError
from rotator.lib.kube.objects import Bare, Page
from rotator.lib.kube.resources import NAMESPACES
from rotator.lib.kube.transport import Access, Transport, transport
from rotator.log import logger

FIELD_MANAGER = "rotator"
PAGE_SIZE = 500
READ_TRIES = 4
LONGEST_WAIT = 30.0

T = TypeVar("T")
log = logger(__name__)


@dataclass(frozen=True, slots=True)
class Pace:
    """How time is spent and told: `wait` takes seconds, `monotonic` gives them."""

    wait: Callable[[float], None]
    monotonic: Callable[[], float]


def patience(error: KubeError, attempt: int) -> float:
    """Seconds to wait before the next try: what the API server asked for, else 0.2 s, 0.4 s, 0.8 s …"""
    return min(error.retry_after if error.retry_after is not None else 0.2 * 2**attempt, LONGEST_WAIT)


class _Fetcher(ThreadPoolExecutor):
    """One thread; whoever stops reading early waits for no page but the one that is on its way."""

    def __init__(self) -> None:
        super().__init__(max_workers=1, thread_name_prefix="kubernetes-page")


@dataclass(frozen=True, slots=True)
class Cluster:
    """One cluster with the pace of whoever asks."""

    transport: Transport
    pace: Pace

    def identity(self) -> str:
        """The uid of the namespace `kube-system`, which names a cluster for good; else the API server's host.

        It never fails, because a place must have a name also while it cannot be reached; only a real answer is kept.
        """
        if self.transport.identity:
            return self.transport.identity
        try:
            found = self.get(Call("get", NAMESPACES, name="kube-system"), Bare)
            self.transport.identity = found.metadata.uid if found else self.transport.server
        except KubeError as error:
            try:
                server = self.transport.server
            except KubeError:
                return "unknown cluster"
            if error.status != 403:
                log.warning("cluster identity unknown", server=server, error=str(error))
                return server
            self.transport.identity = server
        return self.transport.identity

    def get(self, call: Call, kind: type[T]) -> T | None:
        """Read one object, never from a cache; None when it does not exist.

        Raises:
            KubeError: it could not be read.
        """
        try:
            return self._decoded(call, self._read(call, {}), kind)
        except KubeError as error:
            if error.status == 404:
                return None
            raise

    def pages(
        self,
        call: Call,
        kind: type[T],
        *,
        limit: int = PAGE_SIZE,
        params: Mapping[str, str] | None = None,
        ahead: bool = False,
    ) -> Iterator[list[T]]:
        """List in pages; a page is dropped when the next one is asked for.

        A page that is larger than what is read of one is asked for again in quarters, and those after it as well.

        Without a resourceVersion: with `0` the API server ignores the limit and answers from its cache.

        Args:
            ahead: fetch one page while the one before it is used; two are in memory then.

        Raises:
            KubeError: a page could not be read; what came before it stands.
        """

        def fetch(token: str) -> Page[T]:
            nonlocal limit
            while True:
                try:
                    return self._page(call, kind, {**(params or {}), "limit": str(limit)}, token)
                except KubeError as error:
                    if not error.too_large or limit == 1:
                        raise
                    limit = max(1, limit // 4)

        page = fetch("")
        with _Fetcher() if ahead else nullcontext() as fetcher:
            while True:
                token = page.metadata.continue_with
                following = fetcher.submit(fetch, token) if fetcher and token else None
                yield page.items or []
                if not token:
                    return
                del page
                page = following.result() if following else fetch(token)

    def _page(self, call: Call, kind: type[T], params: Mapping[str, str], token: str) -> Page[T]:
        try:
            body = self._read(call, {**params, **({"continue": token} if token else {})})
        except KubeError as error:
            # The token outlived the API server's memory (about five minutes): it names where to go on from.
            if error.status == 410 and error.continue_with and error.continue_with != token:
                return self._page(call, kind, params, error.continue_with)
            raise
        return self._decoded(call, body, Page[kind])  # type: ignore[valid-type]  # msgspec takes it at run time

    def patch(self, call: Call, change: object, *, repeatable: bool = False, dry_run: bool = False) -> None:
        """Send a JSON merge patch (RFC 7386): once, or a few times where sending it twice is the same as once.

        With `metadata.resourceVersion` in it, the API server refuses it (409) when the object has changed.

        Args:
            dry_run: have everything checked and nothing stored.

        Raises:
            KubeError: refused, or the outcome is `uncertain`.
        """
        self._try(lambda: self._write(call, change, dry_run=dry_run), READ_TRIES if repeatable or dry_run else 1)

    def create(self, call: Call, made: object, *, dry_run: bool = False) -> None:
        """Create an object, once; with `dry_run` have it checked and not stored.

        Raises:
            KubeError: refused (409: it exists), or the outcome is `uncertain`.
        """
        self._write(Call("create", call.resource, call.namespace), made, dry_run=dry_run)

    def made(self, call: Call, made: object, kind: type[T]) -> T:
        """Create an object, once, and say what became of it: the API server fills in what it knows itself.

        Raises:
            KubeError: refused (409: it exists), or the outcome is `uncertain`.
        """
        call = Call("create", call.resource, call.namespace)
        return self._decoded(call, self._write(call, made), kind)

    def update(self, call: Call, whole: object) -> None:
        """Put a whole object in the place of the one with the same resourceVersion (409 when it has changed), once.

        Raises:
            KubeError: refused, or the outcome is `uncertain`.
        """
        self._write(call, whole)

    def delete(self, call: Call, uid: str) -> None:
        """Delete this very object; one that is gone already, or another one of the same name, is no error.

        Raises:
            KubeError: refused, or the outcome is `uncertain`.
        """
        try:
            self._write(call, {"kind": "DeleteOptions", "apiVersion": "v1", "preconditions": {"uid": uid}})
        except KubeError as error:
            if error.status not in {404, 409}:
                raise

    def _write(self, call: Call, body: object, *, dry_run: bool = False) -> bytes:
        params = {"fieldManager": FIELD_MANAGER} if call.verb != "delete" else {}
        params |= {"dryRun": "All"} if dry_run else {}
        return self.transport.send(call, self.pace.monotonic, params=params, body=msgspec.json.encode(body))

    def _read(self, call: Call, params: Mapping[str, str]) -> bytes:
        """Read with a few tries: reading twice harms nothing."""
        return self._try(lambda: self.transport.send(call, self.pace.monotonic, params=params), READ_TRIES)

    def _try(self, send: Callable[[], T], tries: int) -> T:
        for attempt in range(tries - 1):
            try:
                return send()
            except KubeError as error:
                if not error.passes:
                    raise
                self.pace.wait(patience(error, attempt))
        return send()

    def _decoded(self, call: Call, body: bytes, kind: type[T]) -> T:
        try:
            return msgspec.json.decode(body, type=kind)
        except msgspec.MsgspecError as error:
            raise KubeError(f"the answer to {call} is not what the Kubernetes API documents: {error}") from error


def connect(access: Access, pace: Pace) -> Cluster:
    """The cluster of an access; nothing is sent yet."""
    return Cluster(transport(access), pace)
