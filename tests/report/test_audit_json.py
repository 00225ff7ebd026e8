"""The JSON of a scan and its lines: their schema, their speed, and names that break readers."""

from __future__ import annotations

import json as standard
import time
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from rotator.core.audit import Audit, Unseen
from rotator.report import json, jsonl
from tests.builders import chain
from tests.report.audits import EXPIRED, HOSTILE, RULES, audit, empty, hostile, large, line, ordinary, saying, served

SCHEMA: dict[str, Any] = standard.loads(
    (Path(__file__).parents[2] / "docs/reference/scan.schema.json").read_text(encoding="utf-8")
)
AUDITS = [ordinary, empty, hostile]


def closed(schema: dict[str, Any], kind: str = "") -> Draft202012Validator:
    """A validator that takes no key that the schema does not name."""
    strict = deepcopy(schema)
    for part in (strict, *strict["$defs"].values()):
        if "properties" in part and part is not strict["$defs"]["line"]:
            part["additionalProperties"] = False
    if kind:
        strict = {"$defs": strict["$defs"], "$ref": f"#/$defs/{kind}"}
    return Draft202012Validator(strict, format_checker=Draft202012Validator.FORMAT_CHECKER)


def test_the_schema_is_one() -> None:
    """The published schema is itself valid."""
    Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("make", AUDITS)
def test_json_is_what_the_schema_says(make: Callable[[], Audit]) -> None:
    """Every key is in the schema, with its type, and every required one is there."""
    said = standard.loads(json.text(json.audit(make(), RULES)))
    assert [error.message[:300] for error in closed(SCHEMA).iter_errors(said)] == []


@pytest.mark.parametrize("make", AUDITS)
def test_each_line_is_one_object_of_the_schema(make: Callable[[], Audit]) -> None:
    """Whatever a name holds, a line is one JSON object, has a type, and has the keys that the JSON of a scan has."""
    one = make()
    lines = [text for part in jsonl.audit(one, RULES) for text in part.splitlines(keepends=True)]
    assert all(len(text.splitlines()) == 1 and text.endswith("\n") for text in lines)
    for text in lines:
        said = standard.loads(text)
        kind = said.pop("type")
        assert [error.message[:300] for error in closed(SCHEMA, kind).iter_errors(said)] == []
    whole = json.audit(one, RULES)
    objects = [standard.loads(text) for text in lines]
    places = [{"type": "place", **place} for place in whole["places"]]  # type: ignore[dict-item,union-attr]  # objects
    assert [each for each in objects if each["type"] == "place"] == places
    findings = [each for each in objects if each["type"] == "finding"]
    assert sorted(each["message"] for each in findings) == sorted(each.message for each in one.findings)
    assert objects[-1]["type"] == "summary"


def test_a_path_that_is_no_utf8_can_be_written() -> None:
    """A lone surrogate leaves as an escape, so that any stream takes the text and nothing of the path is lost."""
    text = json.text(json.audit(hostile())) + "".join(jsonl.audit(hostile()))
    assert b"\\udcff" in text.encode()
    assert standard.loads(text.splitlines()[-1])["type"] == "summary"
    problem = standard.loads(json.text(json.audit(hostile())))["places"][0]["problem"]
    assert problem == HOSTILE


def test_what_a_place_tells() -> None:
    """Use, service, issuer, team, consumers, protocol, addresses and what is excused are said of a place."""
    places = {place["place"]: place for place in standard.loads(json.text(json.audit(ordinary())))["places"]}
    front = places["prod:Secret shop/front-tls"]
    assert (front["service"], front["team"], front["issuer"]) == ("prod:shop", "payments", "Test Issuing")
    assert front["consumers"] == [
        {
            "kind": "Ingress",
            "name": "shop/front",
            "hosts": ["shop.example.com"],
            "stuck": "it mounts it with subPath",
            "foreign": None,
        }
    ]
    mail = places["mail.example.com:465"]
    assert (mail["kind"], mail["protocol"], mail["addresses"]) == ("served", "TLSv1.3", ["192.0.2.1"])
    assert places["web1:/etc/ssl/ca-bundle.pem"]["use"] == "trust"
    (excused,) = places["web1:/srv/shop.pem"]["excused"]
    assert (excused["rule"], excused["until"], excused["reason"]) == ("RT002", "2026-06-01", "replaced in May")


def test_a_finding_names_its_rule_and_what_it_is_about() -> None:
    """A reader needs no catalogue to know what RT019 is; a rule that nobody knows has no name."""
    found = {
        finding["rule"]: finding for finding in standard.loads(json.text(json.audit(ordinary(), RULES)))["findings"]
    }
    assert (found["RT019"]["name"], found["RT019"]["about"]) == ("wildcard", "*.example.com")
    assert found["RT005"]["name"] is None


def test_a_finding_names_its_place_as_the_place_does() -> None:
    """Whoever joins findings to places can do so by the text, and over time and machines by the id."""
    said = standard.loads(json.text(json.audit(ordinary(), RULES)))
    places = {standard.dumps(place["location"]): place for place in said["places"]}
    assert {finding["place"] for finding in said["findings"]} >= {"mail.example.com:465", "web1:/etc/ssl/old.pem"}
    for finding in said["findings"]:
        place = places[standard.dumps(finding["location"])]
        assert (finding["place"], finding["id"]) == (place["place"], place["id"])
    ids = {place["place"]: place["id"] for place in said["places"]}
    assert ids["web1:/etc/ssl/old.pem"] == "/etc/ssl/old.pem"
    assert ids["prod:Secret shop/front-tls"] == "prod:Secret shop/front-tls"
    assert ids["mail.example.com:465"] == "mail.example.com:465"


def test_both_keys_of_a_server_have_names_of_their_own() -> None:
    """Where a server was asked for both kinds of key, place, id and findings say which one it is."""
    where = served("a.example.com", chain(), key="rsa")
    said = standard.loads(json.text(json.audit(audit(line(where, saying(EXPIRED, where, "it ended"))))))
    for each in (*said["places"], *said["findings"]):
        assert (each["place"], each["id"]) == ("a.example.com:443 (rsa)", "a.example.com:443 (rsa)")


def test_a_source_is_told_from_a_place() -> None:
    """Of a source that could not be looked at no place can be said to have gone, so the JSON says which it is."""
    gaps = (Unseen("k8s://prod", "denied", whole=True), Unseen("down.example.com:443", "refused"))
    said = standard.loads(json.text(json.audit(audit(unseen=gaps))))
    assert [(each["where"], each["source"]) for each in said["unseen"]] == [
        ("k8s://prod", True),
        ("down.example.com:443", False),
    ]
    assert standard.loads(jsonl.unseen(gaps[0]))["source"] is True


def test_lines_are_quick() -> None:
    """A place is written in a tenth of the time that a scan of a thousand places a second leaves for it."""
    lines = large(2000).lines
    began = time.process_time()
    for one in lines:
        jsonl.told(one)
    assert (time.process_time() - began) / len(lines) < 0.0001
