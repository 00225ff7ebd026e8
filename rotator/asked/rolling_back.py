"""Roll back by hand."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from rotator.asked.named import Declined, certificate_of
from rotator.core.model import Facts, Quarantine, RevocationState
from rotator.core.pem import moment
from rotator.core.sightings import place
from rotator.errors import TargetError
from rotator.inventory import look_again
from rotator.ports import Request, StoredBundle, Target
from rotator.steps.prove import await_condition
from rotator.wiring import Wiring
from rotator.world import World


def roll_back(request: Request, wiring: Wiring) -> str:
    """Put the previous certificate back at every target; safe to repeat where it was cut off.

    What keeps the next look from undoing it (quarantine and hold) is stored before anything is touched.
    """
    world = wiring.world
    spec = certificate_of(request, world)
    with world.store.lock(spec.name):
        now = world.clock.now()
        newer, previous = _two_newest(spec.name, world, now)
        facts = look_again(spec, world, now)
        _require_ours(facts)
        targets = [world.target(spec.name, target) for target in spec.targets]
        why = f"{request.by} put the previous certificate back by `rotator rollback`"
        for target in targets:
            held = Quarantine(target.location, newer.bundle.chain.fingerprint, spec.digest, now, None, by_hand=True)
            world.store.quarantine(spec.name, held)
        world.store.hold_by_hand(spec.name, why, now)
        failed = [problem for target in targets if (problem := _put_back(previous, target))]
        behind = () if failed else _not_yet_served(previous, facts, targets, world)
    if failed:
        raise Declined(f"{spec.name} could not be put back everywhere: {'; '.join(failed)}")
    ends = f"{spec.name}: the certificate that ends {moment(previous.bundle.chain.not_after)} was put back"
    if behind:
        raise Declined(f"{ends}, but {', '.join(behind)} does not serve it")
    served = " and is served" if facts.served else ""
    return f"{ends}{served}; the newer one is held until `rotator approve {spec.name}`"


def _require_ours(facts: Facts) -> None:
    """What another controller writes, or `rotator/ignore` is set on, is not written by anybody's order."""
    for observation in facts.installed.values():
        if observation.owner is not None:
            owner = observation.owner
            raise Declined(f"{observation.location} belongs to {owner.name} ({owner.kind}); {owner.remedy}")
        if observation.ignored:
            raise Declined(f"{observation.location} carries rotator/ignore, which always wins; remove it first")


def _two_newest(name: str, world: World, now: datetime) -> tuple[StoredBundle, StoredBundle]:
    """The accepted bundle and the one before it that can still be used."""
    bundles = world.store.bundles(name)
    newer = next((one for one in bundles if one.status == "accepted"), None)
    if newer is None:
        raise Declined(f"rotator has not renewed {name} yet, so there is nothing to go back from")
    revoked = world.store.revoked()
    for one in bundles:
        if one.status == "superseded" and one.keys_kept and one.bundle.chain.not_after > now:
            said = world.revocations.said(one.bundle.chain) if world.revocations is not None else None
            by_its_ca = said is not None and said.state is RevocationState.REVOKED
            if one.bundle.chain.fingerprint not in revoked and not by_its_ca:
                return newer, one
            raise Declined(f"the earlier certificate of {name} was revoked, so it is not put back")
    raise Declined(f"no earlier certificate of {name} is kept that is still valid (they are deleted after 72 h)")


def _put_back(previous: StoredBundle, target: Target) -> str:
    """Deploy to one target; every target is tried, so what went wrong is returned: empty when nothing did."""
    try:
        target.deploy(previous.bundle, replacing=target.snapshot().fingerprint)
    except TargetError as error:
        return f"{target.location}: {error}"
    return ""


def _not_yet_served(previous: StoredBundle, facts: Facts, targets: Iterable[Target], world: World) -> tuple[str, ...]:
    """Addresses that were up and do not show the previous certificate within the time the targets need."""
    up = {(s.endpoint, s.address) for sightings in facts.served.values() for s in sightings if s.state.up}
    behind: list[str] = []

    def shown() -> bool:
        behind[:] = [
            place(sighting)
            for sighting in world.probe(tuple(facts.served))
            if (sighting.endpoint, sighting.address) in up and sighting.fingerprint != previous.bundle.chain.fingerprint
        ]
        return not behind

    if up:
        await_condition(shown, max((target.settle for target in targets), default=timedelta(0)), world)
    return tuple(behind)
