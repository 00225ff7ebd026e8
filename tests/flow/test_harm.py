"""What happens when a new certificate does harm, or does not arrive: back to the old one where that is better."""

from __future__ import annotations

from datetime import timedelta

import pytest

from rotator.core.model import Action, Ask, NoticeKind, Outcome, Result, Stage
from rotator.core.reasons import Reason
from tests.flow.issuers import Lie
from tests.flow.services import Manner
from tests.flow.site import DAY, HOUR, MINUTE, Site
from tests.flow.targets import meddle

# ---------------------------------------------------------------- harm, undone


def test_what_breaks_on_the_new_one_gets_the_old_one_back(site: Site) -> None:
    """A server that goes down is given its old certificate, which is proved to be served, and a person is told once."""
    shop = site.cared_for("shop", manner=Manner.FALLS)
    before = shop.serves
    ticked, (outcome,) = site.look()
    assert (outcome.result, outcome.stage) == (Result.ROLLED_BACK, Stage.VERIFY), outcome.error
    assert "is down" in outcome.error
    assert "is served again" in outcome.error
    assert shop.serves == shop.held == before
    assert shop.loaded[1:] == ["down", before]
    (told,) = [notice for notice in ticked.notices if notice.kind is NoticeKind.ROLLED_BACK]
    assert told.command == "rotator approve shop"
    assert [notice.kind for notice in site.inbox.notices].count(NoticeKind.ROLLED_BACK) == 1


def test_what_did_harm_is_held_and_not_issued_again(site: Site) -> None:
    """The bundle is quarantined: for days it is neither deployed nor replaced, until a person approves."""
    shop = site.cared_for("shop", manner=Manner.FALLS)
    before = shop.serves
    site.look()
    decision = site.soon(HOUR).decision("shop")
    assert (decision.action, decision.reason) == (Action.HOLD, Reason.QUARANTINED)
    assert decision.command == "rotator approve shop"
    assert site.looks(10 * DAY, every=12 * HOUR) == ()
    assert shop.serves == before
    assert shop.loaded.count("down") == 1
    assert len(site.history("shop").orders) == 1
    shop.manner = Manner.OBEYS
    assert site.store.approve("shop", site.time.now) == (Reason.QUARANTINED,)
    outcome = site.outcome()
    assert outcome.result is Result.DONE, outcome.error
    assert shop.serves == shop.held != before
    assert len(site.history("shop").orders) == 1, "the bundle that waited is the one that is used"


def test_a_third_certificate_is_harm_too(site: Site) -> None:
    """An address that shows neither the old one nor the new one is worse off, so the old one is put back."""
    shop = site.cared_for("shop", manner=Manner.STRAYS)
    before = shop.serves
    shop.third = site.bundle("shop.example.com", left=70 * DAY)
    outcome = site.outcome()
    assert outcome.result is Result.ROLLED_BACK, outcome.error
    assert "another certificate" in outcome.error
    assert shop.serves == before


def test_harm_at_one_of_two_is_undone_at_both(site: Site) -> None:
    """Places that share a certificate go back together, each to what it had."""
    bundle = site.bundle("good.example.com", "bad.example.com", left=20 * DAY)
    good = site.service("good", bundle=bundle)
    bad = site.service("bad", bundle=bundle, manner=Manner.FALLS)
    site.declare("shared", good, bad)
    outcome = site.outcome()
    assert outcome.result is Result.ROLLED_BACK, outcome.error
    assert good.serves == good.held == bad.serves == bad.held == bundle.chain.fingerprint
    assert len(site.history("shared").quarantines) == 2


def test_past_the_line_it_is_tried_once_more(site: Site) -> None:
    """When expiry would be the worse outage, what did harm is tried once more, and never a third time."""
    shop = site.cared_for("shop", manner=Manner.FALLS)
    site.look()
    shop.loaded.clear()
    outcomes = site.looks(28 * DAY, every=8 * HOUR)
    assert [outcome.result for outcome in outcomes] == [Result.ROLLED_BACK]
    assert shop.loaded.count("down") == 1
    assert len(site.history("shop").orders) <= 1


# ---------------------------------------------------------------- not reloaded


