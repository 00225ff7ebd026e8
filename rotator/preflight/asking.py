"""Will the next renewal work? Asks issuers, places and DNS beforehand; orders nothing and writes nothing.

Each issuer, the places and DNS have a lane of their own, so that one that is slow delays no other. An issuer is asked
about many certificates at once (`core.cohorts`), so that a thousand of them cost few questions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from typing import TypeAlias

from rotator.core import beforehand
from rotator.core.cohorts import Cohort, Member, answers_of, cohorts
from rotator.core.lead import renew_at
from rotator.core.model import Certificate, CertificateSpec, Check, Facts, PreflightRequest, TrustKind
from rotator.core.readiness import Answer, Line, Readiness, Verdict, line_of
from rotator.errors import IssueError, RotatorError
from rotator.lib.caa import CaaRecords, Resolving
from rotator.lib.lanes import Work, in_lanes
from rotator.log import logger
from rotator.ports import Anchors, Issuer, NamedInCaa, Preflight, Rehearses
from rotator.trust import stated_trust
from rotator.world import World

log = logger(__name__)

LIMIT = timedelta(minutes=10)
AT_ONCE = 4
GRACE = 20.0
"""Seconds after a stop in which what was put anywhere for a trial is taken away again."""

NOT_LIVED_YET = timedelta(days=90)
"""What a certificate is taken to live where there is none yet and the config does not say it."""


@dataclass(frozen=True, slots=True)
class Asking:
    """What is asked, and how much.

    Attributes:
        issuer: only this one; empty for all of each certificate's list.
        limit: for everything; what is not answered by then is unknown.
        at_once: questions at the same time, for each issuer and each kind of place.
        resolving: whom to ask for CAA records.
        answered: told after each answer.
    """

    issuer: str = ""
    limit: timedelta = LIMIT
    at_once: int = AT_ONCE
    resolving: Resolving = field(default_factory=Resolving)
    answered: Callable[[], None] = lambda: None


@dataclass(frozen=True, slots=True)
class _Part:
    """One question: its lane, whom its answer is about, and what comes first in a list of answers."""

    lane: str
    issuer: str
    certificates: tuple[str, ...]
    topic: str


_Lines: TypeAlias = Mapping[str, tuple[Line, ...]]
"""By certificate."""

_Question: TypeAlias = tuple[_Part, Callable[[], _Lines]]

_Domains: TypeAlias = Mapping[str, tuple[str, ...]]
"""By issuer, what CAA records call its CA; empty where that is not known."""


def preflight(facts: Sequence[Facts], world: World, asking: Asking = Asking()) -> tuple[Readiness, ...]:
    """Whether the next renewal of each certificate would work; in the order of `facts`.

    A stop of the world leaves it at what has been answered so far.

    Raises:
        StateError: the state cannot be used.
    """
    now, problem = world.clock.now(), world.store.key_problem
    end = world.clock.monotonic() + asking.limit.total_seconds()
    named = _named(world)
    found: dict[tuple[str, str], list[Line]] = {}
    _ask(_questions(facts, world, asking, named), world, asking, end, found)
    # A CA that is not well known says in its directory what CAA records call it, which may have been read only now.
    named_now = {name: domains for name, domains in _named(world).items() if not named[name]}
    _ask(_of_caa(facts, world, asking, named_now), world, asking, end, found)
    return tuple(
        Readiness(
            one.spec.name,
            now,
            tuple(
                Answer(issuer, (*_beforehand(issuer, one, world, problem), *found.get((one.spec.name, issuer), ())))
                for issuer in ("", *_asked(one.spec, asking))
            ),
            _due(one, world),
        )
        for one in facts
    )


def _ask(
    questions: Iterable[_Question], world: World, asking: Asking, end: float, found: dict[tuple[str, str], list[Line]]
) -> None:
    """Ask all of it at once, and add the lines by certificate and issuer: in the order of the questions.

    Args:
        end: of the time for it, on the clock's monotonic time.
    """
    works = [Work(part, part.lane, do) for part, do in questions]
    if not works:
        return
    answers = in_lanes(
        works,
        world.clock,
        seconds=max(0.0, end - world.clock.monotonic()),
        width=asking.at_once,
        stop=world.stop,
        grace=GRACE,
        done=lambda _part: asking.answered(),
    )
    for work in works:
        part = work.key
        for name in part.certificates:
            lines = answers[part][name] if part in answers else (_late(part, asking, stopped=world.stop.is_set()),)
            found.setdefault((name, part.issuer), []).extend(lines)


def _asked(spec: CertificateSpec, asking: Asking) -> tuple[str, ...]:
    return tuple(name for name in spec.issuers if asking.issuer in {"", name})


def _due(facts: Facts, world: World) -> datetime | None:
    return renew_at(facts.newest, facts.spec, facts.suggestion, world.policy) if facts.newest else None


def _late(part: _Part, asking: Asking, *, stopped: bool) -> Line:
    if stopped:
        return Line(part.topic, Verdict.UNKNOWN, "rotator was stopped before it was answered")
    text = f"it was not answered within {int(asking.limit.total_seconds())} s"
    return Line(part.topic, Verdict.UNKNOWN, text, "ask for fewer certificates at once, or for one issuer by --issuer")


def _beforehand(issuer: str, facts: Facts, world: World, key_problem: str) -> Iterator[Line]:
    """What needs no asking."""
    if issuer:
        if issuer not in world.issuers:
            remedy = "name it under issuers, or name another one for this certificate"
            yield Line("issuer", Verdict.FAILS, f"the config has no issuer {issuer}", remedy)
        elif (line := beforehand.public(issuer, caa_domains(world.issuers[issuer]), facts.spec)) is not None:
            yield line
        return
    if key_problem:
        yield Line(beforehand.STATE, Verdict.FAILS, key_problem)
    yield beforehand.key(facts.spec)
    yield from _untrusting(facts.spec, world)


def _untrusting(spec: CertificateSpec, world: World) -> Iterator[Line]:
    """Without the roots that its clients trust nothing that is issued can be validated."""
    stated = stated_trust(spec, world)
    if stated is None or stated.kind is not TrustKind.FILE:
        return
    try:
        world.file_roots(stated.path)
    except RotatorError as error:
        remedy = "put the roots there that its clients trust, or mend the path in `trust`"
        yield Line(beforehand.TRUST, Verdict.FAILS, str(error), remedy)


def caa_domains(issuer: object) -> tuple[str, ...]:
    """What CAA records call an issuer's CA; empty where that is not known."""
    return issuer.caa_domains if isinstance(issuer, NamedInCaa) else ()


