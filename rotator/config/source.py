"""YAML with the place of every key and value kept, so that a mistake can be shown where it stands.

The document is composed, not constructed: no tag creates anything but plain values, duplicate keys are seen, and
anchors cannot grow without bound.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TypeAlias

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from rotator.errors import ConfigProblem

Where: TypeAlias = tuple[str | int, ...]
"""A path in the document: `("certificates", 0, "names")`."""

MAX_BYTES = 8 << 20
MAX_VALUES = 500_000
"""Far above any real file; anchors that multiply reach it in no time."""

_TAG = "tag:yaml.org,2002:"
_MERGE = f"{_TAG}merge"
_NEVER = re.compile("[\0\ud800-\udfff]")
"""In no name of a file, a host or a secret; the system and every encoder refuse them, each in its own way."""
_INT = re.compile(r"^[-+]?(0b[01_]+|0o[0-7_]+|0x[0-9a-fA-F_]+|[0-9][0-9_]*)$")


@dataclass(slots=True)
class Document:
    """A YAML file as plain values.

    Attributes:
        tree: dicts, lists, texts, numbers, booleans and None.
        keys: where each key stands, lines and columns counted from 1.
        values: where each value begins.
        problems: what is wrong with the text itself.
    """

    name: str
    tree: object = None
    keys: dict[Where, tuple[int, int]] = field(default_factory=dict)
    values: dict[Where, tuple[int, int]] = field(default_factory=dict)
    problems: list[ConfigProblem] = field(default_factory=list)

    def problem(self, where: Where, message: str, *, key: bool = False) -> ConfigProblem:
        """A mistake at a place; where it does not exist, at the nearest place above it."""
        line, column = self._found(where, key)
        return ConfigProblem(self.name, line, column, shown(where), message)

    def listed(self, where: Where) -> Iterator[tuple[Where, object]]:
        """Each value of the list at a place, with its own place; one value that is no list is a list of one."""
        found = self.tree
        for step in where:
            found = found[step]  # type: ignore[index]  # whoever names a place knows that it is there
        if not isinstance(found, list):
            yield where, found
            return
        for index, value in enumerate(found):
            yield (*where, index), value

    def _found(self, where: Where, key: bool) -> tuple[int, int]:
        if key and where in self.keys:
            return self.keys[where]
        for length in range(len(where), -1, -1):
            place = self.keys.get(where[:length]) if length < len(where) else None
            place = place or self.values.get(where[:length])
            if place is not None:
                return place
        return 1, 1


def shown(where: Where) -> str:
    """A path as people write it: `certificates[0].names`."""
    text = ""
    for step in where:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else str(step)
    return text


def read(text: str, name: str) -> Document:
    """Read a YAML text; whatever is wrong with it is in `problems`."""
    document = Document(name)
    if len(text) > MAX_BYTES:
        document.problems.append(ConfigProblem(name, 1, 1, "", f"more than {MAX_BYTES} bytes are not read"))
        return document
    try:
        root = YAML(typ="safe", pure=True).compose(text)
        if root is not None:
            document.tree = _Reader(document).value(root, ())
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        said = ", ".join(part for part in (error.context, error.problem) if part)
        document.problems.append(ConfigProblem(name, line, column, "", f"this is no YAML: {said}"))
    except YAMLError as error:
        first = str(error).splitlines()[0]
        document.problems.append(ConfigProblem(name, 1, 1, "", f"this is no YAML: {first}"))
    except RecursionError:
        document.problems.append(ConfigProblem(name, 1, 1, "", "it is nested too deeply to be read"))
    return document


class _Reader:
    """Turns composed nodes into plain values and notes where each stands."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._open: list[int] = []
        self._count = 0

    def value(self, node: Node, where: Where) -> object:
        self._document.values[where] = _place(node)
        self._count += 1
        if self._count > MAX_VALUES:
            raise YAMLError(f"more than {MAX_VALUES} values")
        if id(node) in self._open:
            self._complain(node, where, "an anchor refers to itself")
            return None
        self._open.append(id(node))
        try:
            if isinstance(node, MappingNode):
                return self._mapping(node, where)
            if isinstance(node, SequenceNode):
                return [self.value(item, (*where, index)) for index, item in enumerate(node.value)]
            return self._scalar(node, where)
        finally:
            self._open.pop()

    def _mapping(self, node: MappingNode, where: Where) -> dict[str, object]:
        found: dict[str, object] = {}
        merged: dict[str, object] = {}
        for key_node, value_node in node.value:
            if str(key_node.tag) == _MERGE:
                merged.update(self._merge(value_node, where))
                continue
            key = str(key_node.value) if isinstance(key_node, ScalarNode) else ""
            if not isinstance(key_node, ScalarNode):
                self._complain(key_node, where, "a key is a plain text")
            elif key in found:
                self._complain(key_node, (*where, key), f"the key {key!r} stands here twice")
            else:
                found[key] = self.value(value_node, (*where, key))
                self._document.keys[(*where, key)] = _place(key_node)
                if isinstance(value_node, ScalarNode) and not value_node.value and value_node.style is None:
                    # Of `key:` with nothing behind it YAML says that the value stands where the next line begins.
                    self._document.values[(*where, key)] = _place(key_node)
        return {**merged, **found}

    def _merge(self, node: Node, where: Where) -> dict[str, object]:
        """`<<: *base` and `<<: [*one, *two]`, of which the first wins."""
        items = list(reversed(node.value)) if isinstance(node, SequenceNode) else [node]
        merged: dict[str, object] = {}
        for item in items:
            if isinstance(item, MappingNode):
                merged.update(self._mapping(item, where))
            else:
                self._complain(item, where, "only a mapping can be merged with <<")
        return merged

    def _scalar(self, node: Node, where: Where) -> object:
        text, tag = str(node.value), str(node.tag)
        kind = tag.removeprefix(_TAG)
        if kind == "null":
            return None
        if kind == "bool":
            return text.lower() == "true"
        if kind == "int" and _INT.match(text):
            return _int(text.replace("_", ""))
        if kind == "float":
            return float(text.replace("_", "").replace(".inf", "inf").replace(".nan", "nan"))
        if kind not in {"str", "int", "float", "timestamp", "value"}:
            self._complain(node, where, f"the tag {tag} has no meaning here")
        if found := _NEVER.search(text):
            self._complain(node, where, f"the character {found[0]!a} stands in no text that could be used")
            text = _NEVER.sub("\N{REPLACEMENT CHARACTER}", text)
        return text

    def _complain(self, node: Node, where: Where, message: str) -> None:
        line, column = _place(node)
        self._document.problems.append(ConfigProblem(self._document.name, line, column, shown(where), message))


def _int(text: str) -> int:
    """YAML 1.2: `0o17` is octal, and a leading zero means nothing."""
    sign = -1 if text.startswith("-") else 1
    digits = text.lstrip("+-").lower()
    return sign * int(digits, 0 if digits[:2] in {"0b", "0o", "0x"} else 10)


def _place(node: Node) -> tuple[int, int]:
    return node.start_mark.line + 1, node.start_mark.column + 1