def test_what_keeps_the_old_one_is_reloaded_again(site: Site) -> None:
    """Nothing is broken: the new one stays stored, people are told, and the reload is tried again until it works."""
    shop = site.cared_for("shop", manner=Manner.KEEPS)
    before = shop.serves
    ticked, (outcome,) = site.look()
    assert outcome.result is Result.UNPROVED
    assert outcome.error.startswith("not reloaded")
    assert shop.held != before
    assert shop.serves == before
    assert NoticeKind.NOT_RELOADED in {notice.kind for notice in ticked.notices}
    again = site.looks(3 * HOUR, every=30 * MINUTE)
    assert again
    assert {one.result for one in again} == {Result.UNPROVED}
    assert len(again) <= 3, "one redeploy an hour, and three a day, at most"
    shop.manner = Manner.OBEYS
    (ended,) = site.looks(DAY, every=8 * HOUR)
    assert (ended.decision.reason, ended.result) == (Reason.NOT_SERVED, Result.DONE), ended.error
    assert shop.serves == shop.held
    assert len(site.history("shop").orders) == 1
    assert NoticeKind.NOT_RELOADED not in {notice.kind for notice in site.soon(HOUR).look()[0].notices}


def test_what_falls_at_a_later_reload_gets_its_predecessor_back(site: Site) -> None:
    """A server that has kept the old one and goes down when it is reloaded at last gets what it served before."""
    shop = site.cared_for("shop")
    assert site.outcome().result is Result.DONE
    first = shop.serves
    site.soon(31 * DAY)
    shop.manner = Manner.KEEPS
    site.store.keep_ask("shop", Ask(site.time.now, force=True, reason="key leaked"))
    assert site.outcome().result is Result.UNPROVED
    assert shop.serves == first != shop.held
    shop.falls_on(shop.held)
    (outcome,) = site.looks(3 * HOUR, every=HOUR + MINUTE)
    assert outcome.result is Result.ROLLED_BACK, outcome.error
    assert shop.serves == shop.held == first
    assert site.soon(HOUR).decision("shop").reason is Reason.QUARANTINED


# ---------------------------------------------------------------- what cannot be undone


def _stranded(site: Site, outcome: Outcome) -> None:
    assert (outcome.result, outcome.stage) == (Result.STRANDED, Stage.ROLL_BACK), outcome.error
    (page,) = [notice for notice in site.inbox.notices if notice.kind is NoticeKind.STRANDED]
    assert page.severity == "critical"


def test_a_server_that_stays_down_is_stranded(site: Site) -> None:
    """The files are put back, the old one is not served again all the same: a page, and no second try by itself."""
    shop = site.cared_for("shop", manner=Manner.STAYS_DOWN)
    before = shop.serves
    _, (outcome,) = site.look()
    _stranded(site, outcome)
    assert "not served again" in outcome.error
    assert shop.held == before
    assert site.looks(2 * DAY, every=6 * HOUR) == ()
    assert len(site.history("shop").orders) == 1


def test_a_place_that_cannot_be_put_back_is_stranded(site: Site) -> None:
    """Where the old one cannot be written any more, a page; both pairs stay sealed, and nothing more is done."""
    shop = site.cared_for("shop", manner=Manner.FALLS)
    before = shop.serves
    meddle(site, shop, refuses=frozenset({"restore"}))
    _, (outcome,) = site.look()
    _stranded(site, outcome)
    assert "read-only" in outcome.error
    assert site.looks(DAY, every=6 * HOUR) == ()
    progress = site.store.progress("shop")
    assert progress is not None, "the old pair is nowhere else"
    assert [snapshot.fingerprint for snapshot in progress.snapshots.values()] == [before]
    assert site.store.undoing() == ()


def test_a_place_that_fails_does_not_keep_the_other_from_going_back(site: Site) -> None:
    """Every place is tried, also when one before it could not be put back."""
    bundle = site.bundle("one.example.com", "two.example.com", left=20 * DAY)
    one = site.service("one", bundle=bundle)
    two = site.service("two", bundle=bundle, manner=Manner.FALLS)
    site.declare("shared", one, two)
    meddle(site, two, refuses=frozenset({"restore"}))
    outcome = site.outcome()
    assert outcome.result is Result.STRANDED
    assert one.held == one.serves == bundle.chain.fingerprint


def test_an_old_one_that_has_ended_is_not_put_back(site: Site) -> None:
    """Going back to something expired would be no help: the new one stays, people are paged, and it is tried again."""
    shop = site.cared_for("shop", left=timedelta(seconds=-60), manner=Manner.FALLS)
    before = shop.serves
    _, (outcome,) = site.look()
    _stranded(site, outcome)
    assert "has ended" in outcome.error
    assert shop.held != before
    again = site.soon(HOUR).look()[1]
    assert [one.result for one in again] == [Result.STRANDED], "a server that is down is no success"
    shop.manner = Manner.OBEYS
    (ended,) = site.soon(DAY).look()[1]
    assert ended.result is Result.DONE, ended.error
    assert shop.serves == shop.held
    assert len(site.history("shop").orders) == 1


