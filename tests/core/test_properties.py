"""What must hold for any certificate, any past and any issuer: properties, found out by Hypothesis.

Single decisions are drawn from arbitrary facts. Whole lives are simulated on a virtual clock against a model issuer
that may fail, refuse, dawdle, crash the rotator, or give out certificates that are old, short, revoked or harmful.
Where nothing is to be done the clock jumps to the next moment that the plan names, so that years take few looks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from enum import StrEnum

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rotator.core.guards import foreseen
from rotator.core.lead import DueRule, PolicySettings, due_at, emergency_at, gap, lead_of, orders_a_day, redeploy_gap
from rotator.core.limits import open_ask
from rotator.core.model import (
    Action,
    Ask,
    Attempt,
    CertificateSpec,
    Chain,
    Decision,
    Evidence,
    Facts,
    FleetHistory,
    History,
    Inventory,
    KeyFacts,
    KeySpec,
    Location,
    MaintenanceWindow,
    Mode,
    Observation,
    Order,
    Owner,
    Pause,
    Plan,
    Quarantine,
    Result,
    Stage,
    Violation,
)
from rotator.core.plan import make_plan, next_wake, wake_after
from rotator.core.policy import decide, places_to_write, reasons_seen, skips_gap
from rotator.core.reasons import Reason
from tests import builders
from tests.builders import DAY, ENDPOINT, HOUR, MINUTE, NOW, PLACE, SECOND

MINE = settings(max_examples=150, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
LIVES = settings(MINE, max_examples=60)

TEN_YEARS = 3650 * DAY
SKIPPERS = {Reason.REVOKED, Reason.SUGGESTED, Reason.KEY_LOST, Reason.NAMES_CHANGED}
ELSEWHERE = Location("host", "/etc/ssl/second.pem")

lifetimes = st.one_of(
    st.sampled_from([HOUR, 6 * HOUR, DAY, 6 * DAY, 10 * DAY, 47 * DAY, 90 * DAY, 398 * DAY, TEN_YEARS]),
    st.timedeltas(HOUR, TEN_YEARS),
)
intervals = st.sampled_from([5 * MINUTE, HOUR, 6 * HOUR, DAY])
RULES: tuple[DueRule, ...] = ("lifetime", "fixed")


@st.composite
def policies(draw: st.DrawFn) -> PolicySettings:
    return builders.settings(check_every=draw(intervals), due_rule=draw(st.sampled_from(RULES)))


@st.composite
def specs(draw: st.DrawFn) -> CertificateSpec:
    """A declared certificate, sometimes with a lead of its own or a second issuer."""
    return builders.spec(
        draw(st.sampled_from(["shop", "checkout", "mail"])),
        issuers=draw(st.sampled_from([("internal",), ("internal", "second")])),
        renew_before=draw(st.none() | st.timedeltas(MINUTE, 400 * DAY)),
    )


# ---------------------------------------------------------------- dates


@MINE
@given(lifetimes, specs(), policies())
def test_a_certificate_is_due_with_the_promised_lead(
    lives: timedelta, spec: CertificateSpec, policy: PolicySettings
) -> None:
    """Due after it begins and at least the lead before it ends; the emergency line lies between due and the end."""
    one = builders.chain(begins=NOW, lives=lives)
    own = lead_of(one, spec, policy)
    due, line = due_at(one, spec, policy), emergency_at(one, spec, policy)

    assert one.not_before < due <= one.not_after - own
    assert due < line <= one.not_after
    assert one.not_after - own - due <= min(12 * HOUR, policy.check_every, own / 20) + SECOND
    assert spec.renew_before is None or own >= min(spec.renew_before, lives * 2 / 3 - SECOND)


@MINE
@given(lifetimes, specs(), policies())
def test_neither_gap_nor_cap_delays_an_ordinary_life(
    lives: timedelta, spec: CertificateSpec, policy: PolicySettings
) -> None:
    """The gap is over when the next renewal is due, and a day's orders are enough for failures too."""
    one = builders.chain(begins=NOW, lives=lives)
    own = lead_of(one, spec, policy)
    between = due_at(one, spec, policy) - one.not_before

    assert gap(lives, own) < between
    assert gap(lives, own) <= own / 4
    assert orders_a_day(lives, own) >= 2 * (DAY / (between + SECOND))
    assert redeploy_gap(own) <= own / 8


