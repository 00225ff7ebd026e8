"""How the operator judges otherwise: thresholds, severities, rules left out, and a baseline of what is known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from fnmatch import fnmatchcase
from types import MappingProxyType

from rotator.core.audit import Excused
from rotator.core.model import Finding, Location, Severity
from rotator.core.rules.rule import Rule, Said, Thresholds


@dataclass(frozen=True, slots=True)
class Exemption:
    """A line of the baseline: findings of a rule at places that are known and accepted, until a day.

    Attributes:
        place: a glob on the place: on what it is called over time, or with its host or address.
        about: a glob on what of the place it is about.
        until: the last day on which it holds; None for ever.
    """

    rule: str
    place: str = "*"
    about: str = "*"
    until: date | None = None
    reason: str = ""

    def covers(self, finding: Finding, today: date) -> bool:
        """Whether it excuses a finding today."""
        return (
            self.rule == finding.rule
            and (self.until is None or today <= self.until)
            and any(fnmatchcase(name, self.place) for name in (finding.place, str(finding.location)))
            and fnmatchcase(finding.about, self.about)
        )


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the operator says of rules.

    Attributes:
        severities: by rule id, of the worst that the rule says; what is less grave moves along, notes stay notes.
        only: where not empty, no other rule is asked.
        ignore: rules that are not asked.
    """

    thresholds: Thresholds = field(default_factory=Thresholds)
    severities: Mapping[str, Severity] = field(default_factory=lambda: MappingProxyType({}))
    only: frozenset[str] = frozenset()
    ignore: frozenset[str] = frozenset()
    baseline: tuple[Exemption, ...] = ()

    def asks(self, rule: Rule) -> bool:
        """Whether a rule is asked at all."""
        return rule.id not in self.ignore and (not self.only or rule.id in self.only)

    def finding(self, rule: Rule, said: Said, location: Location, place: str) -> Finding:
        """What a rule said, as a finding with the operator's severity."""
        severity = self._severity(rule, said.severity)
        return Finding(rule.id, severity, location, said.message, rule.remedy, said.about, place)

    def _severity(self, rule: Rule, said: Severity) -> Severity:
        worst = self.severities.get(rule.id)
        if worst is None or (said is Severity.INFO and rule.severity is not Severity.INFO):
            return said
        every = tuple(Severity)
        return every[max(0, min(len(every) - 1, said.rank + worst.rank - rule.severity.rank))]

    def accepting(self, finding: Finding, today: date) -> Exemption | None:
        """The line of the baseline that excuses a finding."""
        return next((one for one in self.baseline if one.covers(finding, today)), None)

    def excuse(self, finding: Finding, today: date) -> Excused | None:
        """The finding as one that the baseline takes for known; None where it does not."""
        line = self.accepting(finding, today)
        return Excused(finding, line.until, line.reason) if line else None

    def outlived(self, today: date) -> tuple[Exemption, ...]:
        """Lines of the baseline that hold no longer."""
        return tuple(one for one in self.baseline if one.until is not None and one.until < today)
