"""Accept or refuse a new chain before anything is touched."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from rotator.core.lead import lead
from rotator.core.model import Bundle, CertificateSpec, Decision, Facts, Result, Stage, Violation
from rotator.core.pem import key_spki, moment
from rotator.core.validate import ValidationFacts, Verdict, validate
from rotator.errors import RequestError
from rotator.ports import StoredBundle
from rotator.steps import Ended
from rotator.trust import Trust
from rotator.world import World


def accept(stored: StoredBundle, decision: Decision, facts: Facts, trust: Trust, world: World) -> StoredBundle:
    """Validate a received bundle and mark it accepted, its chain mended; an accepted one stays so.

    Raises:
        Ended: blocked, held for a person, or waiting for its time; nothing was touched.
    """
    if stored.status == "accepted":
        return stored
    if why := trust.untold(stored.bundle.chain, world.clock.now()):
        raise Ended(Result.FAILED, Stage.VALIDATE, f"the roots to validate against cannot be had: {why}")
    verdict = validate(_validation(stored, decision, facts, trust, world))
    if not verdict.accepted:
        _refuse(stored, verdict, world)
    accepted = replace(stored, bundle=Bundle(verdict.chain, stored.bundle.key), status="accepted")
    world.store.keep_bundle(accepted)
    world.store.set_bundle_status(stored.certificate, verdict.chain.fingerprint, "accepted", world.clock.now())
    return accepted


def _validation(stored: StoredBundle, decision: Decision, facts: Facts, trust: Trust, world: World) -> ValidationFacts:
    spec, old = facts.spec, facts.newest
    return ValidationFacts(
        spec=spec,
        names=spec.names,
        csr_spki=_asked_for(stored, spec, world),
        new=stored.bundle.chain,
        current=old,
        roots=trust.roots,
        now=world.clock.now(),
        reason=decision.because or decision.reason,
        lead=lead(old.lifetime, spec.renew_before, due_rule=world.policy.due_rule) if old else timedelta(0),
        approvals=facts.history.approvals,
        pinned_root=facts.history.pinned_root,
        quarantined=any(q.fingerprint == stored.bundle.chain.fingerprint for q in facts.history.quarantines),
        revoked=stored.bundle.chain.fingerprint in facts.history.revoked or None,
        public=trust.public,
        issuer=stored.issuer,
    )


def _asked_for(stored: StoredBundle, spec: CertificateSpec, world: World) -> str:
    """SHA-256 of the public key that the request asked for, by the key itself or, held elsewhere, by the request.

    Raises:
        Ended: the request cannot be read now; the bundle waits for it.
    """
    if stored.bundle.key:
        return key_spki(stored.bundle.key)
    try:
        return world.read_request(spec.csr).spki
    except RequestError as error:
        raise Ended(
            Result.FAILED, Stage.VALIDATE, f"the new chain cannot be held against its request: {error}"
        ) from error


def _refuse(stored: StoredBundle, verdict: Verdict, world: World) -> None:
    """Keep what can still pass by time or approval; drop what is blocked for good."""
    found: tuple[Violation, ...] = (*verdict.blocks, *verdict.holds)
    message = "; ".join(violation.message for violation in found)
    if verdict.passes_by_time:
        message += f"; it is kept, has waited since {moment(stored.at)}, and is put in place without another order"
    if verdict.blocks and not verdict.passes_by_time:
        fingerprint = stored.bundle.chain.fingerprint
        world.store.set_bundle_status(stored.certificate, fingerprint, "dropped", world.clock.now())
    raise Ended(
        Result.FAILED,
        Stage.VALIDATE,
        f"the new chain from {stored.issuer} was refused, nothing was touched: {message}",
        violations=found,
        retry_at=verdict.passes_at if verdict.passes_by_time else None,
    )
