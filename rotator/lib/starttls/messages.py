"""Protocols that speak in binary messages: databases and directories."""

from __future__ import annotations

from types import MappingProxyType

from rotator.lib.starttls.wire import MAX_MESSAGE, StartTlsRefused, Wire, shown

# ---------------------------------------------------------------- databases

_MYSQL_PROTOCOL = 10
_MYSQL_ERROR = 0xFF
_MYSQL_FIXED = 4 + 8 + 1  # thread, salt, filler: between the version and the capabilities
_CLIENT_SSL = 0x0800
_SSL_REQUEST_FLAGS = _CLIENT_SSL | 0x0200 | 0x8000 | 0x80000  # PROTOCOL_41, SECURE_CONNECTION, PLUGIN_AUTH
_UTF8 = 33


async def postgres(wire: Wire, _name: str) -> None:
    """SSLRequest of PostgreSQL's frontend/backend protocol: length 8, code 80877103; the answer is one byte."""
    await wire.send(b"\x00\x00\x00\x08\x04\xd2\x16\x2f")
    answer = await wire.exactly(1)
    if answer == b"N":
        raise StartTlsRefused("it has TLS switched off (ssl = off)")
    if answer != b"S":
        raise StartTlsRefused(f"its answer to the TLS request was {shown(answer)}")


async def mysql(wire: Wire, _name: str) -> None:
    """SSLRequest of the MySQL and MariaDB client/server protocol: the server speaks first and is not asked twice."""
    head = await wire.exactly(4)
    length = int.from_bytes(head[:3], "little")
    if not 0 < length <= MAX_MESSAGE:
        raise StartTlsRefused(f"its greeting began with {shown(head)}")
    greeting = await wire.exactly(length)
    if greeting[0] == _MYSQL_ERROR:
        raise StartTlsRefused(f"it turned the connection away: {shown(greeting[3:])}")
    if greeting[0] != _MYSQL_PROTOCOL:
        raise StartTlsRefused(f"its greeting was {shown(greeting)}")
    if not _mysql_capabilities(greeting) & _CLIENT_SSL:
        raise StartTlsRefused("it has TLS switched off")
    request = _SSL_REQUEST_FLAGS.to_bytes(4, "little") + (1 << 24).to_bytes(4, "little") + bytes([_UTF8]) + bytes(23)
    sequence = bytes([(head[3] + 1) & 0xFF])
    await wire.send(len(request).to_bytes(3, "little") + sequence + request)


def _mysql_capabilities(greeting: bytes) -> int:
    """The lower two bytes of the flags; none where the greeting ends before them."""
    _, _, rest = greeting[1:].partition(b"\x00")  # the version of the server
    return int.from_bytes(rest[_MYSQL_FIXED : _MYSQL_FIXED + 2], "little")


# ---------------------------------------------------------------- directories

_START_TLS = b"1.3.6.1.4.1.1466.20037"
_SEQUENCE, _INTEGER, _OCTETS, _ENUMERATED = 0x30, 0x02, 0x04, 0x0A
_EXTENDED_RESPONSE = 0x78
_LDAP_RESULTS = MappingProxyType(
    {
        1: "operationsError",
        2: "protocolError",
        13: "confidentialityRequired",
        51: "busy",
        52: "unavailable",
        53: "unwillingToPerform",
        80: "other",
    }
)


async def ldap(wire: Wire, _name: str) -> None:
    """StartTLS as an extended request (RFC 4511, 4.14), encoded by hand: it never varies."""
    request = b"\x80" + bytes([len(_START_TLS)]) + _START_TLS
    operation = b"\x02\x01\x01" + b"\x77" + bytes([len(request)]) + request
    await wire.send(b"\x30" + bytes([len(operation)]) + operation)
    _, message = _element(await _ldap_message(wire), _INTEGER)
    response, _ = _element(message, _EXTENDED_RESPONSE)
    result, rest = _element(response, _ENUMERATED)
    code = int.from_bytes(result, "big")
    if code:
        name = f" ({_LDAP_RESULTS[code]})" if code in _LDAP_RESULTS else ""
        raise StartTlsRefused(f"its answer to StartTLS was LDAP result {code}{name}{_diagnosis(rest)}")


def _diagnosis(rest: bytes) -> str:
    """The server's own words, if it has any (diagnosticMessage, after matchedDN)."""
    try:
        _, rest = _element(rest, _OCTETS)
        words, _ = _element(rest, _OCTETS)
    except StartTlsRefused:
        return ""
    return f": {shown(words)}" if words else ""


async def _ldap_message(wire: Wire) -> bytes:
    """The content of one LDAPMessage; Active Directory writes every length in four bytes, however short."""
    head = await wire.exactly(2)
    if head[0] != _SEQUENCE:
        raise StartTlsRefused(f"its answer began with {shown(head)}")
    length = head[1]
    if length >= 0x80:
        size = length & 0x7F
        if not 1 <= size <= 4:
            raise StartTlsRefused("its answer is longer than 64 KiB")
        length = int.from_bytes(await wire.exactly(size), "big")
    if not 0 < length <= MAX_MESSAGE:
        raise StartTlsRefused("its answer is longer than 64 KiB" if length else "its answer is empty")
    return await wire.exactly(length)


def _element(content: bytes, tag: int) -> tuple[bytes, bytes]:
    """The value of the BER element that content begins with (definite lengths only), and what follows it."""
    if len(content) < 2 or content[0] != tag:
        raise StartTlsRefused("its answer to StartTLS was no extended response")
    length, begin = content[1], 2
    if length >= 0x80:
        begin += length & 0x7F
        length = int.from_bytes(content[2:begin], "big")
    end = begin + length
    if end > len(content):
        raise StartTlsRefused("its answer to StartTLS ended early")
    return content[begin:end], content[end:]
