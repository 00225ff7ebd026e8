"""Just enough of ASN.1 to tell what a file is by its first bytes, and what opening it would cost (X.690, 8.1)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

INTEGER, BIT_STRING, OCTET_STRING, NULL, OID = 0x02, 0x03, 0x04, 0x05, 0x06
UTC_TIME, GENERALIZED_TIME = 0x17, 0x18
SEQUENCE, SET = 0x30, 0x31
CONTEXT_0 = 0xA0
_CONSTRUCTED = 0x20
_INDEFINITE = 0x80
_MOST_LENGTH_BYTES = 4
_PIECES = 0x24  # an OCTET STRING in the constructed form


@dataclass(frozen=True, slots=True)
class Item:
    """One element: its tag byte and where its content lies; `end` is None for the indefinite form of BER.

    The end may lie behind the bytes at hand: only the head of a file may have been read.
    """

    tag: int
    start: int
    end: int | None


def item_at(data: bytes, at: int) -> Item | None:
    """The element that begins there; None where there is none, or one with a tag or length that no file of ours has."""
    if at + 2 > len(data) or data[at] & 0x1F == 0x1F:
        return None
    tag, first = data[at], data[at + 1]
    start = at + 2
    if first < _INDEFINITE:
        return Item(tag, start, start + first)
    count = first - _INDEFINITE
    if count == 0:
        return Item(tag, start, None) if tag & _CONSTRUCTED else None
    if count > _MOST_LENGTH_BYTES or start + count > len(data):
        return None
    return Item(tag, start + count, start + count + int.from_bytes(data[start : start + count], "big"))


def inside(data: bytes, item: Item | None, tag: int) -> Item | None:
    """The first element inside another, if it has that tag."""
    if item is None or not item.tag & _CONSTRUCTED:
        return None
    return _tagged(item_at(data, item.start), tag)


def after(data: bytes, item: Item | None, tag: int) -> Item | None:
    """The element behind another of known length, if it has that tag."""
    return None if item is None or item.end is None else _tagged(item_at(data, item.end), tag)


def _tagged(item: Item | None, tag: int) -> Item | None:
    return item if item is not None and item.tag == tag else None


def content(data: bytes, item: Item | None) -> bytes:
    return data[item.start : item.end] if item is not None and item.end is not None else b""


def number(data: bytes, item: Item | None) -> int | None:
    """The value of a small INTEGER; None where it is none, or not small."""
    if item is None or item.tag != INTEGER or item.end is None or not 0 < item.end - item.start <= 8:
        return None
    return int.from_bytes(data[item.start : item.end], "big", signed=True)


class Found(NamedTuple):
    """An element, and the bytes that its positions count in."""

    data: bytes
    item: Item


def elements(data: bytes, most: int) -> Iterator[Found]:
    """Every element, however deep, also inside OCTET STRINGs that hold exactly one SEQUENCE; at most so many.

    It is for finding what is there, not for reading it: whatever does not fit is passed over.
    """
    stack = [(data, 0, len(data))]
    given = 0
    while stack and given < most:
        buffer, at, end = stack.pop()
        item = item_at(buffer, at) if at < end else None
        if item is None:
            continue
        given += 1
        yield Found(buffer, item)
        if item.end is None:
            stack.append((buffer, item.start, end))  # its end is no element, and what follows is taken as inside
            if item.tag == _PIECES:
                stack.append(_joined(buffer, item.start, end))
            continue
        stop = min(item.end, end)
        stack.append((buffer, stop, end))
        if item.tag & _CONSTRUCTED or (item.tag == OCTET_STRING and _is_sequence(buffer[item.start : stop])):
            stack.append((buffer, item.start, stop))
        if item.tag == _PIECES:
            stack.append(_joined(buffer, item.start, stop))


def _joined(data: bytes, at: int, end: int) -> tuple[bytes, int, int]:
    """The content of an OCTET STRING that BER has cut into pieces (X.690, 8.7.3)."""
    pieces: list[bytes] = []
    while (piece := item_at(data, at)) is not None and piece.tag == OCTET_STRING and piece.end and piece.end <= end:
        pieces.append(data[piece.start : piece.end])
        at = piece.end
    joined = b"".join(pieces)
    return joined, 0, len(joined)


def _is_sequence(data: bytes) -> bool:
    item = item_at(data, 0)
    return item is not None and item.tag == SEQUENCE and item.end in {None, len(data)}
