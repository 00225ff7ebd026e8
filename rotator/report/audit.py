"""An inventory and its plan as an audit."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from rotator.core.audit import Audit, Line, Unseen, place_of, soonest
from rotator.core.findings import findings
from rotator.core.lead import lead
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
    Problem,
    ProblemKind,
    Sighting,
)

__all__ = ["Audit", "Line", "Unseen", "audit_of", "place_of"]


def audit_of(inventory: Inventory, plan: Plan | None = None) -> Audit:
    """Hold an inventory against the catalogue; with a plan, say what would be done about each place."""
    seen = (*inventory.observations, *_beyond_sources(inventory))
    expected = {
        endpoint: facts.newest for facts in inventory.facts if facts.newest is not None for endpoint in facts.served
    }
    by_place = _by_place(findings(seen, inventory.at, expected=expected))
    decisions = _decisions(inventory.facts, plan)
    held = {problem.location: problem.message for problem in inventory.held}
    lines = [
        Line(
            observation=o,
            findings=by_place.get(o.location, ()),
            due=o.chain.not_after - lead(o.chain.lifetime) if o.chain else None,
            decision=decisions.get(o.endpoint if o.endpoint else o.location),
            unmanaged=held.get(o.location, ""),
        )
        for o in seen
        if not _is_unseen(o)
    ]
    unseen = [Unseen(problem.source, problem.message) for problem in inventory.problems]
    unseen += [Unseen(*_said(o, o.problem)) for o in seen if _is_unseen(o) and o.problem]
    return Audit(inventory.at, tuple(sorted(lines, key=soonest)), tuple(unseen))


def _said(observation: Observation, problem: Problem) -> tuple[str, str]:
    """Place and problem; where the problem begins with a name of the place, it is not said twice."""
    where = place_of(observation)
    address = observation.location.address.rpartition("@")[2]
    for name in (where, place_of(observation, short=True), f"{observation.endpoint} at {address}"):
        if problem.message.startswith(f"{name}: "):
            return where, problem.message.removeprefix(f"{name}: ")
    return where, problem.message


def _is_unseen(observation: Observation) -> bool:
    return observation.problem is not None and observation.problem.kind is ProblemKind.UNSEEN


def _by_place(found: Iterable[Finding]) -> Mapping[Location, tuple[Finding, ...]]:
    places: dict[Location, tuple[Finding, ...]] = {}
    for finding in found:
        places[finding.location] = (*places.get(finding.location, ()), finding)
    return places


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
                yield from (_as_observation(sighting) for sighting in sightings)


def _as_observation(sighting: Sighting) -> Observation:
    chain: Chain | None = sighting.chain
    problem = None
    if chain is None:
        why = f"{sighting.state}: {sighting.detail}" if sighting.detail else str(sighting.state)
        problem = Problem(ProblemKind.UNSEEN, why)
    endpoint = sighting.endpoint
    address = f"{endpoint}@{sighting.address}" if sighting.address else str(endpoint)
    return Observation(
        Location("tls", address), chain=chain, problem=problem, endpoint=endpoint, handshake=sighting.handshake
    )