def _named(world: World) -> _Domains:
    return {name: caa_domains(issuer) for name, issuer in world.issuers.items()}


# ---------------------------------------------------------------- questions


def _questions(facts: Sequence[Facts], world: World, asking: Asking, named: _Domains) -> Iterator[_Question]:
    for name, issuer in world.issuers.items():
        if asking.issuer in {"", name}:
            yield from _of_issuer(name, issuer, [one for one in facts if name in one.spec.issuers], world)
    yield from _of_caa(facts, world, asking, named)
    for one in facts:
        for number, target in enumerate(one.spec.targets):
            part = _Part(f"target {target.kind}", "", (one.spec.name,), f"write {number}" if number else "write")
            yield part, partial(_rehearsed, one.spec, number, world)


def _of_issuer(name: str, issuer: Issuer, facts: Sequence[Facts], world: World) -> Iterator[_Question]:
    if not facts:
        return
    lane = f"issuer {name}"
    for cohort in cohorts(_member(one) for one in facts):
        part = _Part(lane, name, tuple(member.certificate for member in cohort), "preflight")
        yield part, partial(_asked_beforehand, name, issuer, cohort)
    if isinstance(issuer, Anchors):
        part = _Part(lane, name, tuple(one.spec.name for one in facts), beforehand.OUTLIVES)
        yield part, partial(_outlived, name, issuer, facts, world)


