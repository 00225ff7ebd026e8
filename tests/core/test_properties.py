"""What must hold for any certificate, any past and any issuer: properties, found out by Hypothesis.

Single decisions are drawn from arbitrary facts. Whole lives are simulated on a virtual clock against a model issuer
that may fail, refuse, dawdle, crash the rotator, or give out certificates that are old, short, revoked or harmful.
Where nothing is to be done the clock jumps to the next moment that the plan names, so that years take few looks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rotator.core.lead import DueRule, PolicySettings, due_at, emergency_at, gap, lead_of, orders_a_day, redeploy_gap
from rotator.core.limits import is_open, open_ask
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
    Quarantine,
    Result,
    Stage,
    Violation,
)
from rotator.core.plan import make_plan
from rotator.core.policy import decide, places_to_write, reasons_seen, skips_gap
from rotator.core.reasons import Reason
from tests import builders
from tests.builders import DAY, ENDPOINT, HOUR, MINUTE, NOW, PLACE, SECOND
from tests.core.life import Does, Life

MINE = settings(max_examples=150, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
LIVES = settings(MINE, max_examples=50)

TEN_YEARS = 3650 * DAY
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
        owner=draw(st.sampled_from([None, None, None, ARGO, ASKABLE])),
        immutable=draw(st.sampled_from([False, False, False, True])),
    )


ARGO = Owner("argocd", "Application shop", "argocd app sync shop")
ASKABLE = Owner("cert-manager", "Certificate shop/web", "cmctl renew -n shop web", asks="web")


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


@settings(MINE, max_examples=300)
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
    assert not any(place.immutable for place in look.installed.values())
    owners = [place.owner for place in look.installed.values()]
    assert owners == [ASKABLE] if found.action is Action.DELEGATE else not any(owners)
    everywhere = {place.chain.fingerprint if place.chain else "" for place in look.installed.values()}
    assert not history.held_by_hand or len(everywhere) == 1, "something that was put back by hand is overwritten"
    assert found.because is not None
    written = places_to_write(found, look, policy)
    assert not written if found.action is Action.DELEGATE else written or not look.installed
    if found.action in {Action.RENEW, Action.DELEGATE} and not found.resumes:
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


GOOD = (Does.ISSUES,)
faults = st.lists(st.sampled_from(Does), min_size=1, max_size=12)


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
def test_whatever_the_issuer_does_no_loop_forms(drawn: st.DataObject, script: list[Does]) -> None:
    """Cap and gap hold at every order (checked inside), looks never spin, and a person's hold is named as one."""
    life = drawn.draw(lives(tuple(script)))

    for one in life.run(life.now + 3 * life.lives, looks=150):
        assert one.action is not Action.HOLD or one.command
        assert one.action is not Action.REFUSE

    assert_that_redeploys_are_bounded(life)


def assert_that_redeploys_are_bounded(life: Life) -> None:
    for at in life.redeploys:
        assert sum(1 for other in life.redeploys if at - DAY < other <= at) <= max(3, 3 * DAY / (10 * MINUTE / 2))


@LIVES
@given(st.data(), faults)
def test_when_the_faults_are_over_it_mends_itself(drawn: st.DataObject, script: list[Does]) -> None:
    """Within what gap, cap and backoff may cost, the certificate is good again; a person only approves what is held."""
    life = drawn.draw(lives(tuple(script)))
    life.short = max(10 * MINUTE, life.lives / 40)
    life.run(life.now + life.lives, looks=80, patient=True)
    life.script, over, found = GOOD, life.now, None
    patience = max(HOUR, min(3 * DAY, life.lives / 2))
    backoff = max(MINUTE, min(DAY, life.lives / 10))
    longest = patience + backoff + DAY + gap(life.lives, lead_of(life.chain, life.spec, life.policy))

    for _ in range(100):
        assert life.now <= over + longest
        [found] = life.run(life.now + SECOND, looks=1, patient=True)
        if found.action is Action.KEEP:
            break
        if found.action is Action.HOLD:
            life.quarantine, life.approvals, over = None, frozenset({Reason.APPROVAL}), life.now

    assert found is not None
    assert found.action is Action.KEEP
    assert life.held == life.chain


@LIVES
@given(lives(), st.sets(st.integers(0, 6), max_size=2), st.integers(0, 24 * 60 - 1), st.timedeltas(MINUTE, 4 * HOUR))
def test_no_window_holds_a_renewal_past_the_emergency_line(
    life: Life, weekdays: set[int], start: int, length: timedelta
) -> None:
    """Whatever windows the operator names, a renewal begins inside one or at the line, at the latest."""
    window = MaintenanceWindow(frozenset(weekdays), start, length)
    life.spec = replace(life.spec, windows=(window,))
    life.run(life.now + life.lives, looks=20)  # the first one may have been found late

    for one in life.run(life.now + 5 * life.lives, looks=120):
        if one.due:
            assert one.ends is not None
            line = emergency_at(
                builders.chain(begins=one.ends + SECOND - life.lives, lives=life.lives), life.spec, life.policy
            )
            assert one.at <= line + life.policy.shortest_tick
            assert one.emergency or is_open((window,), one.at)


@LIVES
@given(lives(), st.floats(0.0, 0.99))
def test_a_lost_state_orders_nothing_twice(life: Life, when: float) -> None:
    """Whenever the store is emptied, the certificate's own dates remember the last issuance, whatever looks wrong."""
    life.run(life.now + 2 * life.lives, looks=60)
    assert life.orders
    begun = max(life.orders[-1].at, life.chain.not_before)
    own = gap(life.lives, lead_of(life.chain, life.spec, life.policy))
    life.now, life.trusted = begun + when * own, False
    life.orders, life.attempts, life.stored, life.seen, life.foreseen_at = [], [], None, {}, None
    life.ours = life.unfinished = False

    found = life.run(begun + own - life.policy.shortest_tick, looks=20)

    assert not life.orders
    assert all(one.reason in {Reason.GAP, Reason.SECOND_LOOK} for one in found)


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
