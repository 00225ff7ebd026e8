"""Put a bundle into every target of a certificate, each one snapshotted and stored before it is touched."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from types import MappingProxyType

from rotator.core.model import Bundle, Deployed, Facts, Location, Result, Sighting, Snapshot, Stage
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
        failed: why a target could not be written or reloaded; empty when all were.
    """

    progress: Progress
    settle: timedelta
    log: str = ""
    failed: str = ""


def deploy(bundle: Bundle | None, places: Collection[Location], facts: Facts, world: World) -> Placed:
    """Deploy to the targets at these places; `bundle` None reloads what is there already.

    Raises:
        Ended: a place changed under our hands, or nothing could be written; what was there stands.
    """
    fingerprint = bundle.chain.fingerprint if bundle else _newest(facts)
    progress = _resumed(facts, world, fingerprint)
    settle = timedelta(0)
    log: list[str] = []
    for target in _targets_at(places, progress, facts, world):
        settle = max(settle, target.settle)
        try:
            progress = _snapshotted(target, progress, facts, world)
            done = _put(target, bundle, progress.snapshots[target.location], fingerprint)
        except Conflict as conflict:
            raise Ended(Result.FAILED, Stage.DEPLOY, f"{target.location}: {conflict}") from conflict
        except TargetError as error:
            if _may_hold(target, fingerprint):
                progress = _deployed(progress, target.location, world)
            return Placed(progress, settle, "\n".join(log), failed=f"{target.location}: {error}")
        progress = _deployed(progress, target.location, world)
        log += [done.log] if done.log else []
    return Placed(progress, settle, "\n".join(log))


def _targets_at(places: Collection[Location], progress: Progress, facts: Facts, world: World) -> Iterator[Target]:
    """The targets at these places, and those that an interrupted rotation of the same bundle had begun with.

    A place with a snapshot may have been written just before a crash: it belongs to what is proved, or put back.
    """
    for spec in facts.spec.targets:
        target = world.target(facts.spec.name, spec)
        if target.location in places or target.location in progress.snapshots:
            yield target


def _newest(facts: Facts) -> str:
    if facts.newest is None:
        raise Ended(Result.FAILED, Stage.DEPLOY, "there is no certificate to deploy")
    return facts.newest.fingerprint


def _resumed(facts: Facts, world: World, fingerprint: str) -> Progress:
    """The progress of an interrupted rotation of this very bundle, else a new one with what is served now."""
    progress = world.store.progress(facts.spec.name)
    if progress is not None and progress.fingerprint == fingerprint:
        return progress
    before: tuple[Sighting, ...] = tuple(s for sightings in facts.served.values() for s in sightings)
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


def _may_hold(target: Target, fingerprint: str) -> bool:
    """Whether a place that failed to deploy may hold the new one all the same (its reload failed, say)."""
    try:
        return target.snapshot().fingerprint == fingerprint
    except TargetError:
        return True


def _deployed(progress: Progress, location: Location, world: World) -> Progress:
    if location in progress.deployed or location not in progress.snapshots:
        return progress
    progress = replace(progress, deployed=(*progress.deployed, location))
    world.store.keep_progress(progress)
    return progress
