"""The JSON Lines of a scan: each thing is said when it is known, in one line of its own.

Every line is an object with `type` (`place`, `finding`, `unseen`, `summary`) and the keys that the same thing has in
the JSON of a scan. The summary comes last.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

import msgspec

from rotator.core.audit import Audit, Line, Summary, Unseen
from rotator.core.model import Finding
from rotator.core.rules.catalogue import RULES
from rotator.core.rules.rule import Rule
from rotator.report import audit_json
from rotator.report.objects import Object
from rotator.report.plain import safe_json

_ENCODER = msgspec.json.Encoder()


def place(one: Line) -> str:
    """One place, with its final newline; what only comparing all places tells is not in it."""
    return _text("place", audit_json.line(one))


def finding(one: Finding, rules: Mapping[str, Rule] = RULES) -> str:
    """One finding, with its final newline."""
    return _text("finding", audit_json.finding(one, rules))


def told(one: Line, rules: Mapping[str, Rule] = RULES) -> str:
    """A place and each of its findings, a line each: a place by itself has the ids of its rules alone."""
    return place(one) + "".join(finding(each, rules) for each in one.findings)


def audit(one: Audit, rules: Mapping[str, Rule] = RULES) -> Iterator[str]:
    """Everything, for an audit that is whole already."""
    for line in one.lines:
        yield told(line, rules)
    yield from map(unseen, one.unseen)
    yield summary(one.summary)


def unseen(one: Unseen) -> str:
    """What could not be looked at, with its final newline."""
    return _text("unseen", audit_json.unseen(one))


def summary(one: Summary) -> str:
    """What it all comes to, with its final newline."""
    return _text("summary", audit_json.summary(one))


def _text(kind: str, body: Object) -> str:
    whole = {"type": kind, **body}
    try:
        text = _ENCODER.encode(whole).decode()
    except UnicodeEncodeError:  # a path that is not UTF-8
        text = json.dumps(whole, ensure_ascii=False, separators=(",", ":"))
    return safe_json(text) + "\n"
