"""Have the owner of a place renew what it keeps there: one rotation like any other, but that somebody else writes.

The intent is in the ledger before the owner is asked, and stays open until what came of it is proved: a crash at any
point leads back here, and the owner is not asked a second time.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from types import MappingProxyType

from rotator.core.delegation import asked_owner
from rotator.core.model import Chain, Decision, Facts, Order, Owner, Result, Stage
from rotator.core.policy import skips_gap
from rotator.errors import IssueError, Pending
from rotator.ports import AsksOwner, OrderEnd, PendingIssue, Progress
from rotator.steps import Ended
from rotator.steps.deploy import Placed
from rotator.world import World


@dataclass(frozen=True, slots=True)
class Delegated:
    """What the owner has put there.

    Attributes:
        placed: the place, as whoever proves it needs it; nothing of it can be undone by us.
        order: the ledger's row, to be closed once it is proved.
    """

    owner: Owner
    chain: Chain
    placed: Placed
    order: int


def delegate(decision: Decision, facts: Facts, world: World) -> Delegated:
    """Ask the owner, or come back to it.

    Raises:
        Ended: it cannot be asked, has failed, or has not finished.
    """
    spec, store = facts.spec, world.store
    owner = asked_owner(facts)
    target = world.target(spec.name, spec.targets[0])
    if owner is None or not isinstance(target, AsksOwner):
        raise Ended(Result.FAILED, Stage.ISSUE, f"nobody can ask for a renewal of {target.location}", permanent=True)
    asked = PendingIssue(spec.name, spec.digest, b"", b"", _pending_name(owner), started=world.clock.now())
    resume = _token(asked, world)
    order_id = store.unfinished_order(spec.name, owner.kind) if resume else None
    if order_id is None:
        skipped = skips_gap(decision, facts)
        order = Order(spec.name, owner.kind, spec.digest, spec.names, world.clock.now(), skipped_gap=skipped)
        order_id = store.open_order(order)

    def checkpoint(token: str) -> None:
        store.keep_pending(replace(asked, checkpoint=token))

    try:
        chain = target.renew_by_owner(resume=resume, checkpoint=checkpoint)
    except Pending as unfinished:
        store.close_order(order_id, OrderEnd("pending"))
        at = world.clock.now() + unfinished.retry_after
        raise Ended(Result.PENDING, Stage.ISSUE, str(unfinished), retry_at=at, issuer=owner.kind) from unfinished
    except IssueError as error:
        raise _failed(error, owner, facts, order_id, world) from error
    before = tuple(sighting for sightings in facts.served.values() for sighting in sightings)
    progress = Progress(
        spec.name, chain.fingerprint, world.clock.now(), MappingProxyType({}), (target.location,), before
    )
    return Delegated(owner, chain, Placed(progress, target.settle), order_id)


def close(delegated: Delegated, facts: Facts, world: World) -> None:
    """It is proved, or proved harmful: the owner has answered, and nothing is left to come back to."""
    world.store.close_order(delegated.order, OrderEnd("issued"))
    world.store.drop_pending(facts.spec.name)


def _failed(error: IssueError, owner: Owner, facts: Facts, order_id: int, world: World) -> Ended:
    """An outage is come back to with the same token; what the owner gave up is asked for anew, after backoff."""
    at = world.clock.now() + error.retry_after if error.retry_after else None
    if error.resumable:
        world.store.close_order(order_id, OrderEnd("pending"))
    else:
        world.store.close_order(order_id, OrderEnd("failed", permanent=error.permanent, retry_at=at))
        world.store.drop_pending(facts.spec.name)
    message = f"{owner.kind}: {error}"
    return Ended(Result.FAILED, Stage.ISSUE, message, permanent=error.permanent, retry_at=at, issuer=owner.kind)


def _pending_name(owner: Owner) -> str:
    """No issuer of the config can be called that, so its key, which is none, is never used for an order."""
    return f"owner:{owner.kind}"


def _token(asked: PendingIssue, world: World) -> str | None:
    """The token of an interrupted renewal of the same spec by the same owner."""
    kept = world.store.pending(asked.certificate)
    same = kept is not None and (kept.issuer, kept.digest) == (asked.issuer, asked.digest)
    return kept.checkpoint if kept is not None and same else None
