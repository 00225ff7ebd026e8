"""A scan as JUnit XML, for CI servers: a suite for each service, a test for each place and question.

A test fails for a finding at or above the severity that the scan fails on. What is below passes, with the finding in
its output, since JUnit has no warnings. What the baseline excuses is skipped, what could not be looked at is an error.
The names of tests are the same from scan to scan, so that a CI server shows what was broken and what was mended.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from xml.etree.ElementTree import Element, SubElement, tostring

from rotator.core.audit import Audit, Line, place_of, service_of
from rotator.core.model import Finding, Severity
from rotator.core.rules.rule import Rule
from rotator.report.plain import visible

QUESTIONS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "can be read": ("RT005",),
        "dates": ("RT001", "RT002", "RT007", "RT008", "RT017"),
        "key": ("RT003", "RT004", "RT024", "RT025", "RT026"),
        "names and use": ("RT009", "RT018", "RT019", "RT020"),
        "trust": (
            "RT010", "RT011", "RT012", "RT013", "RT014", "RT015", "RT016", "RT021", "RT022", "RT023", "RT033", "RT034",
            "RT035",
        ),
        "reaches its service": ("RT006", "RT027", "RT028", "RT029", "RT030", "RT031", "RT032"),
    }
)  # fmt: skip
"""Each question is one test of a place; `other` are rules that are in none of them."""

_READABLE = "can be read"
_OTHER = "other"
_QUESTION_OF = MappingProxyType({rule: question for question, rules in QUESTIONS.items() for rule in rules})
_NO_TIME = "0.000"


def audit(one: Audit, rules: Mapping[str, Rule], fail_on: Severity | None = Severity.ERROR) -> str:
    """The whole document; with no `fail_on` nothing fails."""
    suites = [
        _suite(f"{visible(service)}", [case for line in lines for case in _cases(line, rules, fail_on)], one)
        for service, lines in _by_service(one.lines).items()
    ]
    if one.unseen:
        suites.append(_suite("could not be looked at", [_unseen(each.where, each.message) for each in one.unseen], one))
    root = Element("testsuites", name="rotator scan", time=_NO_TIME)
    for name in ("tests", "failures", "errors"):
        root.set(name, str(sum(int(suite.get(name, "0")) for suite in suites)))
    root.extend(suites)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + tostring(root, encoding="unicode") + "\n"


def _by_service(lines: Sequence[Line]) -> Mapping[str, list[Line]]:
    found: dict[str, list[Line]] = {}
    for line in lines:
        found.setdefault(service_of(line.observation), []).append(line)
    return found


def _suite(name: str, cases: Sequence[Element], one: Audit) -> Element:
    suite = Element(
        "testsuite", name=name, tests=str(len(cases)), time=_NO_TIME, timestamp=f"{one.at:%Y-%m-%dT%H:%M:%S}"
    )
    for plural, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        suite.set(plural, str(sum(case.find(tag) is not None for case in cases)))
    suite.extend(cases)
    return suite


# ---------------------------------------------------------------- tests


def _cases(line: Line, rules: Mapping[str, Rule], fail_on: Severity | None) -> Iterator[Element]:
    """Every question of a place; where there is no certificate, those alone that something is said of."""
    questions = {question: [f for f in line.findings if _question(f) == question] for question in (*QUESTIONS, _OTHER)}
    place, service = visible(place_of(line.observation)), visible(service_of(line.observation))
    for question, found in questions.items():
        excused = [each for each in line.excused if _question(each.finding) == question]
        asked = question != _OTHER and (line.observation.chain is not None or question == _READABLE)
        if not (asked or found or excused):
            continue
        case = Element("testcase", name=f"{place}: {question}", classname=service, time=_NO_TIME)
        failing = [f for f in found if fail_on is not None and f.severity.rank >= fail_on.rank]
        if failing:
            worst = max(failing, key=lambda finding: finding.severity.rank)
            failure = SubElement(case, "failure", type=visible(worst.rule, 200), message=_said(worst, rules))
            failure.text = "\n".join(_told(finding, rules) for finding in failing)
        elif excused:
            because = visible(excused[0].reason) or "in the baseline"
            until = f", until {excused[0].until}" if excused[0].until else ""
            SubElement(case, "skipped", message=f"{_said(excused[0].finding, rules)} ({because}{until})")
        passing = [finding for finding in found if finding not in failing]
        if passing:
            SubElement(case, "system-out").text = "\n".join(_told(finding, rules) for finding in passing)
        yield case


def _question(finding: Finding) -> str:
    return _QUESTION_OF.get(finding.rule, _OTHER)


def _said(finding: Finding, rules: Mapping[str, Rule]) -> str:
    name = f" {rules[finding.rule].name}" if finding.rule in rules else ""
    return f"{visible(finding.rule, 200)}{name}: {visible(finding.message)}"


def _told(finding: Finding, rules: Mapping[str, Rule]) -> str:
    remedy = f"\n  What to do: {visible(finding.remedy)}" if finding.remedy else ""
    return f"{finding.severity}: {_said(finding, rules)}{remedy}"


def _unseen(where: str, message: str) -> Element:
    case = Element("testcase", name=visible(where), classname="could not be looked at", time=_NO_TIME)
    SubElement(case, "error", type="could-not-look", message=visible(message))
    return case
