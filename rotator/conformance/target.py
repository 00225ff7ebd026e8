"""What every target must do, whoever wrote it: subclass `TargetConformance` and give it a target.

    class TestMyTarget(TargetConformance):
        @pytest.fixture(params=["my_target"])
        def subject(self) -> TargetSubject:
            return TargetSubject(build=…, put=…, read=…)

The parameter of the fixture is what the ids of the cases end with. What a target cannot do is declared and skipped,
never silently passed over; everything else must pass.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from functools import cache

import pytest

from rotator.conformance.bundles import make_bundle
from rotator.core.model import Bundle, Deployed, Location, Observation, ProblemKind, TargetSpec
from rotator.core.pem import PemError, key_matches, read_chain, read_key
from rotator.errors import Conflict, TargetError
from rotator.ports import Rehearses, Target

_BETWEEN_LOOKS = 0.0003  # seconds; a reader that never rests would hold the interpreter most of the time
GARBAGE = b"<html><body>502 Bad Gateway</body></html>\n"


class Feature(StrEnum):
    """What some targets cannot do."""

    GARBAGE = "garbage"  # the place can hold what is no certificate
    KEY_FACTS = "key-facts"  # a snapshot tells whether the key belongs to the certificate
    RELOADS = "reloads"  # consumers are told, and that can be counted
    FAILING_RELOAD = "failing-reload"  # telling them can fail
    ATOMIC = "atomic"  # a reader sees one pair at every instant
    ADOPTS = "adopts"  # a source finds such places


Pair = tuple[bytes, bytes]
"""The texts of chain and key."""


@dataclass(frozen=True, slots=True)
class TargetSubject:
    """A place under test, and how to look behind the target's back.

    Attributes:
        build: the target, built anew as another process would; with a spec, the target of that.
        put: somebody else's hand: a bundle, something that is no certificate, or None for an empty place.
        read: the pair as consumers read it now; None for an empty place.
        reloads: how often consumers were told so far.
        break_reload: has telling them fail from now on, or work again.
        observed: what a source says of the place.
        swaps: how often a reader races a writer.
    """

    build: Callable[[TargetSpec | None], Target]
    put: Callable[[Bundle | bytes | None], None]
    read: Callable[[], Pair | None]
    reloads: Callable[[], int] = lambda: 0
    break_reload: Callable[[bool], None] = lambda broken: None
    observed: Callable[[], Observation] | None = None
    unsupported: frozenset[Feature] = frozenset()
    swaps: int = 1000

    def needs(self, feature: Feature) -> None:
        if feature in self.unsupported:
            pytest.skip(f"declared unsupported: {feature}")

    def holds(self, bundle: Bundle) -> bool:
        """Whether consumers read exactly this bundle."""
        pair = self.read()
        return pair is not None and read_chain(pair[0]) == bundle.chain and key_matches(bundle.chain, read_key(pair[1]))


@dataclass(frozen=True, slots=True)
class Bundles:
    """Three bundles: the one that was there, the new one, and somebody else's."""

    old: Bundle
    new: Bundle
    foreign: Bundle


@cache
def _made() -> Bundles:
    return Bundles(*(make_bundle(f"{name}.conformance.example.com") for name in ("old", "new", "foreign")))


def _shows(key: bytes, text: str) -> bool:
    """Whether a text has a line of the key in it, however it was written."""
    lines = [line for line in key.decode().splitlines() if line and not line.startswith("-")]
    return any(line in text for line in lines)


class TargetConformance:
    """The cases; the subclass gives the fixture `subject`."""

    @pytest.fixture
    def subject(self) -> TargetSubject:
        """The place under test, empty."""
        pytest.fail("override the fixture `subject`: it is what the cases are run on", pytrace=False)

    @pytest.fixture
    def bundles(self) -> Bundles:
        """The same for every case."""
        return _made()

    # ------------------------------------------------------------ looking

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

    # ------------------------------------------------------------ deploying

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

    # ------------------------------------------------------------ putting back

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

    # ------------------------------------------------------------ failing

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
            assert not any(_shows(bundle.key, text) for text in said)

    # ------------------------------------------------------------ readers

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
        assert {_described(pair) for pair in seen} == {
            bundles.old.chain.fingerprint,
            bundles.new.chain.fingerprint,
        }

    # ------------------------------------------------------------ rehearsing

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

    # ------------------------------------------------------------ adopting

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


def _described(pair: Pair | None) -> str:
    """The fingerprint of a pair that a reader saw, or what is wrong with it."""
    if pair is None:
        return "nothing"
    try:
        chain, key = read_chain(pair[0]), read_key(pair[1])
    except PemError as error:
        return f"unreadable: {error}"
    return chain.fingerprint if key_matches(chain, key) else "half of each"
