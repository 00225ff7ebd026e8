"""From what pydantic says to what a person can act on: a place in the file, a sentence, the nearest valid name."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from difflib import get_close_matches
from functools import lru_cache
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic.errors import PydanticUserError
from pydantic_core import ErrorDetails

from rotator.config.source import Document, Where
from rotator.errors import ConfigProblem

_FEW = 20
"""More valid names than these are no help in a sentence."""

_PLAIN = {
    "model_type": "it should be a mapping (key: value)",
    "dict_type": "it should be a mapping (key: value)",
    "list_type": "it should be a list, like [first, second]",
    "tuple_type": "it should be a list, like [first, second]",
    "bool_type": "it should be true or false",
    "bool_parsing": "it should be true or false",
    "int_type": "it should be a whole number",
    "int_parsing": "it should be a whole number",
    "int_from_float": "it should be a whole number",
    "time_delta_type": "it should be a duration like 30s, 15m, 1h30m or 30d",
    "time_delta_parsing": "it should be a duration like 30s, 15m, 1h30m or 30d",
}


_SINGLE = {"string_type": "text", "path_type": "path"}
_BOUND = re.compile(r"datetime\.timedelta\((?:0|(\w+)=(\d+))\)")
"""How pydantic shows the least or the most of a duration that may be left out."""


def mistakes(error: ValidationError, document: Document, at: Where, model: type[BaseModel]) -> list[ConfigProblem]:
    """Every error of one validation, each at its place; alternatives that all failed become one sentence.

    Args:
        at: where the value stands that was validated.
        model: what it was validated as, for the names that are valid there.
    """
    by_place: dict[Where, dict[tuple[int | str, ...], list[str]]] = {}
    missing: dict[Where, list[str]] = {}
    keys: set[Where] = set()
    every = error.errors(include_url=False, include_context=True)
    # A class of ours in a union says nothing to an operator; the other members say what to write.
    for details in [one for one in every if one["type"] != "is_instance_of"] or every:
        where = (*at, *_inside(document, at, details["loc"]))
        if details["type"] == "missing":
            missing.setdefault(where, []).append(str(details["loc"][-1]))
            continue
        said = by_place.setdefault(where, {}).setdefault(details["loc"], [])
        said.append(_told(details, where[len(at) :], model))
        if details["type"] == "extra_forbidden" or "[key]" in details["loc"]:
            keys.add(where)
    return [
        *(document.problem(where, _missing(names)) for where, names in missing.items()),
        *(
            document.problem(where, sentence, key=where in keys)
            for where, said in by_place.items()
            for sentence in _at_one_place(list(said.values()))
        ),
    ]


def _at_one_place(said: Sequence[Sequence[str]]) -> Sequence[str]:
    """What is said of one place: by each alternative in turn, or, where there is one alone, by several rules."""
    if len(said) == 1:
        return said[0]
    return [", or ".join(dict.fromkeys(sentence for alternative in said for sentence in alternative))]


def unknown_key(key: str, valid: Sequence[str], noun: str = "key") -> str:
    """A sentence about a name that does not exist, with the nearest one that does."""
    near = nearest(key, valid)
    if near:
        return f"{key!r} is no {noun} here; did you mean {near!r}?"
    few = 0 < len(valid) <= _FEW
    return f"{key!r} is no {noun} here; there are {', '.join(valid)}" if few else f"{key!r} is no {noun} here"


def nearest(name: str, valid: Iterable[str]) -> str:
    """The valid name that was probably meant; empty when none comes near."""
    plain, meant = {one.lower().replace("-", "_"): one for one in valid}, name.lower().replace("-", "_")
    # A whole word of it, or one word too many: `ca` for `ca_file`.
    parts = [one for one in plain if f"{one}_".startswith(f"{meant}_") or f"{meant}_".startswith(f"{one}_")]
    close = get_close_matches(meant, plain, n=1, cutoff=0.6) or (parts if len(parts) == 1 else [])
    return next((plain[one] for one in close), "")


def _missing(names: Sequence[str]) -> str:
    if len(names) == 1:
        return f"the key {names[0]!r} is missing"
    return f"the keys {', '.join(map(repr, names[:-1]))} and {names[-1]!r} are missing"


def _told(details: ErrorDetails, inside: Where, model: type[BaseModel]) -> str:
    if details["type"] == "extra_forbidden":
        return unknown_key(str(details["loc"][-1]), _valid_names(model, inside[:-1]))
    return _sentence(details)


def _inside(document: Document, at: Where, loc: Iterable[int | str]) -> Iterator[int | str]:
    """The steps of an error's path that exist in the file: pydantic's also name validators and union members."""
    where = at
    for step in loc:
        if (*where, step) in document.values:
            where = (*where, step)
            yield step


def _sentence(details: ErrorDetails) -> str:
    kind, message = details["type"], details["msg"]
    if kind in _PLAIN:
        return _PLAIN[kind]
    if kind in _SINGLE:
        return _single(_SINGLE[kind], details["input"])
    if kind in {"literal_error", "enum"}:
        return _choice(details)
    if kind == "string_pattern_mismatch":
        return f"its form is not allowed here (pattern {details['ctx']['pattern']})"
    if kind in {"too_short", "string_too_short"}:
        empty = "it is empty; name at least one" if kind == "too_short" else "it is empty"
        return empty if details["ctx"]["min_length"] == 1 else message
    text = message.removeprefix("Value error, ").removeprefix("Assertion failed, ")
    text = _BOUND.sub(lambda bound: f"{bound[2]} {bound[1]}" if bound[1] else "0 seconds", text)
    return text.replace("Input should be", "it should be", 1).replace("Input should", "it should", 1)


def _single(what: str, given: object) -> str:
    if isinstance(given, list | dict):
        return f"it should be a single {what}, not a {'list' if isinstance(given, list) else 'mapping'}"
    return f"it should be a {what}; put it in quotes"


def _choice(details: ErrorDetails) -> str:
    """One of a few words; what stands there is repeated only when it comes near one of them, so it is no secret."""
    expected, given = str(details["ctx"]["expected"]), details["input"]
    words = [word.strip("'\" ") for word in expected.replace(" or ", ", ").split(", ")]
    near = nearest(given, words) if isinstance(given, str) else ""
    return f"{given!r} is not known here; did you mean {near!r}?" if near else f"it should be {expected}"


# ---------------------------------------------------------------- the names that are valid at a place


def _valid_names(model: type[BaseModel], inside: Where) -> list[str]:
    """The keys that a mapping at this place may have, by the model's own JSON schema."""
    schema = _schema(model)
    options = [schema]
    for step in inside:
        options = [below for option in options for below in _below(_alternatives(option, schema), step)]
    return sorted(
        {name for option in options for one in _alternatives(option, schema) for name in one.get("properties", {})}
    )


@lru_cache(maxsize=64)
def _schema(model: type[BaseModel]) -> dict[str, Any]:
    try:
        return model.model_json_schema()
    except PydanticUserError:
        return {}  # a plugin's type that has no schema: the mistake is told without the names


def _alternatives(schema: dict[str, Any], root: dict[str, Any]) -> list[dict[str, Any]]:
    if "$ref" in schema:
        return _alternatives(root["$defs"][schema["$ref"].rpartition("/")[2]], root)
    choices = [*schema.get("anyOf", []), *schema.get("oneOf", []), *schema.get("allOf", [])]
    return [schema, *(one for choice in choices for one in _alternatives(choice, root))]


def _below(options: Iterable[dict[str, Any]], step: str | int) -> Iterator[dict[str, Any]]:
    for option in options:
        if isinstance(step, int):
            below = option.get("items")
        else:
            below = option.get("properties", {}).get(step) or option.get("additionalProperties")
        if isinstance(below, dict):
            yield below
