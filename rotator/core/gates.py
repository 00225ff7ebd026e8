"""Which issuer is asked, and who passes an open breaker: one certificate at a time, each time a different one. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from rotator.core.breakers import Breaker, fleet_breaker, issuer_breaker, kind_breakers
from rotator.core.lead import DAY, HOUR, span
from rotator.core.model import Action, CertificateSpec, Decision, FleetHistory, Result
from rotator.core.reasons import Reason


def urgency(decision: Decision, now: datetime) -> tuple[int, datetime, str]:
    """Sorts the most urgent first: emergencies, what is done now, what waits, what is healthy; each by its end.

    What has no certificate yet serves nobody: it comes after what has ended and before what still lives.
    """
    if decision.emergency and decision.wanted is not None:
        rank = 0
    elif decision.due:
        rank = 1
    else:
        rank = 3 if decision.wanted is None else 2
    return rank, decision.ends or now, decision.spec.name


# ---------------------------------------------------------------- issuers


@dataclass(frozen=True, slots=True)
class Issuers:
    """What is known of all issuers at a moment, read once from the fleet's history.

    Attributes:
        broken: open breakers by issuer.
        reluctant: (certificate, digest, issuer) that were refused for good today, or told to come back later.
        shortest_lead: of the certificates that were rotated lately; None when none is known.
        avoided: a campaign leads away from them.
    """

    broken: Mapping[str, Breaker]
    reluctant: frozenset[tuple[str, str, str]]
    shortest_lead: timedelta | None
    avoided: frozenset[str] = frozenset()

    def ranked(self, spec: CertificateSpec, now: datetime) -> tuple[str, ...]:
        """Those of the list that may be asked: the whole and willing, then the whole, then the half-open."""
        listed = [issuer for issuer in spec.issuers if issuer not in self.avoided]
        whole = [issuer for issuer in listed if issuer not in self.broken]
        willing = [issuer for issuer in whole if not self._is_reluctant(spec, issuer)]
        half_open = [
            issuer
            for issuer in listed
            if issuer in self.broken and self.broken[issuer].half_open_at(self.shortest_lead) <= now
        ]
        return tuple(dict.fromkeys((*willing, *whole, *half_open)))

    def why_not(self, spec: CertificateSpec, issuer: str) -> str:
        """Why others are asked before an issuer; empty where nothing speaks against it."""
        if issuer in self.broken:
            return f"{len(self.broken[issuer].tried)} certificates failed there"
        return "it has refused or put off this certificate" if self._is_reluctant(spec, issuer) else ""

    def _is_reluctant(self, spec: CertificateSpec, issuer: str) -> bool:
        return (spec.name, spec.digest, issuer) in self.reluctant


def read_issuers(fleet: FleetHistory, now: datetime) -> Issuers:
    """Replay the breakers of every issuer of the ledger, and find who refused whom."""
    fleet = _of_the_past(fleet, now)
    names = sorted({order.issuer for order in fleet.orders})
    breakers = {name: issuer_breaker(name, fleet) for name in names}
    refused = {
        (order.certificate, order.digest, order.issuer)
        for order in fleet.orders
        if order.permanent and order.result == "failed" and now - order.at < DAY
    }
    put_off = {
        (order.certificate, order.digest, order.issuer)
        for order in fleet.orders
        if order.result == "failed" and order.retry_at is not None and now < order.retry_at
    }
    later = {
        (outcome.decision.spec.name, outcome.decision.spec.digest, outcome.issuer)
        for outcome in fleet.outcomes
        if outcome.result is Result.FAILED and outcome.retry_at is not None and now < outcome.retry_at
    }
    leads = [outcome.decision.lead for outcome in fleet.outcomes if outcome.decision.lead]
    return Issuers(
        broken={name: breaker for name, breaker in breakers.items() if breaker is not None},
        reluctant=frozenset(refused | put_off | later),
        shortest_lead=min(leads, default=None),
        avoided=fleet.avoided,
    )


def _of_the_past(fleet: FleetHistory, now: datetime) -> FleetHistory:
    """What happened, but for what a clock that ran ahead wrote: a breaker would stay open until that moment comes.

    An hour of leeway is more than the clocks of two replicas differ.
    """
    until = now + HOUR
    return replace(
        fleet,
        orders=tuple(order for order in fleet.orders if order.at <= until),
        outcomes=tuple(outcome for outcome in fleet.outcomes if outcome.finished <= until),
    )


# ---------------------------------------------------------------- gates


@dataclass(frozen=True, slots=True)
class _Way:
    """A decision and the open breakers in its way; `trial` is the issuer that would be tried."""

    decision: Decision
    breakers: tuple[Breaker, ...]
    trial: str = ""

    def turn(self, now: datetime) -> tuple[int, tuple[int, datetime, str]]:
        """Those never tried come first, then those tried longest ago."""
        name = self.decision.spec.name
        tried = (b.tried.index(name) if name in b.tried else -1 for b in self.breakers)
        return max(tried), urgency(self.decision, now)


def pass_breakers(decisions: Sequence[Decision], fleet: FleetHistory, now: datetime) -> tuple[Decision, ...]:
    """Hold what an open breaker concerns; half-open, each lets one through.

    A decision that several breakers concern passes all of them or none.
    """
    broken, kinds = read_issuers(fleet, now).broken, kind_breakers(_of_the_past(fleet, now))
    ways = [_way(decision, broken, kinds, fleet.avoided) for decision in decisions if decision.due]
    concerned = sorted((way for way in ways if way.breakers), key=lambda way: way.turn(now))
    opens = _half_open(concerned)
    used: set[str] = set()
    answers: dict[str, Decision] = {}
    for way in concerned:
        names = {breaker.name for breaker in way.breakers}
        if not used & names and all(opens[name] <= now for name in names):
            used |= names
            answers[way.decision.spec.name] = replace(way.decision, trial=way.trial)
        else:
            answers[way.decision.spec.name] = _held(way, opens, now)
    return tuple(answers.get(decision.spec.name, decision) for decision in decisions)


def _way(
    decision: Decision, broken: Mapping[str, Breaker], kinds: Mapping[str, Breaker], avoided: frozenset[str]
) -> _Way:
    everything = fleet_breaker(kinds)
    own = sorted({target.kind for target in decision.spec.targets} & set(kinds))
    found = [*([everything] if everything else []), *(kinds[kind] for kind in own)]
    issuers, trial = [issuer for issuer in decision.spec.issuers if issuer not in avoided], ""
    orders = decision.action is Action.RENEW and not decision.resumes
    if orders and issuers and all(issuer in broken for issuer in issuers):
        trial = min(issuers, key=lambda issuer: broken[issuer].last)
        found.append(broken[trial])
    return _Way(decision, tuple(found), trial)


def _half_open(ways: Sequence[_Way]) -> dict[str, datetime]:
    """When each breaker lets one through, by the shortest lead of those that wait at it."""
    waiting: dict[str, list[_Way]] = {}
    for way in ways:
        for breaker in way.breakers:
            waiting.setdefault(breaker.name, []).append(way)
    opens: dict[str, datetime] = {}
    for name, those in waiting.items():
        breaker = next(breaker for breaker in those[0].breakers if breaker.name == name)
        leads = [way.decision.lead for way in those if way.decision.lead]
        opens[name] = breaker.half_open_at(min(leads, default=None))
    return opens


def _held(way: _Way, opens: Mapping[str, datetime], now: datetime) -> Decision:
    decision = way.decision
    last = max(way.breakers, key=lambda breaker: opens[breaker.name])
    at = opens[last.name]
    # Somebody else tries in this look: what becomes of it is known by the next half-open moment at the latest.
    at = at if now < at else now + (at - last.last)
    why = (
        f"{last.name} failed {len(last.tried)} certificates, one at a time is tried again, the next in {span(at - now)}"
    )
    return replace(
        decision,
        action=Action.WAIT,
        reason=Reason.BREAKER,
        message=f"{decision.message}; {why}",
        at=at,
        wanted=decision.action,
        because=decision.because or decision.reason,
    )
