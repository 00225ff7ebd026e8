"""The table of a scan."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime

from rich.console import Group, RenderableType
from rich.text import Text

from rotator.core.audit import Audit, Line, place_of
from rotator.core.findings import RULES
from rotator.core.model import Location, Severity
from rotator.report.grid import SEVERITY_STYLE, grid, headed, unseen
from rotator.report.words import count, day, kind_of, left

_LONG_FOLDER = 12


def audit(one: Audit) -> RenderableType:
    """Every place, then the findings with their remedies, then the count."""
    parts: list[RenderableType] = []
    short = len({line.observation.location.system for line in one.lines if not line.observation.endpoint}) <= 1
    places = {line.observation.location: place_of(line.observation, short=short) for line in one.lines}
    if one.lines:
        folder = _folder(places.values())
        if folder:
            parts += [Text(f"Files are below {folder}"), ""]
        managed = any(line.decision or line.unmanaged for line in one.lines)
        rows = grid("ENDS", "LEFT", "NAMES", "WHERE", "RENEWED" if managed else "DUE", right=("LEFT",))
        for line in one.lines:
            renewed = _renewed(line) if managed else day(line.due)
            where = places[line.observation.location].removeprefix(folder)
            rows.add_row(*_audit_row(line, one.at), Text(where), renewed)
        parts.append(rows)
    parts += _findings(one, places)
    parts += unseen((item.where, item.message) for item in one.unseen)
    parts += ["", Text(audit_line(one), "bold")]
    return Group(*parts)


def _folder(places: Iterable[str]) -> str:
    """The folder that all files are below, with its last slash; empty where naming it once would save nothing."""
    files = [place for place in places if place.startswith("/")]
    folder = posixpath.commonpath([posixpath.dirname(file) for file in files]) if len(files) > 1 else ""
    return f"{folder}/" if len(folder) >= _LONG_FOLDER else ""


def _audit_row(line: Line, now: datetime) -> Iterator[RenderableType]:
    worst = max((f.severity for f in line.findings), key=lambda severity: severity.rank, default=Severity.INFO)
    for cell in (day(line.ends), left(line.ends, now), _names(line)):
        yield Text(cell, SEVERITY_STYLE[worst])


def _names(line: Line) -> str:
    chain = line.observation.chain
    if chain is None:
        return "no certificate"
    first = chain.names[0] if chain.names else chain.leaf.subject or "(no name)"
    return f"{first} +{len(chain.names) - 1}" if len(chain.names) > 1 else first


def _renewed(line: Line) -> str:
    """What would be done about it, and by which rule."""
    decision = line.decision
    if decision is None:
        return "held" if line.unmanaged else "by nobody"
    by = f"({line.rule})"
    if kind_of(decision) in {"keep", "renew", "redeploy", "observe"}:
        return f"{day(decision.at)} {by}"
    return f"{decision.action}: {decision.reason} {by}"


def _findings(one: Audit, places: Mapping[Location, str]) -> Iterator[RenderableType]:
    found = one.findings
    if not found:
        return
    table = grid("", "", "")
    for finding in found:
        where = places.get(finding.location, str(finding.location))
        said = Text.assemble((where, "bold"), f": {finding.message.removeprefix(f'{where}: ')}")
        table.add_row(Text(finding.severity.value, SEVERITY_STYLE[finding.severity]), finding.rule, said)
    yield headed("Findings", table)
    remedies = grid("", "", "")
    for rule in sorted({finding.rule for finding in found}):
        remedies.add_row(rule, RULES[rule].name if rule in RULES else "", Text(_remedy(one, rule)))
    yield headed("What to do", remedies)


def _remedy(one: Audit, rule: str) -> str:
    return next((finding.remedy for finding in one.findings if finding.rule == rule), "")


def audit_line(one: Audit) -> str:
    """`42 certificates in 58 places: 3 critical, 5 errors, 8 warnings; 1 place could not be looked at.`"""
    certificates = len({line.observation.chain.fingerprint for line in one.lines if line.observation.chain})
    found = [finding.severity for finding in one.findings]
    parts = [
        count(found.count(severity), one_, many)
        for severity, one_, many in (
            (Severity.CRITICAL, "critical", "critical"),
            (Severity.ERROR, "error", "errors"),
            (Severity.WARNING, "warning", "warnings"),
        )
        if severity in found
    ]
    said = f"{count(certificates, 'certificate')} in {count(len(one.lines), 'place')}"
    said += f": {', '.join(parts)}" if parts else ", nothing found" if one.lines else ""
    return f"{said}; {count(len(one.unseen), 'place')} could not be looked at." if one.unseen else f"{said}."
