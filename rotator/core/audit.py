"""An audit as data: every place that was looked at, what is wrong there, and what rotator would do about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from types import MappingProxyType

from rotator.core.model import Decision, Finding, Location, Observation, Severity, Use


@dataclass(frozen=True, slots=True)
class Excused:
    """A finding that the baseline takes for known.

    Attributes:
        until: the last day on which it is; None for ever.
        reason: why, in the words of whoever excused it.
    """

    finding: Finding
    until: date | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """One place.

    Attributes:
        findings: what counts; what the baseline excuses is in `excused`.
        due: when its certificate is due by the rule of lifetimes; None where there is no certificate.
        decision: what rotator decides about the certificate it belongs to; None where it is not managed.
        unmanaged: why a rule that matches does not manage it; empty where no rule matches or one does.
    """

    observation: Observation
    findings: tuple[Finding, ...] = ()
    due: datetime | None = None
    decision: Decision | None = None
    unmanaged: str = ""
    excused: tuple[Excused, ...] = ()

    @property
    def ends(self) -> datetime | None:
        """The end of its certificate; of several that are trusted, of the one that ends first."""
        chain = self.observation.chain
        if chain is None:
            return None
        if self.observation.use is Use.TRUST:
            return min(certificate.not_after for certificate in chain.certificates)
        return chain.not_after

    @property
    def rule(self) -> str:
        """Which rule manages it: `declared`, or the adoption rule's source."""
        return (self.decision.spec.adopted_from or "declared") if self.decision else ""

    @property
    def worst(self) -> Severity | None:
        return max((finding.severity for finding in self.findings), key=lambda s: s.rank, default=None)


@dataclass(frozen=True, slots=True)
class Unseen:
    """A source or place that could not be looked at, and why.

    Attributes:
        whole: it is a source: of no place of it can be said that it has gone.
    """

    where: str
    message: str
    whole: bool = False


@dataclass(frozen=True, slots=True)
class Summary:
    """What an audit comes to, for whoever did not keep its lines.

    Attributes:
        findings: how many, by severity, the worst first; every severity is there.
        excused: findings that the baseline takes for known.
    """

    at: datetime
    places: int = 0
    unseen: int = 0
    excused: int = 0
    findings: Mapping[Severity, int] = field(
        default_factory=lambda: MappingProxyType(dict.fromkeys(reversed(Severity), 0))
    )

    @property
    def worst(self) -> Severity | None:
        return next((severity for severity, count in self.findings.items() if count), None)


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
    def summary(self) -> Summary:
        found = self.findings
        return Summary(
            self.at,
            places=len(self.lines),
            unseen=len(self.unseen),
            excused=sum(len(line.excused) for line in self.lines),
            findings=MappingProxyType({s: sum(f.severity is s for f in found) for s in reversed(Severity)}),
        )

    @property
    def worst(self) -> Severity | None:
        return self.summary.worst


def soonest(line: Line) -> tuple[float, Location]:
    """How lines are ordered: what ends soonest first, places without a certificate before all."""
    return (line.ends.timestamp() if line.ends else 0.0, line.observation.location)


def place_of(observation: Observation, *, short: bool = False) -> str:
    """A place as people say it; `short` leaves out the system that a stored one belongs to.

    A cluster is called as the kubeconfig calls it, where it was reached by one; its own id says nothing to people.
    """
    endpoint, location = observation.endpoint, observation.location
    if endpoint is None:
        system = observation.labels.get("kube_context") or location.system
        return location.address if short else f"{system}:{location.address}"
    at = f" at {observation.address}" if observation.address not in {endpoint.host, ""} else ""
    key = f" ({observation.labels['key']})" if "key" in observation.labels else ""
    return f"{endpoint}{at}{key}"


def lasting_place(observation: Observation) -> str:
    """What a place is called over time and on every machine that looks at it, as `Finding.place` has it."""
    if observation.endpoint is not None:
        key = f" ({observation.labels['key']})" if "key" in observation.labels else ""
        return f"{observation.endpoint}{key}"
    location = observation.location
    return location.address if location.address.startswith("/") else str(location)


def service_of(observation: Observation) -> str:
    """The service that a place belongs to: its namespace, the host of an endpoint, or the folder of a file.

    Two places of one service may share a key; two services should not.
    """
    if observation.endpoint is not None:
        return observation.endpoint.server_name or observation.endpoint.host
    labels, system = observation.labels, observation.location.system
    if "namespace" in labels:
        return f"{system}:{labels['namespace']}"
    return f"{system}:{labels.get('dir') or observation.location.address.rpartition('/')[0]}"
