"""Protocols that speak in lines: mail in its five forms, and FTP."""

from __future__ import annotations

import re

from rotator.lib.starttls.wire import MAX_LINES, MAX_MESSAGE, StartTlsRefused, Wire, shown

_LITERAL = re.compile(rb"\{(\d{1,7})\+?\}$")


async def smtp(wire: Wire, _name: str) -> None:
    """RFC 3207; submission (RFC 6409) is the same on another port."""
    await _mail(wire, b"EHLO")


async def lmtp(wire: Wire, _name: str) -> None:
    """RFC 2033, 4.1: SMTP with another greeting."""
    await _mail(wire, b"LHLO")


async def _mail(wire: Wire, hello: bytes) -> None:
    await _reply(wire, b"220", "greeting")
    await wire.send(hello + b" localhost\r\n")
    offered = await _reply(wire, b"250", hello.decode())
    if not any(line[4:].strip().upper() == b"STARTTLS" for line in offered):
        raise StartTlsRefused("it does not offer STARTTLS")
    await wire.send(b"STARTTLS\r\n")
    await _reply(wire, b"220", "STARTTLS")


async def ftp(wire: Wire, _name: str) -> None:
    """AUTH TLS (RFC 4217, 4)."""
    await _reply(wire, b"220", "greeting", free_lines=True)
    await wire.send(b"AUTH TLS\r\n")
    await _reply(wire, b"234", "AUTH TLS", free_lines=True)


async def _reply(wire: Wire, wanted: bytes, what: str, *, free_lines: bool = False) -> list[bytes]:
    """All lines of one reply: `250-` goes on, `250 ` ends (RFC 5321, 4.2.1).

    Args:
        free_lines: those between the first and the last may hold anything, as FTP lets them (RFC 959, 4.2).
    """
    lines: list[bytes] = []
    while len(lines) < MAX_LINES:
        line = await wire.line()
        inside = free_lines and bool(lines) and not line.startswith(wanted + b" ")
        if not inside and not line.startswith(wanted):
            raise StartTlsRefused(f"its answer to {what} was {shown(line)}")
        lines.append(line)
        if not inside and line[3:4] != b"-":
            return lines
    raise StartTlsRefused(f"its answer to {what} has more than {MAX_LINES} lines")


async def imap(wire: Wire, _name: str) -> None:
    """RFC 9051, 6.2.1."""
    greeting = await wire.line()
    if not greeting.upper().startswith(b"* OK"):
        raise StartTlsRefused(f"its greeting was {shown(greeting)}")
    await wire.send(b"a1 STARTTLS\r\n")
    for _ in range(MAX_LINES):
        line = await wire.line()
        if line.upper().startswith(b"A1 OK"):
            return
        if not line.startswith(b"*"):
            raise StartTlsRefused(f"its answer to STARTTLS was {shown(line)}")
    raise StartTlsRefused(f"its answer to STARTTLS has more than {MAX_LINES} lines")


async def pop3(wire: Wire, _name: str) -> None:
    """RFC 2595, 4."""
    for question, what in ((b"", "greeting"), (b"STLS\r\n", "STLS")):
        if question:
            await wire.send(question)
        line = await wire.line()
        if not line.upper().startswith(b"+OK"):
            raise StartTlsRefused(f"its answer to {what} was {shown(line)}")


async def sieve(wire: Wire, _name: str) -> None:
    """ManageSieve (RFC 5804, 2.2): the greeting lists what the server can do."""
    offered = await _sieve_reply(wire, "greeting")
    if not any(line.strip().upper() == b'"STARTTLS"' for line in offered):
        raise StartTlsRefused("it does not offer STARTTLS")
    await wire.send(b"STARTTLS\r\n")
    await _sieve_reply(wire, "STARTTLS")


async def _sieve_reply(wire: Wire, what: str) -> list[bytes]:
    """The lines before `OK` (RFC 5804, 1.2)."""
    lines: list[bytes] = []
    while len(lines) < MAX_LINES:
        line = await _with_literals(wire)
        word = line[:3].upper()
        if word.rstrip() == b"OK":
            return lines
        if word in {b"NO ", b"NO", b"BYE"} or not line.startswith((b'"', b"{")):
            raise StartTlsRefused(f"its answer to {what} was {shown(line)}")
        lines.append(line)
    raise StartTlsRefused(f"its answer to {what} has more than {MAX_LINES} lines")


async def _with_literals(wire: Wire) -> bytes:
    """A line and the strings that it announces by their length, `{42}` at its end (RFC 5804, 4)."""
    whole = line = await wire.line()
    while (literal := _LITERAL.search(line)) is not None:
        length = int(literal[1])
        if len(whole) + length > MAX_MESSAGE:
            raise StartTlsRefused("its answer is longer than 64 KiB")
        text = await wire.exactly(length) if length else b""
        line = await wire.line()
        whole += b" " + text + line
    return whole
