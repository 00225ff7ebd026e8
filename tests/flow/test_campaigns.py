"""Campaigns carried out: the most exposed first, within the limits, and nothing revoked that somebody still sees."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from rotator.asked import carry_out
from rotator.campaigns import revoke_old
from rotator.core.campaign.members import with_revoked
from rotator.core.model import (
    Ask,
    Campaign,
    CampaignStatus,
    KeySpec,
    Member,
    MemberStatus,
    NoticeKind,
    Pause,
    RevocationReason,
    Severity,
)
from rotator.core.pem import read_chain
from rotator.ports import Request
from tests.flow.issuers import Lie, LyingIssuer
from tests.flow.services import Manner, Service
from tests.flow.site import DAY, HOUR, MINUTE, Site
from tests.flow.targets import meddle

OLD, NEW = "old", "new"
TICK = timedelta(seconds=31)


def ask(site: Site, verb: str, **arguments: str) -> str:
    """What a person is told who asks for it."""
    return carry_out(Request(0, verb, arguments, site.time.now, "ada@host"), site.wiring)


def begin(site: Site, **arguments: str) -> Campaign:
    """Begin a campaign against the old issuer."""
    wanted = {"issuer": OLD, "reason": "key-compromise", "revoke": "yes", **arguments}
    said = ask(site, "campaign", **wanted)
    assert "has begun" in said, said
    return campaign(site)


def campaign(site: Site) -> Campaign:
    return site.store.campaigns()[-1]


def member(site: Site, name: str) -> Member:
    return next(one for one in campaign(site).members if one.certificate == name)


def statuses(site: Site) -> dict[str, str]:
    return {one.certificate: one.status.value for one in campaign(site).members}


def looks(site: Site, times: int = 6, every: timedelta = TICK) -> None:
    for _ in range(times):
        site.time.goes_by(every)
        site.look()


@pytest.fixture
def issuers(site: Site) -> tuple[LyingIssuer, LyingIssuer]:
    """The issuer that has to go, and the one that takes its place."""
    return site.lying(OLD), site.lying(NEW)


def fleet(site: Site, names: str, *, issuers: tuple[str, ...] = (OLD, NEW), **options: object) -> list[Service]:
    """Services whose certificates the old issuer has just renewed."""
    services = [site.cared_for(name, issuers=issuers, **options) for name in names.split()]  # type: ignore[arg-type]  # its own keywords
    site.look()
    for name in names.split():
        assert site.history(name).accepted_issuer == OLD
    site.time.goes_by(DAY)
    return services


Issuers = tuple[LyingIssuer, LyingIssuer]


def test_all_are_replaced_and_then_revoked(site: Site, issuers: Issuers) -> None:
    """Every certificate gets a new key and a new certificate; the old ones are revoked in the look after its proof."""
    old, _ = issuers
    services = fleet(site, "a b c")
    before = {s.serves for s in services}
    begin(site)
    site.look()
    assert not {s.serves for s in services} & before
    assert not old.revoked, "nothing is revoked in the look that asked for the new one"
    looks(site, 2)
    assert set(old.revoked) >= before
    assert set(old.revoked.values()) == {RevocationReason.KEY_COMPROMISE}
    assert not set(old.revoked) & {s.serves for s in services}
    looks(site, 2)
    assert campaign(site).status is CampaignStatus.DONE
    assert set(statuses(site).values()) == {"revoked"}


def test_what_is_not_reloaded_keeps_its_old_one(site: Site, issuers: Issuers) -> None:
    """An endpoint that goes on with the old certificate is named, and that certificate is not revoked."""
    old, _ = issuers
    good, lazy = fleet(site, "good lazy")
    lazy.manner = Manner.KEEPS
    stays = lazy.serves
    begin(site)
    looks(site, 5)
    assert (member(site, "good").status, member(site, "lazy").status) == (MemberStatus.REVOKED, MemberStatus.ROTATED)
    assert "shows another one" in member(site, "lazy").why
    assert stays not in old.revoked
    lazy.manner = Manner.OBEYS
    lazy.touch()
    looks(site, 4)
    assert stays in old.revoked
    assert campaign(site).status is CampaignStatus.DONE
    assert good.serves != ""


def test_what_is_not_written_is_not_done(site: Site, issuers: Issuers) -> None:
    """A place that refuses the new one is named with its error, and no campaign ends before it has it."""
    (shop,) = fleet(site, "shop")
    double = meddle(site, shop, refuses=frozenset({"deploy"}))
    begin(site, revoke="no")
    looks(site, 5)
    assert member(site, "shop").status is MemberStatus.ISSUED
    assert "is read-only (deploy)" in member(site, "shop").why
    assert campaign(site).status is CampaignStatus.RUNNING
    ordered = len(issuers[0].asked)
    double.refuses = frozenset()
    looks(site, 8, every=HOUR)
    assert (statuses(site), campaign(site).status) == ({"shop": "proved"}, CampaignStatus.DONE)
    assert len(issuers[0].asked) == ordered, "what was issued is finished, not ordered again"


def test_what_no_endpoint_proves_waits(site: Site, issuers: Issuers) -> None:
    """Without an endpoint nothing proves that nobody sees the old one: it is revoked only where a person says so."""
    old, _ = issuers
    (shop,) = fleet(site, "shop")
    site.specs["shop"] = replace(site.specs["shop"], endpoints=())
    begin(site)
    looks(site, 4)
    assert member(site, "shop").why == "no endpoint of it is known that could show the new one"
    assert not old.revoked
    ask(site, "campaign-cancel", campaign="1")
    begin(site, revoke_unproved="yes", match="shop", issuer="")
    looks(site, 4)
    assert shop.serves not in old.revoked
    assert old.revoked


def test_most_exposed_first_and_as_many_as_the_hour_bears(site: Site, issuers: Issuers) -> None:
    """Two an hour: the served ones in the order of their ends, then the stored one, each in its hour."""
    old, _ = issuers
    fleet(site, "late")
    site.time.goes_by(DAY)
    fleet(site, "later")
    site.time.goes_by(DAY)
    fleet(site, "stored")
    site.specs["stored"] = replace(site.specs["stored"], endpoints=())
    site.policy = replace(site.policy, an_hour=2)
    begin(site, revoke="no")
    assert [one.certificate for one in campaign(site).members] == ["late", "later", "stored"]
    looks(site, 3)
    assert statuses(site) == {"late": "proved", "later": "proved", "stored": "waiting"}
    asked = len(old.asked)
    looks(site, 3)
    assert len(old.asked) == asked, "the hour is used up"
    site.time.goes_by(HOUR)
    looks(site, 2)
    assert statuses(site)["stored"] == "rotated"
    assert campaign(site).status is CampaignStatus.DONE


def test_away_from_an_issuer(site: Site, issuers: Issuers) -> None:
    """New ones come from the next issuer of each list; what has no other is left out, and nothing is ordered there."""
    old, new = issuers
    fleet(site, "shop")
    fleet(site, "alone", issuers=(OLD,))
    begin(site, reason="ca-compromise", away="yes", revoke="no")
    ordered = len(old.asked)
    looks(site, 4)
    assert statuses(site) == {"shop": "proved", "alone": "skipped"}
    assert member(site, "alone").why == "its list has no issuer but old"
    assert (len(old.asked), len(new.asked)) == (ordered, 1)
    assert campaign(site).status is CampaignStatus.DONE
    site.time.goes_by(70 * DAY)
    site.look()
    assert site.history("shop").accepted_issuer == NEW, "the next renewal does not go back by itself"
    assert "old may sign again" in ask(site, "campaign-cancel", campaign="1")
    assert not site.store.fleet(site.time.now).avoided


def test_pause_and_resume_and_cancel(site: Site, issuers: Issuers) -> None:
    """A paused campaign asks for nothing and revokes nothing; resumed it goes on; cancelled it is over."""
    old, _ = issuers
    fleet(site, "a b")
    site.policy = replace(site.policy, at_once=1)
    begin(site)
    site.look()
    ordered = len(old.asked)
    assert "asks for nothing new" in ask(site, "campaign-pause", campaign="1")
    looks(site, 3)
    assert (len(old.asked), old.revoked) == (ordered, {})
    assert "paused" in ask(site, "campaign-pause", campaign="1")
    ask(site, "campaign-resume", campaign="1")
    looks(site, 2)
    assert len(old.asked) == ordered + 1
    ask(site, "campaign-cancel", campaign="1")
    gone = dict(old.revoked)
    looks(site, 3)
    assert old.revoked == gone
    assert campaign(site).status is CampaignStatus.CANCELLED


def test_pauses_of_people_hold(site: Site, issuers: Issuers) -> None:
    """A paused certificate waits for its pause to end while the others go on, and is done then."""
    fleet(site, "a b")
    site.store.pause("a", Pause("frozen", site.time.now))
    begin(site)
    looks(site, 4)
    assert statuses(site) == {"a": "waiting", "b": "revoked"}
    assert member(site, "a").why.startswith("paused: ")
    site.store.resume("a", site.time.now)
    looks(site, 4)
    assert statuses(site)["a"] == "revoked"


def test_revocation_that_fails_is_told_and_tried_again(site: Site, issuers: Issuers) -> None:
    """An issuer that refuses to revoke is asked again with longer and longer waits, and people are told."""
    old, _ = issuers
    fleet(site, "shop")
    begin(site)
    site.look()
    old.lie = Lie.REFUSES
    looks(site, 2)
    site.look()
    (notice,) = [n for n in site.inbox.notices if n.kind is NoticeKind.CAMPAIGN and n.severity is Severity.WARNING]
    assert "could not be revoked" in notice.title
    assert "not today" in member(site, "shop").why
    old.lie = Lie.NONE
    looks(site, 3, every=MINUTE)
    assert member(site, "shop").status is MemberStatus.REVOKED
    assert any(n.kind is NoticeKind.CAMPAIGN and n.resolved for n in site.inbox.notices)


def test_a_place_that_cannot_be_read_any_more_keeps_its_old_one(site: Site, issuers: Issuers) -> None:
    """The last look before a revocation counts: without an endpoint, what places hold is all the proof there is."""
    old, _ = issuers
    (shop,) = fleet(site, "shop")
    site.specs["shop"] = replace(site.specs["shop"], endpoints=())
    begin(site, revoke_unproved="yes")
    site.look()
    old.lie = Lie.REFUSES
    looks(site, 1)
    old.lie = Lie.NONE
    assert "not today" in member(site, "shop").old[0].error
    shop.certificate.write_text("<html></html>")
    site.time.goes_by(2 * MINUTE)
    revoke_old(campaign(site).id, site.specs["shop"], site.wiring.world)
    assert not old.revoked


def test_what_a_person_has_revoked_is_counted(site: Site, issuers: Issuers) -> None:
    """An old certificate that was revoked by hand counts as revoked in what is shown of the campaign."""
    fleet(site, "shop")
    begin(site)
    site.look()
    (old,) = member(site, "shop").old
    assert old.revoked_at is None
    now = site.time.now
    shown = with_revoked(campaign(site), {old.certificate.fingerprint: now, "another": now})
    assert [one.revoked_at for one in shown.members[0].old] == [now]


def test_a_persons_new_key_outlives_a_campaign_that_wants_none(site: Site, issuers: Issuers) -> None:
    """A campaign that begins and is cancelled does not take back that a person asked for a new key; one that asked
    for new keys itself does, since nobody else did."""
    fleet(site, "shop till")
    for one in issuers:
        one.lie = Lie.REFUSES
    asked = Ask(site.time.now, force=True, reason="key-compromise")
    site.store.keep_ask("shop", asked)
    begin(site, reason="superseded", away="yes", revoke="no")
    site.look()
    while_it_runs = site.history("shop").ask
    assert while_it_runs is not None
    assert while_it_runs.new_key_after == asked.at
    ask(site, "campaign-cancel", campaign="1")
    shop, till = (site.history(name).ask for name in ("shop", "till"))
    assert shop is not None
    assert till is not None
    assert (shop.force, shop.new_key_after) == (True, asked.at)
    assert (till.force, till.new_key_after) == (False, None)


def test_behind_its_deadline(site: Site, issuers: Issuers) -> None:
    """A campaign that cannot be done in time is told as a warning from its first look on."""
    fleet(site, "a b c")
    site.policy = replace(site.policy, an_hour=1)
    begin(site, deadline=(site.time.now + HOUR).isoformat())
    looks(site, 2)
    (notice,) = [n for n in site.inbox.notices if n.kind is NoticeKind.CAMPAIGN]
    assert (notice.severity, "late" in notice.title) == (Severity.WARNING, True)
    assert notice.command == "rotator campaign show 1"


def test_the_cap_of_a_day_holds(site: Site, issuers: Issuers) -> None:
    """However often campaigns are begun, a certificate gets no more orders a day than any other."""
    old, _ = issuers
    fleet(site, "shop")
    before = len(old.asked)
    for number in range(1, 6):
        begin(site, revoke="no")
        looks(site, 3)
        ask(site, "campaign-cancel", campaign=str(number))
    assert len(old.asked) - before <= 3
    assert "cap" in member(site, "shop").why


def test_same_campaign_twice(site: Site, issuers: Issuers) -> None:
    """A second campaign about the same certificates is refused, and names the first."""
    fleet(site, "shop")
    begin(site)
    assert "campaign 1 is about the same" in ask(site, "campaign", issuer=OLD, reason="key-compromise")
    assert "there is no campaign 7" in ask(site, "campaign-pause", campaign="7")


def test_a_key_that_was_made_before_is_not_used(site: Site, issuers: Issuers) -> None:
    """An order that was begun with a key from before the compromise is given up for a new key."""
    fleet(site, "shop")
    for one in issuers:
        one.lie = Lie.REFUSES
    site.store.keep_ask("shop", Ask(site.time.now, force=True))
    site.look()
    pending = site.store.pending("shop")
    assert pending is not None
    for one in issuers:
        one.lie = Lie.NONE
    begin(site)
    looks(site, 2)
    accepted = next(one for one in site.store.bundles("shop") if one.status == "accepted")
    assert accepted.bundle.key != pending.key


def test_a_key_that_nobody_else_knows_stays_the_next_one(site: Site, issuers: Issuers) -> None:
    """Away from an issuer though no key is compromised: the key that was made ahead is the next one all the same."""
    (shop,) = fleet(site, "shop")
    site.specs["shop"] = replace(site.specs["shop"], key=KeySpec("ecdsa", 256, ahead=True))
    site.look()
    ahead = site.decision("shop").pins.next
    assert ahead
    begin(site, reason="superseded", away="yes", revoke="no")
    looks(site, 3)
    assert (len(issuers[1].asked), read_chain(shop.certificate.read_bytes()).spki) == (1, ahead)


def test_an_order_in_flight_at_who_has_to_go_is_given_up_within_the_cap(site: Site, issuers: Issuers) -> None:
    """The new issuer is asked in its place, counted like any other order, and the old one's is not carried on."""
    old, new = issuers
    fleet(site, "shop")
    old.lie = Lie.NEVER
    site.store.keep_ask("shop", Ask(site.time.now, force=True))
    site.look()
    begin(site, reason="superseded", away="yes", revoke="no")
    old.lie = Lie.NONE
    asked = len(old.asked)
    looks(site, 3)
    assert (len(old.asked), len(new.asked)) == (asked, 1)
    assert [order.result for order in site.history("shop").orders] == ["issued", "failed", "issued"]