def _member(facts: Facts) -> Member:
    spec = facts.spec
    current = facts.newest.leaf if facts.newest else None
    return Member(spec.name, PreflightRequest(spec.names, spec.lifetime, spec.profile, spec.key, current))


def _asked_beforehand(name: str, issuer: Issuer, cohort: Cohort) -> _Lines:
    if not isinstance(issuer, Preflight):
        line = Line("preflight", Verdict.UNTOLD, f"{name} cannot be asked beforehand")
        return {member.certificate: (line,) for member in cohort}

    def ask(request: PreflightRequest) -> tuple[Line, ...]:
        try:
            return tuple(_line(check, name) for check in issuer.preflight(request))
        except RotatorError as error:  # such as the state, in which an account lies
            return (Line("preflight", Verdict.UNKNOWN, str(error)),)
        except Exception as error:  # its contract says that it raises nothing; a fault must not hide the others
            log.exception("preflight failed", issuer=name)
            return (Line("preflight", Verdict.UNKNOWN, _fault(f"the issuer {name}", error)),)

    return answers_of(cohort, ask)


def _line(check: Check, issuer: str) -> Line:
    """Who says so stands beside it."""
    return line_of(replace(check, problem=check.problem.removeprefix(f"{issuer}: ")))


def _outlived(name: str, issuer: Anchors, facts: Sequence[Facts], world: World) -> _Lines:
    try:
        roots = issuer.roots()
    except IssueError as error:
        line = Line(beforehand.OUTLIVES, Verdict.UNKNOWN, f"its roots cannot be had: {error}")
        return {one.spec.name: (line,) for one in facts}
    except Exception as error:
        log.exception("roots failed", issuer=name)
        line = Line(beforehand.OUTLIVES, Verdict.UNKNOWN, _fault(f"the issuer {name}", error))
        return {one.spec.name: (line,) for one in facts}
    now = world.clock.now()
    return {one.spec.name: (_outlives(name, roots, one, max(now, _due(one, world) or now)),) for one in facts}


def _outlives(name: str, roots: Sequence[Certificate], facts: Facts, due: datetime) -> Line:
    lives = facts.spec.lifetime or (facts.newest.lifetime if facts.newest else NOT_LIVED_YET)
    return beforehand.outlives(name, roots, facts.newest, lives, due)


def _of_caa(facts: Sequence[Facts], world: World, asking: Asking, domains: _Domains) -> Iterator[_Question]:
    records: list[CaaRecords] = []

    def look_up(name: str, spec: CertificateSpec) -> _Lines:
        found = records[0].of(spec.names)
        return {spec.name: (beforehand.caa(name, domains[name], found),) if found else ()}

    for one in facts:
        for name in _asked(one.spec, asking):
            if domains.get(name):
                if not records:
                    records.append(CaaRecords(asking.resolving, world.clock.monotonic))
                part = _Part("caa", name, (one.spec.name,), beforehand.CAA)
                yield part, partial(look_up, name, one.spec)


def _rehearsed(spec: CertificateSpec, number: int, world: World) -> _Lines:
    kind = spec.targets[number].kind
    try:
        target = world.target(spec.name, spec.targets[number])
        if not isinstance(target, Rehearses):
            return {spec.name: (Line("write", Verdict.UNTOLD, f"a place of kind {kind} cannot be tried beforehand"),)}
        return {spec.name: tuple(line_of(check) for check in target.rehearse())}
    except RotatorError as error:
        return {spec.name: (Line("write", Verdict.UNKNOWN, str(error)),)}
    except Exception as error:
        log.exception("rehearsal failed", certificate=spec.name, kind=kind)
        return {spec.name: (Line("write", Verdict.UNKNOWN, _fault(f"the target {kind}", error)),)}


def _fault(who: str, error: Exception) -> str:
    return f"a fault in {who} itself ({type(error).__name__}); the log has it in full"
