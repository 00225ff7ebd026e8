"""Campaigns: who comes first, how fast, and what is never asked for or revoked."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rotator.core.budget.limits import Bucket, CaLimits, IssuerBudget
from rotator.core.campaign.members import is_over, old_of, unproved
from rotator.core.campaign.pace import CaRoom, Pace, finished, room
from rotator.core.campaign.planning import members_of
from rotator.core.campaign.preview import preview
from rotator.core.campaign.steps import Next, next_step
from rotator.core.campaign.telling import of_campaigns
from rotator.core.model import (
    Ask,
    Campaign,
    CampaignStatus,
    Chain,
    Endpoint,
    Evidence,
    Facts,
    FleetHistory,
    History,
    Member,
    MemberStatus,
    Mode,
    Old,
    Order,
    Pause,
    RevocationReason,
    Severity,
    Sighting,
    SightingState,
)
from tests.builders import DAY, HOUR, MINUTE, NOW, PLACE, chain, facts, fleet, holding, settings, showing, spec, unseen
from tests.core.test_gates import three_failed
from tests.core.test_properties import MINE

POLICY = settings()
PUBLIC, PRIVATE = "1.1.1.1", "10.0.0.7"
OLD, NEW = chain(label="old", lives=90 * DAY), chain(label="new", lives=90 * DAY, left=89 * DAY)
OTHER = chain(label="other")
A_MINUTE_AGO = NOW - MINUTE


def campaign(*members: Member, **options: Any) -> Campaign:
    shared = {"issuer": "internal", "match": "", "reason": RevocationReason.KEY_COMPROMISE, "revoke": True}
    return Campaign(id=1, by="ada", began=NOW, members=members, **{**shared, **options})


def pace(**options: Any) -> Pace:
    return Pace(**{"an_hour": 20, "at_once": 4, **options})


def known(name: str, held: Chain = OLD, **options: Any) -> Facts:
    """A certificate that could be renewed by force today."""
    return facts(spec(name), chain=held, **options)


def step(one: Campaign, *looks: Facts, now: datetime = NOW, **options: Any) -> Next:
    shared: dict[str, Any] = {"revoked": frozenset(), "pace": pace(), "recent": [], "settings": POLICY}
    return next_step(one, {look.spec.name: look for look in looks}, now=now, **{**shared, **options})


def asked(name: str = "shop", status: MemberStatus = MemberStatus.ASKED) -> Member:
    return Member(name, 1, status, asked_at=A_MINUTE_AGO, old=(Old(OLD.leaf, "internal"),))


# ---------------------------------------------------------------- the order


def served_at(address: str, held: Chain = OLD) -> tuple[Sighting, ...]:
    return (showing(held, address=address),)


def test_most_exposed_first() -> None:
    """Served publicly, then served anywhere, then only stored; what ends first leads its group; then the name."""
    looks = [
        known("stored"),
        known("inside", served=served_at(PRIVATE)),
        known("late", chain(left=50 * DAY), served=served_at(PUBLIC)),
        known("soon", chain(left=40 * DAY), served=served_at(PUBLIC)),
        known("also-soon", chain(left=40 * DAY), served=served_at(PUBLIC)),
    ]
    names = [one.name for one in members_of(campaign(), looks, POLICY)]
    assert names == ["also-soon", "soon", "late", "inside", "stored"]


@MINE
@given(st.permutations(range(12)))
def test_the_order_does_not_depend_on_who_was_looked_at_first(turns: Sequence[int]) -> None:
    """The same look gives the same order, however the facts come."""
    looks = [
        known(f"s{n}", chain(left=(n % 3 + 20) * DAY), served=served_at(PUBLIC) if n % 2 else ()) for n in range(12)
    ]
    want = [one.name for one in members_of(campaign(), looks, POLICY)]
    assert [one.name for one in members_of(campaign(), [looks[n] for n in turns], POLICY)] == want
    assert len(set(want)) == len(looks)


@pytest.mark.parametrize(
    ("look", "belongs"),
    [
        (known("signed", history=History(accepted=OLD, accepted_issuer="internal")), True),
        (known("by-another", history=History(accepted=OLD, accepted_issuer="vault")), False),
        (known("found"), True),
        (facts(spec("elsewhere", issuers=("vault",)), chain=OLD), False),
        (facts(spec("nothing-yet"), installed=(holding(None),)), False),
    ],
    ids=lambda value: value.spec.name if isinstance(value, Facts) else "",
)
def test_whose_it_is(look: Facts, belongs: bool) -> None:
    """Whoever is known to have signed it counts; where nobody knows, those that may have."""
    assert bool(members_of(campaign(), [look], POLICY)) is belongs


def by(organisation: str, label: str) -> Chain:
    """A chain that a well-known CA has signed, as its leaf says."""
    return Chain((replace(chain(label=label).leaf, issuer=f"CN=R1,O={organisation},C=US"),))


def test_what_another_public_ca_has_signed_is_neither_replaced_nor_revoked() -> None:
    """A certificate that was found, and by its own fields is another CA's than the issuer's, is none of the issuer's
    business: not as the current one, and not where an address still serves it beside one that is."""
    own = IssuerBudget(ca="internal", account="internal", caa_domains=frozenset({"letsencrypt.org"}))
    policy = replace(POLICY, budgets={"internal": own})
    theirs, ours = by("Google Trust Services", "theirs"), by("Let's Encrypt", "ours")
    assert [one.name for one in members_of(campaign(), [known("a", theirs), known("b", ours)], policy)] == ["b"]
    assert [one.name for one in members_of(campaign(), [known("a", theirs)], POLICY)] == ["a"], "nobody can tell"
    look = known("b", ours, served=served_at(PUBLIC, theirs))
    assert {old.certificate.fingerprint for old in old_of(look, (), campaign(), policy)} == {ours.fingerprint}


def test_what_cannot_be_done_is_said() -> None:
    """What only another configuration changes is left out with its reason; what ends by itself waits."""
    looks = [
        facts(spec("observed", mode=Mode.OBSERVE), chain=OLD),
        known("paused", history=History(pause=Pause("frozen", NOW))),
        facts(spec("alone", issuers=("internal",)), chain=OLD),
        facts(spec("both", issuers=("internal", "vault")), chain=OLD),
    ]
    found = preview(campaign(away=True), looks, pace(), [], POLICY, NOW)
    assert {one.name: one.obstacle for one in found.skipped} == {
        "alone": "its list has no issuer but internal",
        "observed": "its list has no issuer but internal",
        "paused": "its list has no issuer but internal",
    }
    assert [(one.name, one.issuer) for one in found.members] == [("both", "vault")]
    found = preview(campaign(), looks, pace(), [], POLICY, NOW)
    assert [one.name for one in found.skipped] == ["observed"]
    assert {one.name for one in found.members if one.obstacle.startswith("paused: ")} == {"paused"}


# ---------------------------------------------------------------- the pace


def test_hours_are_filled_one_after_another() -> None:
    """Fifty at twenty an hour take two hours and a bit; an issuer's own limit makes its own queue."""
    orders = [(f"s{n}", "internal") for n in range(50)]
    done = finished(orders, pace(), [], NOW)
    assert 2 * HOUR <= max(done.values()) - NOW < 2 * HOUR + 10 * MINUTE
    slow = finished(orders[:7], pace(issuers={"internal": 3}), [], NOW)
    assert 2 * HOUR <= max(slow.values()) - NOW < 2 * HOUR + 10 * MINUTE