def test_progress_is_in_the_metrics(site: Site, issuers: Issuers) -> None:
    """How many members there are of each status is a gauge."""
    fleet(site, "shop")
    begin(site)
    wiring = site.wiring
    wiring.metrics.campaigns(site.store.campaigns(open_only=True))
    assert b'rotator_campaign_members{campaign="1",status="waiting"} 1.0' in wiring.metrics.render()
    assert json.dumps(statuses(site))


def test_what_another_certificate_shares_is_not_revoked(site: Site, issuers: Issuers) -> None:
    """Where two share one certificate, the first one's renewal does not have it revoked under the second."""
    old, _ = issuers
    names = ("a.example.com", "b.example.com")
    both = site.bundle(*names, left=60 * DAY)
    a, b = (site.service(name, bundle=both) for name in "ab")
    for name, service in (("a", a), ("b", b)):
        site.declare(name, service, issuers=(OLD, NEW))
    site.look()
    site.store.pause("b", Pause("freeze", site.time.now))
    begin(site)
    looks(site, 4)
    shared = both.chain.fingerprint
    assert (a.serves != shared, b.serves) == (True, shared)
    assert shared not in old.revoked
    assert "still in use" in member(site, "a").why
    assert "for b" in member(site, "a").why
    site.store.resume("b", site.time.now)
    looks(site, 4)
    looks(site, 3, every=5 * MINUTE)
    assert shared in old.revoked
    assert statuses(site) == {"a": "revoked", "b": "revoked"}
