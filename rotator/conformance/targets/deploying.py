"""Cases: what is at a place, and what takes its place."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from rotator.conformance.targets.subject import GARBAGE, Bundles, Feature, TargetSubject
from rotator.core.model import Bundle, Deployed, ProblemKind
from rotator.errors import Conflict


class Looks:
    """A target says what is there, and changes nothing by that."""

    def test_target_names_its_place(self, subject: TargetSubject) -> None:
        """The place is the same for every process that looks, and consumers get a time that is no debt."""
        one, other = subject.build(None), subject.build(None)
        assert one.location == other.location
        assert one.location.system
        assert one.location.address
        assert one.settle >= timedelta(0)

    def test_target_sees_an_empty_place(self, subject: TargetSubject) -> None:
        """Neither a chain nor a problem: nothing is there."""
        target = subject.build(None)
        snapshot = target.snapshot()
        assert (snapshot.chain, snapshot.observation.problem, snapshot.fingerprint) == (None, None, None)
        assert snapshot.observation.location == target.location

    def test_target_sees_what_is_there(self, subject: TargetSubject, bundles: Bundles) -> None:
        """The whole chain, leaf first."""
        subject.put(bundles.old)
        snapshot = subject.build(None).snapshot()
        assert snapshot.chain == bundles.old.chain
        assert snapshot.observation.problem is None

    def test_target_tells_whether_the_key_belongs_to_it(self, subject: TargetSubject, bundles: Bundles) -> None:
        """A matching pair and a mismatched one are told apart."""
        subject.needs(Feature.KEY_FACTS)
        for bundle, matches in (
            (bundles.old, True),
            (Bundle(bundles.old.chain, bundles.foreign.key), False),
        ):
            subject.put(bundle)
            key = subject.build(None).snapshot().observation.key
            assert key is not None
            assert key.matches is matches

    def test_target_says_what_is_no_certificate(self, subject: TargetSubject) -> None:
        """Content that is no certificate is a problem, not an error and not an empty place."""
        subject.needs(Feature.GARBAGE)
        subject.put(GARBAGE)
        snapshot = subject.build(None).snapshot()
        assert snapshot.chain is None
        assert snapshot.observation.problem is not None
        assert snapshot.observation.problem.kind is ProblemKind.UNREADABLE

    def test_target_changes_nothing_by_looking(self, subject: TargetSubject, bundles: Bundles) -> None:
        """Looking twice shows the same, leaves the pair alone and tells nobody to reload."""
        subject.put(bundles.old)
        before = subject.read()
        assert subject.build(None).snapshot() == subject.build(None).snapshot()
        assert subject.read() == before
        assert subject.reloads() == 0


class Deploys:
    """What was seen is replaced, and nothing else."""

    def test_target_fills_an_empty_place(self, subject: TargetSubject, bundles: Bundles) -> None:
        """Seen empty, then filled."""
        target = subject.build(None)
        deployed = target.deploy(bundles.new, replacing=None)
        assert subject.holds(bundles.new)
        assert deployed.location == target.location
        assert target.snapshot().fingerprint == bundles.new.chain.fingerprint

    def test_target_replaces_what_was_seen(self, subject: TargetSubject, bundles: Bundles) -> None:
        """The pair that was seen there is replaced as a whole."""
        subject.put(bundles.old)
        subject.build(None).deploy(bundles.new, replacing=bundles.old.chain.fingerprint)
        assert subject.holds(bundles.new)

    def test_target_replaces_what_is_no_certificate(self, subject: TargetSubject, bundles: Bundles) -> None:
        """A place that was seen unreadable has no fingerprint, and may be filled."""
        subject.needs(Feature.GARBAGE)
        subject.put(GARBAGE)
        subject.build(None).deploy(bundles.new, replacing=None)
        assert subject.holds(bundles.new)

    def test_target_mends_a_mismatched_pair(self, subject: TargetSubject, bundles: Bundles) -> None:
        """The right certificate with another key is not the bundle: it is written, whole."""
        subject.needs(Feature.KEY_FACTS)
        subject.put(Bundle(bundles.new.chain, bundles.foreign.key))
        subject.build(None).deploy(bundles.new, replacing=bundles.new.chain.fingerprint)
        assert subject.holds(bundles.new)

    @pytest.mark.parametrize("seen", ["old", "nothing"])
    def test_target_refuses_to_replace_what_it_did_not_see(
        self, subject: TargetSubject, bundles: Bundles, seen: str
    ) -> None:
        """Somebody else's certificate is there: a conflict, and nothing is written or reloaded."""
        subject.put(bundles.foreign)
        with pytest.raises(Conflict):
            subject.build(None).deploy(bundles.new, replacing=bundles.old.chain.fingerprint if seen == "old" else None)
        assert subject.holds(bundles.foreign)
        assert subject.reloads() == 0

    def test_target_refuses_to_fill_what_was_emptied(self, subject: TargetSubject, bundles: Bundles) -> None:
        """Something was seen and is gone: somebody took it away, so nothing is put there."""
        with pytest.raises(Conflict):
            subject.build(None).deploy(bundles.new, replacing=bundles.old.chain.fingerprint)
        assert subject.read() is None

    def test_target_takes_its_own_bundle_for_no_conflict(self, subject: TargetSubject, bundles: Bundles) -> None:
        """After a crash the same deploy is repeated: the place holds this very bundle, and that is well."""
        subject.put(bundles.new)
        subject.build(None).deploy(bundles.new, replacing=bundles.old.chain.fingerprint)
        assert subject.holds(bundles.new)

    def test_target_reloads_each_time(self, subject: TargetSubject, bundles: Bundles) -> None:
        """Deploying what is there already changes nothing, and tells consumers again: they may not have heard."""
        subject.needs(Feature.RELOADS)
        target = subject.build(None)
        target.deploy(bundles.new, replacing=None)
        target.deploy(bundles.new, replacing=None)
        assert subject.reloads() == 2
        assert subject.holds(bundles.new)

    def test_target_lets_one_of_two_win(self, subject: TargetSubject, bundles: Bundles) -> None:
        """Two who saw the same and write at once: one of them gets the conflict, and the pair is whole."""
        subject.put(bundles.old)
        both = threading.Barrier(2)

        def deploy(bundle: Bundle) -> Deployed | Conflict:
            target = subject.build(None)
            both.wait()
            try:
                return target.deploy(bundle, replacing=bundles.old.chain.fingerprint)
            except Conflict as conflict:
                return conflict

        with ThreadPoolExecutor(2) as pool:
            results = list(pool.map(deploy, (bundles.new, bundles.foreign)))
        assert [isinstance(result, Conflict) for result in results].count(True) == 1
        assert subject.holds(bundles.foreign if isinstance(results[0], Conflict) else bundles.new)
