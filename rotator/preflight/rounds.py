"""One round of preflights: whose turn it is by the schedule is asked about, and what comes of it is kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from rotator.core.lead import PolicySettings, lead_of, renew_at
from rotator.core.model import Facts, Mode
from rotator.core.readiness import Kept, kept_after
from rotator.core.turns import next_turn
from rotator.log import logger
from rotator.preflight.asking import Asking, preflight
from rotator.preflight.kept import read_kept, write_kept
from rotator.world import World

log = logger(__name__)


def take_round(facts: Sequence[Facts], world: World, asking: Asking) -> bool:
    """Ask about the certificates whose turn it is; says whether there was any.

    What is only observed is never asked about: no issuer is called for it.

    Args:
        facts: as the last look found them.

    Raises:
        StateError: the state cannot be used.
    """
    if world.store.key_problem:
        return False  # nothing could be renewed or kept; the log has said so at the start
    now, kept = world.clock.now(), read_kept(world.store)
    managed = [one for one in facts if one.spec.mode is Mode.ROTATE]
    turn = [one for one in managed if _turn(one, kept, world.policy, now) <= now]
    if not turn:
        return False
    found = preflight(turn, world, asking)
    if world.stop.is_set():
        return False  # what was cut off says nothing
    mine = {one.spec.name: kept[one.spec.name] for one in managed if one.spec.name in kept}
    mine |= {one.certificate: kept_after(kept.get(one.certificate), one) for one in found}
    write_kept(world.store, mine)
    _report([mine[one.certificate] for one in found])
    return True


def _turn(facts: Facts, kept: Mapping[str, Kept], policy: PolicySettings, now: datetime) -> datetime:
    chain, spec = facts.newest, facts.spec
    due = renew_at(chain, spec, facts.suggestion, policy) if chain else None
    return next_turn(spec, kept.get(spec.name), due, lead_of(chain, spec, policy) if chain else None, now)


def _report(asked: Sequence[Kept]) -> None:
    """One line a round, and one for each certificate that could not be renewed."""
    failing = [one.readiness for one in asked if one.readiness.fails]
    log.info("preflight", certificates=len(asked), failing=len(failing))
    for readiness in failing:
        issuer, line = next(iter(readiness.failed))
        log.warning(
            "could not be renewed",
            certificate=readiness.certificate,
            issuer=issuer,
            check=line.check,
            problem=line.text,
        )
