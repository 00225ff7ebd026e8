"""How plain protocols are asked to go over to TLS: one short dialogue each, behind one registry.

A server that sends anything after its consent and before the handshake is refused: those bytes came in the clear, and
whoever put them there wants them taken for protected ones (command injection, RFC 3207, 6 and CVE-2011-0411).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol

MAX_LINES = 100
"""Of a greeting or capability list; more is no mail server."""


class Wire(Protocol):
    """A plain connection. Reading raises what the connection raises: closed, reset, too much."""

    async def send(self, content: bytes) -> None: ...

    async def line(self) -> bytes:
        """The next line without its end; bounded."""
        ...

    async def exactly(self, count: int) -> bytes: ...

    @property
    def unread(self) -> bytes:
        """What has arrived and was not asked for yet."""
        ...


class StartTlsRefused(Exception):  # noqa: N818 - reads as what happened
    """The server does not go over to TLS; one clause that says what it did instead."""


Dialogue = Callable[[Wire], Awaitable[None]]


async def start_tls(protocol: str, wire: Wire) -> None:
    """Bring a fresh connection to where the TLS handshake begins.

    Raises:
        StartTlsRefused: the server refused, or does not speak this protocol.
        LookupError: rotator does not know this protocol.
    """
    await DIALOGUES[protocol](wire)
    if wire.unread:
        raise StartTlsRefused("it sent plain text after its consent to TLS")


# ---------------------------------------------------------------- mail


async def _smtp(wire: Wire) -> None:
    """RFC 3207."""
    await _smtp_reply(wire, b"220", "greeting")
    await wire.send(b"EHLO localhost\r\n")
    offered = await _smtp_reply(wire, b"250", "EHLO")
    if not any(line[4:].strip().upper() == b"STARTTLS" for line in offered):
        raise StartTlsRefused("it does not offer STARTTLS")
    await wire.send(b"STARTTLS\r\n")
    await _smtp_reply(wire, b"220", "STARTTLS")


async def _smtp_reply(wire: Wire, wanted: bytes, what: str) -> list[bytes]:
    """All lines of one reply (RFC 5321, 4.2.1: `250-` goes on, `250 ` ends)."""
    lines: list[bytes] = []
    while len(lines) < MAX_LINES:
        lines.append(await wire.line())
        if not lines[-1].startswith(wanted):
            raise StartTlsRefused(f"its answer to {what} was {_shown(lines[-1])}")
        if lines[-1][3:4] != b"-":
            return lines
    raise StartTlsRefused(f"its answer to {what} has more than {MAX_LINES} lines")


async def _imap(wire: Wire) -> None:
    """RFC 9051, 6.2.1."""
    greeting = await wire.line()
    if not greeting.upper().startswith(b"* OK"):
        raise StartTlsRefused(f"its greeting was {_shown(greeting)}")
    await wire.send(b"a1 STARTTLS\r\n")
    for _ in range(MAX_LINES):
        line = await wire.line()
        if line.upper().startswith(b"A1 OK"):
            return
        if not line.startswith(b"*"):
            raise StartTlsRefused(f"its answer to STARTTLS was {_shown(line)}")
    raise StartTlsRefused(f"its answer to STARTTLS has more than {MAX_LINES} lines")


async def _pop3(wire: Wire) -> None:
    """RFC 2595, 4."""
    for question, what in ((b"", "greeting"), (b"STLS\r\n", "STLS")):
        if question:
            await wire.send(question)
        line = await wire.line()
        if not line.upper().startswith(b"+OK"):
            raise StartTlsRefused(f"its answer to {what} was {_shown(line)}")


# ---------------------------------------------------------------- databases and directories


async def _postgres(wire: Wire) -> None:
    """SSLRequest of PostgreSQL's frontend/backend protocol: length 8, code 80877103; the answer is one byte."""
    await wire.send(b"\x00\x00\x00\x08\x04\xd2\x16\x2f")
    answer = await wire.exactly(1)
    if answer == b"N":
        raise StartTlsRefused("it has TLS switched off (ssl = off)")
    if answer != b"S":
        raise StartTlsRefused(f"its answer to the TLS request was {_shown(answer)}")


async def _ldap(wire: Wire) -> None:
    """StartTLS as an extended request (RFC 4511, 4.14), encoded by hand: it never varies."""
    name = b"1.3.6.1.4.1.1466.20037"
    request = b"\x80" + bytes([len(name)]) + name
    operation = b"\x02\x01\x01" + b"\x77" + bytes([len(request)]) + request
    await wire.send(b"\x30" + bytes([len(operation)]) + operation)
    message = await _ber(wire, 0x30)
    # messageID, then ExtendedResponse [APPLICATION 24] beginning with the resultCode
    if message[:3] != b"\x02\x01\x01" or message[3:4] != b"\x78":
        raise StartTlsRefused("its answer to StartTLS was no extended response")
    header = 2 if message[4] < 0x80 else 2 + (message[4] & 0x7F)
    result = message[3 + header :]
    if result[:2] != b"\x0a\x01" or len(result) < 3:
        raise StartTlsRefused("its answer to StartTLS has no result")
    if result[2] != 0:
        raise StartTlsRefused(f"its answer to StartTLS was LDAP result {result[2]}")


async def _ber(wire: Wire, tag: int) -> bytes:
    """The content of one BER element with a definite length of at most 64 KiB."""
    head = await wire.exactly(2)
    if head[0] != tag:
        raise StartTlsRefused(f"its answer began with {_shown(head)}")
    length = head[1]
    if length >= 0x80:
        if length & 0x7F not in (1, 2):
            raise StartTlsRefused("its answer is longer than 64 KiB")
        length = int.from_bytes(await wire.exactly(length & 0x7F), "big")
    if length < 5:
        raise StartTlsRefused("its answer is too short")
    return await wire.exactly(length)


def _shown(answer: bytes) -> str:
    """An answer of a server for a person: short, and nothing in it that a terminal obeys."""
    text = "".join(sign if sign.isprintable() else "?" for sign in answer[:80].decode("utf-8", "replace"))
    return f"`{text}`"


DIALOGUES: Mapping[str, Dialogue] = {
    "imap": _imap,
    "ldap": _ldap,
    "pop3": _pop3,
    "postgres": _postgres,
    "smtp": _smtp,
}
"""By the scheme of an endpoint: `smtp://mail.example.com:587`."""
