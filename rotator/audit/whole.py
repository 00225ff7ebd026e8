"""A whole audit, held in memory: of an inventory with its plan, or of a stream of observations."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import chain

from rotator.audit.auditor import NOTHING_ASKED, Auditor
from rotator.audit.lookups import Lookups
from rotator.core.audit import Audit, Excused, Line, Unseen, place_of, soonest
from rotator.core.model import (
    Chain,
    Decision,
    Endpoint,
    Facts,
    Finding,
    Inventory,
    Location,
    Observation,
    Plan,
    ProblemKind,
)
from rotator.core.served import observation_of


def audit_of(inventory: Inventory, auditor: Auditor, plan: Plan | None = None, lookups: Lookups | None = None) -> Audit:
    """Hold an inventory against the catalogue; with a plan, say what would be done about each place."""
    unseen = (Unseen(problem.source, problem.message, whole=True) for problem in inventory.problems)
    return gathered(chain(unseen, _told(inventory, auditor, plan, lookups)), auditor)


def _told(
    inventory: Inventory, auditor: Auditor, plan: Plan | None, lookups: Lookups | None
) -> Iterator[Line | Unseen]:
    decisions = _decisions(inventory.facts, plan)
    held = {problem.location: problem.message for problem in inventory.held}
    current = _current(inventory.facts)
    seen = chain(inventory.observations, _beyond_sources(inventory))
    for observation, asked in lookups.asked(seen) if lookups else ((one, NOTHING_ASKED) for one in seen):
        if observation.endpoint in current:
            auditor.expect(observation, *current[observation.endpoint])
        yield (
            unseen_of(observation)
            if is_unseen(observation)
            else auditor.told(
                observation,
                asked,
                decision=decisions.get(observation.endpoint or observation.location),
                unmanaged=held.get(observation.location, ""),
            )
        )


def gathered(seen: Iterable[Line | Unseen], auditor: Auditor) -> Audit:
    """All that a stream of lines tells, held until its end."""
    lines: list[Line] = []
    unseen: list[Unseen] = []
    for one in seen:
        if isinstance(one, Unseen):
            unseen.append(one)
        else:
            lines.append(one)
    return whole(auditor, lines, unseen)


def whole(auditor: Auditor, lines: Iterable[Line], unseen: Iterable[Unseen]) -> Audit:
    """All lines of an auditor, with what comparing them tells, in the order of an audit."""
    compared: dict[Location, list[tuple[Finding, Excused | None]]] = {}
    kept = list(lines)
    for finding, excused in auditor.compared():
        compared.setdefault(finding.location, []).append((finding, excused))
    merged = [_with(line, compared.pop(line.observation.location, [])) for line in kept]
    return Audit(auditor.now, tuple(sorted(merged, key=soonest)), tuple(unseen))


def _with(line: Line, compared: list[tuple[Finding, Excused | None]]) -> Line:
    if not compared:
        return line
    counted = tuple(finding for finding, excused in compared if excused is None)
    known = tuple(excused for _, excused in compared if excused is not None)
    return replace(line, findings=(*line.findings, *counted), excused=(*line.excused, *known))


def is_unseen(observation: Observation) -> bool:
    """Whether the place could not be looked at."""
    return observation.problem is not None and observation.problem.kind is ProblemKind.UNSEEN


def unseen_of(observation: Observation) -> Unseen:
    """Place and problem; where the problem begins with a name of the place, it is not said twice."""
    assert observation.problem is not None
    where, message = place_of(observation), observation.problem.message
    for name in (where, place_of(observation, short=True), f"{observation.endpoint} at {observation.address}"):
        if message.startswith(f"{name}: "):
            return Unseen(where, message.removeprefix(f"{name}: "))
    return Unseen(where, message)


def _current(facts: Iterable[Facts]) -> Mapping[Endpoint | None, tuple[Chain, str]]:
    """What each endpoint of a managed certificate should show, and the name it is known by."""
    return {endpoint: (one.newest, one.spec.name) for one in facts if one.newest is not None for endpoint in one.served}


def _decisions(facts: Iterable[Facts], plan: Plan | None) -> Mapping[Location | Endpoint, Decision]:
    by_name = {decision.spec.name: decision for decision in plan.decisions} if plan else {}
    found: dict[Location | Endpoint, Decision] = {}
    for one in facts:
        if decision := by_name.get(one.spec.name):
            found |= dict.fromkeys(one.installed, decision)
            found |= dict.fromkeys(one.served, decision)
    return found


def _beyond_sources(inventory: Inventory) -> Iterator[Observation]:
    """What no source showed: places and endpoints of declared certificates, looked at for the plan."""
    places = {o.location for o in inventory.observations}
    endpoints = {o.endpoint for o in inventory.observations if o.endpoint}
    for facts in inventory.facts:
        for location, observation in facts.installed.items():
            if location not in places:
                places.add(location)
                yield observation
        for endpoint, sightings in facts.served.items():
            if endpoint not in endpoints:
                endpoints.add(endpoint)
                yield from (observation_of(sighting) for sighting in sightings)
