"""Settings as a table: what each is called, what it takes, and what it is without being said."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from rotator.config.schema import _Described
from rotator.config.values import show_key
from rotator.core.model import KeySpec
from rotator.settings import SecretRef, show_duration

Node = Mapping[str, Any]

# Settings whose model says nothing of them; a test sees to it that none is missing and none is said twice.
UNSAID: Mapping[tuple[str, str], str] = {
    ("LocalCaSettings", "organisation"): "Organisation in the name of a CA that is made.",
    ("LocalCaSettings", "ca_key"): "The private key of that CA.",
}


@dataclass(frozen=True, slots=True)
class Row:
    """One setting."""

    name: str
    takes: str
    default: str
    says: str


def rows_of(model: type[BaseModel], prefix: str = "") -> Iterator[Row]:
    """The settings of a model, those of a model within it below it under a dotted name."""
    schema = model.model_json_schema(schema_generator=_Described)
    for name, info in model.model_fields.items():
        shown = f"{prefix}{info.alias or name}"
        node = schema["properties"][info.alias or name]
        inner = _inner(info.annotation)
        says = says_of(info, node) or UNSAID.get((model.__name__, name), "")
        takes = "see below" if inner else _takes(info.annotation, node, schema.get("$defs", {}))
        yield Row(shown, takes, "" if inner and not info.is_required() else _default(info), _sentence(says))
        if inner:
            yield from rows_of(inner, f"{shown}.")


def twice(model: type[BaseModel]) -> Iterator[str]:
    """Settings that both the model and our own list explain."""
    schema = model.model_json_schema(schema_generator=_Described)
    for name, info in model.model_fields.items():
        if says_of(info, schema["properties"][info.alias or name]) and (model.__name__, name) in UNSAID:
            yield f"{model.__name__}.{name}"
        if inner := _inner(info.annotation):
            yield from twice(inner)


def table(rows: Iterator[Row] | list[Row]) -> str:
    """Markdown; without settings it is empty."""
    lines = [f"| `{row.name}` | {_cell(row.says)} | {_cell(row.takes)} | {row.default} |" for row in rows]
    return "\n".join(["| setting | what it is | takes | without it |", "| --- | --- | --- | --- |", *lines])


def says_of(info: FieldInfo, node: Node) -> str:
    """What the code says of a setting: its description, its model's docstring, or that of the model it is."""
    inner = _inner(info.annotation)
    own = (inner.__doc__ or "").strip().partition("\n")[0] if inner else ""
    return str(info.description or node.get("description", "") or own)


def _sentence(text: str) -> str:
    """With a capital, unless it begins with a value (`observe: …`)."""
    return text[:1].upper() + text[1:] if re.match(r"[a-z]+[ ']", text) else text


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


# ---------------------------------------------------------------- what it takes


def _parts(annotation: object) -> tuple[object, ...]:
    """The alternatives of a type, without None."""
    if get_origin(annotation) is Annotated:
        return _parts(get_args(annotation)[0])
    if get_origin(annotation) in {Union, UnionType}:
        return tuple(own for part in get_args(annotation) if part is not type(None) for own in _parts(part))
    return (annotation,)


def _inner(annotation: object) -> type[BaseModel] | None:
    """The model that a setting is, if it is one; a section of the file has a table of its own."""
    for part in _parts(annotation):
        own = isinstance(part, type) and issubclass(part, BaseModel)
        if own and not part.__module__.startswith("rotator.config"):
            return part
    return None


def _takes(annotation: object, node: Node, definitions: Mapping[str, Node]) -> str:
    """In words, from the schema; durations and secrets are texts there and say more here."""
    parts = _parts(annotation)
    if timedelta in parts:
        return "duration"
    if SecretRef in parts:
        return "secret reference"
    if any(SecretRef in get_args(part) for part in parts):
        return "mapping to secret references"
    return _of_node(node, definitions)


def _of_node(node: Node, definitions: Mapping[str, Node]) -> str:
    if "$ref" in node:
        return _of_node(definitions[node["$ref"].rpartition("/")[2]], definitions)
    if "anyOf" in node:
        found = [_of_node(each, definitions) for each in node["anyOf"] if each.get("type") != "null"]
        return ", or ".join(dict.fromkeys(found))
    if "enum" in node:
        return ", ".join(f"`{value}`" for value in node["enum"])
    if "const" in node:
        return f"`{node['const']}`"
    match node.get("type"):
        case "array":
            return f"list of {_of_node(node['items'], definitions)}" if "items" in node else "list"
        case "boolean":
            return "`true`, `false`"
        case "integer":
            return _number(node)
        case "object":
            named = ", ".join(node.get("properties", {}))
            return f"mapping with {named}" if named else "mapping"
    return "path" if node.get("format") == "path" else "text"


def _number(node: Node) -> str:
    least, most = node.get("minimum"), node.get("maximum")
    return f"number from {least} to {most}" if most is not None else f"number from {least}"


# ---------------------------------------------------------------- the default


def _default(info: FieldInfo) -> str:
    if info.is_required():
        return "**required**"
    return _shown(info.get_default(call_default_factory=True))


def _shown(value: object) -> str:
    """A default as the config would say it; nothing where it means "none"."""
    if value is None or value in ("", (), [], {}, frozenset(), PydanticUndefined):
        return ""
    if isinstance(value, BaseModel):
        return ""
    if isinstance(value, timedelta):
        return f"`{show_duration(value)}`"
    if isinstance(value, KeySpec):
        return f"`{show_key(value)}`"
    if isinstance(value, Enum):
        return f"`{value.value}`"
    return f"`{str(value).lower()}`" if isinstance(value, bool) else f"`{value}`"
