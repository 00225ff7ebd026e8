"""What every source must do, whoever wrote it: subclass `SourceConformance` and give it a source.

    class TestMySource(SourceConformance):
        @pytest.fixture(params=["my_source"])
        def subject(self) -> SourceSubject:
            return SourceSubject(build=…, put=…, spoil=…, remove=…)

The parameter of the fixture is what the ids of the cases end with.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from functools import cache

import pytest

from rotator.conformance.bundles import make_bundle
from rotator.core.model import Bundle, Observation
from rotator.errors import SourceError
from rotator.ports import Source


class Feature(StrEnum):
    """What some sources cannot do."""

    CLOSED = "closed"  # a part of the place can be closed to it
    REMOVAL = "removal"  # an item can go while the source goes on


@dataclass(frozen=True, slots=True)
class SourceSubject:
    """A place under test with room for items, and how to change it behind the source's back.

    Attributes:
        build: the source as it would be built for what is there now.
        put: adds or replaces an item of that name.
        spoil: makes the item of that name unreadable.
        remove: takes the item of that name away.
        close: makes a part of the place impossible to look at, without any item of these tests in it.
        state: all that a look could change, to compare.
    """

    build: Callable[[], Source]
    put: Callable[[str, Bundle], None]
    spoil: Callable[[str], None]
    remove: Callable[[str], None] = lambda name: None
    close: Callable[[], None] = lambda: None
    state: Callable[[], object] = lambda: None
    unsupported: frozenset[Feature] = frozenset()

    def needs(self, feature: Feature) -> None:
        if feature in self.unsupported:
            pytest.skip(f"declared unsupported: {feature}")


@cache
def _made() -> tuple[Bundle, Bundle]:
    return make_bundle("one.conformance.example.com"), make_bundle("two.conformance.example.com")


def _fingerprints(observations: list[Observation]) -> set[str]:
    return {observation.chain.fingerprint for observation in observations if observation.chain}


class SourceConformance:
    """The cases; the subclass gives the fixture `subject`."""

    @pytest.fixture
    def subject(self) -> SourceSubject:
        """The place under test, empty."""
        pytest.fail("override the fixture `subject`: it is what the cases are run on", pytrace=False)

    @pytest.fixture
    def bundles(self) -> tuple[Bundle, Bundle]:
        """The same for every case."""
        return _made()

    def test_source_sees_every_item(self, subject: SourceSubject, bundles: tuple[Bundle, Bundle]) -> None:
        """Whole chains, each at a place of its own."""
        for name, bundle in zip(("one", "two"), bundles, strict=True):
            subject.put(name, bundle)
        found = list(subject.build().observe())
        assert {o.chain for o in found if o.problem is None} == {bundle.chain for bundle in bundles}
        assert len({observation.location for observation in found}) == len(found)

    def test_source_sees_the_same_twice(self, subject: SourceSubject, bundles: tuple[Bundle, Bundle]) -> None:
        """A place keeps its name, and a look changes nothing."""
        subject.put("one", bundles[0])
        before = subject.state()
        first, second = list(subject.build().observe()), list(subject.build().observe())
        assert sorted(first, key=lambda o: o.location) == sorted(second, key=lambda o: o.location)
        assert subject.state() == before

    def test_source_tells_of_an_item_that_it_cannot_read(
        self, subject: SourceSubject, bundles: tuple[Bundle, Bundle]
    ) -> None:
        """It is an observation with a problem in one sentence, and hides nothing else."""
        subject.put("one", bundles[0])
        subject.put("two", bundles[1])
        subject.spoil("two")
        found = list(subject.build().observe())
        assert _fingerprints(found) == {bundles[0].chain.fingerprint}
        (spoiled,) = [observation for observation in found if observation.problem]
        assert spoiled.chain is None
        assert spoiled.problem is not None
        assert spoiled.problem.message
        assert "\n" not in spoiled.problem.message

    def test_source_raises_for_what_it_could_not_look_at(
        self, subject: SourceSubject, bundles: tuple[Bundle, Bundle]
    ) -> None:
        """A look that is not complete ends in an error, after all that could be seen was told."""
        subject.needs(Feature.CLOSED)
        subject.put("one", bundles[0])
        subject.close()
        source, found = subject.build(), []
        with pytest.raises(SourceError) as failed:
            for observation in source.observe():
                found.append(observation)
        assert _fingerprints(found) == {bundles[0].chain.fingerprint}
        assert source.name in str(failed.value)

    def test_source_misses_nothing_that_is_gone(self, subject: SourceSubject, bundles: tuple[Bundle, Bundle]) -> None:
        """An item that went away is not seen, and that is a complete look: only so may its certificate be retired."""
        subject.needs(Feature.REMOVAL)
        subject.put("one", bundles[0])
        subject.put("two", bundles[1])
        subject.remove("two")
        assert _fingerprints(list(subject.build().observe())) == {bundles[0].chain.fingerprint}

    def test_source_never_shows_a_key(self, subject: SourceSubject, bundles: tuple[Bundle, Bundle]) -> None:
        """Whatever lies beside a certificate, an observation has only the public part's digest."""
        subject.put("one", bundles[0])
        secret = b"".join(bundles[0].key.splitlines()[1:-1]).decode()
        for observation in subject.build().observe():
            assert secret[:40] not in repr(observation)
