"""The few rules of DER (X.690) that are needed to find a part of a certificate or key that is known to be sound."""

from __future__ import annotations

SEQUENCE, SET, INTEGER, BITS, OCTETS = b"\x30", b"\x31", b"\x02", b"\x03", b"\x04"
RSA = bytes.fromhex("300d06092a864886f70d0101010500")
"""AlgorithmIdentifier of an RSA key (RFC 3279, 2.3.1)."""


def element(der: bytes, at: int, end: int, tag: bytes) -> tuple[int, int]:
    """Where the contents of an element begin and end; a ValueError where it is another one, or cut off."""
    if at + 2 > end or not der.startswith(tag, at):
        raise ValueError("another element")
    size, start = der[at + 1], at + 2
    if size > 0x7F:
        start += size & 0x7F
        size = int.from_bytes(der[at + 2 : start], "big")
        if size < 0x80 or der[at + 2] == 0:
            raise ValueError("a length in more octets than it takes")
    if start + size > end:
        raise ValueError("cut off")
    return start, start + size


def made(tag: bytes, contents: bytes) -> bytes:
    """An element of these contents."""
    size = len(contents)
    if size <= 0x7F:
        return tag + bytes((size,)) + contents
    digits = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return tag + bytes((0x80 | len(digits),)) + digits + contents
