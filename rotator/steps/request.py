"""The key and request of the next order: an interrupted one's, new ones, or a request that was made elsewhere."""

from __future__ import annotations

from rotator.core.csr import csr_spki, make_csr, new_key
from rotator.core.drift import current_chain
from rotator.core.keys import KeyChoice, next_key, unfit
from rotator.core.limits import open_ask
from rotator.core.model import Ask, CertificateSpec, Facts, Result, Stage
from rotator.errors import RequestError
from rotator.ports import PendingIssue
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
    key = _present_key(facts, world) if choice is KeyChoice.SAME else new_key(facts.spec.key)
    return _kept(key, make_csr(key, facts.spec.names), facts, world)


def make_ahead(spec: CertificateSpec, world: World) -> None:
    """Make the next key now, so that it can be published before it is used; one that is made already stays."""
    pending = world.store.pending(spec.name)
    if pending is None or pending.digest != spec.digest:
        key = new_key(spec.key)
        csr = make_csr(key, spec.names)
        world.store.keep_pending(PendingIssue(spec.name, spec.digest, key, csr, started=world.clock.now()))


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
    return pending.started is not None and pending.started > ask.at


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