# ---------------------------------------------------------------- any facts at all

moments = st.timedeltas(-40 * DAY, 2 * DAY).map(lambda ago: NOW + ago)
later = st.timedeltas(-DAY, 40 * DAY).map(lambda ahead: NOW + ahead)
chains = st.builds(
    builders.chain,
    lives=lifetimes,
    left=st.timedeltas(-2 * DAY, 60 * DAY),
    label=st.sampled_from(["a", "b", "c"]),
    key=st.sampled_from([KeySpec(), KeySpec("rsa", 1024)]),
)
attempts = st.builds(
    builders.attempt,
    moments,
    action=st.sampled_from([Action.RENEW, Action.REDEPLOY]),
    result=st.sampled_from(list(Result)),
    stage=st.sampled_from([None, *Stage]),
    issuer=st.sampled_from(["internal", "second", ""]),
    retry_at=st.none() | later,
    permanent=st.booleans(),
    violations=st.sampled_from([(), (Violation(Reason.ROOT_CHANGED, "another root"),)]),
)
ledger_rows = st.builds(
    builders.order,
    moments,
    result=st.sampled_from(["", "issued", "failed", "pending"]),
    permanent=st.booleans(),
    skipped_gap=st.booleans(),
)


def in_order(rows: Sequence[Attempt] | Sequence[Order]) -> tuple[object, ...]:
    return tuple(sorted(rows, key=lambda row: row.at))


@st.composite
def histories(draw: st.DrawFn) -> History:
    """Any past, contradictions included."""
    accepted = draw(st.none() | chains)
    return History(
        attempts=tuple(sorted(draw(st.lists(attempts, max_size=6)), key=lambda one: one.at)),
        orders=tuple(sorted(draw(st.lists(ledger_rows, max_size=6)), key=lambda one: one.at)),
        redeploys={PLACE: tuple(sorted(draw(st.lists(moments, max_size=4))))},
        seen_since={reason: NOW - HOUR for reason in draw(st.sets(st.sampled_from(Reason)))},
        quarantines=tuple(
            Quarantine(PLACE, one.fingerprint, builders.spec().digest, at, until, by_hand=by_hand)
            for one, at, until, by_hand in draw(
                st.lists(st.tuples(chains, moments, st.none() | later, st.booleans()), max_size=2)
            )
        ),
        approvals=frozenset(draw(st.sets(st.sampled_from([Reason.APPROVAL, Reason.ROOT_CHANGED, Reason.UNREADABLE])))),
        pause=draw(st.none() | st.builds(Pause, st.just("freeze"), moments, st.none() | later)),
        ask=draw(st.none() | st.builds(Ask, moments, force=st.booleans())),
        foreseen_at=draw(st.none() | later),
        accepted=accepted,
        accepted_digest=draw(st.sampled_from(["", "other", builders.spec().digest])),
        accepted_issuer=draw(st.sampled_from(["", "internal", "old"])),
        received=draw(st.booleans()),
        key_kept=draw(st.booleans()),
        unfinished=draw(st.booleans()),
        held_by_hand=draw(st.sampled_from(["", "an older one was put back"])),
    )


@st.composite
def observations(draw: st.DrawFn, location: Location) -> Observation:
    """Whatever a place may hold."""
    kind = draw(st.sampled_from(["chain", "chain", "chain", "empty", "unseen", "unreadable"]))
    if kind == "unseen":
        return builders.unseen(location)
    if kind == "unreadable":
        return builders.unreadable(location)
    held = draw(chains) if kind == "chain" else None
    keys = st.sampled_from([None, KeyFacts(), KeyFacts("k", matches=False), KeyFacts("k", matches=None)])
    return replace(
        builders.holding(held, location),
        key=draw(keys) if held is None or draw(st.booleans()) else KeyFacts(held.spki, matches=True),
        owner=draw(st.sampled_from([None, None, None, Owner("argocd", "Application shop", "argocd app sync shop")])),
        immutable=draw(st.sampled_from([False, False, False, True])),
    )


