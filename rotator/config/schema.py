"""The JSON Schema of the whole file, every plugin's settings in it: for editors, the chart and the curious."""

from __future__ import annotations

import re
from collections.abc import Mapping
from inspect import cleandoc
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic.errors import PydanticUserError
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue, models_json_schema
from pydantic_core import core_schema

from rotator.config.entries import HEARTBEAT, SHARED, entry_class, target_fields
from rotator.config.model import NO_ALERTS, Adoption, File, Heartbeat, Section
from rotator.plugins import Group, PluginError, kinds, settings_class
from rotator.settings import PluginSettings

DIALECT = "https://json-schema.org/draft/2020-12/schema"
_ATTRIBUTE = re.compile(r"^ {4}(\w+): (.*(?:\n {8,}.*)*)", re.MULTILINE)


def config_schema() -> dict[str, Any]:
    """The schema of a config file with the plugins that are installed.

    A kind whose extra is not installed is in it too, with anything allowed as its settings and how to install it.
    """
    entries = {(group, kind): _entry(group, kind) for group in SHARED for kind in kinds(group)}
    classes = {key: cls for key, cls in entries.items() if not isinstance(cls, str)}
    refs, schema = models_json_schema(
        [(File, "validation"), (Heartbeat, "validation"), *((cls, "validation") for cls in classes.values())],
        schema_generator=_Described,
    )
    found: dict[Group, list[JsonSchemaValue]] = {group: [] for group in SHARED}
    for (group, kind), cls in classes.items():
        _take_lists(schema["$defs"], refs[cls, "validation"], kind, settings_class(group, kind))
    for (group, kind), entry in entries.items():
        found[group].append(_unloaded(group, kind, entry) if isinstance(entry, str) else refs[entry, "validation"])
    definitions: dict[str, Any] = schema["$defs"]
    root = definitions.pop(File.__name__)
    _fill(root, definitions, found, refs[Heartbeat, "validation"])
    return {"$schema": DIALECT, "title": "rotator", **root, "$defs": definitions}


def _entry(group: Group, kind: str) -> type[Section] | str:
    """The type of an entry, or why it cannot be had."""
    try:
        entry = entry_class(group, kind)
        entry.model_json_schema()
    except (PluginError, PydanticUserError) as error:
        return str(error)
    return entry


def _unloaded(group: Group, kind: str, why: str) -> JsonSchemaValue:
    shared = {name: True for name in SHARED[group].model_fields}
    return {
        "type": "object",
        "properties": {kind: {"description": why}, **shared},
        "required": [kind],
        "additionalProperties": False,
    }


def _take_lists(definitions: dict[str, Any], entry: JsonSchemaValue, kind: str, settings: type[PluginSettings]) -> None:
    """Some settings may be just a list (`endpoints: [a, b]`), which their own schema does not say: see what they do."""
    try:
        taken: list[Any] = list(settings.model_validate(["/"]).model_fields_set)
    except ValidationError as error:
        taken = list(error.errors()[0]["loc"][:1])
    if taken:
        field = definitions[_named(definitions[_named(entry)]["properties"][kind])]["properties"][taken[0]]
        definitions[_named(entry)]["properties"][kind]["anyOf"].append(field)


def _named(schema: JsonSchemaValue) -> str:
    """The definition that a reference, or the first of some alternatives, leads to."""
    reference: str = schema.get("$ref") or schema["anyOf"][0]["$ref"]
    return reference.rpartition("/")[2]


def _fill(
    root: dict[str, Any],
    definitions: dict[str, Any],
    found: Mapping[Group, list[JsonSchemaValue]],
    heartbeat: JsonSchemaValue,
) -> None:
    """Put the entries of each group where the file's own types say only "a mapping"."""
    properties = root["properties"]
    for group in ("sources", "issuers"):
        properties[group] = _either_empty(properties[group], {"anyOf": found[group]})
    alerts = {
        "type": "object",
        "properties": {HEARTBEAT: heartbeat},
        "additionalProperties": {"anyOf": found["alerters"]},
    }
    described = {"description": properties["alerts"]["description"], "default": {}}
    properties["alerts"] = {**described, "anyOf": [{"const": NO_ALERTS}, {"type": "null"}, alerts]}
    definitions["Declared"]["properties"]["targets"]["items"] = {"anyOf": found["targets"]}
    own = [info.alias or name for name, info in Adoption.model_fields.items()]
    definitions["Adoption"]["propertyNames"] = {"enum": sorted({*own, *target_fields()})}


def _either_empty(old: Mapping[str, Any], entry: JsonSchemaValue) -> JsonSchemaValue:
    entries = {"type": "object", "additionalProperties": entry}
    return {"description": old["description"], "default": {}, "anyOf": [{"type": "null"}, entries]}


class _Described(GenerateJsonSchema):
    """Takes descriptions from the docstrings of settings where their fields have none."""

    def model_schema(self, schema: core_schema.ModelSchema) -> JsonSchemaValue:
        made = super().model_schema(schema)
        cls: type[BaseModel] = schema["cls"]
        if cls.__doc__:
            made["description"] = cleandoc(cls.__doc__).partition("\n")[0]
        for one in cls.__mro__:  # settings inherit from each other, and their docstrings say what is new
            attributes = cleandoc(one.__dict__.get("__doc__") or "").partition("Attributes:\n")[2]
            for name, text in _ATTRIBUTE.findall(attributes):
                field = made.get("properties", {}).get(name)
                if field is not None:
                    field.setdefault("description", " ".join(text.split()))
        return made
