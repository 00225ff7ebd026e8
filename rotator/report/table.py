"""Tables for people, of 80 columns and more, soonest end first. A console without colours shows the same words."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from rotator.core.findings import RULES
from rotator.core.lead import span
from rotator.core.model import Action, Decision, Location, Outcome, Plan, Result, Severity, SourceProblem
from rotator.core.reasons import Reason
from rotator.report.audit import Audit, Line, place_of
from rotator.report.words import count, day, kind_of, left, plan_line

SEVERITY_STYLE: Mapping[Severity, str] = MappingProxyType(
    {Severity.CRITICAL: "bold red", Severity.ERROR: "red", Severity.WARNING: "yellow", Severity.INFO: ""}
)
RESULT_STYLE: Mapping[Result, str] = MappingProxyType(
    {
        Result.DONE: "green",
        Result.UNPROVED: "yellow",
        Result.PENDING: "yellow",
        Result.FAILED: "red",
        Result.ROLLED_BACK: "yellow",
        Result.STRANDED: "bold red",
    }
)
_MARKS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "renew": ("+ renew", "green"),
        "redeploy": ("~ reload", "cyan"),
        "wait": ("> wait", "yellow"),
        "observe": ("o observe", "yellow"),
        "delegate": ("@ leave", "yellow"),
        "hold": ("! hold", "bold red"),
        "refuse": ("x refuse", "bold red"),
        "keep": ("  keep", "dim"),
    }
)
_LONG_FOLDER = 12


@dataclass(frozen=True, slots=True)
class Asked:
    """What a person asked for: the verb, the certificate or glob, and who it was and what came of it."""

    at: datetime
    verb: str
    subject: str
    detail: str


def grid(*columns: str, right: Iterable[str] = ()) -> Table:
    """A borderless table with a bold heading; long cells are folded, never cut."""
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0), show_header=any(columns))
    for column in columns:
        table.add_column(column, justify="right" if column in right else "left", overflow="fold")
    return table


def headed(title: str, body: RenderableType) -> Group:
    """A part of a report under its title, set off by an empty line."""
    return Group("", Text(title, "bold"), body)


def unseen(problems: Iterable[tuple[str, str]]) -> Iterator[RenderableType]:
    """What could not be looked at, with the reason; nothing where all was seen."""
    rows = list(problems)
    if rows:
        table = grid("", "")
        for where, message in rows:
            table.add_row(Text(where, "yellow"), Text(message.removeprefix(f"{where}: ")))
        yield headed("Could not be looked at", table)


# ---------------------------------------------------------------- scan


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


# ---------------------------------------------------------------- plan


def plan(one: Plan, problems: Sequence[SourceProblem] = (), *, everything: bool = False) -> RenderableType:
    """What would be done, most urgent first, each with its why; what is fine is only counted, unless asked for."""
    shown = [decision for decision in one.decisions if everything or decision.action is not Action.KEEP]
    parts: list[RenderableType] = []
    if shown:
        table = grid("", "")
        for decision in shown:
            mark, style = _MARKS[kind_of(decision)]
            table.add_row(Text(mark, style), _decision(decision, one.at))
        parts += [table, ""]
    parts += unseen((problem.source, problem.message) for problem in problems)
    parts += _next_due(one, everything=everything)
    parts.append(Text(plan_line(one.decisions), "bold"))
    return Group(*parts)


def _decision(decision: Decision, now: datetime) -> Text:
    said = Text.assemble((decision.spec.name, "bold"), f"  {decision.because or decision.reason}")
    if decision.because and decision.because is not decision.reason:
        said.append(f", {decision.reason}", "yellow")
    if decision.emergency:
        said.append("  past its emergency line", "bold red")
    said.append(f"\n{decision.message}")
    if decision.at > now and decision.reason is not Reason.OBSERVE:  # what is only watched does not happen then
        said.append(f"\nat {decision.at:%Y-%m-%d %H:%M} UTC, in {span(decision.at - now)}")
    if decision.command:
        said.append(f"\n$ {decision.command}", "cyan")
    return said


def _next_due(one: Plan, *, everything: bool) -> Iterator[RenderableType]:
    kept = [d for d in one.decisions if d.action is Action.KEEP and d.at > one.at]
    if kept and not everything:
        first = min(kept, key=lambda decision: decision.at)
        when = f"{day(first.at)}, in {span(first.at - one.at)}"
        yield Text(f"Next due: {first.spec.name} on {when}; --all lists what is fine.")


# ---------------------------------------------------------------- outcomes


def outcomes(many: Sequence[Outcome]) -> RenderableType:
    """One row a rotation, with the error below where there was one."""
    table = grid("WHEN (UTC)", "RESULT", "CERTIFICATE", "WHAT", "TOOK", right=("TOOK",))
    for one in many:
        table.add_row(
            f"{one.finished:%Y-%m-%d %H:%M}",
            Text(one.result.value, RESULT_STYLE[one.result]),
            one.decision.spec.name,
            _what(one),
            f"{(one.finished - one.started).total_seconds():.1f} s",
        )
    return table


def _what(one: Outcome) -> Text:
    said = Text(f"{one.decision.action}: {one.decision.because or one.decision.reason}")
    if one.after and one.result in {Result.DONE, Result.UNPROVED}:
        said.append(f", until {day(one.after.not_after)}")
    if one.error:
        said.append(f"\n{f'{one.stage}: ' if one.stage else ''}{one.error}", "yellow")
    return said


def history(many: Sequence[Outcome], asked: Sequence[Asked]) -> RenderableType:
    """Rotations, then what people asked for; each newest first."""
    parts: list[RenderableType] = [outcomes(many) if many else Text("No rotation yet.")]
    if asked:
        rows = grid("WHEN (UTC)", "WHAT", "OF", "HOW IT WENT")
        for one in asked:
            rows.add_row(f"{one.at:%Y-%m-%d %H:%M}", one.verb, one.subject, Text(one.detail))
        parts.append(headed("Asked for", rows))
    return Group(*parts)


def outcome_lines(one: Outcome) -> RenderableType:
    """One rotation in full: how it ended, the error, and the proof."""
    what = f"{one.decision.action} because {one.decision.because or one.decision.reason}"
    seconds = (one.finished - one.started).total_seconds()
    said = Text.assemble(
        (f"{one.result.value:<12}", RESULT_STYLE[one.result]),
        (one.decision.spec.name, "bold"),
        f": {what}, {seconds:.1f} s",
    )
    if one.after and one.result in {Result.DONE, Result.UNPROVED}:
        said.append(f", ends {day(one.after.not_after)}")
    if one.result is Result.UNPROVED and not one.error:
        said.append("\n  deployed; no endpoint is known where it could be proved", "yellow")
    details = [one.error, *one.verification.verified, *one.log.splitlines()]
    for detail in details:
        if detail:
            said.append(f"\n  {detail}", "yellow" if detail == one.error else "")
    return said
