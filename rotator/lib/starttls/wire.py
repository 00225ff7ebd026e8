"""What a dialogue talks over, and how it says that it led nowhere."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol, TypeAlias

MAX_LINES = 100
"""Of a greeting or capability list; more is no server that anybody uses."""

MAX_MESSAGE = 65536
"""Bytes of one binary message, or of an XML stream before TLS."""


class Wire(Protocol):
    """A plain connection. Reading raises what the connection raises: closed, reset, too much."""

    async def send(self, content: bytes) -> None: ...

    async def line(self) -> bytes:
        """The next line without its end; bounded."""
        ...

    async def exactly(self, count: int) -> bytes:
        """That many bytes, at least one."""
        ...

    @property
    def unread(self) -> bytes:
        """What has arrived and was not asked for yet."""
        ...


class StartTlsRefused(Exception):  # noqa: N818 - reads as what happened
    """The server does not go over to TLS; one clause that says what it did instead."""


Dialogue: TypeAlias = Callable[[Wire, str], Awaitable[None]]
"""Takes the wire and the name that the server is asked for, which most protocols do not send."""


def shown(answer: bytes) -> str:
    """An answer of a server for a person: short, and nothing in it that a terminal obeys."""
    text = "".join(sign if sign.isprintable() else "?" for sign in answer[:80].decode("utf-8", "replace"))
    return f"`{text}`"
