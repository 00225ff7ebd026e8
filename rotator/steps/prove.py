"""Prove that the new certificate is served: fresh handshakes with every address until all show it, or time is up."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from rotator.core.model import Endpoint, Facts, Sighting, Verification
from rotator.core.sightings import Judgement, judge, untrusted
from rotator.errors import TargetError
from rotator.log import logger
from rotator.ports import RestartsWorkloads
from rotator.steps.deploy import Placed
from rotator.trust import Trust
from rotator.world import World

log = logger(__name__)

_SHORTEST_STEP = 0.1
_LONGEST_STEP = 2.0


@dataclass(frozen=True, slots=True)
class Proof:
    """What the endpoints showed, judged.

    Attributes:
        notes: what was done to help them.
        untold: why it could not be told whether clients trust what they show; it is neither proved nor harm then.
    """

    judgement: Judgement
    verification: Verification
    notes: tuple[str, ...] = ()
    untold: str = ""

    @property
    def harmed(self) -> tuple[str, ...]:
        return self.judgement.harmed


def prove(placed: Placed, facts: Facts, trust: Trust, world: World) -> Proof:
    """Watch until every counted address shows the new certificate or `settle` passes, then verify as clients would.

    Where the old one is still served and the config names workloads to restart, they are restarted, one at a time.
    """
    watched = _watch(placed, facts, tuple(facts.served), world)
    if watched.judgement.harmed and (counted := endpoints_now(facts, world)) != tuple(facts.served):
        watched = _watch(placed, facts, counted, world)  # pods that ended are no harm
    behind = watched.judgement.stale and not (watched.judgement.harmed or placed.failed)
    notes = _restarted(facts, world) if behind else ()
    if notes:
        watched = _watch(placed, facts, endpoints_now(facts, world), world)
    untold = next((why for one in watched.judgement.proved if (why := _untold(one, trust, world))), "")
    if untold:
        return Proof(watched.judgement, Verification(placed.progress.before, watched.after), notes, untold)
    lines, harm = _verified(watched.judgement.proved, placed.settle, trust, world)
    judgement = replace(watched.judgement, harmed=(*watched.judgement.harmed, *harm))
    return Proof(judgement, Verification(placed.progress.before, watched.after, lines), notes)


def _untold(shown: Sighting, trust: Trust, world: World) -> str:
    return trust.untold(shown.chain, world.clock.now()) if shown.chain else ""


def _verified(
    proved: Sequence[Sighting], settle: timedelta, trust: Trust, world: World
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Lines of proof and of harm. One connection that fails proves nothing: it is tried again while `settle` lasts."""
    seen: list[tuple[tuple[str, ...], tuple[str, ...]]] = []

    def trusted() -> bool:
        seen.append(untrusted(proved, lambda sighting: world.verify(sighting, trust.roots)))
        return not seen[-1][1]

    await_condition(trusted, settle, world)
    return seen[-1]


@dataclass(frozen=True, slots=True)
class _Watched:
    judgement: Judgement
    after: tuple[Sighting, ...]


def _watch(placed: Placed, facts: Facts, endpoints: Sequence[Endpoint], world: World) -> _Watched:
    before = [sighting for sighting in placed.progress.before if sighting.endpoint in endpoints]
    seen = [_Watched(Judgement(), ())]

    def settled() -> bool:
        after = tuple(world.probe(endpoints, key_algorithm=facts.spec.key_algorithm))
        seen.append(_Watched(judge(before, after, placed.progress.fingerprint), after))
        return seen[-1].judgement.settled

    if endpoints:
        await_condition(settled, placed.settle, world)
    return seen[-1]


def endpoints_now(facts: Facts, world: World) -> tuple[Endpoint, ...]:
    """The counted endpoints as they are now: pods behind a Service come and go while a rotation goes on."""
    then = {front for o in facts.installed.values() for front in o.fronts}
    lasting = [endpoint for endpoint in facts.served if endpoint not in then]
    fronts: list[Endpoint] = []
    for spec in facts.spec.targets:
        try:
            fronts += world.target(facts.spec.name, spec).snapshot().observation.fronts
        except TargetError as error:
            log.warning("what is in front of it cannot be read again", certificate=facts.spec.name, error=str(error))
            return tuple(facts.served)
    return tuple(dict.fromkeys((*lasting, *fronts)))


def await_condition(condition: Callable[[], bool], limit: timedelta, world: World) -> bool:
    """Try a condition at once and then again until it holds or the limit passes; whether it held."""
    seconds = limit.total_seconds()
    deadline = world.clock.monotonic() + seconds
    step = min(_LONGEST_STEP, max(_SHORTEST_STEP, seconds / 25))
    while not condition():
        left = deadline - world.clock.monotonic()
        if left <= 0:
            return False
        world.clock.wait(min(step, left))
    return True


def _restarted(facts: Facts, world: World) -> tuple[str, ...]:
    notes: list[str] = []
    for spec in facts.spec.targets:
        target = world.target(facts.spec.name, spec)
        for workload in spec.restart:
            if not isinstance(target, RestartsWorkloads):
                notes.append(f"{target.location} cannot restart {workload}")
                continue
            try:
                notes.append(target.restart(workload))
            except TargetError as error:
                return (*notes, f"{workload} was not restarted: {error}")
    return tuple(notes)