def test_what_the_hour_has_seen_counts() -> None:
    """Orders of the last hour leave less room for the first of a campaign."""
    recent = [(NOW - 30 * MINUTE, "internal")] * 20
    assert room(pace(), recent, NOW) == (0, {})
    assert finished([("s", "internal")], pace(), recent, NOW)["s"] - NOW >= 30 * MINUTE


@MINE
@given(
    st.integers(1, 60),
    st.integers(1, 10),
    st.integers(1, 5),
    st.lists(st.integers(0, 59), max_size=30),
    st.integers(1, 30),
)
def test_no_hour_has_more_than_it_may(count: int, an_hour: int, at_once: int, ago: list[int], minutes: int) -> None:
    """Whatever came before, no sliding hour of the estimate has more orders than are allowed, nor more at once."""
    recent = [(NOW - timedelta(minutes=one), "internal") for one in ago][:an_hour]
    each = timedelta(minutes=minutes)
    done = finished(
        [(f"s{n}", "internal") for n in range(count)], pace(an_hour=an_hour, at_once=at_once, each=each), recent, NOW
    )
    begun = sorted([*(at - each for at in done.values()), *(at for at, _ in recent)])
    for first, after in zip(begun, begun[an_hour:], strict=False):
        assert after - first >= HOUR
    moments = sorted(at - each for at in done.values())
    for first, after in zip(moments, moments[at_once:], strict=False):
        assert after - first >= each


# ---------------------------------------------------------------- steps


