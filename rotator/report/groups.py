"""Lines of an audit, put together by what they have in common."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from rotator.core.adoptable import issuer_name
from rotator.core.audit import Line, service_of
from rotator.core.model import Severity
from rotator.core.rules.rule import Rule
from rotator.report.grouping import GroupBy
from rotator.report.lines import team

_ENDS: tuple[tuple[timedelta, str], ...] = (
    (timedelta(0), "expired"),
    (timedelta(days=7), "ends this week"),
    (timedelta(days=30), "ends within 30 days"),
    (timedelta(days=90), "ends within 90 days"),
    (timedelta.max, "ends later"),
)


@dataclass(frozen=True, slots=True)
class Group:
    """Lines under a title, in their order."""

    title: str
    lines: tuple[Line, ...]


def grouped(lines: Iterable[Line], by: GroupBy, now: datetime, rules: Mapping[str, Rule]) -> Sequence[Group]:
    """The groups: services, owners and issuers as their first line comes, ends from the soonest, findings worst first.

    By findings a line is in one group for each of its rules.
    """
    if by is GroupBy.FINDING:
        return _by_finding(lines, rules)
    found: dict[str, list[Line]] = {}
    for line in lines:
        found.setdefault(_title(line, by, now), []).append(line)
    order = [title for _, title in _ENDS] if by is GroupBy.EXPIRY else []
    titles = sorted(found, key=lambda title: order.index(title) if title in order else -1)
    return [Group(title, tuple(found[title])) for title in titles]


def _title(line: Line, by: GroupBy, now: datetime) -> str:
    if by is GroupBy.SERVICE:
        return service_of(line.observation)
    if by is GroupBy.OWNER:
        return team(line) or "no owner"
    if by is GroupBy.ISSUER:
        return issuer_name(line.observation.chain.leaf) if line.observation.chain else "no certificate"
    return until(line.ends, now) or "no certificate"


def until(ends: datetime | None, now: datetime) -> str:
    """`expired`, `ends this week`, `ends within 30 days` …; empty where there is no end."""
    return next(title for within, title in _ENDS if ends - now <= within) if ends else ""


def _by_finding(lines: Iterable[Line], rules: Mapping[str, Rule]) -> Sequence[Group]:
    found: dict[str, list[Line]] = {}
    worst: dict[str, Severity] = {}
    fine: list[Line] = []
    for line in lines:
        for finding in line.findings:
            of_rule = found.setdefault(finding.rule, [])
            if not of_rule or of_rule[-1] is not line:
                of_rule.append(line)
            worst[finding.rule] = max(finding.severity, worst.get(finding.rule, finding.severity), key=lambda s: s.rank)
        if not line.findings:
            fine.append(line)
    ids = sorted(found, key=lambda rule: (-worst[rule].rank, rule))
    groups = [Group(named(rule, rules), tuple(found[rule])) for rule in ids]
    return [*groups, Group("nothing found", tuple(fine))] if fine else groups


def named(rule: str, rules: Mapping[str, Rule]) -> str:
    """`RT001 expired`; the id alone where nobody knows it."""
    return f"{rule} {rules[rule].name}" if rule in rules else rule


def alike(lines: Iterable[Line], most: int = 3) -> Sequence[tuple[Line, ...]]:
    """Lines of one certificate of which the same is said, together where there are more than `most` of them.

    Each of the others stands alone; the order is that of the first ones.
    """
    together: dict[object, list[Line]] = {}
    for number, line in enumerate(lines):
        chain = line.observation.chain
        said = tuple((finding.rule, finding.message) for finding in line.findings)
        key = (chain.fingerprint, line.decision is None, line.unmanaged, said) if chain else number
        together.setdefault(key, []).append(line)
    return [part for lines in together.values() for part in _parts(lines, most)]


def _parts(lines: Sequence[Line], most: int) -> Iterable[tuple[Line, ...]]:
    return [tuple(lines)] if len(lines) > most else [(line,) for line in lines]
