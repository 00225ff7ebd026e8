"""Put every target back as it was, in reverse order, and prove that the old certificate is served again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from rotator.core.lead import due_at
from rotator.core.model import CertificateSpec, Chain, Facts, Location, Quarantine, Result, Sighting
from rotator.core.sightings import expired_before, restored
from rotator.errors import Conflict, TargetError
from rotator.ports import Progress, StoredBundle, Target
from rotator.steps.deploy import holds
from rotator.steps.prove import await_condition, endpoints_now
from rotator.world import World


@dataclass(frozen=True, slots=True)
class Undone:
    """How the roll-back ended: `rolled-back`, proved, or `stranded`, with what is wrong."""

    result: Result
    story: str
    after: tuple[Sighting, ...] = ()


_LEFT = Undone(Result.STRANDED, "the old certificate has ended or was revoked, so the new one was left in place")


def undo(progress: Progress, facts: Facts, harmful: Chain | None, settle: timedelta, world: World) -> Undone:
    """Undo a rotation.

    That it is being undone and the quarantine of a `harmful` chain are stored at once and first, so that a crash in the
    middle leads neither to harm that stays nor to harm that is done again. Never back to something that has expired or
    was revoked: the new one stays, and a person is paged.
    """
    if _is_useless(progress, facts, world.clock.now()):
        return _LEFT
    undoing = replace(progress, undoing=True)
    world.store.keep_progress(undoing, _quarantines(undoing, facts.spec, harmful, world) if harmful else ())
    return _undone(undoing, facts, settle, world)


def finish(spec: CertificateSpec, facts: Facts, world: World) -> Undone | None:
    """Finish a roll-back that a crash cut off; None when there is none."""
    progress = world.store.progress(spec.name)
    if progress is None or not progress.undoing:
        return None
    if _is_useless(progress, facts, world.clock.now()):
        return _LEFT
    settle = max((target.settle for target in _targets(spec, world).values()), default=timedelta(0))
    return _undone(progress, facts, settle, world)


def _undone(progress: Progress, facts: Facts, settle: timedelta, world: World) -> Undone:
    put_back = _put_back(progress, facts.spec, world)
    missing, after = _old_is_served(progress, facts, settle, world)
    if put_back.failed:
        return Undone(Result.STRANDED, f"could not be put back: {'; '.join(put_back.failed)}", after)
    if missing:
        problems = "; ".join((*missing, *put_back.unreloaded))
        return Undone(Result.STRANDED, f"put back, but the old one is not served again: {problems}", after)
    served = "and is served again" if after else "where it was; no endpoint is known that would show it"
    notes = "".join(f"; {note}" for note in put_back.unreloaded)
    return Undone(Result.ROLLED_BACK, f"the old certificate was put back {served}{notes}", after)


def _is_useless(progress: Progress, facts: Facts, now: datetime) -> bool:
    """Whether what was served, or where nothing was what the places held, is of no use to anybody any more."""
    held = [chain for location in progress.deployed if (chain := progress.snapshots[location].chain)]
    old = {sighting.fingerprint for sighting in progress.before if sighting.chain} or {c.fingerprint for c in held}
    if facts.evidence.revoked or (old and old <= facts.history.revoked):
        return True
    if any(sighting.chain for sighting in progress.before):
        return expired_before(progress.before, now)
    return bool(held) and all(chain.not_after <= now for chain in held)


def _targets(spec: CertificateSpec, world: World) -> dict[Location, Target]:
    targets = (world.target(spec.name, target) for target in spec.targets)
    return {target.location: target for target in targets}


# ---------------------------------------------------------------- putting back


@dataclass(frozen=True, slots=True)
class _PutBack:
    """What went wrong, place by place; an `unreloaded` one holds what it held before all the same."""

    failed: tuple[str, ...]
    unreloaded: tuple[str, ...]


def _put_back(progress: Progress, spec: CertificateSpec, world: World) -> _PutBack:
    """Every place is tried, also when one before it failed."""
    targets = _targets(spec, world)
    failed: list[str] = []
    unreloaded: list[str] = []
    for location in reversed(progress.deployed):
        target = targets.get(location)
        if target is None:
            failed.append(f"{location}: it is no longer a target in the config")
            continue
        try:
            _restore(target, progress, world)
        except Conflict as conflict:
            failed.append(f"{location}: {conflict}")
        except TargetError as error:
            as_it_was = holds(target, progress.snapshots[location].fingerprint)
            (unreloaded if as_it_was else failed).append(f"{location}: {error}")
    return _PutBack(tuple(failed), tuple(unreloaded))


def _restore(target: Target, progress: Progress, world: World) -> None:
    """A place that held the new one before this rotation began, unserved, gets what was served until now, if we can."""
    snapshot = progress.snapshots[target.location]
    if snapshot.fingerprint == progress.fingerprint:
        predecessor = next(_predecessors(progress, world), None)
        if predecessor is not None:
            target.deploy(predecessor.bundle, replacing=progress.fingerprint)
            return
    target.restore(snapshot, replacing=progress.fingerprint)


def _predecessors(progress: Progress, world: World) -> Iterator[StoredBundle]:
    """Bundles of ours that were served before, and still can be."""
    now = world.clock.now()
    shown = {sighting.fingerprint for sighting in progress.before if sighting.state.up} - {progress.fingerprint}
    for stored in world.store.bundles(progress.certificate):
        if stored.keys_kept and stored.bundle.chain.fingerprint in shown and stored.bundle.chain.not_after > now:
            yield stored


# ---------------------------------------------------------------- proof and quarantine


def _old_is_served(
    progress: Progress, facts: Facts, settle: timedelta, world: World
) -> tuple[tuple[str, ...], tuple[Sighting, ...]]:
    """Addresses that do not show the old one again, in words, and what was last seen. Pods that ended do not count."""
    counted = endpoints_now(facts, world)
    before = [s for s in progress.before if s.state.up and s.endpoint in counted]
    endpoints = tuple(dict.fromkeys(sighting.endpoint for sighting in before))
    seen: list[tuple[Sighting, ...]] = [()]

    def again() -> bool:
        seen.append(tuple(world.probe(endpoints, key_algorithm=facts.spec.key_algorithm)))
        return not restored(before, seen[-1])

    if endpoints:
        await_condition(again, settle, world)
    return restored(before, seen[-1]), seen[-1]


def _quarantines(progress: Progress, spec: CertificateSpec, harmful: Chain, world: World) -> Iterator[Quarantine]:
    """Until the bundle's own next due time; a person's `approve` or a changed spec ends it sooner."""
    now, until = world.clock.now(), due_at(harmful, spec, world.policy)
    for location in progress.deployed:
        yield Quarantine(location, progress.fingerprint, spec.digest, now, until)
