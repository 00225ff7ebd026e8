"""Every form of a scan of real certificates, by the verb itself, held against what reads it."""

from __future__ import annotations

import csv
import io
import json
import subprocess
from collections.abc import Callable, Mapping
from html.parser import HTMLParser
from pathlib import Path

import pytest
import xmlschema
from jsonschema import Draft4Validator, Draft202012Validator

from tests.cli.fleet import DAY, make_fleet, run
from tests.servers.run import need

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def scan(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], str]:
    """Audit a folder with an expired certificate, one that ends soon, a fine one, half a one and a missing place."""
    fleet = make_fleet(tmp_path_factory.mktemp("whole"))
    for name, left in (("old", -3), ("soon", 5), ("fine", 60)):
        fleet.put(name, left=left * DAY)
    folder = fleet.folder / "services"
    (folder / "half.crt").write_text("-----BEGIN CERTIFICATE-----\nMIIB")

    def form(output: str) -> str:
        ended = run("scan", str(folder), str(fleet.folder / "missing.crt"), "--output", output)
        assert ended.returncode == 1, ended.stderr
        return ended.stdout

    return form


def _json(text: str) -> None:
    schema = json.loads((HERE.parents[1] / "docs/reference/scan.schema.json").read_text(encoding="utf-8"))
    said = json.loads(text)
    assert [error.message for error in Draft202012Validator(schema).iter_errors(said)] == []
    assert said["summary"]["places"] == 4
    assert {finding["name"] for finding in said["findings"]} >= {"expired", "expiring", "unreadable"}


def _jsonl(text: str) -> None:
    schema = json.loads((HERE.parents[1] / "docs/reference/scan.schema.json").read_text(encoding="utf-8"))
    line = Draft202012Validator({"$defs": schema["$defs"], "$ref": "#/$defs/line"})
    objects = [json.loads(each) for each in text.splitlines()]
    assert [error.message for each in objects for error in line.iter_errors(each)] == []
    assert objects[-1]["type"] == "summary"


def _csv(text: str) -> None:
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    assert len(rows) == 5
    assert {row["severity"] for row in rows} >= {"critical", "error"}


def _sarif(text: str) -> None:
    schema = json.loads((HERE / "schemas/sarif-2.1.0-rtm.5.json").read_text(encoding="utf-8"))
    said = json.loads(text)
    assert [error.message for error in Draft4Validator(schema).iter_errors(said)] == []
    assert {result["ruleId"] for result in said["runs"][0]["results"]} >= {"RT001", "RT002", "RT005"}


def _junit(text: str) -> None:
    xmlschema.XMLSchema(HERE / "schemas/junit-10.xsd").validate(io.BytesIO(text.encode()))
    assert 'errors="1"' in text


def _prometheus(text: str) -> None:
    ended = subprocess.run(
        [str(need("promtool")), "check", "metrics"], input=text, capture_output=True, text=True, check=False
    )
    assert (ended.returncode, ended.stderr) == (0, "")


def _html(text: str) -> None:
    reader = HTMLParser()
    reader.feed(text)
    assert text.startswith("<!doctype html>")
    assert "old.example.com".replace(".", ".<wbr>") in text


def _table(text: str) -> None:
    assert "RT001 expired, 1 place" in text
    assert max(map(len, text.splitlines())) <= 80


READERS: Mapping[str, Callable[[str], None]] = {
    "table": _table, "json": _json, "jsonl": _jsonl, "csv": _csv, "sarif": _sarif, "junit": _junit, "html": _html,
    "prometheus": _prometheus,
}  # fmt: skip


@pytest.mark.parametrize(
    "output", [pytest.param(form, marks=pytest.mark.server if form == "prometheus" else ()) for form in READERS]
)
def test_what_reads_it_takes_it(scan: Callable[[str], str], output: str) -> None:
    """The verb's own output is valid for whoever it is meant for, and has what was found."""
    READERS[output](scan(output))
