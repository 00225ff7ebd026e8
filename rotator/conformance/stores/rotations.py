"""Cases: deploying, harm, outcomes, and the plan."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rotator.conformance.stores.examples import (
    DAY,
    HOUR,
    NAME,
    NOW,
    OTHER_PLACE,
    PLACE,
    accept,
    bundle,
    decision,
    outcome,
    pending,
    plan,
    progress,
)
from rotator.core.model import Action, Ask, Quarantine, Result, Violation
from rotator.core.reasons import Reason
from rotator.ports import AuditEntry, Store


class KeepsDeployments:
    """Progress, its snapshots, and quarantines."""

    def test_store_keeps_progress(self, store: Store) -> None:
        """Snapshots, what was written in which order, and what was served before come back as they were."""
        made = bundle()
        store.keep_progress(progress(made))
        current = progress(made, deployed=(OTHER_PLACE, PLACE))
        store.keep_progress(current)
        assert store.progress(NAME) == current
        assert store.progress("search") is None
        store.end_progress(NAME)
        assert store.progress(NAME) is None

    def test_store_names_roll_backs_that_were_cut_off(self, store: Store) -> None:
        """Only a rotation that is being undone is named, and only until it has ended."""
        store.keep_progress(progress(bundle()))
        assert store.undoing() == ()
        store.keep_progress(progress(bundle(), undoing=True))
        assert store.undoing() == (NAME,)
        store.end_progress(NAME)
        assert store.undoing() == ()

    def test_store_begins_a_roll_back_at_once(self, store: Store) -> None:
        """That it is being undone and what it quarantines are written together, so that no crash comes between."""
        made = progress(bundle(), deployed=(PLACE,), undoing=True)
        harm = Quarantine(PLACE, made.fingerprint, "digest", NOW, NOW + DAY)
        store.keep_progress(made, [harm])
        assert store.undoing() == (NAME,)
        assert store.histories([NAME], NOW)[NAME].quarantines == (harm,)
        with pytest.raises(ValueError, match="without a snapshot"):
            store.keep_progress(replace(made, certificate="search", snapshots={}), [harm])
        assert store.histories(["search"], NOW)["search"].quarantines == ()

    def test_store_knows_an_unfinished_deployment(self, store: Store) -> None:
        """While the accepted bundle is being deployed again, the history says that it is unfinished."""
        made = bundle()
        accept(store, made)
        store.record(outcome(after=made.chain))
        store.keep_progress(progress(made))
        assert store.histories([NAME], NOW)[NAME].unfinished
        store.end_progress(NAME)
        assert not store.histories([NAME], NOW)[NAME].unfinished

    def test_store_keeps_quarantines_in_force(self, store: Store) -> None:
        """A quarantine counts until it ends, one without an end until it is lifted."""
        ends = Quarantine(PLACE, "aa" * 32, "digest", NOW, NOW + DAY)
        stays = Quarantine(OTHER_PLACE, "aa" * 32, "digest", NOW + HOUR, None, by_hand=True)
        store.quarantine(NAME, ends)
        store.quarantine(NAME, stays)
        assert store.histories([NAME], NOW + HOUR)[NAME].quarantines == (ends, stays)
        assert store.histories([NAME], NOW + DAY)[NAME].quarantines == (stays,)
        store.lift_quarantine(NAME)
        assert store.histories([NAME], NOW)[NAME].quarantines == ()


class RecordsOutcomes:
    """Outcomes, the audit, and what a success ends."""

    def test_store_records_an_outcome(self, store: Store) -> None:
        """An outcome comes back equal, is an attempt of the history and has a row in the audit."""
        found = (Violation(Reason.TOO_FEW_SCTS, "one SCT is too few"),)
        ended = outcome(Result.FAILED, after=bundle().chain, violations=found)
        store.record(ended)
        assert store.outcomes(NAME) == (ended,)
        (attempt,) = store.histories([NAME], NOW)[NAME].attempts
        assert (attempt.at, attempt.result, attempt.violations) == (NOW, Result.FAILED, found)
        (entry,) = store.audited(subject=NAME)
        assert (entry.at, entry.event) == (NOW, "renew-failed")

    def test_store_lists_outcomes_newest_first(self, store: Store) -> None:
        """Outcomes may be had of one certificate or of all, since a moment, and so many."""
        early, late = outcome(at=NOW - DAY), outcome(at=NOW)
        other = outcome(what=decision(name="search"), at=NOW - HOUR)
        for ended in (early, other, late):
            store.record(ended)
        assert store.outcomes() == (late, other, early)
        assert store.outcomes(limit=1) == (late,)
        assert store.outcomes(NAME, since=NOW - DAY) == (late, early)
        assert store.outcomes(since=NOW - HOUR) == (late, other)

    def test_store_bounds_the_attempts_of_a_history(self, store: Store) -> None:
        """A history has the attempts of thirty days, newest last; the fleet's has the outcomes of one, newest last."""
        for age in (40 * DAY, 2 * DAY, HOUR):
            store.record(outcome(at=NOW - age))
        assert [one.at for one in store.histories([NAME], NOW)[NAME].attempts] == [NOW - 2 * DAY, NOW - HOUR]
        assert [one.finished for one in store.fleet(NOW).outcomes] == [NOW - HOUR]

    def test_store_counts_redeploys(self, store: Store) -> None:
        """A redeploy counts at each place it wrote; finishing an accepted bundle, or renewing, is none."""
        made = bundle()
        accept(store, made)
        redeploy = decision(Action.REDEPLOY, Reason.UNFINISHED)
        store.keep_progress(progress(made, deployed=(PLACE,)))
        store.record(outcome(what=redeploy, after=made.chain, at=NOW))
        assert dict(store.histories([NAME], NOW)[NAME].redeploys) == {}
        drift = decision(Action.REDEPLOY, Reason.DIFFERS)
        store.record(outcome(what=drift, after=made.chain, at=NOW + HOUR))
        store.end_progress(NAME)
        store.record(outcome(after=made.chain, at=NOW + DAY))
        assert dict(store.histories([NAME], NOW + DAY)[NAME].redeploys) == {PLACE: (NOW + HOUR,)}

    def test_store_ends_what_a_success_has_answered(self, store: Store) -> None:
        """A renewal that succeeded ends ask, approvals and pending request; one that failed ends nothing."""
        store.keep_plan(plan(decision(Action.HOLD, Reason.SURGE)))
        store.keep_ask(NAME, Ask(NOW, force=True, reason="key on a laptop"))
        store.approve(NAME, NOW)
        store.keep_pending(pending(bundle()))
        store.record(outcome(Result.FAILED))
        held = store.histories([NAME], NOW)[NAME]
        assert held.approvals == {Reason.SURGE}
        assert held.ask is not None
        assert store.pending(NAME) is not None
        store.record(outcome(Result.UNPROVED))
        ended = store.histories([NAME], NOW)[NAME]
        assert (ended.ask, ended.approvals, store.pending(NAME)) == (None, frozenset(), None)

    def test_store_keeps_what_a_redeploy_has_not_answered(self, store: Store) -> None:
        """Repairing drift ends neither a forced renewal that was asked for, nor an order that is under way."""
        made = bundle()
        accept(store, made)
        store.record(outcome(after=made.chain))
        store.keep_ask(NAME, Ask(NOW, force=True))
        store.keep_pending(pending(bundle()))
        store.record(outcome(what=decision(Action.REDEPLOY, Reason.DIFFERS), after=made.chain))
        assert store.histories([NAME], NOW)[NAME].ask is not None
        assert store.pending(NAME) is not None

    def test_store_drops_the_request_that_a_finished_bundle_came_of(self, store: Store) -> None:
        """After a crash between keeping a bundle and dropping its request, finishing it drops the request too."""
        made = bundle()
        store.keep_pending(pending(made))
        accept(store, made)
        store.record(outcome(what=decision(Action.REDEPLOY, Reason.UNFINISHED), after=made.chain))
        assert store.pending(NAME) is None

    def test_store_audits(self, store: Store) -> None:
        """Entries come back newest first, of one subject or of all, and so many."""
        store.audit("pause", NAME, "for the fair", NOW)
        store.audit("resume", "search", "", NOW + HOUR)
        first = AuditEntry(NOW, "pause", NAME, "for the fair")
        second = AuditEntry(NOW + HOUR, "resume", "search", "")
        assert store.audited() == (second, first)
        assert store.audited(limit=1) == (second,)
        assert store.audited(subject=NAME) == (first,)

    def test_store_forgets_old_outcomes_but_no_audit(self, store: Store) -> None:
        """Outcomes are kept for four hundred days, the audit for ever."""
        store.record(outcome(at=NOW - 401 * DAY))
        store.record(outcome(at=NOW - 399 * DAY))
        store.purge(NOW, keep_superseded=DAY, keep_keys=True)
        assert [one.finished for one in store.outcomes()] == [NOW - 399 * DAY]
        assert len(store.audited()) == 2


