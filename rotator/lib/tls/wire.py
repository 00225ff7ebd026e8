"""A plain TCP connection with bounded reading, on the event loop's sockets."""

from __future__ import annotations

import asyncio
import socket

MAX_BYTES = 256 * 1024
"""From one peer in one look; a chain of 100 kB, the most that OpenSSL takes, fits twice."""

MAX_LINE = 4096
_CHUNK = 16384


class WireClosed(Exception):  # noqa: N818 - reads as what happened
    """The peer closed the connection."""


class TooMuch(Exception):  # noqa: N818
    """The peer sent more than is ever read."""


class Wire:
    """One connection; counts what comes in."""

    def __init__(self, plain: socket.socket) -> None:
        self.received = 0
        self._socket = plain
        self._loop = asyncio.get_running_loop()
        self._unread = b""

    @property
    def unread(self) -> bytes:
        return self._unread

    async def send(self, content: bytes) -> None:
        await self._loop.sock_sendall(self._socket, content)

    async def receive(self) -> bytes:
        """What has arrived, at least one byte.

        Raises:
            WireClosed: the peer closed the connection.
            TooMuch: it sent more than `MAX_BYTES` so far.
            OSError: the connection broke.
        """
        if self._unread:
            arrived, self._unread = self._unread, b""
            return arrived
        arrived = await self._loop.sock_recv(self._socket, _CHUNK)
        if not arrived:
            raise WireClosed
        self.received += len(arrived)
        if self.received > MAX_BYTES:
            raise TooMuch
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