@st.composite
def any_facts(draw: st.DrawFn) -> Facts:
    """Any look at a certificate."""
    places = [draw(observations(PLACE)), *draw(st.lists(observations(ELSEWHERE), max_size=1))]
    held = [place.chain for place in places if place.chain]
    window = MaintenanceWindow(frozenset({draw(st.integers(0, 6))}), 120, 3 * HOUR)
    spec = builders.spec(
        names=draw(st.sampled_from([("shop.example.com",), ("shop.example.com", "b.test")])),
        targets=(builders.target(), builders.target(ELSEWHERE.address))[: len(places)],
        mode=draw(st.sampled_from([Mode.ROTATE, Mode.ROTATE, Mode.OBSERVE])),
        renew_before=draw(st.none() | st.timedeltas(MINUTE, 60 * DAY)),
        windows=draw(st.sampled_from([(), (), (window,)])),
        adopted_from=draw(st.sampled_from(["", "disk"])),
    )
    start = draw(later)
    history = draw(histories())
    known = [*held, *([history.accepted] if history.accepted else [])]
    return builders.facts(
        spec,
        chain=draw(st.sampled_from([None, *known])),
        installed=places,
        served=[builders.showing(draw(st.none() | chains), ENDPOINT)] if draw(st.booleans()) else [],
        evidence=Evidence(
            revoked=draw(st.sampled_from([None, False, True])), trusted=draw(st.sampled_from([None, True, False]))
        ),
        history=history,
        suggestion=draw(st.none() | st.just(builders.suggestion(start, start + DAY))),
    )


@settings(MINE, max_examples=400)
@given(any_facts(), policies())
def test_any_facts_give_one_sound_decision(look: Facts, policy: PolicySettings) -> None:
    """It never raises, says the same twice, names a future moment for what is not done now, and keeps every promise."""
    found = decide(look, policy)

    assert found == decide(look, policy)
    assert reasons_seen(look, policy) == reasons_seen(look, policy)
    assert found.message
    assert found.due == (found.at == look.now)
    assert found.due or found.at > look.now
    assert found.action is not Action.KEEP or found.wanted is None
    assert not (found.due and found.wanted is not found.action)
    if found.due:
        assert_that_nothing_forbids_it(found, look, policy)


def assert_that_nothing_forbids_it(found: Decision, look: Facts, policy: PolicySettings) -> None:
    """What never yields: mode, pause, owner, immutability, a person's hold, gap and cap."""
    history, spec = look.history, look.spec
    assert spec.mode is Mode.ROTATE
    assert history.pause is None or (history.pause.until is not None and history.pause.until <= look.now)
    assert not any(place.owner or place.immutable for place in look.installed.values())
    assert not history.held_by_hand
    assert found.because is not None
    assert places_to_write(found, look, policy) or not look.installed
    if found.action is Action.RENEW and not found.resumes:
        placed = [order for order in history.orders if order.at > look.now - DAY]
        chain = look.newest or max((o.chain for o in look.installed.values() if o.chain), key=ends, default=None)
        own = lead_of(chain, spec, policy) if chain else timedelta(0)
        assert len(placed) < orders_a_day(chain.lifetime if chain else None, own)
        forced = open_ask(look) is not None and history.ask is not None and history.ask.force
        issued = [
            o.at for o in history.orders if o.result == "issued" and o.digest == spec.digest and o.at <= look.now + DAY
        ]
        within = bool(issued) and look.now < max(issued) + gap(chain.lifetime if chain else None, own)
        assert not within or forced or skips_gap(found, look)


def ends(chain: Chain) -> datetime:
    return chain.not_after


