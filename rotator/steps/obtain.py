"""Obtain a bundle: the one that is stored already, or a new one by key, CSR and order.

Each line that a crash must not undo is stored before the next one begins: the key before the order, the order's
checkpoint as the issuer gives it, the chain before it is looked at.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from rotator.core.model import Action, Bundle, Decision, Facts, IssueRequest, Order, Result, Stage
from rotator.core.policy import skips_gap
from rotator.errors import IssueError, Pending
from rotator.ports import Issuer, OrderEnd, PendingIssue, StoredBundle, TellsExempt
from rotator.steps import Ended
from rotator.steps.another import Round
from rotator.steps.request import give_up_order, request_for
from rotator.world import World


@dataclass(frozen=True, slots=True)
class Obtained:
    """A stored bundle, and whether an order was placed for it just now.

    Attributes:
        notes: which issuers of the list were passed over, and why.
    """

    bundle: StoredBundle
    ordered: bool
    notes: tuple[str, ...] = ()


def obtain(decision: Decision, facts: Facts, world: World) -> Obtained | None:
    """The bundle to deploy; None for a redeploy of what the targets hold themselves, whose key rotator does not have.

    Raises:
        Ended: the issuer refused, failed, or has not finished.
    """
    stored = world.store.bundles(facts.spec.name)
    if decision.action is Action.REDEPLOY:
        return next((Obtained(b, ordered=False) for b in stored if _is_newest(b, facts) and b.keys_kept), None)
    received = next((b for b in stored if b.status == "received" and b.digest == facts.spec.digest), None)
    if received is not None:
        _settle(received, world)
        return Obtained(received, ordered=False)
    return _order(decision, facts, world)


def _settle(received: StoredBundle, world: World) -> None:
    """What a crash may have left behind the chain: an order without its end, and the request that it answered."""
    store, name = world.store, received.certificate
    order_id = store.unfinished_order(name, received.issuer)
    if order_id is not None:
        store.close_order(order_id, OrderEnd("issued"))
    store.drop_pending(name)


def _is_newest(stored: StoredBundle, facts: Facts) -> bool:
    newest = facts.newest
    return stored.status == "accepted" and newest is not None and stored.bundle.chain.fingerprint == newest.fingerprint


def _order(decision: Decision, facts: Facts, world: World) -> Obtained:
    """The chain of the first issuer of the list that gives one; each that is asked is a row of the ledger.

    What is in flight is carried on where it was begun. Only an issuer that cannot be reached is left with it, past the
    emergency line, when there is another one.
    """
    round_ = Round(decision, facts, world)
    pending = request_for(facts, world)
    if decision.resumes and pending.checkpoint is None:
        # There is nothing to carry on (another request by now, or a new key): an order like any other, of which the
        # decision has not asked the cap.
        round_.require_room("what was in flight cannot be carried on")
        decision = replace(decision, resumes=False)
    name = pending.issuer if pending.checkpoint else round_.next()
    while True:
        try:
            stored = _placed(name, pending, decision, facts, world)
        except Ended as end:
            name = round_.after(name, end)
            pending = give_up_order(pending, world)
        else:
            return Obtained(stored, ordered=True, notes=round_.notes(name))


def _placed(name: str, pending: PendingIssue, decision: Decision, facts: Facts, world: World) -> StoredBundle:
    store, spec = world.store, facts.spec
    issuer = world.issuers.get(name)
    if issuer is None:
        raise Ended(Result.FAILED, Stage.ISSUE, f"no issuer of {', '.join(spec.issuers)} can be used right now")
    order_id = store.unfinished_order(spec.name, name) if pending.checkpoint else None
    if order_id is None:
        # The intent is written before the request: a crash in between is counted, never forgotten.
        skipped = skips_gap(decision, facts)
        order = Order(
            spec.name, name, spec.digest, spec.names, world.clock.now(),
            skipped_gap=skipped, renewal=name in decision.known_at,
        )  # fmt: skip
        order_id = store.open_order(order)
    bundle = _issue(issuer, replace(pending, issuer=name), facts, world, order_id)
    stored = StoredBundle(spec.name, bundle, "received", spec.digest, name, world.clock.now())
    # Kept before the order is closed: after an order that was answered there is none for a while (the gap), so a crash
    # between the two must not leave an answered order without its answer.
    store.keep_bundle(stored)
    store.close_order(order_id, OrderEnd("issued"))
    store.drop_pending(spec.name)
    return stored


def _issue(issuer: Issuer, pending: PendingIssue, facts: Facts, world: World, order_id: int) -> Bundle:
    spec, store = facts.spec, world.store
    tokens = [pending.checkpoint]

    def checkpoint(token: str) -> None:
        tokens.append(token)
        store.keep_pending(replace(pending, checkpoint=token))
        if isinstance(issuer, TellsExempt) and issuer.is_exempt(token):
            store.exempt_order(order_id)

    request = IssueRequest(
        csr=pending.csr,
        names=spec.names,
        lifetime=spec.lifetime,
        profile=spec.profile,
        replaces=facts.newest.leaf if facts.newest else None,
    )
    try:
        chain = issuer.issue(request, resume=pending.checkpoint, checkpoint=checkpoint)
        if world.clocks is not None:
            world.clocks.issued(pending.issuer, chain.not_before)
        return Bundle(chain, pending.key)
    except Pending as unfinished:
        if tokens[-1] is None:
            # Without a token there is nothing to come back to: asking again is a new order, and counts as one.
            raise _failed(issuer, _without_token(unfinished), pending, order_id, world) from unfinished
        store.close_order(order_id, OrderEnd("pending"))
        ask_at = world.clock.now() + unfinished.retry_after
        raise Ended(
            Result.PENDING, Stage.ISSUE, str(unfinished), retry_at=ask_at, issuer=pending.issuer
        ) from unfinished
    except IssueError as error:
        raise _failed(issuer, error, replace(pending, checkpoint=tokens[-1]), order_id, world) from error


def _without_token(unfinished: Pending) -> IssueError:
    why = f"{unfinished}; it gave no token to come back with, so it has to be asked anew"
    return IssueError(why, retry_after=unfinished.retry_after)


def _end(error: IssueError, now: datetime) -> OrderEnd:
    return OrderEnd(
        "failed",
        permanent=error.permanent,
        failed_names=error.failed_names,
        limited=error.refused_by_limit,
        retry_at=now + error.retry_after if error.retry_after else None,
    )


def _failed(issuer: Issuer, error: IssueError, pending: PendingIssue, order_id: int, world: World) -> Ended:
    """The end of an order that failed. Its key and CSR are used again, it is not: a dead one could hold us for ever.

    An order that outlives an outage is come back to: a second one would be waste, and may be refused as a duplicate.
    """
    in_flight = error.resumable and pending.checkpoint is not None
    if in_flight:
        world.store.close_order(order_id, OrderEnd("pending"))
        world.store.keep_pending(pending)
    else:
        world.store.close_order(order_id, _end(error, world.clock.now()))
        world.store.keep_pending(replace(pending, issuer="", checkpoint=None))
    at = world.clock.now() + error.retry_after if error.retry_after else None
    message = str(error) if str(error).startswith(f"{issuer.name}: ") else f"{issuer.name}: {error}"
    return Ended(
        Result.FAILED, Stage.ISSUE, message, permanent=error.permanent, retry_at=at, issuer=pending.issuer,
        in_flight=in_flight, ours=bool(error.failed_names) and not error.permanent,
    )  # fmt: skip
