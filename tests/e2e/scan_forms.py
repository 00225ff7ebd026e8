"""What reads the forms of a scan, outside of rotator: schemas, Prometheus' own checker, and the parsers of Python."""

from __future__ import annotations

import csv
import io
import json
import subprocess
from collections.abc import Callable, Mapping
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import xmlschema
from jsonschema import Draft4Validator, Draft202012Validator

from tests.servers.run import need

ROOT = Path(__file__).parents[2]
SCHEMAS = ROOT / "tests/report/schemas"


@cache
def _published() -> Any:
    return json.loads((ROOT / "docs/reference/scan.schema.json").read_text(encoding="utf-8"))


def _valid(validator: Any, *documents: object) -> None:
    assert [error.message for each in documents for error in validator.iter_errors(each)] == []


def _json(text: str) -> None:
    _valid(Draft202012Validator(_published()), json.loads(text))


def _jsonl(text: str) -> None:
    line = {"$defs": _published()["$defs"], "$ref": "#/$defs/line"}
    objects = [json.loads(each) for each in text.splitlines()]
    _valid(Draft202012Validator(line), *objects)
    assert [one["type"] for one in objects].count("summary") == 1


def _csv(text: str) -> None:
    rows = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    assert {len(row) for row in rows} == {len(rows[0])}


def _sarif(text: str) -> None:
    schema = json.loads((SCHEMAS / "sarif-2.1.0-rtm.5.json").read_text(encoding="utf-8"))
    _valid(Draft4Validator(schema), json.loads(text))


def _junit(text: str) -> None:
    xmlschema.XMLSchema(SCHEMAS / "junit-10.xsd").validate(io.BytesIO(text.encode()))


def _prometheus(text: str) -> None:
    command = [str(need("promtool")), "check", "metrics"]
    ended = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")


class _Page(HTMLParser):
    """Every address that a page would load from or lead to."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.addresses += [value or "" for name, value in attrs if name in {"src", "href", "action"}]


def _html(text: str) -> None:
    page = _Page()
    page.feed(text)
    page.close()
    assert [each for each in page.addresses if not each.startswith(("#", "data:"))] == []


def _table(text: str) -> None:
    assert max(map(len, text.splitlines())) <= 100


FORMS: Mapping[str, Callable[[str], None]] = {
    "table": _table,
    "json": _json,
    "jsonl": _jsonl,
    "csv": _csv,
    "sarif": _sarif,
    "junit": _junit,
    "prometheus": _prometheus,
    "html": _html,
}
"""What raises where the text of a form is not what its readers take."""