class KeepsPlans:
    """The last plan, what it foresaw, and the last look."""

    def test_store_is_empty_until_a_plan_is_kept(self, store: Store) -> None:
        """Only a plan ends the first look; what was adopted or audited before does not."""
        store.audit("start", "", "", NOW)
        assert store.is_empty()
        assert store.plan() is None
        store.keep_plan(plan())
        assert not store.is_empty()

    def test_store_keeps_the_last_plan(self, store: Store) -> None:
        """The last plan comes back equal and in its order."""
        store.keep_plan(plan(decision(name="search"), decision()))
        last = plan(decision(), decision(Action.HOLD, Reason.SURGE, name="mail"), at=NOW + HOUR)
        store.keep_plan(last)
        assert store.plan() == last

    def test_store_remembers_when_its_ledger_began(self, store: Store) -> None:
        """From the first plan on, whatever is planned later: what was ordered before it, nobody can tell."""
        assert store.histories([NAME], NOW)[NAME].ledger_since is None
        store.keep_plan(plan(first=True))
        store.keep_plan(plan(at=NOW + HOUR))
        assert store.histories([NAME], NOW + HOUR)[NAME].ledger_since == NOW

    def test_store_keeps_the_last_look(self, store: Store) -> None:
        """The summary of the last look comes back with its moment."""
        assert store.look() is None
        store.keep_look('{"counts": {}}', NOW)
        store.keep_look('{"counts": {"ok": 3}}', NOW + HOUR)
        assert store.look() == ('{"counts": {"ok": 3}}', NOW + HOUR)

    def test_store_remembers_what_a_plan_foresaw(self, store: Store) -> None:
        """The newest moment that a plan named for a renewal stays remembered while it waits, until it has succeeded."""
        due, moved, end = NOW + 30 * DAY, NOW + 28 * DAY, NOW + 60 * DAY
        store.keep_plan(plan(decision(Action.KEEP, at=due, ends=end)))
        assert store.histories([NAME], NOW)[NAME].foreseen_at == due
        store.keep_plan(plan(decision(Action.KEEP, at=moved, ends=end), at=NOW + HOUR))
        store.keep_plan(plan(decision(Action.WAIT, Reason.BUDGET, at=due, ends=end), at=moved))
        assert store.histories([NAME], NOW)[NAME].foreseen_at == moved
        store.record(outcome(Result.FAILED, at=moved))
        assert store.histories([NAME], NOW)[NAME].foreseen_at == moved
        store.record(outcome(at=due))
        assert store.histories([NAME], NOW)[NAME].foreseen_at is None

    @pytest.mark.parametrize("reason", [Reason.SECOND_LOOK, Reason.SURGE, Reason.OUTSIDE_WINDOW])
    def test_store_does_not_foresee_what_was_seen_when_due(self, store: Store, reason: Reason) -> None:
        """A renewal that no plan named before it fell due is not foreseen by being seen once or held back."""
        store.keep_plan(plan(decision(Action.WAIT, reason, at=NOW + HOUR, ends=NOW + 60 * DAY)))
        assert store.histories([NAME], NOW)[NAME].foreseen_at is None

    def test_store_foresees_what_the_first_look_found(self, store: Store) -> None:
        """What the very first look found due is foreseen from then on: people were told of all of it."""
        found = decision(Action.WAIT, Reason.FIRST_LOOK, at=NOW + HOUR, ends=NOW + 5 * DAY)
        store.keep_plan(plan(found, first=True))
        assert store.histories([NAME], NOW)[NAME].foreseen_at == NOW
