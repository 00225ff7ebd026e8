"""One dialogue over bytes that a server might send: what the fuzzer, the properties and the seeds share."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

from rotator.lib.starttls import DIALOGUES, StartTlsRefused, start_tls

MAX_BYTES = 256 * 1024
MAX_LINE = 4096
NAME = "mail.example.com"
INJECTED = "refused: it sent plain text after its consent to TLS"


class Closed(Exception):  # noqa: N818 - reads as what happened
    """The server has said all that it says."""


class TooMuch(Exception):  # noqa: N818
    """More was read than a wire allows."""


class Heard:
    """A wire on which the server has said everything beforehand.

    Args:
        piece: how many bytes arrive at a time.
        endless: it begins again where it ends.
    """

    def __init__(self, content: bytes, *, piece: int = MAX_BYTES, endless: bool = False) -> None:
        self.sent = b""
        self.received = 0
        self._said = content * (1 + MAX_LINE // max(1, len(content))) if endless else content
        self._at = 0
        self._piece = piece
        self._endless = endless
        self._unread = b""

    @property
    def unread(self) -> bytes:
        return self._unread

    async def send(self, content: bytes) -> None:
        assert content
        self.sent += content

    async def line(self) -> bytes:
        while b"\n" not in self._unread:
            if len(self._unread) > MAX_LINE:
                raise TooMuch
            self._receive()
        found, _, self._unread = self._unread.partition(b"\n")
        if len(found) > MAX_LINE:  # the same, whether it came at once or in pieces
            raise TooMuch
        return found.rstrip(b"\r")

    async def exactly(self, count: int) -> bytes:
        assert count > 0, "a dialogue that wants nothing must not wait for it"
        while len(self._unread) < count:
            self._receive()
        found, self._unread = self._unread[:count], self._unread[count:]
        return found

    def _receive(self) -> None:
        if self._at >= len(self._said):
            if not self._endless or not self._said:
                raise Closed
            self._at = 0
        arrived = self._said[self._at : self._at + self._piece]
        self._at += len(arrived)
        self.received += len(arrived)
        if self.received > MAX_BYTES:
            raise TooMuch
        self._unread += arrived


def finish(talk: Coroutine[Any, Any, None]) -> None:
    """Run what never waits to its end, without an event loop."""
    try:
        talk.send(None)
    except StopIteration:
        return
    raise AssertionError("it waits for something that is no wire")


def outcome(protocol: str, wire: Heard) -> str:
    """How a dialogue ends: `consent`, `refused: …`, `closed`, `too much`; anything else is raised."""
    try:
        finish(start_tls(protocol, wire, NAME))
    except StartTlsRefused as refused:
        said = str(refused)
        assert said
        assert said.isprintable(), "a terminal must not obey a server"
        assert len(said) < 400
        return f"refused: {said}"
    except Closed:
        return "closed"
    except TooMuch:
        return "too much"
    return "consent"


def converse(content: bytes) -> dict[str, str]:
    """Let a server say this to every dialogue, at once and byte by byte; gives how each ended when it came at once.

    Raises:
        AssertionError: how it arrived made a difference, or a dialogue did what none may.
    """
    ended = {}
    for protocol in DIALOGUES:
        at_once = outcome(protocol, Heard(content))
        in_bytes = outcome(protocol, Heard(content, piece=1))
        # What comes behind the consent is only seen when it came with it.
        assert at_once in {in_bytes, INJECTED}, (protocol, at_once, in_bytes)
        assert at_once == in_bytes or in_bytes == "consent", (protocol, at_once, in_bytes)
        ended[protocol] = at_once
    return ended
