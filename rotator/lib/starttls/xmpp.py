"""XMPP (RFC 6120, 5): an XML stream in which the server offers TLS."""

from __future__ import annotations

from dataclasses import dataclass, field
from html import escape
from xml.parsers import expat

from rotator.lib.starttls.wire import MAX_MESSAGE, StartTlsRefused, Wire, shown

_TLS = "urn:ietf:params:xml:ns:xmpp-tls"
_STREAMS = "http://etherx.jabber.org/streams"
_STARTTLS, _PROCEED = f"{_TLS} starttls", f"{_TLS} proceed"
_FEATURES, _ERROR = f"{_STREAMS} features", f"{_STREAMS} error"


async def client(wire: Wire, name: str) -> None:
    """What a client says to its server."""
    await _negotiate(wire, name, "jabber:client")


async def server(wire: Wire, name: str) -> None:
    """What another server says."""
    await _negotiate(wire, name, "jabber:server")


async def _negotiate(wire: Wire, name: str, namespace: str) -> None:
    to = f" to='{escape(name)}'" if name else ""
    opening = f"<stream:stream{to} xmlns='{namespace}' xmlns:stream='{_STREAMS}' version='1.0'>"
    await wire.send(f"<?xml version='1.0'?>{opening}".encode())
    stream = _Stream(wire)
    features = await stream.next()
    if features.name != _FEATURES or _STARTTLS not in features.children:
        raise StartTlsRefused(_refusal(features))
    await wire.send(f"<starttls xmlns='{_TLS}'/>".encode())
    answer = await stream.next()
    if answer.name != _PROCEED:
        raise StartTlsRefused(_refusal(answer))


@dataclass(slots=True)
class _Element:
    """A child of the stream, what stands directly below it, and the text in that; names with their namespaces."""

    name: str
    children: list[str] = field(default_factory=list)
    text: str = ""


def _refusal(said: _Element) -> str:
    if said.name == _FEATURES:
        return "it does not offer STARTTLS"
    if said.name == _ERROR and said.children:
        words = f": {shown(said.text.encode())}" if said.text else ""
        return f"it ended the stream with {_local(said.children[0])}{words}"
    return f"it answered with {_local(said.name)}"


def _local(name: str) -> str:
    return shown(name.rpartition(" ")[2].encode())


class _Stream:
    """The server's half of the stream, parsed as it comes and never past the end of a tag.

    No document type, and so no entity, is taken (RFC 6120, 11.1), nor anything but UTF-8 (11.6).
    """

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._left = MAX_MESSAGE
        self._depth = 0
        self._open: _Element | None = None
        self._complete: _Element | None = None
        self._parser = expat.ParserCreate("UTF-8", " ")
        self._parser.StartElementHandler = self._begins
        self._parser.EndElementHandler = self._ends
        self._parser.CharacterDataHandler = self._text
        self._parser.StartDoctypeDeclHandler = self._doctype
        # Newer expat puts off a tag that came in pieces; a peer that waits for our answer would wait for ever.
        getattr(self._parser, "SetReparseDeferralEnabled", bool)(False)

    async def next(self) -> _Element:
        """The next child of the stream, whole."""
        self._complete = None
        while self._complete is None:
            piece = await self._piece()
            try:
                self._parser.Parse(piece.decode(), False)
            except (UnicodeError, expat.ExpatError) as error:
                reason = expat.ErrorString(error.code) if isinstance(error, expat.ExpatError) else "not UTF-8"
                raise StartTlsRefused(f"what it sent is no XML stream ({reason}): {shown(piece)}") from error
        return self._complete

    async def _piece(self) -> bytes:
        """Up to the end of a tag, so that what comes behind the consent stays unread."""
        piece = bytearray()
        while not piece.endswith(b">"):
            waiting = self._wire.unread
            end = waiting.find(b">") + 1
            piece += await self._wire.exactly(end or len(waiting) or 1)
            if len(piece) > self._left:
                raise StartTlsRefused(f"it sent more than {MAX_MESSAGE} bytes before TLS")
        self._left -= len(piece)
        return bytes(piece)

    def _begins(self, name: str, _: object) -> None:
        self._depth += 1
        if self._depth == 1 and name != f"{_STREAMS} stream":
            raise StartTlsRefused(f"it answered with {_local(name)}")
        if self._depth == 2:
            self._open = _Element(name)
        elif self._depth == 3 and self._open is not None:
            self._open.children.append(name)

    def _ends(self, _: str) -> None:
        self._depth -= 1
        if self._depth == 0:
            raise StartTlsRefused("it closed the stream")
        if self._depth == 1:
            self._complete = self._open

    def _text(self, text: str) -> None:
        if self._depth == 3 and self._open is not None:
            self._open.text += text

    def _doctype(self, *_: object) -> None:
        raise StartTlsRefused("it sent a document type, which XMPP forbids")
