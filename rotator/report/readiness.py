"""Whether the next renewals would work: the data as a table, certificate by certificate."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from rich.console import Group, RenderableType
from rich.text import Text

from rotator.core.model import AdoptionProblem, SourceProblem
from rotator.core.readiness import Answer, Line, Readiness, Verdict
from rotator.report.table import grid, not_managed, unseen
from rotator.report.words import count

_SIGN: Mapping[Verdict, tuple[str, str]] = MappingProxyType(
    {
        Verdict.WELL: ("✓", "green"),
        Verdict.FAILS: ("✗", "bold red"),
        Verdict.UNKNOWN: ("?", "yellow"),
        Verdict.UNTOLD: ("-", ""),
    }
)


@dataclass(frozen=True, slots=True)
class Preflights:
    """What was asked.

    Attributes:
        observed: certificates that are only observed and were not asked about.
        held: places that a rule matches and that nobody manages: nothing would renew them.
        problems: sources that could not be looked at.
    """

    many: tuple[Readiness, ...]
    observed: tuple[str, ...] = ()
    held: tuple[AdoptionProblem, ...] = ()
    problems: tuple[SourceProblem, ...] = ()


def table(one: Preflights) -> RenderableType:
    """Every check of every certificate, those that fail with what to do, then the count."""
    rows = grid("CERTIFICATE", "ISSUER", "CHECK", "", "")
    for readiness in one.many:
        name = readiness.certificate
        for issuer, line in _lines(readiness.answers):
            sign, style = _SIGN[line.verdict]
            said = Text(line.text)
            if line.remedy and line.verdict is not Verdict.WELL:
                said.append(f"{'' if not line.text else chr(10)}to do: {line.remedy}", "cyan")
            rows.add_row(Text(name, "bold"), issuer, line.check, Text(sign, style), said)
            name = ""
    parts: list[RenderableType] = [rows, ""] if one.many else []
    parts += not_managed(one.held)
    parts += unseen((problem.source, problem.message) for problem in one.problems)
    parts.append(Text(summary(one.many), "bold"))
    if one.observed:
        what = count(len(one.observed), "certificate")
        verb = "is" if len(one.observed) == 1 else "are"
        parts.append(Text(f"{what} {verb} only observed: asked about by name, or with --observed."))
    return Group(*parts)


def _lines(answers: Sequence[Answer]) -> Iterator[tuple[str, Line]]:
    """With the issuer at its first line."""
    for answer in answers:
        issuer = answer.issuer
        for line in answer.lines:
            yield issuer, line
            issuer = ""


def summary(many: Iterable[Readiness]) -> str:
    """`3 certificates: 2 could be renewed, 1 could not.`"""
    certificates = list(many)
    failing = sum(one.fails for one in certificates)
    unknown = sum(one.unknown and not one.fails for one in certificates)
    spoiled = sum(bool(one.spoiled) and not one.unknown for one in certificates)
    parts = {
        "could be renewed": len(certificates) - failing - unknown - spoiled,
        "could be renewed by another issuer of the list": spoiled,
        "could not": failing,
        "not known in full": unknown,
    }
    said = ", ".join(f"{number} {what}" for what, number in parts.items() if number)
    return f"{count(len(certificates), 'certificate')}{f': {said}' if said else ''}."
