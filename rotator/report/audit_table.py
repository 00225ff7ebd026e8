"""The table of a scan."""

from __future__ import annotations

import posixpath
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from rotator.core.audit import Audit, Line, Unseen, place_of
from rotator.core.model import Action, Finding, Severity
from rotator.core.rules.catalogue import RULES
from rotator.core.rules.rule import Rule
from rotator.report.grid import SEVERITY_STYLE, grid, headed, unseen
from rotator.report.grouping import GroupBy
from rotator.report.groups import alike, grouped, named
from rotator.report.lines import names, renewed
from rotator.report.plain import visible
from rotator.report.words import count, day, left

_LONG_FOLDER = 12
_SHOWN = 2
"""Places that are named of those that are alike."""

_MANY = 200
"""Rows that a person still reads; of more, unless groups are asked for, those that need nobody are counted."""

_FEW = 20
"""Rows that are shown of what is counted."""


def audit(one: Audit, group_by: str | None = None, rules: Mapping[str, Rule] = RULES) -> RenderableType:
    """Every place, the findings rule by rule with what to do, what rotator would do, then the count.

    Places that hold the same certificate, and of which the same is said, share a row where they are many. Of more rows
    than anybody reads, those that need nobody are counted, and so are most of those with a warning that many share;
    what is worse always has its row.

    Args:
        group_by: one of `GroupBy`, every place with its row; None for one list, soonest end first.
    """
    by = GroupBy(group_by) if group_by else None
    places = _Places(one.lines)
    rows = alike(one.lines)
    most = _FEW if by is None and len(rows) > _MANY else None
    parts: list[RenderableType] = []
    if places.folder and one.lines:
        parts += [Text(f"Files are below {places.folder}"), ""]
    if by is None and one.lines:
        parts += _listed(rows, one, places, most)
    for group in grouped(one.lines, by, one.at, rules) if by else ():
        title = f"{visible(group.title, 500)}: {_counted(group.lines)}"
        parts.append(headed(title, _rows(alike(group.lines), one, places)))
    parts += _findings(one, places, rules, most)
    parts += _held(one, places, most)
    parts += unseen(_unseen(one.unseen, by))
    parts += ["", *_managed(one), Text(audit_line(one), "bold")]
    return Group(*parts)


class _Places:
    """How one report says its places: without a system where there is one only, without a folder that all share."""

    def __init__(self, lines: Sequence[Line]) -> None:
        short = len({line.observation.location.system for line in lines if not line.observation.endpoint}) <= 1
        self.names = {line.observation.location: visible(place_of(line.observation, short=short)) for line in lines}
        self.folder = _folder(self.names.values())

    def of(self, line: Line) -> str:
        return self.names[line.observation.location]

    def short(self, line: Line) -> str:
        return self.of(line).removeprefix(self.folder)


def _folder(places: Iterable[str]) -> str:
    """The folder that all files are below, with its last slash; empty where naming it once would save nothing."""
    files = [place for place in places if place.startswith("/")]
    folder = posixpath.commonpath([posixpath.dirname(file) for file in files]) if len(files) > 1 else ""
    return f"{folder}/" if len(folder) >= _LONG_FOLDER else ""


# ---------------------------------------------------------------- places


def _listed(rows: Sequence[Sequence[Line]], one: Audit, places: _Places, most: int | None) -> Iterator[RenderableType]:
    """All rows; or those that need somebody, what comes next where they are few, and how many more there are."""
    if most is None:
        yield _rows(rows, one, places)
        return
    needed = [same for same in rows if not _is_fine(same[0], one.at)]
    fine = [same for same in rows if _is_fine(same[0], one.at)]
    next_ = fine[: max(0, most - len(needed))]
    yield _rows([*needed, *next_], one, places)
    if rest := sum(map(len, fine[len(next_) :])):
        yield Text(
            f"… and {rest:,} more {'place' if rest == 1 else 'places'} with nothing due and nothing worse than info; "
            "--output csv has them all"
        )


def _is_fine(line: Line, now: datetime) -> bool:
    """There is a certificate that has longer than its lead, and nothing worth a warning."""
    due = line.due is not None and line.due <= now
    return line.observation.chain is not None and not due and line.worst in {None, Severity.INFO}


def _rows(many: Sequence[Sequence[Line]], one: Audit, places: _Places) -> RenderableType:
    managed = any(line.decision or line.unmanaged for line in one.lines)
    rows = grid("ENDS", "LEFT", "NAMES", "WHERE", "RENEWED" if managed else "DUE", right=("LEFT",))
    for same in many:
        line = same[0]
        due = visible(renewed(line), 500) if managed else day(line.due)
        rows.add_row(*_row(line, one.at), Text(_where(same, places)), Text(due))
    return rows


def _row(line: Line, now: datetime) -> Iterator[RenderableType]:
    for cell in (day(line.ends), left(line.ends, now), visible(names(line), 500)):
        yield Text(cell, SEVERITY_STYLE[line.worst or Severity.INFO])


def _where(same: Sequence[Line], places: _Places) -> str:
    """`www.example.com:443 at 40 addresses`; of several places the first, and how many more."""
    if len(same) == 1:
        return places.short(same[0])
    endpoints = {line.observation.endpoint for line in same}
    if len(endpoints) == 1 and None not in endpoints:
        return f"{visible(str(same[0].observation.endpoint))} at {len(same)} addresses"
    shown = [places.short(line) for line in same[:_SHOWN]]
    return "\n".join((*shown, f"and {len(same) - _SHOWN} more"))


def _counted(lines: Sequence[Line]) -> str:
    found = Counter(line.worst for line in lines if line.worst)
    said = [f"{found[severity]} {severity}" for severity in reversed(Severity) if found[severity]]
    return ", ".join((count(len(lines), "place"), *said))


