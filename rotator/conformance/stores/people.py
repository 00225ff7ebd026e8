"""Cases: what people ask and approve, and what they are told."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from rotator.conformance.stores.examples import (
    DAY,
    HOUR,
    NAME,
    NOW,
    PLACE,
    bundle,
    decision,
    outcome,
    plan,
    stored,
)
from rotator.core.model import (
    Action,
    Ask,
    Campaign,
    CampaignStatus,
    Member,
    MemberStatus,
    Notice,
    NoticeKind,
    Old,
    Pause,
    Quarantine,
    Result,
    RevocationReason,
    Severity,
    Violation,
)
from rotator.core.reasons import Reason
from rotator.errors import StateError
from rotator.ports import NoticeState, Request, Store


class HearsPeople:
    """Asks, approvals, pauses, requests."""

    def test_store_keeps_an_ask(self, store: Store) -> None:
        """The last ask of a person is part of the history."""
        store.keep_ask(NAME, Ask(NOW))
        last = Ask(NOW + HOUR, force=True, reason="key on a laptop", key_after=NOW)
        store.keep_ask(NAME, last)
        assert store.histories([NAME], NOW)[NAME].ask == last

    def test_store_approves_what_the_plan_holds(self, store: Store) -> None:
        """Approving a certificate approves the reason that the last plan holds it for, and no other certificate's."""
        store.keep_plan(plan(decision(Action.HOLD, Reason.GAP), decision(Action.HOLD, Reason.SURGE, name="search")))
        assert store.approve(NAME, NOW) == (Reason.GAP,)
        found = store.histories([NAME, "search"], NOW)
        assert found[NAME].approvals == {Reason.GAP}
        assert not found["search"].approvals

    def test_store_approves_nothing_where_nothing_is_held(self, store: Store) -> None:
        """A certificate that waits, or that no plan knows, has nothing to approve."""
        store.keep_plan(plan(decision(Action.WAIT, Reason.BUDGET)))
        assert store.approve(NAME, NOW) == ()
        assert store.approve("never seen", NOW) == ()
        assert store.histories([NAME], NOW)[NAME].approvals == frozenset()

    def test_store_approves_all_that_holds_a_new_chain(self, store: Store) -> None:
        """Approving a chain that waits approves everything a person may lift of what its validation found."""
        store.keep_bundle(stored(bundle()))
        found = (
            Violation(Reason.TOO_FEW_SCTS, "one SCT is too few"),
            Violation(Reason.CLIENT_AUTH_LOST, "clients need it"),
            Violation(Reason.NOT_YET_VALID, "in an hour"),
        )
        store.record(outcome(Result.FAILED, violations=found))
        store.keep_plan(plan(decision(Action.HOLD, Reason.APPROVAL)))
        assert set(store.approve(NAME, NOW)) == {Reason.APPROVAL, Reason.TOO_FEW_SCTS, Reason.CLIENT_AUTH_LOST}

    def test_store_lifts_what_is_approved(self, store: Store) -> None:
        """Approving lifts quarantines and the hold by hand; a quarantine of later is held again."""
        harm = Quarantine(PLACE, "aa" * 32, "digest", NOW, None)
        store.quarantine(NAME, harm)
        store.hold_by_hand(NAME, "an older one was put back", NOW)
        assert store.histories([NAME], NOW)[NAME].held_by_hand == "an older one was put back"
        store.keep_plan(plan(decision(Action.HOLD, Reason.QUARANTINED)))
        assert set(store.approve(NAME, NOW)) == {Reason.QUARANTINED, Reason.REPLACED_BY_HAND}
        history = store.histories([NAME], NOW)[NAME]
        assert (history.quarantines, history.held_by_hand) == ((), "")
        assert history.approvals == {Reason.REPLACED_BY_HAND}

    def test_store_approves_a_surge_for_a_day(self, store: Store) -> None:
        """The certificate `*` approves the surge of the fleet, for one day."""
        assert store.approve("*", NOW) == (Reason.SURGE,)
        assert store.fleet(NOW + HOUR).approved_surge_until == NOW + DAY
        assert store.fleet(NOW + DAY).approved_surge_until is None

    def test_store_pauses_by_glob(self, store: Store) -> None:
        """A pause holds every name that its glob matches, an endless one before one that ends, until it is over."""
        short, endless = Pause("fair", NOW, NOW + HOUR), Pause("move", NOW)
        store.pause("shop-*", short)
        store.pause("*-eu", endless)
        found = store.histories(["shop-us", "shop-eu", "mail"], NOW)
        assert [found[name].pause for name in ("shop-us", "shop-eu", "mail")] == [
            replace(short, match="shop-*"),
            replace(endless, match="*-eu"),
            None,
        ]
        assert store.histories(["shop-us"], NOW + HOUR)["shop-us"].pause is None
        assert dict(store.pauses()) == {"*-eu": endless, "shop-*": short}

    def test_store_resumes(self, store: Store) -> None:
        """Resuming ends the pause of that glob, and `*` ends them all."""
        for match in ("shop-*", "mail", "*"):
            store.pause(match, Pause("fair", NOW))
        store.resume("mail", NOW)
        assert set(store.pauses()) == {"shop-*", "*"}
        store.resume("*", NOW)
        assert dict(store.pauses()) == {}

    def test_store_queues_requests(self, store: Store) -> None:
        """Requests come in their order, open ones until they are answered, and all with their answers."""
        first = store.enqueue("rotate", {"name": NAME}, "ada", NOW)
        second = store.enqueue("pause", {"match": "*"}, "bob", NOW)
        assert [one.id for one in store.requests()] == [first, second]
        store.answer(first, "done", NOW + HOUR)
        assert [one.id for one in store.requests()] == [second]
        answered = Request(first, "rotate", {"name": NAME}, NOW, "ada", "done", NOW + HOUR)
        assert store.requests(open_only=False)[0] == answered
        with pytest.raises(StateError):
            store.answer(999, "done", NOW)


