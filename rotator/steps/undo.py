"""Put every target back as it was, in reverse order, and prove that the old certificate is served again."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta

from rotator.core.lead import due_at
from rotator.core.model import CertificateSpec, Chain, Facts, Location, Quarantine, Result, Sighting
from rotator.core.sightings import expired_before, restored
from rotator.errors import TargetError
from rotator.ports import Progress, Target
from rotator.steps.prove import await_condition, endpoints_now
from rotator.world import World


@dataclass(frozen=True, slots=True)
class Undone:
    """How the roll-back ended: `rolled-back`, proved, or `stranded`, with what is wrong."""

    result: Result
    story: str
    after: tuple[Sighting, ...] = ()


def undo(progress: Progress, facts: Facts, harmful: Chain | None, settle: timedelta, world: World) -> Undone:
    """Undo a rotation.

    The quarantine of a `harmful` chain is stored first, so that a crash in the middle cannot lead to its being
    deployed again. Never back to something that has expired or was revoked: the new one stays, and a person is paged.
    """
    if expired_before(progress.before, world.clock.now()) or facts.evidence.revoked:
        return Undone(Result.STRANDED, "the old certificate has ended or was revoked, so the new one was left in place")
    world.store.keep_progress(replace(progress, undoing=True))
    for location in progress.deployed if harmful else ():
        world.store.quarantine(facts.spec.name, _quarantine(location, progress, facts.spec, harmful, world))
    failed = _restore_all(progress, facts.spec, world)
    missing, after = _old_is_served(progress, facts, settle, world)
    if failed:
        return Undone(Result.STRANDED, f"could not be put back: {'; '.join(failed)}", after)
    if missing:
        return Undone(Result.STRANDED, f"put back, but the old one is not served again: {'; '.join(missing)}", after)
    return Undone(Result.ROLLED_BACK, "the old certificate was put back and is served again", after)


def finish(spec: CertificateSpec, facts: Facts, world: World) -> Undone | None:
    """Finish a roll-back that a crash cut off; None when there is none."""
    progress = world.store.progress(spec.name)
    if progress is None or not progress.undoing:
        return None
    settle = max((target.settle for target in _targets(spec, world).values()), default=timedelta(0))
    return undo(progress, facts, None, settle, world)


def _targets(spec: CertificateSpec, world: World) -> dict[Location, Target]:
    targets = (world.target(spec.name, target) for target in spec.targets)
    return {target.location: target for target in targets}


def _restore_all(progress: Progress, spec: CertificateSpec, world: World) -> list[str]:
    """Every place is tried, also when one before it failed; returns what failed."""
    targets = _targets(spec, world)
    failed: list[str] = []
    for location in reversed(progress.deployed):
        try:
            targets[location].restore(progress.snapshots[location], replacing=progress.fingerprint)
        except KeyError:
            failed.append(f"{location}: it is no longer a target in the config")
        except TargetError as error:
            failed.append(f"{location}: {error}")
    return failed


def _old_is_served(
    progress: Progress, facts: Facts, settle: timedelta, world: World
) -> tuple[tuple[str, ...], tuple[Sighting, ...]]:
    """Addresses that do not show the old one again, in words, and what was last seen. Pods that ended do not count."""
    counted = endpoints_now(facts, world)
    before = [s for s in progress.before if s.state.up and s.endpoint in counted]
    endpoints = tuple(dict.fromkeys(sighting.endpoint for sighting in before))
    seen: list[tuple[Sighting, ...]] = [()]

    def again() -> bool:
        seen.append(tuple(world.probe(endpoints, key_algorithm=facts.spec.key.algorithm)))
        return not restored(before, seen[-1])

    if endpoints:
        await_condition(again, settle, world)
    return restored(before, seen[-1]), seen[-1]


def _quarantine(
    location: Location, progress: Progress, spec: CertificateSpec, harmful: Chain | None, world: World
) -> Quarantine:
    """Until the bundle's own next due time; a person's `approve` or a changed spec ends it sooner."""
    until = due_at(harmful, spec, world.policy) if harmful else None
    return Quarantine(location, progress.fingerprint, spec.digest, world.clock.now(), until)
