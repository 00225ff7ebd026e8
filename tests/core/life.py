"""One certificate, its place and a model issuer on a virtual clock: whole lives in a few looks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from enum import StrEnum

from rotator.core.guards import foreseen
from rotator.core.lead import PolicySettings, due_at, gap, lead_of, orders_a_day
from rotator.core.model import (
    Action,
    Attempt,
    CertificateSpec,
    Chain,
    Decision,
    Evidence,
    Facts,
    FleetHistory,
    History,
    Inventory,
    Order,
    Plan,
    Quarantine,
    Result,
    Stage,
)
from rotator.core.plan import make_plan, next_wake, wake_after
from rotator.core.policy import reasons_seen, skips_gap
from rotator.core.reasons import Reason
from tests import builders
from tests.builders import DAY, HOUR, MINUTE, NOW, PLACE

SKIPPERS = frozenset({Reason.REVOKED, Reason.SUGGESTED, Reason.KEY_LOST, Reason.NAMES_CHANGED})


class Does(StrEnum):
    """What the model issuer, and the world around it, does with one order."""

    ISSUES = "issues"
    BACKDATES = "backdates"
    FAILS = "fails"
    REFUSES = "refuses for good"
    ASKS_FOR_PATIENCE = "asks for patience"
    DAWDLES = "dawdles"
    SAME_AGAIN = "gives the same certificate again"
    SHORT = "gives a very short one"
    ENDED = "gives one that has ended"
    REVOKES = "revokes it at once"
    CRASH_BEFORE = "the rotator crashes before the answer"
    CRASH_AFTER = "the rotator crashes after the answer"
    NOT_DEPLOYED = "the target cannot be written"
    HARM = "it does harm"


class Life:
    """One certificate, its issuer, its place and its history, on a virtual clock."""

    def __init__(self, spec: CertificateSpec, policy: PolicySettings, found: Chain, script: Sequence[Does]) -> None:
        self.spec, self.policy, self.script, self.lives = spec, policy, script, found.lifetime
        self.now = NOW
        self.chain = self.held = found  # the current one, and what its place holds
        self.received: Chain | None = None
        self.revoked: set[str] = set()
        self.attempts: list[Attempt] = []
        self.orders: list[Order] = []
        self.redeploys: list[datetime] = []
        self.quarantine: Quarantine | None = None
        self.approvals: frozenset[Reason] = frozenset()
        self.seen: dict[Reason, datetime] = {}
        self.foreseen_at: datetime | None = None
        self.stored: Plan | None = None
        self.ledger_since: datetime | None = None
        self.unfinished = self.ours = False
        self.asked = 0
        self.wakes: list[datetime] = []  # because a rotation ended
        self.short, self.trusted = 10 * MINUTE, True

    def __repr__(self) -> str:
        left, lead, every = self.chain.not_after - NOW, self.spec.renew_before, self.policy.check_every
        return f"Life({self.spec.name}, {self.lives=!s}, {left=!s}, {lead=!s}, {every=!s}, {self.script})"

    # -------------------------------------------------- looking

    def history(self) -> History:
        return History(
            attempts=tuple(self.attempts),
            orders=tuple(self.orders),
            redeploys={PLACE: tuple(self.redeploys)},
            seen_since=dict(self.seen),
            quarantines=(self.quarantine,) if self.quarantine else (),
            approvals=self.approvals,
            foreseen_at=self.foreseen_at,
            accepted=self.chain if self.ours else None,
            accepted_digest=self.spec.digest if self.ours else "",
            key_kept=self.ours,
            received=self.received is not None,
            unfinished=self.unfinished,
            ledger_since=self.ledger_since,
        )

    def look(self) -> Facts:
        return builders.facts(
            self.spec,
            now=self.now,
            chain=self.chain,
            installed=[builders.holding(self.held)],
            evidence=Evidence(revoked=self.chain.fingerprint in self.revoked, trusted=self.trusted),
            history=self.history(),
        )

    def tick(self) -> Decision:
        """One look: decide, remember, carry out."""
        look = self.look()
        inventory = Inventory(at=self.now, facts=(look,), first=self.stored is None)
        ledger = FleetHistory(orders=tuple(self.orders))
        plan = make_plan(inventory, ledger, self.stored, self.policy)
        assert plan == make_plan(inventory, ledger, self.stored, self.policy)
        self.seen = {reason: self.seen.get(reason, self.now) for reason in reasons_seen(look, self.policy)}
        self.foreseen_at = foreseen(plan).get(self.spec.name, self.foreseen_at)
        self.stored, self.ledger_since = plan, self.ledger_since or self.now
        found = plan.decisions[0]
        if found.due:
            self.carry_out(found, look)
        return found

    def run(self, until: datetime, looks: int = 250, *, patient: bool = False) -> list[Decision]:
        """Look until a moment, jumping over the time in which nothing is to be done, or in which it only waits."""
        made: list[Decision] = []
        while self.now < until and len(made) < looks:
            self.wakes.clear()
            made.append(found := self.tick())
            assert self.stored is not None
            planned = next_wake(self.stored, self.policy, self.now, first=self.stored.first)
            assert self.now + self.policy.shortest_tick <= planned
            assert planned <= self.now + max(self.policy.check_every, self.policy.shortest_tick)
            jumps = found.action is Action.KEEP or (patient and found.action is Action.WAIT)
            self.now = found.at if jumps else min(planned, *self.wakes) if self.wakes else planned
        return made

    # -------------------------------------------------- rotating

    def carry_out(self, found: Decision, look: Facts) -> None:
        self.check_patience(found)
        if found.action is Action.REDEPLOY:
            self.redeploys += [] if found.because is Reason.UNFINISHED else [self.now]
            self.deploy(found, self.next_does() if found.because is Reason.UNFINISHED else Does.ISSUES)
            return
        pending = bool(self.attempts) and self.attempts[-1].result is Result.PENDING
        if self.received is None and not pending:
            self.check_order(found, look)
            self.orders.append(builders.order(self.now, of=self.spec, result="", skipped_gap=skips_gap(found, look)))
        does = self.next_does()
        if self.received is None:
            self.issue(does, found)
        if self.received is not None and does is not Does.CRASH_AFTER:
            self.accept(found, does)

    def next_does(self) -> Does:
        self.asked += 1
        return self.script[(self.asked - 1) % len(self.script)]

    def issue(self, does: Does, found: Decision) -> None:
        if does is Does.CRASH_BEFORE:
            return
        if does in {Does.FAILS, Does.REFUSES, Does.ASKS_FOR_PATIENCE}:
            permanent = does is Does.REFUSES
            self.close("failed", permanent=permanent)
            patience = self.now + 3 * DAY if does is Does.ASKS_FOR_PATIENCE else None
            self.record(found, Result.FAILED, Stage.ISSUE, permanent=permanent, retry_at=patience)
            return
        if does is Does.DAWDLES:
            self.close("pending")
            self.record(found, Result.PENDING, Stage.ISSUE, retry_at=self.now + 10 * MINUTE)
            return
        self.close("issued")
        self.received = self.made(does)

    def made(self, does: Does) -> Chain:
        label = str(len(self.orders))
        if does is Does.SAME_AGAIN:
            return self.chain
        if does is Does.SHORT:
            return builders.chain(begins=self.now, lives=self.short, label=label)
        if does is Does.ENDED:
            return builders.chain(begins=self.now - 2 * DAY, lives=DAY, label=label)
        back = min(HOUR, self.lives / 20) if does is Does.BACKDATES else timedelta(0)
        new = builders.chain(begins=self.now - back, lives=self.lives, label=label)
        if does is Does.REVOKES:
            self.revoked.add(new.fingerprint)
        return new

    def accept(self, found: Decision, does: Does) -> None:
        """What `core.validate` says of dates: ended, or no progress; such a bundle is dropped for good."""
        new, old = self.received, self.chain
        assert new is not None
        self.received = None
        due = found.because is Reason.DUE and new.not_after <= old.not_after
        shorter_by_policy = new.lifetime < lead_of(old, self.spec, self.policy)
        at_once = new.not_after - self.now < lead_of(new, self.spec, self.policy)
        if new.not_after <= self.now or ((due or at_once) and not shorter_by_policy):
            self.record(found, Result.FAILED, Stage.VALIDATE)
            return
        self.chain, self.ours, self.unfinished = new, True, True
        self.deploy(found, does)

    def deploy(self, found: Decision, does: Does) -> None:
        if does is Does.NOT_DEPLOYED:
            self.record(found, Result.FAILED, Stage.DEPLOY)
        elif does is Does.HARM and self.held.not_after > self.now:
            until = due_at(self.chain, self.spec, self.policy)
            digest = self.spec.digest
            self.quarantine = Quarantine(PLACE, self.chain.fingerprint, digest, self.now, until)
            self.record(found, Result.ROLLED_BACK, Stage.VERIFY)
        else:
            self.held, self.unfinished, self.quarantine = self.chain, False, None
            self.record(found, Result.DONE, None)

    def close(self, result: str, *, permanent: bool = False) -> None:
        self.orders[-1] = replace(self.orders[-1], result=result, permanent=permanent)

    def record(
        self,
        found: Decision,
        result: Result,
        stage: Stage | None,
        *,
        permanent: bool = False,
        retry_at: datetime | None = None,
    ) -> None:
        assert found.because is not None
        ended = builders.outcome(found, result, finished=self.now, stage=stage, after=self.chain)
        self.wakes.append(wake_after(ended, self.policy, self.now))
        self.attempts.append(
            builders.attempt(
                self.now,
                of=self.spec,
                action=found.action,
                reason=found.because,
                result=result,
                stage=stage,
                retry_at=retry_at,
                permanent=permanent,
            )
        )

    # -------------------------------------------------- what must hold at every order

    def check_patience(self, found: Decision) -> None:
        """Nothing is tried again within a minute of its failure, nor what did harm before its one emergency try."""
        failed = [one for one in self.attempts[-1:] if one.result not in {Result.DONE, Result.PENDING}]
        ordering = {Stage.ISSUE, Stage.VALIDATE}  # says nothing of the places
        concerned = found.action is Action.RENEW or any(one.stage not in ordering for one in failed)
        assert not (failed and concerned) or self.now >= failed[0].at + MINUTE
        standing = (
            self.quarantine is not None and self.quarantine.until is not None and self.now < self.quarantine.until
        )
        assert not standing or found.emergency

    def check_order(self, found: Decision, look: Facts) -> None:
        """Never more orders a day than the cap; never two within the gap, but for one skip in a row."""
        lives = self.chain.lifetime
        own = lead_of(self.chain, self.spec, self.policy)
        today = [order for order in self.orders if order.at > self.now - DAY]
        assert len(today) + 1 <= orders_a_day(lives, own), "more orders than the cap"
        issued = [order for order in self.orders if order.result == "issued"]
        if issued and self.now < issued[-1].at + gap(lives, own):
            assert {found.because} | set(self.seen) & SKIPPERS, "an order within the gap"
            assert skips_gap(found, look)
            assert not issued[-1].skipped_gap or Reason.APPROVAL in self.approvals, "a second skip in a row"
