"""A fleet under the real policy, stepped look by look as the daemon does: what a simulation is held against."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from rotator.core.lead import PolicySettings, due_at
from rotator.core.model import (
    Action,
    Attempt,
    Chain,
    Decision,
    Facts,
    FleetHistory,
    History,
    Inventory,
    Order,
    Plan,
    Result,
    Stage,
)
from rotator.core.plan import make_plan, next_wake, wake_after
from rotator.core.reasons import Reason
from rotator.core.simulate.fleet import Fleet
from rotator.core.simulate.issuer import ModelIssuer
from tests import builders


@dataclass
class Certificate:
    """One certificate and its past."""

    chain: Chain
    attempts: list[Attempt] = field(default_factory=list)
    orders: list[Order] = field(default_factory=list)
    ours: bool = False


@dataclass
class Stepped:
    """What one look did: who was renewed and how late, whose order failed, who begins to be held by which reason."""

    at: datetime
    renewed: dict[str, timedelta] = field(default_factory=dict)
    failed: set[str] = field(default_factory=set)
    held: set[tuple[str, Reason]] = field(default_factory=set)
    emergencies: int = 0
    ended: set[str] = field(default_factory=set)


class World:
    """The fleet, its ledger and its issuer."""

    def __init__(self, fleet: Fleet, policy: PolicySettings, issuer: ModelIssuer, *, moving: bool = False) -> None:
        self.fleet, self.policy, self.issuer = fleet, policy, issuer
        self.specs = [fleet.spec(one) for one in range(len(fleet))]
        self.number = {spec.name: one for one, spec in enumerate(self.specs)}
        self.certificates = [
            Certificate(self.issued(one, fleet.start + timedelta(seconds=fleet.begins[one]), fleet.life[one]))
            for one in range(len(fleet))
        ]
        for spec, certificate in zip(self.specs, self.certificates, strict=True):
            begins = certificate.chain.not_before
            first = builders.order(begins, of=spec, issuer=spec.issuers[0])
            certificate.orders += [] if moving or begins > fleet.start else [first]  # the CA knows the names
        self.ledger: list[Order] = []
        self.stored: Plan | None = None
        self.why: dict[str, Reason] = {}

    def issued(self, one: int, begins: datetime, life: int) -> Chain:
        names = self.specs[one].names
        return builders.chain(*names, begins=begins, lives=self.fleet.lives[life].lifetime)

    def facts(self, one: int, now: datetime) -> Facts:
        certificate, spec = self.certificates[one], self.specs[one]
        history = History(
            attempts=tuple(certificate.attempts),
            orders=tuple(certificate.orders),
            foreseen_at=self.fleet.start,
            accepted=certificate.chain if certificate.ours else None,
            accepted_digest=spec.digest if certificate.ours else "",
            key_kept=certificate.ours,
        )
        return builders.facts(spec, now=now, chain=certificate.chain, history=history)

    def looks(self) -> Iterator[Stepped]:
        """Looks without an end, each when the plan and the outcomes ask for it."""
        now = self.fleet.start
        while True:
            inventory = Inventory(at=now, facts=tuple(self.facts(one, now) for one in range(len(self.specs))))
            plan = make_plan(inventory, FleetHistory(orders=tuple(self.ledger)), self.stored, self.policy)
            self.stored = plan
            look = Stepped(now)
            self.note_held(plan, look)
            wakes = [next_wake(plan, self.policy, now, first=False)]
            wakes += [self.carry_out(decision, now, look) for decision in plan.due]
            yield look
            now = min(wakes)

    def note_held(self, plan: Plan, look: Stepped) -> None:
        held = {d.spec.name: d.reason for d in plan.decisions if d.wanted is Action.RENEW and not d.due}
        look.held |= {(name, reason) for name, reason in held.items() if self.why.get(name) is not reason}
        self.why = held

    def carry_out(self, decision: Decision, now: datetime, look: Stepped) -> datetime:
        """Place the order of a decision; when to look again because of it."""
        assert decision.action is Action.RENEW
        one = self.number[decision.spec.name]
        certificate, spec = self.certificates[one], self.specs[one]
        look.emergencies += decision.emergency
        refused = self.issuer.answer(one, (now - self.fleet.start) // timedelta(microseconds=1))
        retry_at = (
            None
            if refused is None or refused.retry_at is None
            else self.fleet.start + timedelta(microseconds=refused.retry_at)
        )
        order = builders.order(
            now, of=spec, issuer=spec.issuers[0], result="failed" if refused else "issued",
            renewal=spec.issuers[0] in decision.known_at, limited=bool(refused and refused.limit), retry_at=retry_at,
        )  # fmt: skip
        self.ledger.append(order)
        certificate.orders.append(order)
        assert decision.because is not None
        if refused is None:
            look.renewed[spec.name] = now - due_at(certificate.chain, spec, self.policy)
            look.ended |= {spec.name} if now > certificate.chain.not_after else set()
            certificate.chain = self.issued(one, now, self.fleet.later[one])
            certificate.ours = True
        else:
            look.failed.add(spec.name)
        result = Result.FAILED if refused else Result.DONE
        attempt = builders.attempt(
            now, of=spec, reason=decision.because, result=result, issuer=spec.issuers[0], retry_at=retry_at
        )
        certificate.attempts.append(attempt if refused else replace(attempt, stage=None))
        ended = builders.outcome(
            decision, result, finished=now, stage=Stage.ISSUE if refused else None, after=certificate.chain
        )
        return wake_after(ended, self.policy, now)