# ---------------------------------------------------------------- places that fail


def test_a_reload_that_fails_puts_the_old_files_back(site: Site) -> None:
    """The reload command fails and the old one is served on: the files go back, and it is tried again later."""
    shop = site.cared_for("shop", manner=Manner.KEEPS)
    before = shop.serves
    double = meddle(site, shop, reload_fails=True)
    outcome = site.outcome()
    assert (outcome.result, outcome.stage) == (Result.FAILED, Stage.DEPLOY), outcome.error
    assert "nginx -s reload" in outcome.error
    assert outcome.error.endswith("what was served before still is")
    assert shop.held == shop.serves == before
    assert site.history("shop").quarantines == ()
    assert site.store.progress("shop") is None
    double.reload_fails = False
    shop.manner = Manner.OBEYS
    assert site.soon().outcome().result is Result.DONE
    assert len(site.history("shop").orders) == 1


def test_a_reload_that_fails_and_takes_the_server_down_is_harm(site: Site) -> None:
    """A failed reload is not taken at its word: what the endpoint shows decides, and here it stays down."""
    shop = site.cared_for("shop", manner=Manner.STAYS_DOWN)
    before = shop.serves
    double = meddle(site, shop, reload_fails=True)
    double.after_deploy = lambda: shop.notice()
    outcome = site.outcome()
    assert outcome.result is Result.STRANDED, outcome.error
    assert "nginx -s reload" in outcome.error
    assert shop.held == before
    assert len(site.history("shop").quarantines) == 1


def test_what_has_ended_is_not_put_back_after_a_failed_reload(site: Site) -> None:
    """Where the old one is of no use any more, the new one stays in its place, and the reload is tried again."""
    shop = site.cared_for("shop", left=timedelta(seconds=-60), manner=Manner.DOWN)
    before = shop.held
    double = meddle(site, shop, reload_fails=True)
    outcome = site.outcome()
    assert outcome.result is Result.FAILED, outcome.error
    assert "nothing good to go back to" in outcome.error
    assert shop.held != before
    double.reload_fails = False
    shop.manner = Manner.OBEYS
    shop.touch()
    assert site.soon(HOUR).outcome().result is Result.DONE
    assert len(site.history("shop").orders) == 1


def test_a_place_that_fails_keeps_no_other_from_the_new_one(site: Site) -> None:
    """Of three places the middle one refuses: the others serve the new one, and the middle one gets it later."""
    bundle = site.bundle("a.example.com", "b.example.com", "c.example.com", left=20 * DAY)
    a, b, c = (site.service(name, bundle=bundle) for name in ("a", "b", "c"))
    site.declare("shared", a, b, c)
    double = meddle(site, b, refuses=frozenset({"deploy"}))
    outcome = site.outcome()
    assert (outcome.result, outcome.stage) == (Result.FAILED, Stage.DEPLOY)
    assert outcome.error.endswith("the other places have the new one")
    assert a.serves == a.held == c.serves == c.held != bundle.chain.fingerprint
    assert b.serves == b.held == bundle.chain.fingerprint
    told = a.reload.stat().st_mtime_ns
    double.refuses = frozenset()
    outcome = site.soon().outcome()
    assert (outcome.decision.reason, outcome.result) == (Reason.UNFINISHED, Result.DONE), outcome.error
    assert b.serves == b.held == a.serves
    assert a.reload.stat().st_mtime_ns == told, "what has it already is not reloaded again"
    assert len(site.history("shared").orders) == 1


def test_a_place_that_cannot_be_reached_does_not_hold_the_others_up(site: Site) -> None:
    """A dead host among several: the others are renewed and done with; it gets the same bundle when it is back."""
    bundle = site.bundle("here.example.com", "gone.example.com", left=20 * DAY)
    here, gone = (site.service(name, bundle=bundle) for name in ("here", "gone"))
    site.declare("shared", here, gone)
    double = meddle(site, gone, refuses=frozenset({"snapshot", "deploy"}))
    outcome = site.outcome()
    assert outcome.result is Result.UNPROVED, "one address still serves the old one"
    assert here.serves == here.held != bundle.chain.fingerprint
    assert gone.held == bundle.chain.fingerprint
    double.refuses = frozenset()
    ended = site.looks(DAY, every=6 * HOUR)
    assert [(one.decision.reason, one.result) for one in ended] == [(Reason.DIFFERS, Result.DONE)]
    assert gone.serves == gone.held == here.serves
    assert len(site.history("shared").orders) == 1


