"""A scan as one page that reads anywhere: no other file, no address of the web, no script that it needs.

Everything that others wrote is escaped, and a policy in the page lets a browser run its own style and script alone.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

from rotator.core.adoptable import issuer_name
from rotator.core.audit import Audit, Line, place_of, service_of
from rotator.core.model import Severity
from rotator.core.rules.catalogue import RULES
from rotator.core.rules.rule import Rule
from rotator.report.grouping import GroupBy
from rotator.report.groups import alike, grouped
from rotator.report.lines import ends_in, names, renewed, team
from rotator.report.plain import visible
from rotator.report.timeline import KINDS, timeline
from rotator.report.words import count, day

if TYPE_CHECKING:
    from jinja2 import Environment

_LABELS = {
    Severity.CRITICAL: "critical",
    Severity.ERROR: "errors",
    Severity.WARNING: "warnings",
    Severity.INFO: "info",
}
_MOST_NAMES = 50
_MOST_SIGNS = 500
_AFTER_SIGNS = re.compile(r"([/:@.])(?=\w)")
_OPEN = 10
"""Lists up to this length are open; longer ones are folded."""


@dataclass(frozen=True, slots=True)
class Row:
    """A place, in the table.

    Attributes:
        rank: of its worst finding; 0 where there is none.
        more: the names that are not shown at first.
    """

    place: str
    kind: str
    names: str
    more: str
    service: str
    team: str
    issuer: str
    ends: str
    left: str
    moment: float
    severity: str
    rank: int
    rules: tuple[tuple[str, str, str], ...]
    renewed: str
    consumers: str
    problem: str


@dataclass(frozen=True, slots=True)
class Block:
    """A rule and where it found something; `places` are severity, place, message."""

    id: str
    name: str
    severity: str
    cause: str
    remedy: str
    source: str
    number: int
    places: tuple[tuple[str, str, str], ...]

    @property
    def open(self) -> bool:
        return len(self.places) <= _OPEN


def audit(one: Audit, rules: Mapping[str, Rule] = RULES) -> str:
    """The page."""
    style, script = _part("scan.css"), _part("scan.js")
    picture = timeline(one)
    return (
        _environment()
        .get_template("scan.html")
        .render(
            at=f"{one.at:%Y-%m-%d %H:%M} UTC",
            style=style,
            script=script,
            policy=f"default-src 'none'; style-src {_hash(style)}; script-src {_hash(script)}; img-src data:; "
            "base-uri 'none'; form-action 'none'",
            sentence=_sentence(one),
            tiles=_tiles(one),
            picture=picture,
            kinds=[kind for kind in KINDS if any(column.counts.get(kind) for column in picture.columns)],
            blocks=list(_blocks(one, rules)),
            rows=[_row(line, one.at, rules) for line in one.lines],
            managed=any(line.decision or line.unmanaged for line in one.lines),
            held=[(_place(line), visible(line.unmanaged)) for line in one.lines if line.unmanaged],
            unseen=[(visible(item.where), visible(item.message)) for item in one.unseen],
            excused=list(_excused(one, rules)),
        )
    )


@cache
def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

    environment = Environment(
        loader=PackageLoader("rotator.report"),
        autoescape=select_autoescape(["html"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["coded"] = _coded
    environment.filters["broken"] = _broken
    environment.filters["places"] = lambda number: count(number, "place")
    environment.filters["anchor"] = lambda rule: f"rule-{re.sub(r'[^A-Za-z0-9]+', '-', rule)}"
    return environment


def _part(name: str) -> str:
    return files("rotator.report").joinpath("templates", name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _coded(text: str) -> str:
    """A sentence with what stands in backticks as code; everything escaped."""
    from markupsafe import Markup, escape

    parts = text.split("`")
    if len(parts) % 2 == 0:
        return escape(text)
    marked = (Markup("<code>{}</code>").format(part) if at % 2 else escape(part) for at, part in enumerate(parts))
    return Markup("").join(marked)


def _broken(text: str) -> str:
    """A name or place that may go on in the next line after its signs of punctuation."""
    from markupsafe import Markup, escape

    return Markup(_AFTER_SIGNS.sub(r"\1<wbr>", str(escape(text))))  # noqa: S704 - escaped in the same line


# ---------------------------------------------------------------- in short


def _sentence(one: Audit) -> str:
    """What a manager reads, if nothing else."""
    ends: dict[str, datetime] = {}
    for line in one.lines:
        if line.ends and line.observation.chain:
            fingerprint = line.observation.chain.fingerprint
            ends[fingerprint] = min(line.ends, ends.get(fingerprint, line.ends))
    expired = sum(moment <= one.at for moment in ends.values())
    month = sum(0 < (moment - one.at).total_seconds() <= 30 * 86400 for moment in ends.values())
    decided = sum(line.decision is not None for line in one.lines)
    said = [f"{count(len(ends), 'certificate')} in {count(len(one.lines), 'place')}."]
    said.append(f"{expired or 'None'} {'has' if expired == 1 else 'have'} expired; {month or 'none'} more ")
    said[-1] += f"{'ends' if month == 1 else 'end'} within 30 days."
    if decided:
        others = "" if decided == len(one.lines) else "; the others are somebody's work"
        said.append(f"{decided if others else 'All'} of the places are in rotator's care{others}.")
    if one.unseen:
        said.append(f"{count(len(one.unseen), 'place')} could not be looked at, so nothing is known of them.")
    return " ".join(said) if one.lines or one.unseen else "Nothing was looked at."


def _tiles(one: Audit) -> Sequence[tuple[str, int, str, str]]:
    """Label, number, kind and the part of the page that it leads to."""
    certificates = len({line.observation.chain.fingerprint for line in one.lines if line.observation.chain})
    summary = one.summary
    tiles = [("places", len(one.lines), "", "places"), ("certificates", certificates, "", "ends")]
    found = "found" if any(summary.findings.values()) else "places"
    tiles += [(_LABELS[severity], number, severity.value, found) for severity, number in summary.findings.items()]
    tiles.append(("not looked at", len(one.unseen), "unseen", "unseen" if one.unseen else "places"))
    if summary.excused:
        tiles.append(("excused", summary.excused, "", "excused"))
    return tiles


# ---------------------------------------------------------------- findings


def _blocks(one: Audit, rules: Mapping[str, Rule]) -> Iterator[Block]:
    by_rule: dict[str, list[Line]] = {}
    for group in grouped(one.lines, GroupBy.FINDING, one.at, {}):
        if group.lines[0].findings:
            by_rule[group.title] = list(group.lines)
    for known_as, lines in by_rule.items():
        found = [finding for line in lines for finding in line.findings if finding.rule == known_as]
        rule = rules.get(known_as)
        worst = max((finding.severity for finding in found), key=lambda severity: severity.rank)
        yield Block(
            id=visible(known_as, 100),
            name=rule.name if rule else "",
            severity=worst.value,
            cause=rule.cause if rule else "",
            remedy=visible(next((finding.remedy for finding in found if finding.remedy), "")),
            source=rule.source if rule else "",
            number=len(lines),
            places=tuple(_said(lines, known_as)),
        )


def _said(lines: Sequence[Line], rule: str) -> Iterator[tuple[str, str, str]]:
    """Severity, where and message, the worst first; what is alike at many places is said once."""
    said: list[tuple[Severity, str, str]] = []
    for same in alike(lines):
        where = _place(same[0])
        others = f" and {len(same) - 1} more" if len(same) > 1 else ""
        for finding in same[0].findings:
            if finding.rule == rule:
                message = visible(finding.message.removeprefix(f"{where}: "), _MOST_SIGNS)
                said.append((finding.severity, where + others, message))
    for severity, where, message in sorted(said, key=lambda each: -each[0].rank):
        yield severity.value, where, message


def _excused(one: Audit, rules: Mapping[str, Rule]) -> Iterator[tuple[str, str, str, str, str]]:
    for line in one.lines:
        for each in line.excused:
            rule = rules.get(each.finding.rule)
            name = rule.name if rule else ""
            until = str(each.until) if each.until else "for ever"
            yield visible(each.finding.rule, 100), name, _place(line), visible(each.reason, _MOST_SIGNS), until


# ---------------------------------------------------------------- places


def _row(line: Line, now: datetime, rules: Mapping[str, Rule]) -> Row:
    seen, chain = line.observation, line.observation.chain
    of_rules = {finding.rule: finding.severity for finding in reversed(line.findings)}
    others = chain.names[1 : 1 + _MOST_NAMES] if chain else ()
    return Row(
        place=_place(line),
        kind="served" if seen.endpoint else "stored",
        names=visible(names(line), _MOST_SIGNS),
        more=visible(" ".join(others), _MOST_SIGNS),
        service=visible(service_of(seen), _MOST_SIGNS),
        team=visible(team(line), _MOST_SIGNS),
        issuer=visible(issuer_name(chain.leaf), _MOST_SIGNS) if chain else "",
        ends=day(line.ends) if line.ends else "",
        left=ends_in(line.ends, now) if line.ends else "",
        moment=line.ends.timestamp() if line.ends else 0,
        severity=line.worst.value if line.worst else "fine",
        rank=line.worst.rank + 1 if line.worst else 0,
        rules=tuple(
            (visible(rule, 100), rules[rule].name if rule in rules else visible(rule, 100), severity.value)
            for rule, severity in sorted(of_rules.items(), key=lambda item: -item[1].rank)
        ),
        renewed=visible(renewed(line), _MOST_SIGNS),
        consumers=visible(", ".join(map(str, seen.consumers)), _MOST_SIGNS),
        problem=visible(seen.problem.message, _MOST_SIGNS) if seen.problem else "",
    )


def _place(line: Line) -> str:
    return visible(place_of(line.observation), _MOST_SIGNS)