class KeepsCampaigns:
    """Campaigns, their members, and what each replaces."""

    def test_store_keeps_a_campaign(self, store: Store) -> None:
        """A campaign comes back with its number and its members in their order, under any number of others."""
        first = store.begin_campaign(_campaign())
        second = store.begin_campaign(_campaign(issuer="", match="shop-*", away=False))
        assert first.id != second.id
        assert store.campaigns() == (first, second)
        assert [member.certificate for member in store.campaigns()[0].members] == ["search", NAME]

    def test_store_keeps_what_becomes_of_members(self, store: Store) -> None:
        """A member is written over; what it replaces is only added to, since another thread says what became of it."""
        begun = store.begin_campaign(_campaign())
        old = Old(bundle().chain.leaf, "letsencrypt")
        member = replace(begun.members[1], status=MemberStatus.ASKED, asked_at=NOW, old=(old,))
        store.keep_members(begun.id, [member])
        gone = replace(old, revoked_at=NOW + HOUR, error="not today", tries=2, retry_at=NOW + DAY)
        store.keep_replaced(begun.id, NAME, gone)
        store.keep_members(begun.id, [replace(member, status=MemberStatus.PROVED)])
        (found,) = store.campaigns()
        assert found.members[1] == replace(member, status=MemberStatus.PROVED, old=(gone,))
        assert found.members[0] == begun.members[0]

    def test_store_knows_which_campaigns_are_open(self, store: Store) -> None:
        """A paused campaign is open, a done one is not; one that leads away from an issuer does so until cancelled."""
        begun = store.begin_campaign(_campaign())
        store.keep_campaign(replace(begun, status=CampaignStatus.PAUSED))
        assert [one.status for one in store.campaigns(open_only=True)] == [CampaignStatus.PAUSED]
        store.keep_campaign(replace(begun, status=CampaignStatus.DONE, ended=NOW + DAY))
        assert store.campaigns(open_only=True) == ()
        assert store.campaigns()[0].ended == NOW + DAY
        assert store.fleet(NOW).avoided == {"letsencrypt"}
        store.keep_campaign(replace(begun, status=CampaignStatus.CANCELLED))
        assert not store.fleet(NOW).avoided
        with pytest.raises(StateError):
            store.keep_campaign(replace(begun, id=999))


def _campaign(*, issuer: str = "letsencrypt", match: str = "", away: bool = True) -> Campaign:
    return Campaign(
        id=0,
        issuer=issuer,
        match=match,
        reason=RevocationReason.KEY_COMPROMISE,
        by="ada@host",
        began=NOW,
        away=away,
        revoke=True,
        deadline=NOW + DAY,
        members=(Member("search", 1, why="paused"), Member(NAME, 2, since=NOW)),
    )


class TellsPeople:
    """Notices, and the drawers of issuers."""

    def test_store_keeps_notices(self, store: Store) -> None:
        """What was told of a notice comes back equal, the last state of each key wins, and a drop forgets it."""
        notice = Notice(
            "late/checkout", NoticeKind.LATE, Severity.WARNING, "late", "…", NOW, "payments", (NAME,), "rotator show"
        )
        store.keep_notice(NoticeState(notice, None, None, 0, {}))
        told = NoticeState(notice, NOW, NOW + HOUR, 2, {"slack": "17.2"}, ("oncall",))
        store.keep_notice(told)
        assert dict(store.notices()) == {"late/checkout": told}
        store.drop_notice("late/checkout")
        assert dict(store.notices()) == {}

    def test_store_keeps_drawers(self, store: Store) -> None:
        """What an issuer keeps comes back as it was, the last value wins, and an empty drawer is None."""
        assert store.get("account") is None
        store.put("account", b"\x00 first")
        store.put("account", b"\xff second")
        assert store.get("account") == b"\xff second"

    def test_store_changes_a_drawer_as_one_step(self, store: Store) -> None:
        """Many at once, and no change of one is lost to another's."""

        def add(number: int) -> bytes:
            return store.change("traces", lambda kept: (kept or b"") + bytes([number]))

        with ThreadPoolExecutor(4) as pool:
            seen = list(pool.map(add, range(40)))
        assert sorted(store.get("traces") or b"") == list(range(40))
        assert max(seen, key=len) == store.get("traces")