@MINE
@given(any_facts(), policies())
def test_past_the_emergency_line_only_what_must_still_holds(look: Facts, policy: PolicySettings) -> None:
    """Windows never hold past the line; a backoff holds for a tenth of what is left, or what an issuer asked for."""
    found = decide(look, policy)

    if found.emergency:
        assert found.reason is not Reason.OUTSIDE_WINDOW
    if found.reason is Reason.BACKING_OFF and found.ends is not None:
        newest = look.history.attempts[-1].at
        asked = any(one.retry_at or one.result is Result.PENDING for one in look.history.attempts)
        longest = max(MINUTE, (found.ends - newest) / (2 if asked else 10))
        assert found.at - max(look.now, newest) <= max(longest, HOUR if asked else MINUTE, DAY if asked else MINUTE)


# ---------------------------------------------------------------- a whole life


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


GOOD = (Does.ISSUES,)
faults = st.lists(st.sampled_from(Does), min_size=1, max_size=12)


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
        self.unfinished = self.ours = False
        self.asked = 0
        self.wakes: list[datetime] = []  # because a rotation ended
        self.short = 10 * MINUTE

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
        )

    def look(self) -> Facts:
        return builders.facts(
            self.spec,
            now=self.now,
            chain=self.chain,
            installed=[builders.holding(self.held)],
            evidence=Evidence(revoked=self.chain.fingerprint in self.revoked, trusted=True),
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
        self.stored = plan
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


@st.composite
def lives(draw: st.DrawFn, script: tuple[Does, ...] = GOOD) -> Life:
    """A certificate somewhere in its life, found or ours."""
    lifetime = draw(lifetimes)
    left = draw(st.floats(0.02, 0.98)) * lifetime
    found = builders.chain(lives=lifetime, left=left)
    spec = replace(draw(specs()), issuers=("internal",))
    return Life(spec, draw(policies()), found, script)


@LIVES
@given(lives())
def test_a_good_issuer_keeps_a_certificate_alive_for_ever(life: Life) -> None:
    """Over many generations: renewed with the promised lead, once each, every one foreseen, never an emergency."""
    first = life.run(life.now + DAY / 24, looks=3)
    found = life.run(life.now + 12 * life.lives, looks=60)

    started = [one for one in found if one.due]
    assert len(started) >= 3
    for one in started[1:]:
        assert (one.action, one.because) == (Action.RENEW, Reason.DUE)
        assert one.ends is not None
        assert one.lead is not None
        assert one.ends - one.at >= one.lead - SECOND
        assert one.foreseen
        assert not one.emergency
    assert len(life.orders) == len([one for one in (*first, *found) if one.due])
    assert life.held.not_after > life.now


@LIVES
@given(st.data(), faults)
def test_whatever_the_issuer_does_no_loop_forms(data: st.DataObject, script: list[Does]) -> None:
    """Cap and gap hold at every order (checked inside), looks never spin, and a person's hold is named as one."""
    life = data.draw(lives(tuple(script)))

    for one in life.run(life.now + 3 * life.lives):
        assert one.action is not Action.HOLD or one.command
        assert one.action is not Action.REFUSE

    assert_that_redeploys_are_bounded(life)


def assert_that_redeploys_are_bounded(life: Life) -> None:
    for at in life.redeploys:
        assert sum(1 for other in life.redeploys if at - DAY < other <= at) <= max(3, 3 * DAY / (10 * MINUTE / 2))


@LIVES
@given(st.data(), faults)
def test_when_the_faults_are_over_it_mends_itself(data: st.DataObject, script: list[Does]) -> None:
    """Within what gap, cap and backoff may cost, the certificate is good again; a person only approves what is held."""
    life = data.draw(lives(tuple(script)))
    life.short = max(10 * MINUTE, life.lives / 40)
    life.run(life.now + life.lives, looks=80, patient=True)
    life.script = GOOD
    for _ in range(3):
        found = life.run(life.now + 2 * DAY, looks=60, patient=True)
        if found[-1].action is Action.HOLD:
            life.quarantine, life.approvals = None, frozenset({Reason.APPROVAL})
    found = life.run(life.now + max(2 * DAY, life.lives / 2), looks=60, patient=True)

    assert found[-1].action in {Action.KEEP, Action.RENEW, Action.WAIT}
    assert life.held.not_after > life.now
    assert life.held == life.chain


@LIVES
@given(st.data(), st.floats(0.0, 1.0))
def test_a_lost_state_orders_nothing_twice(data: st.DataObject, when: float) -> None:
    """Whenever the store is emptied, the certificate's own dates remember the last issuance."""
    life = data.draw(lives())
    life.run(life.now + life.lives, looks=40)
    before = len(life.orders)
    life.now = max(life.now, life.chain.not_before + when * gap(life.chain.lifetime, timedelta(0)))
    life.orders, life.attempts, life.stored, life.seen, life.foreseen_at = [], [], None, {}, None
    life.ours = life.unfinished = False

    found = life.run(due_at(life.chain, life.spec, life.policy) - SECOND, looks=5)

    assert before > 0
    assert not life.orders
    assert all(one.action is Action.KEEP for one in found)


# ---------------------------------------------------------------- a fleet


@settings(MINE, max_examples=40)
@given(
    st.integers(1, 120),
    lifetimes,
    st.sampled_from([Reason.REVOKED, Reason.SUGGESTED, Reason.INCOMPLETE, Reason.NAMES_CHANGED]),
    st.booleans(),
)
def test_nothing_unforeseen_happens_in_bulk(number: int, lives: timedelta, reason: Reason, state_lost: bool) -> None:
    """What makes a whole fleet look bad leads to five orders at most, or a tenth of the fleet, without a person."""
    policy = builders.settings()
    looks = [looking_bad(f"shop-{n}", lives, reason) for n in range(number)]
    stored = None if state_lost else builders.plan(*(decide(healthy(look), policy) for look in looks), at=NOW - HOUR)

    found = make_plan(Inventory(at=NOW, facts=tuple(looks)), FleetHistory(), stored, policy)

    calm = [one for one in found.due if not one.emergency and one.action is Action.RENEW]
    assert len(calm) <= max(5, number / 10)
    assert len(found.decisions) == number


def looking_bad(name: str, lives: timedelta, reason: Reason) -> Facts:
    """A certificate in the middle of its life that seems to need a new one, by two looks."""
    names = ("other.example.com",) if reason is Reason.NAMES_CHANGED else ("shop.example.com",)
    return builders.facts(
        builders.spec(name, names=names),
        chain=builders.chain(lives=lives, left=lives * 0.7, label=name),
        evidence=Evidence(revoked=reason is Reason.REVOKED, trusted=reason is not Reason.INCOMPLETE),
        suggestion=builders.suggestion(NOW - DAY, NOW - HOUR) if reason is Reason.SUGGESTED else None,
        history=History(seen_since={reason: NOW - HOUR}),
    )


def healthy(look: Facts) -> Facts:
    return replace(
        look, now=NOW - HOUR, evidence=Evidence(), suggestion=None, spec=replace(look.spec, names=("shop.example.com",))
    )


@settings(MINE, max_examples=40)
@given(st.integers(1, 150), st.integers(0, 30), st.integers(0, 3), st.integers(5, 30))
def test_an_hour_has_only_so_many_orders(number: int, placed: int, urgent: int, an_hour: int) -> None:
    """Whatever is due, the hour's budget holds for all but emergencies, and the most urgent ones are first."""
    policy = builders.settings(an_hour=an_hour)
    looks = [
        builders.facts(
            builders.spec(f"shop-{n:03}"),
            chain=builders.chain(left=(2 if n < urgent else 5) * DAY + n * HOUR, label=str(n)),
            history=History(foreseen_at=NOW - DAY),
        )
        for n in range(number)
    ]
    orders = tuple(builders.order(NOW - 30 * MINUTE, of=builders.spec(f"x{n}")) for n in range(placed))

    found = make_plan(Inventory(at=NOW, facts=tuple(looks)), FleetHistory(orders=orders), None, policy)

    calm = [one for one in found.due if not one.emergency]
    late = [one for one in found.due if one.emergency]
    assert len(calm) <= max(0, an_hour - placed - len(late))
    assert len(late) == min(number, urgent)
    done = max((one.ends for one in calm if one.ends), default=NOW)
    assert all(one.ends is None or one.ends >= done for one in found.decisions if one.reason is Reason.BUDGET)