def test_as_many_are_asked_for_as_there_is_room() -> None:
    """In their order, no more at once than there are threads, no more than the hour bears."""
    members = [Member(f"s{n}", n) for n in range(1, 9)]
    looks = [known(f"s{n}") for n in range(1, 9)]
    assert step(campaign(*members), *looks).ask == ("s1", "s2", "s3", "s4")
    assert step(campaign(*members), *looks, pace=pace(an_hour=2)).ask == ("s1", "s2")
    full = step(campaign(*members), *looks, recent=[(NOW - 50 * MINUTE, "internal")] * 20)
    assert (full.ask, full.wake) == ((), NOW + 10 * MINUTE)


def test_what_is_held_back_holds_nobody_else_back() -> None:
    """A paused member waits with its reason, and the next one takes its turn."""
    looks = [known("s1", history=History(pause=Pause("frozen", NOW))), known("s2")]
    found = step(campaign(Member("s1", 1), Member("s2", 2)), *looks, pace=pace(at_once=1))
    assert found.ask == ("s2",)
    assert found.campaign.members[0].why.startswith("paused: ")


def test_an_ask_that_a_crash_lost_is_made_again() -> None:
    """The member says that it was asked for, the store has no ask: it is asked for again, and only then."""
    lost = known("shop")
    assert step(campaign(asked()), lost).ask == ("shop",)
    kept = known("shop", history=History(ask=Ask(A_MINUTE_AGO, force=True)))
    assert step(campaign(asked()), kept).ask == ()
    ordered = Order("shop", "internal", spec().digest, ("shop.example.com",), A_MINUTE_AGO, "issued")
    waits = known("shop", history=History(orders=(ordered,)))
    assert step(campaign(asked()), waits).ask == (), "its chain is on its way"


def test_the_same_key_again_is_no_replacement() -> None:
    """Where the key is known to others, a new certificate for it proves nothing."""
    same_key = Chain((replace(NEW.leaf, spki=OLD.leaf.spki),))
    look = known("shop", same_key, served=served_at(PUBLIC, same_key))
    assert step(campaign(asked()), look).campaign.members[0].status is not MemberStatus.PROVED
    calm = campaign(asked(), reason=RevocationReason.SUPERSEDED)
    assert step(calm, look).campaign.members[0].status is MemberStatus.PROVED


def test_proved_and_then_revoked() -> None:
    """Once everything shows the new one its old ones are due; once those are revoked or ended it is done."""
    look = known("shop", NEW, served=served_at(PUBLIC, NEW))
    found = step(campaign(asked()), look)
    assert (found.revoke, found.campaign.status) == (("shop",), CampaignStatus.RUNNING)
    done = step(campaign(asked()), look, revoked={OLD.fingerprint})
    assert done.campaign.members[0].status is MemberStatus.REVOKED
    assert done.campaign.status is CampaignStatus.DONE
    later = replace(look, now=NOW + 60 * DAY)
    assert step(campaign(asked()), later, now=NOW + 60 * DAY).campaign.status is CampaignStatus.DONE
    assert step(campaign(asked(), revoke=False), look).campaign.status is CampaignStatus.DONE


def test_as_many_are_revoked_at_once_as_are_renewed() -> None:
    """A thousand that are proved do not stand before renewals that cannot wait: a few in each look, and soon again."""
    people = [asked(f"s{number:04}") for number in range(1000)]
    looks = [known(f"s{number:04}", NEW, served=served_at(PUBLIC, NEW)) for number in range(1000)]
    found = step(campaign(*people), *looks, pace=pace(at_once=3))
    assert (found.revoke, found.wake) == (("s0000", "s0001", "s0002"), NOW + POLICY.shortest_tick)
    rest = step(campaign(*people), *looks[:3], complete=False)
    assert (rest.revoke, rest.wake) == (("s0000", "s0001", "s0002"), None)


def test_a_campaign_that_is_not_running_does_nothing() -> None:
    """Paused, done and cancelled ones only look."""
    looks = [known("s1"), known("shop", NEW, served=served_at(PUBLIC, NEW))]
    for status in set(CampaignStatus) - {CampaignStatus.RUNNING}:
        found = step(campaign(Member("s1", 1), asked(), status=status), *looks)
        assert (found.ask, found.revoke, found.campaign.status) == ((), (), status)


def test_what_is_gone_is_left_out_only_after_a_whole_look() -> None:
    """A certificate that a look did not see is skipped only where the look could see everything."""
    assert step(campaign(asked()), complete=False).campaign.members[0].status is MemberStatus.ASKED
    assert step(campaign(asked())).campaign.members[0].status is MemberStatus.SKIPPED


