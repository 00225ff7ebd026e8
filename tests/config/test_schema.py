"""The JSON Schema of the file, and the example that explains it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from rotator.config.entries import SHARED
from rotator.config.load import load, load_text
from rotator.config.model import Adoption, Declared, File
from rotator.config.schema import config_schema
from rotator.config.source import read
from rotator.plugins import kinds
from tests.config.test_build import FULL
from tests.config.test_load import GOOD

EXAMPLE = Path(__file__).parents[2] / "config.example.yaml"
OF_TESTS = {"shelf", "boxes", "odd", "broken", "quiet"}
OWN_KINDS = [(group, kind) for group in SHARED for kind in kinds(group)]


def errors(text: str) -> list[str]:
    """What the schema has against a text."""
    return [error.message for error in Draft202012Validator(config_schema()).iter_errors(read(text, "c.yaml").tree)]


@pytest.mark.parametrize(
    "text",
    [
        FULL,
        GOOD,
        "sources:\nissuers:\nadopt:\ncertificates:\nalerts:\n",
        "sources: {a: {boxes: [x]}, b: {boxes: {boxes: [x]}}}\n",
        "alerts: none\nstate: /tmp/x\n",
        "alerts: {l: {log: }}\n",
        EXAMPLE.read_text(encoding="utf-8"),
    ],
    ids=["full", "good", "empty", "lists", "short", "null", "example"],
)
def test_what_loads_fits_the_schema(text: str) -> None:
    """Shows that an editor with the schema has nothing against a file that rotator takes, shorthands included."""
    load_text(text, "c.yaml")
    assert errors(text) == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("mode: rotate", "mod: rotate"),
        ("mode: rotate", "mode: rotat"),
        ("{place: hall}", "{plaec: hall}"),
        ("{shelf: {place: hall}}", "{shelv: {place: hall}}"),
        ("issuer: ca", "isuer: ca"),
        ("issuer: ca", "issuer: ca\n    key: rsa-1024"),
        ("issuer: ca", "issuer: ca\n    windows: [{start: '2:00'}]"),
        ("{place: shop}}", "{place: shop}, restart: [checkout]}"),
        ("{place: safe}}", "{place: safe}, trust: {fil: /x}}"),
        ("mode: rotate", "adopt: [{from: here, match: {}, issuer: ca, stickerz: [a]}]"),
    ],
)
def test_what_does_not_load_does_not_fit(old: str, new: str) -> None:
    """Shows that the schema knows the same mistakes as the loader, as far as a schema can."""
    assert errors(GOOD.replace(old, new)) != []


def test_the_schema_is_one(tmp_path: Path) -> None:
    """Shows that the schema is valid by its own dialect, and that each reference in it leads somewhere."""
    schema = config_schema()
    Draft202012Validator.check_schema(schema)
    for reference in _references(schema):
        assert reference.removeprefix("#/$defs/") in schema["$defs"]


def _references(schema: object) -> Iterator[str]:
    if isinstance(schema, dict):
        if isinstance(schema.get("$ref"), str):
            yield schema["$ref"]
        for below in schema.values():
            yield from _references(below)
    elif isinstance(schema, list):
        for below in schema:
            yield from _references(below)


def test_a_kind_whose_library_is_not_installed_is_in_the_schema() -> None:
    """Shows that the schema works without extras and says how to install one; a type without schema is let through."""
    sources = config_schema()["properties"]["sources"]["anyOf"][1]["additionalProperties"]["anyOf"]
    by_kind = {kind: one for one in sources for kind in one.get("required", ())}
    assert "pip install 'rotator-shelf[shelves]'" in by_kind["broken"]["properties"]["broken"]["description"]
    assert "odd" in by_kind


def test_descriptions_come_from_fields_and_docstrings() -> None:
    """Shows that what an editor shows beside a key is what the code says of it."""
    definitions = config_schema()["$defs"]
    assert definitions["Limits"]["properties"]["at_once"]["description"] == "Rotations in flight at the same time."
    assert definitions["ShelfSettings"]["properties"]["place"]["description"] == "where the shelf stands."
    assert definitions["ShelfSettings"]["description"] == "A shelf."


def test_the_schema_needs_no_vendor_library() -> None:
    """Shows that `config schema` stays quick: the heavy libraries are not imported for it."""
    code = (
        "import sys; from rotator.config.schema import config_schema; config_schema();"
        "print([m for m in ('kubernetes', 'acme', 'hvac', 'boto3', 'sqlalchemy') if m in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)
    assert ran.stdout.strip() == "[]"


# ---------------------------------------------------------------- the example


def test_the_example_loads_and_has_every_top_level_key_in_order() -> None:
    """Shows that the example is a valid production config, and that no key of the file is missing in it."""
    config = load(EXAMPLE)
    tree: Any = read(EXAMPLE.read_text(encoding="utf-8"), "example").tree
    assert list(tree) == [info.alias or name for name, info in File.model_fields.items()]
    assert config.specs()
    assert config.rules()
    assert not config.alerts_missing


@pytest.mark.parametrize(("group", "kind"), [one for one in OWN_KINDS if one[1] not in OF_TESTS])
def test_every_kind_is_shown_or_its_settings_are_described(group: Any, kind: str) -> None:
    """Shows that each setting of each plugin stands in the example, or has a description in the schema."""
    text = EXAMPLE.read_text(encoding="utf-8")
    schema = config_schema()
    reference = schema["$defs"][f"{group}_{kind}"]["properties"][kind]["anyOf"][0]["$ref"]
    properties = schema["$defs"][reference.removeprefix("#/$defs/")]["properties"]
    undescribed = [key for key, one in properties.items() if f"{key}:" not in text and "description" not in one]
    assert undescribed == []


@pytest.mark.parametrize("section", [File, Declared, Adoption, *SHARED.values()], ids=lambda cls: cls.__name__)
def test_every_key_of_the_files_own_sections_is_described(section: Any) -> None:
    """Shows that no key of ours is without a sentence about it."""
    assert [name for name, info in section.model_fields.items() if not (info.description or name == "restart")] == []


def test_every_key_of_a_certificate_and_a_rule_is_shown() -> None:
    """Shows that whoever reads the example has seen every key that a certificate, a rule or an entry may have."""
    text = EXAMPLE.read_text(encoding="utf-8")
    sections: tuple[Any, ...] = (Declared, Adoption, *SHARED.values())
    for section in sections:
        for name, info in section.model_fields.items():
            assert f"{info.alias or name}:" in text, name