# ---------------------------------------------------------------- findings


def _findings(one: Audit, places: _Places, rules: Mapping[str, Rule], most: int | None) -> Iterator[RenderableType]:
    """A block for each rule, the worst first: what it means, where, and once what to do.

    Args:
        most: how many warnings and remarks of a rule are shown; None for all.
    """
    groups = [group for group in grouped(one.lines, GroupBy.FINDING, one.at, rules) if group.lines[0].findings]
    by_title = {named(finding.rule, rules): finding.rule for finding in one.findings}
    if groups:
        yield Group("", Text("Findings", "bold"))
    for group in groups:
        rule = by_title[group.title]
        yield Text.assemble("\n", (visible(group.title, 200), "bold"), f", {count(len(group.lines), 'place')}")
        if rule in rules:
            yield Padding(Text(rules[rule].cause, "dim"), (0, 0, 0, 2))
        table = grid("", "")
        light = 0
        for severity, said in _said(group.lines, rule, places):
            light += severity.rank <= Severity.WARNING.rank
            if most is None or light <= most or severity.rank > Severity.WARNING.rank:
                table.add_row(Text(severity.value, SEVERITY_STYLE[severity]), said)
        yield Padding(table, (0, 0, 0, 2))
        if most is not None and light > most:
            yield Padding(Text(f"… and {light - most:,} more; --output csv has them all"), (0, 0, 0, 2))
        if remedy := next((f.remedy for line in group.lines for f in line.findings if f.rule == rule), ""):
            yield Padding(Text(f"To do: {visible(remedy)}", "cyan"), (0, 0, 0, 2))


def _said(lines: Sequence[Line], rule: str, places: _Places) -> Iterator[tuple[Severity, Text]]:
    told: dict[tuple[Severity, str, str], list[Line]] = {}
    for number, line in enumerate(lines):
        chain = line.observation.chain
        for finding in line.findings:
            if finding.rule == rule:
                message = _message(finding, places.of(line))
                told.setdefault((finding.severity, message, chain.fingerprint if chain else str(number)), []).append(
                    line
                )
    for (severity, message, _), same in sorted(told.items(), key=lambda each: -each[0][0].rank):
        for part in alike(same):
            where = places.of(part[0]) if len(part) == 1 else _where(part, places).replace("\n", ", ")
            yield severity, Text.assemble((where, "bold"), f": {message}")


def _message(finding: Finding, place: str) -> str:
    return visible(finding.message.removeprefix(f"{place}: "))


# ---------------------------------------------------------------- what rotator does


def _held(one: Audit, places: _Places, most: int | None) -> Iterator[RenderableType]:
    """Places that a rule matches and does not manage, with the reason."""
    held = [line for line in one.lines if line.unmanaged]
    if held:
        table = grid("", "")
        for line in held[:most]:
            table.add_row(Text(places.of(line), "yellow"), Text(visible(line.unmanaged)))
        yield headed("Matched, but not managed", table)
    if most is not None and len(held) > most:
        yield Text(f"… and {len(held) - most:,} more; --output json has them all")


def _unseen(many: Sequence[Unseen], by: GroupBy | None) -> Iterator[tuple[str, str]]:
    """Each with its cause; of more than anybody reads, each cause with some of them and their number."""
    told = [(visible(each.where), visible(each.message)) for each in many]
    if by is not None or len(told) <= _MANY:
        yield from told
        return
    causes: dict[str, list[str]] = {}
    for where, why in told:
        causes.setdefault(why.removeprefix(f"{where}: "), []).append(where)
    for why, places in causes.items():
        more = len(places) - _SHOWN
        shown = [*places[:_SHOWN], f"and {more:,} more"] if more > 1 else places
        yield "\n".join(shown), why


def _managed(one: Audit) -> Iterator[RenderableType]:
    """`Managed: 12 places by disk, 3 declared, 43 by nobody. Next: shop on 2026-12-03, in 3 d.`"""
    decided = [line for line in one.lines if line.decision]
    if not decided:
        return
    rules = Counter(line.rule for line in decided)
    by = [f"{number} {'' if rule == 'declared' else 'by '}{visible(rule, 200)}" for rule, number in rules.most_common()]
    if others := len(one.lines) - len(decided):
        by.append(f"{others} by nobody")
    said = f"Managed: {', '.join(by)}."
    coming = [
        line.decision for line in decided if line.decision and line.decision.action in {Action.KEEP, Action.RENEW}
    ]
    if coming:
        first = min(coming, key=lambda decision: decision.at)
        when = f"in {left(first.at, one.at)}" if first.at > one.at else "due now"
        said += f" Next: {visible(first.spec.name, 200)} on {day(first.at)}, {when}."
    yield Text(said)


def audit_line(one: Audit) -> str:
    """`42 certificates in 58 places: 3 critical, 5 errors, 8 warnings; 2 excused; 1 place could not be looked at.`"""
    certificates = len({line.observation.chain.fingerprint for line in one.lines if line.observation.chain})
    summary = one.summary
    parts = [
        count(summary.findings[severity], one_, many)
        for severity, one_, many in (
            (Severity.CRITICAL, "critical", "critical"),
            (Severity.ERROR, "error", "errors"),
            (Severity.WARNING, "warning", "warnings"),
            (Severity.INFO, "info", "info"),
        )
        if summary.findings[severity]
    ]
    said = f"{count(certificates, 'certificate')} in {count(len(one.lines), 'place')}"
    said += f": {', '.join(parts)}" if parts else ", nothing found" if one.lines else ""
    said += f"; {summary.excused} excused" if summary.excused else ""
    return f"{said}; {count(len(one.unseen), 'place')} could not be looked at." if one.unseen else f"{said}."
