"""A plain TCP connection with bounded reading and limits, on the event loop's own readiness calls.

The loop's `sock_recv` and `asyncio.timeout` do the same at three times the cost, which at a thousand handshakes a
second is a tenth of all.
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket

from rotator.lib.tls.limits import Limit

MAX_BYTES = 256 * 1024
"""From one peer in one look; a chain of 100 kB, the most that OpenSSL takes, fits twice."""

MAX_LINE = 4096
_CHUNK = 16384
_TAIL = 7
_UNDER_WAY = {errno.EINPROGRESS, errno.EALREADY}


class WireClosed(Exception):  # noqa: N818 - reads as what happened
    """The peer closed the connection."""


class TooMuch(Exception):  # noqa: N818
    """The peer sent more than is ever read."""


class LimitPassed(Exception):  # noqa: N818
    """The look took too long; says which limit."""

    def __init__(self, limit: Limit) -> None:
        super().__init__(limit.value)
        self.limit = limit


class Wire:
    """One connection; counts what comes in. Ends with `close`, whatever happened."""

    def __init__(self, address: str) -> None:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self._loop = asyncio.get_running_loop()
        self._socket = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        self._number = self._socket.fileno()  # given the socket itself, the selector prints it into an error each time
        self.received = 0
        self._unread = self._tail = b""
        self._reading = False
        self._waiter: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._passed: Limit | None = None

    @property
    def unread(self) -> bytes:
        return self._unread

    @property
    def tail(self) -> bytes:
        """The last bytes that came: as many as a TLS alert in the clear has (header of five, level, description)."""
        return self._tail

    def allow(self, until: float, limit: Limit) -> None:
        """Let what waits on this wire raise LimitPassed from that time of the loop on; replaces the limit before."""
        if self._timer is not None:
            self._timer.cancel()
        self._passed = None
        self._timer = self._loop.call_at(until, self._pass, limit)

    def _pass(self, limit: Limit) -> None:
        self._passed = limit
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_exception(LimitPassed(limit))

    async def connect(self, address: str, port: int) -> None:
        """Raises OSError when there is no way there, LimitPassed."""
        place = (address, port)
        failed = self._socket.connect_ex(place)
        if failed in _UNDER_WAY:
            failed = self._socket.connect_ex(place)  # a near host has answered by now, and waiting costs more
        if failed in _UNDER_WAY:
            await self._writable()
            failed = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if failed and failed != errno.EISCONN:
            raise OSError(failed, os.strerror(failed))

    async def send(self, content: bytes) -> None:
        while content:
            try:
                content = content[self._socket.send(content) :]
            except BlockingIOError:
                await self._writable()

    async def receive(self) -> bytes:
        """What has arrived, at least one byte.

        Raises:
            WireClosed: the peer closed the connection.
            TooMuch: it sent more than `MAX_BYTES` so far.
            LimitPassed: it took too long.
            OSError: the connection broke.
        """
        if self._unread:
            arrived, self._unread = self._unread, b""
            return arrived
        while True:
            try:
                arrived = self._socket.recv(_CHUNK)
                break
            except BlockingIOError:
                await self._readable()
        if not arrived:
            raise WireClosed
        self.received += len(arrived)
        if self.received > MAX_BYTES:
            raise TooMuch
        self._tail = (self._tail + arrived[-_TAIL:])[-_TAIL:]
        return arrived

    async def line(self) -> bytes:
        """The next line without its end.

        Raises:
            TooMuch: no end of line within `MAX_LINE`; and as `receive`.
        """
        text = b""
        while b"\n" not in text:
            if len(text) > MAX_LINE:
                raise TooMuch
            text += await self.receive()
        found, _, self._unread = text.partition(b"\n")
        return found.rstrip(b"\r")

    async def exactly(self, count: int) -> bytes:
        """That many bytes; raises as `receive`."""
        text = b""
        while len(text) < count:
            text += await self.receive()
        self._unread = text[count:]
        return text[:count]

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._reading:
            self._loop.remove_reader(self._number)
            self._reading = False
        self._socket.close()

    # ---------------------------------------------------------------- waiting

    async def _readable(self) -> None:
        if not self._reading:
            self._loop.add_reader(self._number, self._on_readable)
            self._reading = True
        await self._wait()

    def _on_readable(self) -> None:
        if self._waiter is not None:
            self._wake()
            return
        # Nobody waits for it just now; it stays there. Mostly this never comes, so the loop is told once a connection.
        self._loop.remove_reader(self._number)
        self._reading = False

    async def _writable(self) -> None:
        self._loop.add_writer(self._number, self._wake)
        try:
            await self._wait()
        finally:
            self._loop.remove_writer(self._number)

    async def _wait(self) -> None:
        if self._passed is not None:
            raise LimitPassed(self._passed)
        self._waiter = self._loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
