"""A scan as SARIF 2.1.0, for GitHub code scanning and whatever else reads it.

What the standard (OASIS, 2020-03-27) and GitHub's limits make of it:

- A result is told from others by `partialFingerprints`: the hash of rule, place and what of the place it is about. No
  certificate, host that ran the scan or address that a name led to is in it, so that none of them closes or opens an
  alert when it changes.
- A rule says its cause, remedy and source itself (`help`): there is no address that a `helpUri` could give.
- Artifacts have relative addresses, since others are not taken: `endpoints/<host>_<port>`, `k8s/<namespace>/<name>`, a
  file as its path below the root. The place as people say it is the logical location.
- What the baseline excuses is a suppression; what could not be looked at is a notification of the invocation.
- At most 25,000 results are taken: the worst are kept, and a notification says how many are left out.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from urllib.parse import quote

from rotator.core.audit import Audit, Excused, Line, Unseen, place_of
from rotator.core.model import Endpoint, Finding, Observation, Severity
from rotator.core.rules.rule import Rule
from rotator.report.lines import lasting
from rotator.report.objects import Json, Object
from rotator.report.plain import visible
from rotator.report.words import iso

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
MOST_RESULTS = 25_000
"""GitHub takes no more in a run (docs.github.com, SARIF support for code scanning)."""

_LEVEL = MappingProxyType(
    {Severity.CRITICAL: "error", Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "note"}
)
_SCORE = MappingProxyType(
    {Severity.CRITICAL: "9.5", Severity.ERROR: "8.0", Severity.WARNING: "5.0", Severity.INFO: "2.0"}
)
"""`security-severity`: GitHub says critical above 9.0, high from 7.0, medium from 4.0, low below."""

_MOST_SIGNS = 1000


@dataclass(frozen=True, slots=True)
class _Result:
    line: Line
    finding: Finding
    excused: Excused | None = None


def audit(one: Audit, rules: Mapping[str, Rule], version: str, *, root: str = "") -> Object:
    """The whole log, with one run.

    Args:
        version: rotator's.
        root: the folder that paths of files are relative to, where they lie below it; else they are to `/`.
    """
    found = [_Result(line, finding) for line in one.lines for finding in line.findings]
    found += [_Result(line, excused.finding, excused) for line in one.lines for excused in line.excused]
    found.sort(key=lambda each: (each.excused is not None, -each.finding.severity.rank))
    kept = found[:MOST_RESULTS]
    ids = list(rules) + sorted({each.finding.rule for each in kept} - set(rules))
    return {
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": "rotator",
                        "version": version,
                        "rules": [_rule(each, rules.get(each)) for each in ids],
                    }
                },
                "automationDetails": {"id": "rotator-scan/"},
                "columnKind": "unicodeCodePoints",
                "invocations": [_invocation(one, len(found) - len(kept))],
                "results": [*_results(kept, {each: index for index, each in enumerate(ids)}, root)],
            }
        ],
    }


# ---------------------------------------------------------------- rules


def _rule(known_as: str, rule: Rule | None) -> Object:
    shown = visible(known_as, 200)
    if rule is None:
        return {"id": shown, "name": shown}
    notes = f" {rule.notes}" if rule.notes else ""
    words = f"{rule.cause}{notes} What to do: {rule.remedy}. Follows: {rule.source}."
    marked = f"{rule.cause}{notes}\n\n**What to do:** {rule.remedy}.\n\n*Follows: {rule.source}.*"
    tags = ["security", "certificates", *([f"external/cwe/cwe-{rule.cwe}"] if rule.cwe else [])]
    return {
        "id": rule.id,
        "name": rule.name,
        "shortDescription": {"text": rule.name.replace("-", " ").capitalize()},
        "fullDescription": {"text": rule.cause},
        "help": {"text": words, "markdown": marked},
        "defaultConfiguration": {"level": _LEVEL[rule.severity]},
        "properties": {"security-severity": _SCORE[rule.severity], "tags": [*tags], "precision": "very-high"},
    }


# ---------------------------------------------------------------- results


def _results(kept: Iterable[_Result], index: Mapping[str, int], root: str) -> Iterator[Json]:
    times: Counter[str] = Counter()
    for each in kept:
        finding, seen = each.finding, each.line.observation
        identity = _identity(finding)
        times[identity] += 1
        place = visible(place_of(seen), _MOST_SIGNS)
        result: Object = {
            "ruleId": visible(finding.rule, 200),
            "ruleIndex": index[finding.rule],
            "level": _LEVEL[finding.severity],
            "message": {"text": visible(f"{place}: {finding.message.removeprefix(f'{place}: ')}", _MOST_SIGNS)},
            "locations": [_location(seen, place, finding.about, root)],
            "partialFingerprints": {
                "rotatorFinding/v1": identity,
                "primaryLocationLineHash": f"{identity[:16]}:{times[identity]}",
            },
            "properties": {"severity": finding.severity.value, "remedy": visible(finding.remedy, _MOST_SIGNS)},
        }
        if each.excused is not None:
            result["suppressions"] = [_suppression(each.excused)]
        yield result


def _identity(finding: Finding) -> str:
    """What stays the same as long as the finding does: across renewals, machines and the addresses of a name."""
    text = f"{finding.rule}|{lasting(finding)}|{finding.about}"
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _location(seen: Observation, place: str, about: str, root: str) -> Object:
    logical: Object = {"fullyQualifiedName": place, "kind": "resource"}
    if about:
        logical["name"] = visible(about, _MOST_SIGNS)
    return {
        "physicalLocation": {"artifactLocation": {"uri": _uri(seen, root)}, "region": {"startLine": 1}},
        "logicalLocations": [logical],
    }


def _suppression(excused: Excused) -> Object:
    until = f"until {excused.until}" if excused.until else ""
    why = ", ".join(part for part in (excused.reason, until) if part) or "in the baseline"
    return {"kind": "external", "justification": visible(why, _MOST_SIGNS)}


# ---------------------------------------------------------------- addresses


def _uri(seen: Observation, root: str) -> str:
    """A relative address of the place, the same for every address of one endpoint."""
    if seen.endpoint is not None:
        return f"endpoints/{_quoted(_named(seen.endpoint))}"
    address = seen.location.address
    namespace = seen.labels.get("namespace", "")
    if namespace:
        kind, _, name = address.partition(" ")
        name = name.removeprefix(f"{namespace}/")
        return "/".join(map(_quoted, ("k8s", namespace, *(() if kind == "Secret" else (kind.lower(),)), name)))
    if address.startswith("/"):
        below = f"{root.rstrip('/')}/"
        return _path(address.removeprefix(below) if root and address.startswith(below) else address)
    return f"{_quoted(seen.location.system)}/{_path(address)}"


def _named(endpoint: Endpoint) -> str:
    sni = f"_{endpoint.server_name}" if endpoint.server_name not in {"", endpoint.host} else ""
    starttls = f"_{endpoint.starttls}" if endpoint.starttls else ""
    return f"{endpoint.host}_{endpoint.port}{sni}{starttls}"


def _path(path: str) -> str:
    parts = [part for part in path.split("/") if part not in {"", ".", ".."}]
    return "/".join(map(_quoted, parts)) or "_"


def _quoted(text: str) -> str:
    return quote(text[:_MOST_SIGNS], safe="@+", errors="surrogateescape") or "_"


# ---------------------------------------------------------------- the invocation


def _invocation(one: Audit, left_out: int) -> Object:
    notes: list[Json] = [_notification(each) for each in one.unseen]
    if left_out:
        said = f"{left_out} of the least severe results are left out: no more than {MOST_RESULTS} are taken in a run."
        notes.append({"level": "warning", "descriptor": {"id": "left-out"}, "message": {"text": said}})
    return {
        "executionSuccessful": not one.unseen,
        "endTimeUtc": iso(one.at),
        "toolExecutionNotifications": notes,
    }


def _notification(one: Unseen) -> Object:
    where = visible(one.where, _MOST_SIGNS)
    return {
        "level": "error",
        "descriptor": {"id": "could-not-look"},
        "message": {"text": f"{where} could not be looked at: {visible(one.message, _MOST_SIGNS)}"},
        "locations": [{"logicalLocations": [{"fullyQualifiedName": where, "kind": "resource"}]}],
    }