def test_all_that_is_replaced_is_remembered() -> None:
    """Ours that have not ended, what is stored and what is served; not what another issuer is known to have signed."""
    older, ended, another = chain(label="older", left=30 * DAY), chain(label="ended", left=-DAY), chain(label="another")
    look = known("shop", OLD, served=(*served_at(PUBLIC, older), *served_at(PRIVATE, another)))
    issued = [(ended.leaf, "internal"), (another.leaf, "vault")]
    found = {old.certificate.fingerprint: old.issuer for old in old_of(look, issued, campaign(), POLICY)}
    assert found == {OLD.fingerprint: "internal", older.fingerprint: "internal"}


def test_a_ca_without_room_holds_nobody_else_back() -> None:
    """Two of one domain, whose CA issues for a domain once in a while: the second waits with its reason, in the preview
    and step by step, and what another issuer signs goes on."""
    bucket = Bucket(1, 7 * DAY)
    policy = settings(budgets={"internal": CaLimits(domain=bucket)})
    looks = [
        known("first"),
        known("second"),
        facts(spec("other", issuers=("vault",), names=("other.example.net",)), chain=chain("other.example.net")),
    ]
    people = [Member(name, n) for n, name in enumerate(("first", "second", "other"))]
    one = campaign(*people, issuer="", match="*")
    found = step(one, *looks, settings=policy, ca_room=CaRoom(FleetHistory(), NOW, policy))
    assert found.ask == ("first", "other")
    assert found.campaign.members[1].why.startswith("budget: ")
    seen = preview(one, looks, pace(), [], policy, NOW, ca_room=CaRoom(FleetHistory(), NOW, policy))
    assert [member.name for member in seen.members if member.obstacle.startswith("budget: ")] == ["second"]


def test_an_issuer_that_is_down_holds_nobody_else_back() -> None:
    """Four that were asked for wait at an open breaker with their reason: what another issuer signs goes on, and looks
    are no more frequent than usual once nothing is under way."""
    ask = Ask(A_MINUTE_AGO, force=True, key_after=A_MINUTE_AGO)
    looks = [known(f"s{number}", history=History(ask=ask)) for number in range(4)]
    other = facts(spec("other", issuers=("vault",), names=("other.example.net",)), chain=chain("other.example.net"))
    people = [*(asked(f"s{number}") for number in range(4)), Member("other", 9)]
    one, down = campaign(*people, issuer="", match="*"), fleet(*three_failed())
    found = step(one, *looks, other, ca_room=CaRoom(down, NOW, POLICY))
    assert found.ask == ("other",)
    assert found.campaign.members[0].why.startswith("breaker: 3 certificates failed at internal, tried again ")
    assert step(campaign(*people[:4]), *looks, ca_room=CaRoom(down, NOW, POLICY)).wake is None
    again = step(one, *looks, other, ca_room=CaRoom(fleet(*three_failed(2 * HOUR)), NOW, POLICY))
    assert again.campaign.members[0].why == "", "half-open: one of them is let through"


# ---------------------------------------------------------------- what never happens

states = st.sampled_from([OLD, NEW, OTHER, None])
members = st.sampled_from([s for s in MemberStatus if s is not MemberStatus.WAITING])


@st.composite
def worlds(draw: st.DrawFn) -> tuple[Facts, list[Chain | None], bool]:
    """One certificate whose places and addresses hold and show anything."""
    current = draw(st.sampled_from([OLD, NEW]))
    shown = draw(st.lists(states, max_size=4))
    sightings = [
        showing(one, Endpoint(f"e{draw(st.integers(0, 1))}.example.com", 443), address=f"192.0.2.{number}")
        for number, one in enumerate(shown)
    ]
    if draw(st.booleans()):
        sightings.append(Sighting(Endpoint("v6.example.com", 443), "2001:db8::1", SightingState.UNROUTED))
    held = draw(st.sampled_from([holding(OLD), holding(NEW), holding(None), unseen()]))
    look = facts(spec(), chain=current, installed=(held,), served=sightings)
    safe = current is NEW and held.chain is NEW and bool(shown) and all(one is NEW for one in shown)
    return look, shown, safe and not any(s.state is SightingState.UNROUTED for s in sightings)


