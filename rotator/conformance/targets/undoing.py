"""Cases: what was there is put back, and what goes wrong is told."""

from __future__ import annotations

import pytest

from rotator.conformance.targets.subject import GARBAGE, Bundles, Feature, TargetSubject, shows_key
from rotator.core.model import ProblemKind
from rotator.errors import Conflict, TargetError


class PutsBack:
    """The old one comes back as it was, or nobody's work is touched."""

    def test_target_puts_back_what_was_there(self, subject: TargetSubject, bundles: Bundles) -> None:
        """Chain and key are what they were, byte for byte."""
        subject.put(bundles.old)
        before = subject.read()
        snapshot = subject.build(None).snapshot()
        subject.build(None).deploy(bundles.new, replacing=snapshot.fingerprint)
        subject.build(None).restore(snapshot, replacing=bundles.new.chain.fingerprint)
        assert subject.read() == before

    def test_target_puts_back_twice(self, subject: TargetSubject, bundles: Bundles) -> None:
        """A roll-back that a crash cut off is repeated without harm, and reloads again."""
        subject.put(bundles.old)
        target = subject.build(None)
        snapshot = target.snapshot()
        target.deploy(bundles.new, replacing=snapshot.fingerprint)
        before = subject.reloads()
        for _ in range(2):
            target.restore(snapshot, replacing=bundles.new.chain.fingerprint)
        assert subject.holds(bundles.old)
        if Feature.RELOADS not in subject.unsupported:
            assert subject.reloads() == before + 2

    def test_target_puts_back_what_is_no_certificate(self, subject: TargetSubject, bundles: Bundles) -> None:
        """Unreadable content is put back as it was: judging it is not the target's business."""
        subject.needs(Feature.GARBAGE)
        subject.put(GARBAGE)
        target = subject.build(None)
        snapshot = target.snapshot()
        target.deploy(bundles.new, replacing=None)
        target.restore(snapshot, replacing=bundles.new.chain.fingerprint)
        problem = target.snapshot().observation.problem
        assert problem is not None
        assert problem.kind is ProblemKind.UNREADABLE

    def test_target_leaves_a_place_that_was_empty(self, subject: TargetSubject, bundles: Bundles) -> None:
        """There is nothing to go back to: the new pair stays, and taking it away would be an outage."""
        target = subject.build(None)
        snapshot = target.snapshot()
        target.deploy(bundles.new, replacing=None)
        target.restore(snapshot, replacing=bundles.new.chain.fingerprint)
        assert subject.holds(bundles.new)

    def test_target_puts_nothing_back_over_somebody_elses(self, subject: TargetSubject, bundles: Bundles) -> None:
        """Somebody repaired it by hand meanwhile: a conflict, and theirs stays."""
        subject.put(bundles.old)
        target = subject.build(None)
        snapshot = target.snapshot()
        target.deploy(bundles.new, replacing=snapshot.fingerprint)
        subject.put(bundles.foreign)
        with pytest.raises(Conflict):
            target.restore(snapshot, replacing=bundles.new.chain.fingerprint)
        assert subject.holds(bundles.foreign)


class Fails:
    """A failure is told, and no key with it."""

    def test_target_says_that_its_reload_failed(self, subject: TargetSubject, bundles: Bundles) -> None:
        """An error that is no conflict; what was there can be put back, and the reload is tried again then."""
        subject.needs(Feature.FAILING_RELOAD)
        subject.put(bundles.old)
        target = subject.build(None)
        snapshot = target.snapshot()
        subject.break_reload(True)
        with pytest.raises(TargetError) as failed:
            target.deploy(bundles.new, replacing=snapshot.fingerprint)
        assert not isinstance(failed.value, Conflict)
        subject.break_reload(False)
        target.restore(snapshot, replacing=target.snapshot().fingerprint)
        assert subject.holds(bundles.old)

    def test_target_never_shows_a_key(self, subject: TargetSubject, bundles: Bundles) -> None:
        """Not in the repr of what it returns, not in its log, not in its errors."""
        subject.put(bundles.old)
        target = subject.build(None)
        snapshot = target.snapshot()
        said = [repr(target), repr(snapshot), repr(target.deploy(bundles.new, replacing=snapshot.fingerprint))]
        said.append(repr(target.restore(snapshot, replacing=bundles.new.chain.fingerprint)))
        subject.put(bundles.foreign)
        with pytest.raises(Conflict) as conflict:
            target.deploy(bundles.new, replacing=snapshot.fingerprint)
        said.append(repr(conflict.value))
        if Feature.FAILING_RELOAD not in subject.unsupported:
            subject.break_reload(True)
            with pytest.raises(TargetError) as failed:
                target.deploy(bundles.new, replacing=bundles.foreign.chain.fingerprint)
            said.append(repr(failed.value))
        for bundle in (bundles.old, bundles.new, bundles.foreign):
            assert not any(shows_key(bundle.key, text) for text in said)
