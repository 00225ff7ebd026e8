"""Cases: readers, rehearsals and adoption."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from rotator.conformance.targets.subject import Bundles, Feature, Pair, TargetSubject, described
from rotator.core.model import Location, Observation
from rotator.ports import Rehearses

_BETWEEN_LOOKS = 0.0003  # seconds; a reader that never rests would hold the interpreter most of the time


class NeverShowsHalf:
    """Who reads all the time sees one pair or the other."""

    def test_target_never_shows_half_of_each_pair(self, subject: TargetSubject, bundles: Bundles) -> None:
        """A reader that looks all the time while the pair is swapped again and again sees one pair or the other."""
        subject.needs(Feature.ATOMIC)
        subject.put(bundles.old)
        over = threading.Event()
        seen: set[Pair | None] = set()

        def look() -> None:
            while not over.wait(_BETWEEN_LOOKS):
                seen.add(subject.read())

        with ThreadPoolExecutor(1) as pool:
            reading = pool.submit(look)
            try:
                target = subject.build(None)
                for turn in range(subject.swaps):
                    there, next_one = (bundles.old, bundles.new)[:: 1 if turn % 2 == 0 else -1]
                    target.deploy(next_one, replacing=there.chain.fingerprint)
            finally:
                over.set()
            reading.result()
        assert {described(pair) for pair in seen} == {
            bundles.old.chain.fingerprint,
            bundles.new.chain.fingerprint,
        }


class Rehearsal:
    """What is only tried leaves no trace."""

    def test_target_rehearsal_touches_nothing(self, subject: TargetSubject, bundles: Bundles) -> None:
        """A place that can be written has no objection, full or empty, and is as it was; nobody reloads."""
        for there in (None, bundles.old):
            subject.put(there)
            target = subject.build(None)
            if not isinstance(target, Rehearses):
                pytest.skip("it cannot be tried beforehand")
            before, reloads = subject.read(), subject.reloads()
            checks = target.rehearse()
            assert checks
            assert [check.problem for check in checks if check.problem] == []
            assert subject.read() == before
            assert subject.reloads() == reloads


class Adoption:
    """A place that a source has found becomes a target."""

    def test_target_adopts_only_what_it_can_write(self, subject: TargetSubject) -> None:
        """A place of another kind is none of its business."""
        foreign = Observation(Location("elsewhere", "something else"))
        assert type(subject.build(None)).adopt(foreign, {}) is None

    def test_target_adopts_the_place_that_was_found(self, subject: TargetSubject, bundles: Bundles) -> None:
        """What a source found becomes a target of the very same place."""
        subject.needs(Feature.ADOPTS)
        assert subject.observed is not None
        subject.put(bundles.old)
        target, observation = subject.build(None), subject.observed()
        spec = type(target).adopt(observation, {})
        assert spec is not None
        assert spec.kind == target.kind
        adopted = subject.build(spec)
        assert adopted.location == target.location == observation.location
        adopted.deploy(bundles.new, replacing=bundles.old.chain.fingerprint)
        assert subject.holds(bundles.new)