@MINE
@given(worlds(), members, st.sampled_from(list(CampaignStatus)), st.booleans(), st.booleans())
def test_nothing_is_revoked_before_everything_shows_the_new_one(
    world: tuple[Facts, list[Chain | None], bool],
    status: MemberStatus,
    running: CampaignStatus,
    revoke: bool,
    unproved_too: bool,
) -> None:
    """Whatever places hold and addresses show, an old one is due only where all of them have and show the new one; or,
    where no endpoint is known and a person said so, where every place holds it."""
    look, shown, safe = world
    one = campaign(asked(status=status), revoke=revoke, revoke_unproved=unproved_too, status=running)
    found = step(one, look)
    unknown = unproved_too and not look.served and look.newest is NEW and look.installed[PLACE].chain is NEW
    assert bool(found.revoke) <= (revoke and running is CampaignStatus.RUNNING and (safe or unknown))
    if safe and revoke and running is CampaignStatus.RUNNING:
        assert found.revoke == ("shop",)
    assert bool(unproved(NEW, look)) or safe or look.newest is not NEW
    if found.revoke:
        assert OLD not in shown


def test_what_nobody_can_judge_is_not_proved() -> None:
    """While the roots cannot be had that say whether clients trust the new one, the old one is not revoked."""
    look = known("shop", NEW, served=[showing(NEW)], evidence=Evidence(trust_unknown="new: it is down"))
    assert unproved(NEW, look) == "it cannot be told whether its clients trust it: new: it is down"
    assert step(campaign(asked()), look).revoke == ()


@MINE
@given(st.integers(0, 6), st.integers(0, 6), st.integers(1, 6), st.integers(1, 30), st.randoms(use_true_random=False))
def test_asks_stay_within_the_room(waiting: int, going: int, at_once: int, an_hour: int, dice: random.Random) -> None:
    """However many wait and are under way, no more are asked for than the threads and the hour have room for."""
    open_one = History(ask=Ask(A_MINUTE_AGO, force=True))
    people = [Member(f"w{n}", n) for n in range(waiting)] + [asked(f"g{n}") for n in range(going)]
    looks = [known(f"w{n}") for n in range(waiting)] + [known(f"g{n}", history=open_one) for n in range(going)]
    dice.shuffle(looks)
    found = step(campaign(*people), *looks, pace=pace(at_once=at_once, an_hour=an_hour))
    assert len(found.ask) == max(0, min(waiting, at_once - going, an_hour - going))
    assert list(found.ask) == [f"w{n}" for n in range(len(found.ask))]


# ---------------------------------------------------------------- telling


def test_what_is_told() -> None:
    """Quiet while it goes as planned; a warning when it is late, or its old ones cannot be revoked."""
    calm = campaign(asked(), deadline=NOW + HOUR)
    (case,) = of_campaigns([calm], {1: NOW + MINUTE}, NOW)
    assert (case.severity, case.headline) == (Severity.INFO, "replaces 1 certificate of internal (key-compromise)")
    (case,) = of_campaigns([calm], {1: NOW + 2 * HOUR}, NOW)
    assert (case.severity, "60 min late" in case.headline) == (Severity.WARNING, True)
    (case,) = of_campaigns([calm], {}, NOW + 2 * HOUR)
    assert "1 are not done, and its deadline was" in case.headline
    refused = replace(asked(status=MemberStatus.PROVED), old=(Old(OLD.leaf, "internal", error="not revoked: no"),))
    (case,) = of_campaigns([campaign(refused)], {}, NOW)
    assert case.severity is Severity.WARNING
    assert list(of_campaigns([campaign(asked(), status=CampaignStatus.DONE)], {}, NOW)) == []
    assert not is_over(refused, campaign(refused))


def test_what_a_person_has_revoked_is_through() -> None:
    """Where no endpoint can prove it, somebody looks and revokes; not while one shows another."""
    renewed = facts(spec("shop"), chain=NEW)
    by_hand = frozenset({OLD.fingerprint})
    (member,) = step(campaign(asked()), renewed).campaign.members
    assert member.status is MemberStatus.ROTATED
    (member,) = step(campaign(asked()), renewed, revoked=by_hand).campaign.members
    assert member.status is MemberStatus.REVOKED
    behind = facts(spec("shop"), chain=NEW, served=served_at(PRIVATE))
    (member,) = step(campaign(asked()), behind, revoked=by_hand).campaign.members
    assert member.status is MemberStatus.ROTATED


def test_what_waits_for_a_person_is_told() -> None:
    """Where nothing can prove what is served, the old key stays unrevoked for ever unless somebody hears of it."""
    stuck = replace(asked(status=MemberStatus.ROTATED), why=unproved(NEW, facts(spec("shop"), chain=NEW)))
    (case,) = of_campaigns([campaign(stuck)], {}, NOW)
    assert case.severity is Severity.WARNING
    assert "the old one of 1 will not be revoked until a person says so" in case.headline
    assert "`rotator revoke NAME`" in case.detail
    (calm,) = of_campaigns([campaign(stuck, revoke=False)], {}, NOW)
    assert calm.severity is Severity.INFO
