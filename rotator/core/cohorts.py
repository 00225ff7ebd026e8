"""Asking an issuer about many certificates with few questions, and finding out whose problem an answer is. Pure.

Certificates that an issuer would look at in the same way (same lifetime, profile, kind of key and zones) are asked for
together. Where the answer is clean, it is clean for each of them. Where it is not, the first, the last and the one
between them are asked for alone: the same answer to all four, but for the names in it, is about what they share (a dead
account, a revoked DNS token). Otherwise each half is asked for, down to single certificates, so that one bad name costs
a few more questions and spoils no other's answer.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from rotator.core.csr import is_address
from rotator.core.model import PreflightRequest
from rotator.core.readiness import Line, Verdict

MOST_NAMES = 25
"""In one question: what the narrowest profile of a public CA takes in one order (Let's Encrypt's `shortlived`)."""


@dataclass(frozen=True, slots=True)
class Member:
    """A certificate, and what its next order would ask for."""

    certificate: str
    request: PreflightRequest


Cohort = tuple[Member, ...]
Ask = Callable[[PreflightRequest], tuple[Line, ...]]


def cohorts(members: Iterable[Member]) -> tuple[Cohort, ...]:
    """Who is asked for together; at most `MOST_NAMES` names in one question, unless one certificate has more."""
    alike: dict[object, list[Member]] = {}
    for member in members:
        alike.setdefault(likeness(member.request), []).append(member)
    return tuple(cohort for many in alike.values() for cohort in _parted(many))


def likeness(request: PreflightRequest) -> tuple[object, ...]:
    """What an issuer looks at beyond the names themselves."""
    wild = any(name.startswith("*.") for name in request.names)
    return (request.lifetime, request.profile, request.key, frozenset(map(zone_of, request.names)), wild)


def zone_of(name: str) -> str:
    """About what one owner registered: two labels, or three under one like `co.uk`; an address stands for itself.

    Good enough to keep neighbours together; nothing is wrong where it errs.
    """
    if is_address(name) or "://" in name:
        return name
    labels = name.lower().rstrip(".").split(".")
    short = len(labels) > 2 and len(labels[-1]) == 2 and labels[-2] in _SECOND_LEVEL
    return ".".join(labels[-3 if short else -2 :])


_SECOND_LEVEL = frozenset({"ac", "co", "com", "edu", "gov", "ltd", "me", "net", "ne", "or", "org", "plc", "sch"})


def _parted(many: Sequence[Member]) -> Iterable[Cohort]:
    part: list[Member] = []
    names = 0
    for member in sorted(many, key=lambda one: one.certificate):
        more = len(member.request.names)
        if part and names + more > MOST_NAMES:
            yield tuple(part)
            part, names = [], 0
        part.append(member)
        names += more
    yield tuple(part)


def merged(members: Sequence[Member]) -> PreflightRequest:
    """One question for all of them."""
    first = members[0].request
    names = tuple(dict.fromkeys(name for member in members for name in member.request.names))
    # Of several that would be replaced the last to end asks the most of whoever has to outlive it.
    replaced = [member.request.current for member in members if member.request.current]
    current = max(replaced, key=lambda one: one.not_after, default=None)
    return PreflightRequest(names, first.lifetime, first.profile, first.key, current)


def answers_of(cohort: Cohort, ask: Ask) -> Mapping[str, tuple[Line, ...]]:
    """What the issuer says of each certificate, by name."""
    known: dict[Cohort, tuple[Line, ...]] = {}

    def of(members: Cohort) -> tuple[Line, ...]:
        if members not in known:
            known[members] = ask(merged(members))
        return known[members]

    return dict(_answers(cohort, of))


def _answers(cohort: Cohort, of: Callable[[Cohort], tuple[Line, ...]]) -> Iterable[tuple[str, tuple[Line, ...]]]:
    whole, middle = of(cohort), len(cohort) // 2
    wrong = _wrong(cohort, whole)
    samples = (cohort[:1], cohort[-1:], cohort[middle : middle + 1])
    if len(cohort) == 1 or not wrong or all(_wrong(sample, of(sample)) == wrong for sample in samples):
        return [(member.certificate, whole) for member in cohort]
    return [*_answers(cohort[:middle], of), *_answers(cohort[middle:], of)]


def _wrong(cohort: Cohort, lines: Iterable[Line]) -> tuple[tuple[str, Verdict, str], ...]:
    zones = {zone_of(name) for member in cohort for name in member.request.names}
    bad = (line for line in lines if line.verdict in {Verdict.FAILS, Verdict.UNKNOWN})
    return tuple((line.check, line.verdict, anonymous(line.text, zones)) for line in bad)


def anonymous(text: str, zones: Iterable[str]) -> str:
    """A text without the names of these zones and below them: the same for all who suffer from the same thing."""
    plain = text.lower()
    for zone in sorted(zones, key=len, reverse=True):
        plain = re.sub(rf"[\w*.-]*(?<![\w-]){re.escape(zone.lower())}(?![\w-])", "…", plain)
    return plain