def test_a_place_that_is_stuck_keeps_its_old_pair_sealed(site: Site) -> None:
    """The reload fails and the old files cannot be written: no harm is done, and the old pair is not lost either."""
    shop = site.cared_for("shop", manner=Manner.KEEPS)
    before = shop.serves
    double = meddle(site, shop, reload_fails=True, refuses=frozenset({"restore"}))
    outcome = site.outcome()
    assert outcome.result is Result.FAILED, outcome.error
    assert "could not be put back" in outcome.error
    assert shop.serves == before != shop.held
    progress = site.store.progress("shop")
    assert progress is not None
    assert [snapshot.fingerprint for snapshot in progress.snapshots.values()] == [before]
    double.reload_fails, double.refuses = False, frozenset()
    shop.manner = Manner.FALLS
    outcome = site.soon().outcome()
    assert outcome.result is Result.ROLLED_BACK, outcome.error
    assert shop.held == shop.serves == before


def test_a_conflict_at_the_second_place_leaves_the_first(site: Site) -> None:
    """Somebody changes the second place while the first is written: the first stays, the next looks finish."""
    bundle = site.bundle("one.example.com", "two.example.com", left=20 * DAY)
    one, two = (site.service(name, bundle=bundle) for name in ("one", "two"))
    site.declare("shared", one, two)
    theirs = site.bundle("one.example.com", "two.example.com", left=25 * DAY)
    double = meddle(site, two, before_deploy=lambda: two.put(theirs))
    outcome = site.outcome()
    assert (outcome.result, outcome.stage) == (Result.FAILED, Stage.DEPLOY)
    assert "somebody else changed it" in outcome.error
    assert one.held != bundle.chain.fingerprint
    assert two.held == theirs.chain.fingerprint
    double.before_deploy = lambda: None
    outcome = site.soon().outcome()
    assert (outcome.decision.reason, outcome.result) == (Reason.UNFINISHED, Result.DONE), outcome.error
    assert one.serves == one.held == two.serves == two.held
    assert len(site.history("shared").orders) == 1


def test_what_somebody_put_there_meanwhile_is_what_is_put_back(site: Site) -> None:
    """After a conflict the place is taken as it is then: a roll-back restores theirs, not what was there before."""
    bundle = site.bundle("one.example.com", "two.example.com", left=20 * DAY)
    one = site.service("one", bundle=bundle, manner=Manner.FALLS)
    two = site.service("two", bundle=bundle)
    site.declare("shared", two, one)
    theirs = site.bundle("one.example.com", "two.example.com", left=25 * DAY)
    double = meddle(site, one, before_deploy=lambda: one.put(theirs))
    assert site.outcome().result is Result.FAILED
    renewed = two.serves
    double.before_deploy = lambda: None
    one.falls_on(renewed)
    outcome = site.soon().outcome()
    assert outcome.result is not Result.DONE
    assert one.held == theirs.chain.fingerprint
    assert two.held == two.serves == renewed, "it was proved there, and is no part of what went wrong"


def test_a_place_that_cannot_be_read_stops_before_anything_is_touched(site: Site) -> None:
    """A target that fails to be read when it is its turn leaves everything as it was."""
    shop = site.cared_for("shop")
    before = shop.serves
    meddle(site, shop, refuses=frozenset({"deploy"}))
    outcome = site.outcome()
    assert (outcome.result, outcome.stage) == (Result.FAILED, Stage.DEPLOY)
    assert "nothing was changed" in outcome.error
    assert shop.serves == shop.held == before


@pytest.mark.parametrize("lie", [Lie.OTHER_ROOT])
def test_a_bundle_that_is_refused_for_good_is_not_asked_for_again_by_its_order(site: Site, lie: Lie) -> None:
    """What was refused for good takes its pending request with it: the next order is a new one."""
    double = site.lying()
    double.lie = lie
    site.cared_for("shop", issuers=("double",))
    outcome = site.outcome()
    assert (outcome.result, outcome.stage) == (Result.FAILED, Stage.VALIDATE)
    assert site.store.pending("shop") is None
