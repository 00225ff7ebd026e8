"""Put a bundle into every target of a certificate, each one snapshotted and stored before it is touched."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from types import MappingProxyType

from rotator.core.model import Bundle, Deployed, Facts, Location, ProblemKind, Result, Sighting, Snapshot, Stage
from rotator.errors import Conflict, TargetError
from rotator.ports import Progress, Target
from rotator.steps import Ended
from rotator.world import World


@dataclass(frozen=True, slots=True)
class Placed:
    """What was deployed, with all that is needed to undo it.

    Attributes:
        settle: how long the slowest consumer may take.
        log: what reload commands and APIs said.
        failed: what went wrong, by place; all the others have the new one.
        stuck: places that failed, may hold the new one all the same, and could not be put back.
    """

    progress: Progress
    settle: timedelta
    log: str = ""
    failed: Mapping[Location, str] = field(default_factory=lambda: MappingProxyType({}))
    stuck: tuple[Location, ...] = ()

    @property
    def touched(self) -> bool:
        """Whether any place was written, also one that was put back since."""
        return bool(self.progress.deployed)

    @property
    def problems(self) -> tuple[str, ...]:
        """What went wrong, in words."""
        return tuple(f"{place}: {problem}" for place, problem in self.failed.items())

    @property
    def rest(self) -> str:
        """What holds beside the problems, as the end of a sentence."""
        if any(place not in self.failed for place in self.progress.deployed):
            return "the other places have the new one"
        if self.touched:
            return "what was served before still is"
        return "nothing was changed"


def deploy(bundle: Bundle | None, places: Collection[Location], facts: Facts, world: World) -> Placed:
    """Deploy to the targets at these places; `bundle` None reloads what is there already.

    A place that fails keeps no other one from getting it: it is put back at once, and tried again at a later look.

    Raises:
        Ended: there is nothing to deploy.
    """
    fingerprint = bundle.chain.fingerprint if bundle else _newest(facts)
    progress = _resumed(facts, world, fingerprint)
    settle = timedelta(0)
    log: list[str] = []
    failed: dict[Location, str] = {}
    stuck: list[Location] = []
    for target in _targets_at(_within_reach(places, facts), progress, facts, world):
        settle = max(settle, target.settle)
        try:
            progress = _snapshotted(target, progress, facts, world)
            done = _put(target, bundle, progress.snapshots[target.location], fingerprint)
        except Conflict as conflict:
            failed[target.location] = str(conflict)
        except TargetError as error:
            progress, problem = _put_back(target, progress, world)
            failed[target.location] = f"{error}{problem}"
            stuck += [target.location] if problem else []
        else:
            progress = _deployed(progress, target.location, world)
            log += [done.log] if done.log else []
    return Placed(progress, settle, "\n".join(log), MappingProxyType(failed), tuple(stuck))


def _within_reach(places: Collection[Location], facts: Facts) -> Collection[Location]:
    """A place that could not be looked at gets it when it is back and differs; where none could, all are tried."""
    unseen = {o.location for o in facts.installed.values() if o.problem and o.problem.kind is ProblemKind.UNSEEN}
    return [place for place in places if place not in unseen] or places


def _targets_at(places: Collection[Location], progress: Progress, facts: Facts, world: World) -> Iterator[Target]:
    """The targets at these places, and those that an interrupted rotation of the same bundle may have written.

    A place with a snapshot may have been written just before a crash: it belongs to what is proved, or put back.
    """
    begun = set(progress.snapshots) - set(progress.deployed)
    for spec in facts.spec.targets:
        target = world.target(facts.spec.name, spec)
        if target.location in places or target.location in begun:
            yield target


def _newest(facts: Facts) -> str:
    if facts.newest is None:
        raise Ended(Result.FAILED, Stage.DEPLOY, "there is no certificate to deploy")
    return facts.newest.fingerprint


def _resumed(facts: Facts, world: World, fingerprint: str) -> Progress:
    """The progress of an interrupted rotation of this very bundle, else a new one with what is served now.

    One that was not interrupted but left a place behind has no `before`: what that was is long past.
    """
    progress = world.store.progress(facts.spec.name)
    before: tuple[Sighting, ...] = tuple(s for sightings in facts.served.values() for s in sightings)
    if progress is not None and progress.fingerprint == fingerprint:
        return progress if progress.before else replace(progress, before=before)
    return Progress(facts.spec.name, fingerprint, world.clock.now(), MappingProxyType({}), (), before)


def _snapshotted(target: Target, progress: Progress, facts: Facts, world: World) -> Progress:
    """The progress with a snapshot of this place: the one of an interrupted rotation, as long as it still says what
    is to be put back. Where somebody else has written since, it is theirs."""
    location, snapshot = target.location, target.snapshot()
    kept = progress.snapshots.get(location)
    if kept is not None and snapshot.fingerprint in {kept.fingerprint, progress.fingerprint}:
        return progress
    seen = facts.installed.get(location)
    was = seen.chain.fingerprint if seen and seen.chain else None
    if snapshot.fingerprint != was:
        raise Conflict("it changed while the rotation was being prepared; it is looked at again")
    progress = replace(
        progress,
        snapshots=MappingProxyType({**progress.snapshots, location: snapshot}),
        deployed=tuple(place for place in progress.deployed if place != location),
    )
    world.store.keep_progress(progress)
    return progress


def _put(target: Target, bundle: Bundle | None, snapshot: Snapshot, fingerprint: str) -> Deployed:
    if bundle is not None:
        return target.deploy(bundle, replacing=snapshot.fingerprint)
    if snapshot.fingerprint != fingerprint:
        raise TargetError(
            "it holds another certificate than the current one, whose private key rotator does not have; "
            "renew it with `rotator rotate --force`"
        )
    # Its own content, written and reloaded again: what is stored is right, only its consumer is behind.
    return target.restore(snapshot, replacing=fingerprint)


def _put_back(target: Target, progress: Progress, world: World) -> tuple[Progress, str]:
    """Put a place that failed back as it was, and say why it could not be.

    One that may have been written counts as such: if its endpoints show harm, it is part of what is undone. Never back
    to something that has ended.
    """
    snapshot = progress.snapshots.get(target.location)
    if snapshot is None or not _may_hold(target, progress.fingerprint):
        return progress, ""
    progress = _deployed(progress, target.location, world)
    if snapshot.fingerprint == progress.fingerprint:
        return progress, ""
    if snapshot.chain is None or snapshot.chain.not_after <= world.clock.now():
        return progress, "; the new one was left there, since there is nothing good to go back to"
    try:
        target.restore(snapshot, replacing=progress.fingerprint)
    except TargetError as error:
        return progress, "" if holds(target, snapshot.fingerprint) else f"; and it could not be put back: {error}"
    return progress, ""


def _may_hold(target: Target, fingerprint: str) -> bool:
    """Whether a place that failed to deploy may hold the new one all the same (its reload failed, say)."""
    try:
        return target.snapshot().fingerprint == fingerprint
    except TargetError:
        return True


def holds(target: Target, fingerprint: str | None) -> bool:
    """Whether a place can be seen to hold this now; None: no certificate."""
    try:
        return target.snapshot().fingerprint == fingerprint
    except TargetError:
        return False


def _deployed(progress: Progress, location: Location, world: World) -> Progress:
    if location in progress.deployed or location not in progress.snapshots:
        return progress
    progress = replace(progress, deployed=(*progress.deployed, location))
    world.store.keep_progress(progress)
    return progress
