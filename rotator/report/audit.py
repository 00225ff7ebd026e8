"""An audit as data: every place that was looked at, what is wrong there, and what rotator would do about it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

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
    Severity,
    Sighting,
)


@dataclass(frozen=True, slots=True)
class Line:
    """One place.

    Attributes:
        due: when its certificate is due by the rule of lifetimes; None where there is no certificate.
        decision: what rotator decides about the certificate it belongs to; None where it is not managed.
        unmanaged: why a rule that matches does not manage it; empty where no rule matches or one does.
    """

    observation: Observation
    findings: tuple[Finding, ...]
    due: datetime | None
    decision: Decision | None = None
    unmanaged: str = ""

    @property
    def ends(self) -> datetime | None:
        return self.observation.chain.not_after if self.observation.chain else None

    @property
    def rule(self) -> str:
        """Which rule manages it: `declared`, or the adoption rule's source."""
        return (self.decision.spec.adopted_from or "declared") if self.decision else ""


@dataclass(frozen=True, slots=True)
class Unseen:
    """A source or place that could not be looked at, and why."""

    where: str
    message: str


@dataclass(frozen=True, slots=True)
class Audit:
    """Everything that a scan says; lines soonest end first, places without a certificate before all."""

    at: datetime
    lines: tuple[Line, ...]
    unseen: tuple[Unseen, ...] = ()

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Worst first; of equal ones in the order of the lines."""
        found = [finding for line in self.lines for finding in line.findings]
        return tuple(sorted(found, key=lambda finding: -finding.severity.rank))

    @property
    def worst(self) -> Severity | None:
        return max((finding.severity for finding in self.findings), key=lambda s: s.rank, default=None)


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
    return Audit(inventory.at, tuple(sorted(lines, key=_soonest)), tuple(unseen))


def place_of(observation: Observation, *, short: bool = False) -> str:
    """A place as people say it; `short` leaves out the system that a stored one belongs to."""
    endpoint, location = observation.endpoint, observation.location
    if endpoint is None:
        return location.address if short else str(location)
    address = location.address.rpartition("@")[2]
    return f"{endpoint} at {address}" if address not in {endpoint.host, location.address} else str(endpoint)


def _said(observation: Observation, problem: Problem) -> tuple[str, str]:
    """Place and problem; where the problem begins with a name of the place, it is not said twice."""
    where = place_of(observation)
    address = observation.location.address.rpartition("@")[2]
    for name in (where, place_of(observation, short=True), f"{observation.endpoint} at {address}"):
        if problem.message.startswith(f"{name}: "):
            return where, problem.message.removeprefix(f"{name}: ")
    return where, problem.message


def _soonest(line: Line) -> tuple[float, Location]:
    return (line.ends.timestamp() if line.ends else 0.0, line.observation.location)


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
