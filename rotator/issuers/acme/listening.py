"""Addresses that this process listens on for a CA: opened by the first order that needs one, closed by the last."""

from __future__ import annotations

import socket
import socketserver
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Generic, TypeVar

from rotator.errors import IssueError, Pending
from rotator.issuers.acme.patience import BUSY
from rotator.issuers.acme.proving import split_listen

CONNECTIONS = 64  # a CA asks from a handful of places; more is a flood, and is turned away
_STOP_POLL = 0.05

V = TypeVar("V")


class Listener(socketserver.ThreadingMixIn, socketserver.TCPServer, Generic[V]):
    """One open address, shared by all orders of this process that need it at the moment.

    Attributes:
        shown: what there is to see, by what is asked for.
    """

    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = CONNECTIONS

    def __init__(self, host: str, port: int, handler: type[socketserver.BaseRequestHandler], name: str) -> None:
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.shown: dict[str, V] = {}
        self.users = 0
        self._wanted: Counter[str] = Counter()
        self._room = threading.BoundedSemaphore(CONNECTIONS)
        super().__init__((host, port), handler)
        self._thread = threading.Thread(target=self.serve_forever, args=(_STOP_POLL,), name=name, daemon=True)
        self._thread.start()

    def server_bind(self) -> None:
        if self.address_family == socket.AF_INET6:
            self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)  # [::] means both families
        super().server_bind()

    def process_request(self, request: Any, client_address: Any) -> None:
        if self._room.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._room.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: a client that goes away early is no fault of ours."""

    def taken(self, things: Mapping[str, V]) -> list[str]:
        """What another order shows at the same place, and shows differently."""
        return [asked for asked, thing in things.items() if self.shown.get(asked, thing) != thing]

    def add(self, things: Mapping[str, V]) -> None:
        self.users += 1
        self._wanted.update(things.keys())
        self.shown.update(things)

    def remove(self, things: Mapping[str, V]) -> None:
        """Two orders may share a pending authorization, and its proof with it: it stays until both are done."""
        self.users -= 1
        self._wanted.subtract(things.keys())
        for asked in things:
            if not self._wanted[asked]:
                del self._wanted[asked]
                self.shown.pop(asked, None)

    def stop(self) -> None:
        self.shutdown()
        self._thread.join()
        self.server_close()


class Listeners(Generic[V]):
    """All addresses of one kind of challenge; a port can be opened once only, whoever needs it.

    Args:
        remedy: what a person does where one cannot be opened.
    """

    def __init__(self, kind: str, make: Callable[[str, int], Listener[V]], remedy: str) -> None:
        self._kind = kind
        self._make = make
        self._remedy = remedy
        self._guard = threading.Lock()
        self._open: dict[str, Listener[V]] = {}

    @contextmanager
    def showing(self, address: str, things: Mapping[str, V], issuer: str) -> Iterator[None]:
        """Show these as long as the context lasts.

        Raises:
            IssueError: the address cannot be listened on.
            Pending: another order of the same moment needs the same place for something else.
        """
        with self._guard:
            listener = self._open.get(address) or self._start(address, issuer)
            if taken := listener.taken(things):
                names = ", ".join(taken)
                raise Pending(f"{issuer}: another order is proving {names} at {address} right now", retry_after=BUSY)
            listener.add(things)
        try:
            yield
        finally:
            with self._guard:
                listener.remove(things)
                if not listener.users:
                    del self._open[address]
                    listener.stop()

    def _start(self, address: str, issuer: str) -> Listener[V]:
        try:
            self._open[address] = self._make(*split_listen(address))
        except OSError as error:
            raise IssueError(
                f"{issuer}: cannot listen on {address} for {self._kind} challenges: {error.strerror}; {self._remedy}"
            ) from error
        return self._open[address]
