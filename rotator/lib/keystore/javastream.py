"""Just enough of Java's streams: numbers, texts, and where a serialised object ends.

Only that: nothing is built from what is read. The grammar is section 6.4.2 of the Java Object Serialization
Specification; a secret key in a JCEKS store is such an object, and without its end no entry behind it could be read.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from rotator.lib.keystore.contents import Broken

_MAGIC = b"\xac\xed\x00\x05"
_NULL, _REFERENCE, _CLASS, _OBJECT, _STRING, _ARRAY = 0x70, 0x71, 0x72, 0x73, 0x74, 0x75
_BLOCK, _END_OF_BLOCK, _LONG_BLOCK, _LONG_STRING = 0x77, 0x78, 0x7A, 0x7C
_FIRST_HANDLE = 0x7E0000
_HAS_WRITE_METHOD, _SERIALIZABLE = 0x01, 0x02
_SIZES = {"B": 1, "C": 2, "D": 8, "F": 4, "I": 4, "J": 8, "S": 2, "Z": 1}
_DEEPEST = 50


@dataclass(slots=True)
class Cursor:
    """A place in bytes from which things are taken one after the other; taking more than there is is `Broken`."""

    data: bytes = field(repr=False)
    at: int = 0

    @property
    def left(self) -> int:
        return len(self.data) - self.at

    def take(self, count: int) -> bytes:
        if count > self.left:
            raise Broken("it is cut off, or a length in it is wrong")
        self.at += count
        return self.data[self.at - count : self.at]

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size), "big")

    def sized(self, size: int) -> bytes:
        """Bytes that have their length, in so many bytes, before them."""
        return self.take(self.number(size))


def java_text(data: bytes) -> str:
    """Read modified UTF-8: zero in two bytes, what lies beyond 16 bits as two surrogates. What is none is replaced."""
    try:
        text = data.replace(b"\xc0\x80", b"\x00").decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return data.decode("utf-8", "replace")
    return text.encode("utf-16-be", "surrogatepass").decode("utf-16-be", "replace")


@dataclass(frozen=True, slots=True)
class _Class:
    """What of a class tells how long its objects are; `above` is the class it extends."""

    name: str
    flags: int
    fields: tuple[str, ...]
    above: _Class | None


def end_of_object(data: bytes, at: int) -> int:
    """Where the serialised object that begins there ends.

    Raises:
        Broken: it does not begin there, is cut off, or is of a kind that no keystore has.
    """
    cursor = Cursor(data, at)
    if cursor.take(4) != _MAGIC:
        raise Broken("a secret key in it is damaged")
    _Skip(cursor).content(0)
    return cursor.at


class _Skip:
    """Passes over one stream; classes are kept, because later objects refer to them by number."""

    def __init__(self, cursor: Cursor) -> None:
        self._cursor = cursor
        self._handles: list[_Class | None] = []

    def content(self, depth: int) -> int:
        """Pass over one thing, and say what it was."""
        if depth > _DEEPEST:
            raise Broken("a secret key in it is nested deeper than any real one")
        tag = self._cursor.number(1)
        if tag == _OBJECT:
            self._object(depth)
        elif tag == _ARRAY:
            self._array(depth)
        elif tag in {_STRING, _LONG_STRING}:
            self._handles.append(None)
            self._cursor.sized(2 if tag == _STRING else 8)
        elif tag in {_BLOCK, _LONG_BLOCK}:
            self._cursor.sized(1 if tag == _BLOCK else 4)
        elif tag == _REFERENCE:
            self._cursor.take(4)
        elif tag not in {_NULL, _END_OF_BLOCK}:
            raise Broken("a secret key in it is of a kind that no keystore has")
        return tag

    def _class(self, depth: int) -> _Class | None:
        tag = self._cursor.number(1)
        if tag == _NULL:
            return None
        if tag == _REFERENCE:
            return self._known(self._cursor.number(4))
        if tag != _CLASS or depth > _DEEPEST:
            raise Broken("a secret key in it is damaged")
        name = java_text(self._cursor.sized(2))
        self._cursor.take(8)  # its serial number
        place = len(self._handles)
        self._handles.append(None)
        flags = self._cursor.number(1)
        fields = tuple(self._field(depth) for _ in range(self._cursor.number(2)))
        self._annotation(depth)
        found = _Class(name, flags, fields, self._class(depth + 1))
        self._handles[place] = found
        return found

    def _known(self, handle: int) -> _Class:
        place = handle - _FIRST_HANDLE
        found = self._handles[place] if 0 <= place < len(self._handles) else None
        if found is None:
            raise Broken("a secret key in it is damaged")
        return found

    def _field(self, depth: int) -> str:
        kind = chr(self._cursor.number(1))
        self._cursor.sized(2)  # its name
        if kind in "L[":
            self.content(depth + 1)  # the name of its class
        elif kind not in _SIZES:
            raise Broken("a secret key in it is damaged")
        return kind

    def _annotation(self, depth: int) -> None:
        while self.content(depth + 1) != _END_OF_BLOCK:
            pass

    def _object(self, depth: int) -> None:
        described = self._class(depth)
        self._handles.append(None)
        lineage: list[_Class] = []
        while described is not None:
            lineage.append(described)
            described = described.above
        for one in reversed(lineage):
            if not one.flags & _SERIALIZABLE:
                raise Broken("a secret key in it is of a kind that no keystore has")
            for kind in one.fields:
                self._value(kind, depth)
            if one.flags & _HAS_WRITE_METHOD:
                self._annotation(depth)

    def _array(self, depth: int) -> None:
        described = self._class(depth)
        self._handles.append(None)
        kind = described.name[1:2] if described else ""
        count = self._cursor.number(4)
        if kind in _SIZES:
            self._cursor.take(count * _SIZES[kind])
            return
        for _ in range(count):
            self._value(kind, depth)

    def _value(self, kind: str, depth: int) -> None:
        if kind in _SIZES:
            self._cursor.take(_SIZES[kind])
        else:
            self.content(depth + 1)
