"""The key and request of the next order: an interrupted one's, new ones, or a request that was made elsewhere."""

from __future__ import annotations

from dataclasses import replace

from rotator.core.csr import csr_is_for, csr_spki, make_csr, new_key
from rotator.core.drift import current_chain
from rotator.core.keys import KeyChoice, next_key, unfit
from rotator.core.limits import open_ask
from rotator.core.model import Ask, CertificateSpec, Facts, Result, Stage
from rotator.errors import RequestError
from rotator.ports import OrderEnd, PendingIssue
from rotator.steps import Ended
from rotator.world import World


def request_for(facts: Facts, world: World) -> PendingIssue:
    """What is ordered with; a new one is stored before it is given.

    Raises:
        Ended: the request that was made elsewhere cannot be read, or does not fit.
    """
    pending = _interrupted(facts, world)
    if facts.spec.csr:
        return _made_elsewhere(pending, facts, world)
    choice = next_key(facts, world.policy).choice
    if pending is not None and _is_present_key(pending, facts) is (choice is KeyChoice.SAME):
        return pending
    if choice is KeyChoice.SAME:
        key = _present_key(facts, world)
        return _kept(key, make_csr(key, facts.spec.names), facts, world)
    chain, ask = current_chain(facts), open_ask(facts)
    return _with_next_key(facts.spec, chain.spki if chain else "", ask, world)


def make_ahead(spec: CertificateSpec, present: str, world: World) -> None:
    """Make the next key now, so that it can be published before it is used; one that is made already stays.

    Args:
        present: the SPKI hash of the key that is in use; empty where there is none.
    """
    pending = world.store.pending(spec.name)
    if pending is None or pending.digest != spec.digest:
        _with_next_key(spec, present, None, world)


def give_up_order(pending: PendingIssue, world: World) -> PendingIssue:
    """The same key and request without what was in flight, which is counted as failed; it is stored."""
    if pending.checkpoint is not None:
        order_id = world.store.unfinished_order(pending.certificate, pending.issuer)
        if order_id is not None:
            world.store.close_order(order_id, OrderEnd("failed"))
    pending = replace(pending, issuer="", checkpoint=None)
    world.store.keep_pending(pending)
    return pending


def _with_next_key(spec: CertificateSpec, present: str, ask: Ask | None, world: World) -> PendingIssue:
    """A request for the key that was made ahead, or for a new one; stored.

    What was made ahead is the next key also after an edit of the certificate's names, issuers or places: clients may
    pin it already. Another kind of key in the config is another next key.
    """
    pending = world.store.pending(spec.name)
    if pending is not None and spec.key.ahead and _may_be_next(pending, spec, present, ask):
        key, started = pending.key, pending.started
    else:
        key, started = new_key(spec.key), world.clock.now()
    following = PendingIssue(spec.name, spec.digest, key, make_csr(key, spec.names), started=started)
    world.store.keep_pending(following)
    return following


def _may_be_next(pending: PendingIssue, spec: CertificateSpec, present: str, ask: Ask | None) -> bool:
    if not pending.key or (ask is not None and ask.wants_new_key and not _made_after(pending, ask)):
        return False
    return csr_is_for(pending.csr, spec.key) and csr_spki(pending.csr) != present


def _interrupted(facts: Facts, world: World) -> PendingIssue | None:
    """The request of an order for the same spec that has not been answered.

    Where a person wants new keys, one that was made before that may be known to the same others.
    """
    spec, pending, ask = facts.spec, world.store.pending(facts.spec.name), open_ask(facts)
    if ask is not None and ask.wants_new_key and pending is not None and not _made_after(pending, ask):
        return None
    if pending is not None and pending.digest == spec.digest and pending.issuer in {"", *spec.issuers}:
        return pending
    return None


def _made_after(pending: PendingIssue, ask: Ask) -> bool:
    after = ask.new_key_after
    return pending.started is not None and after is not None and pending.started > after


def _is_present_key(pending: PendingIssue, facts: Facts) -> bool:
    """Whether a request is for the key that is in use now; the config may have changed its mind since it was made."""
    chain = current_chain(facts)
    return chain is not None and csr_spki(pending.csr) == chain.spki


def _present_key(facts: Facts, world: World) -> bytes:
    """The sealed key of the current chain.

    Raises:
        Ended: it has gone since the decision was made.
    """
    chain = current_chain(facts)
    for stored in world.store.bundles(facts.spec.name):
        if stored.keys_kept and stored.bundle.key and chain and stored.bundle.chain.fingerprint == chain.fingerprint:
            return stored.bundle.key
    raise Ended(Result.FAILED, Stage.ISSUE, "the key that is to be used again is not in the state any more")


def _made_elsewhere(pending: PendingIssue | None, facts: Facts, world: World) -> PendingIssue:
    """The file is read anew each time: an unchanged one asks for the same key again, which is meant."""
    spec = facts.spec
    try:
        requested = world.read_request(spec.csr)
    except RequestError as error:
        raise Ended(Result.FAILED, Stage.ISSUE, str(error)) from error
    if problem := unfit(requested, spec.names):
        raise Ended(Result.FAILED, Stage.ISSUE, f"{spec.csr}: {problem}")
    if pending is not None and pending.csr == requested.csr:
        return pending
    return _kept(b"", requested.csr, facts, world)


def _kept(key: bytes, csr: bytes, facts: Facts, world: World) -> PendingIssue:
    pending = PendingIssue(facts.spec.name, facts.spec.digest, key, csr, started=world.clock.now())
    world.store.keep_pending(pending)
    return pending
