"""Revoke one certificate by hand."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Iterable
from contextlib import nullcontext

from rotator.asked.named import MOST_NAMED, Declined, known_specs
from rotator.core.limits import open_ask
from rotator.core.model import Ask, Facts, RevocationReason
from rotator.core.noticetext import run
from rotator.core.pem import parse_certificate
from rotator.inventory import look_again, take_stock
from rotator.ports import Request
from rotator.revoke import Candidate, in_use, renew_first, revoke, used_elsewhere
from rotator.wiring import Wiring
from rotator.world import World


def revoke_one(request: Request, wiring: Wiring) -> str:
    """Revoke one certificate that nobody uses any more; with force also one that is in use."""
    world, arguments = wiring.world, request.arguments
    reason = RevocationReason(arguments.get("reason", RevocationReason.UNSPECIFIED))
    name, force = arguments.get("certificate", ""), arguments.get("force") == "yes"
    spec = known_specs(world.store, world.specs).get(name)
    inventory = take_stock(world, world.clock.now())
    with world.store.lock(spec.name) if spec else nullcontext():
        everything = (look_again(spec, world, world.clock.now()),) if spec else inventory.facts
        candidate = _to_revoke(request, everything, world)
        fingerprint = candidate.certificate.fingerprint
        elsewhere = used_elsewhere(candidate.certificate, inventory, name)
        # Without a name both look at everything; the second says whose each place is.
        here = (one for one in in_use(fingerprint, everything) if not any(more.startswith(one) for more in elsewhere))
        used = (*here, *elsewhere)
        if used and not force:
            where = "; ".join(used[:MOST_NAMED])
            first = f"renew it first, `{renew_first(name, reason)}`" if spec else "see that nobody uses it first"
            raise Declined(f"{fingerprint[:16]}… is still in use ({where}); {first}, or revoke it with --force")
        said = revoke(candidate, reason, world)
        if reason is RevocationReason.KEY_COMPROMISE and spec:
            said += _away_from_its_key(candidate, everything[0], world)
    return f"{said}; it is still in use: {_renewal(name, reason)}" if used and spec else said


def _renewal(name: str, reason: RevocationReason, how: str = "") -> str:
    return f"the next look renews it{how}, `{renew_first(name, reason)}` at once"


def _away_from_its_key(candidate: Candidate, facts: Facts, world: World) -> str:
    """A later certificate with the key that others know is no better: it gets a new one. What is said of it."""
    spec, chain = facts.spec, facts.newest
    if chain is None or chain.fingerprint == candidate.certificate.fingerprint:
        return ""
    if chain.spki != candidate.certificate.spki:
        return ""
    if spec.csr:
        return f"; the current one has the same key, so make a new request with a new key at once ({spec.csr})"
    reason, now = RevocationReason.KEY_COMPROMISE, world.clock.now()
    ask = Ask(now, force=True, reason=str(reason), key_after=now)
    world.store.keep_ask(spec.name, ask.besides(open_ask(facts)))
    renewal = _renewal(spec.name, reason, " with a new one")
    then = run("revoke", spec.name, "--reason", str(reason))
    return f"; the current one has the same key: {renewal}, and then `{then}` revokes it as well"


def _to_revoke(request: Request, everything: Iterable[Facts], world: World) -> Candidate:
    """The certificate that the request brings; else the one that the named certificate has now."""
    name, issuer = request.arguments.get("certificate", ""), request.arguments.get("issuer", "")
    brought = request.arguments.get("der", "")
    if brought:
        try:
            certificate = parse_certificate(b64decode(brought))
        except ValueError as error:
            raise Declined(f"what was brought is no certificate: {error}") from error
        return Candidate(certificate, name, issuer)
    facts = next((one for one in everything if one.spec.name == name), None)
    if facts is None or facts.newest is None:
        raise Declined(f"no certificate of {name} is known that could be revoked")
    issuer = issuer or facts.history.accepted_issuer
    if not issuer:
        raise Declined(f"nobody knows who signed {facts.newest.fingerprint[:16]}… of {name}; say --issuer")
    return Candidate(facts.newest.leaf, name, issuer)
