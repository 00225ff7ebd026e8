"""What calls for a change: each check looks at the facts of one certificate and names what is wrong, or nothing.

Pure. Renew checks look at the *current* chain; a place that holds another one differs, it is never due. The order of
the checks, and what each makes sure of, stands in `rotator.core.policy`.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from rotator.core.delegation import under_way
from rotator.core.drift import (
    current_chain,
    drifted,
    is_ours,
    key_lost,
    missing_names,
    not_served,
    short,
    unreadable_places,
    unseen_places,
)
from rotator.core.lead import SECOND, PolicySettings, due_at, span, suggested_at, why_this_lead
from rotator.core.limits import open_ask
from rotator.core.model import Chain, Facts, Suggestion, Violation
from rotator.core.pem import moment
from rotator.core.reasons import Reason
from rotator.core.trust import WEAK_HASHES, weak_key

Check = Callable[[Facts, PolicySettings], Violation | None]


def ends_in(ends: datetime, now: datetime) -> str:
    """ "ends in 29 d", or "ended 3 h ago"."""
    return f"ends in {span(ends + SECOND - now)}" if now <= ends else f"ended {span(now - ends)} ago"


def usable_suggestion(facts: Facts) -> Suggestion | None:
    """The issuer's suggestion; one whose window ends before it begins is no answer (RFC 9773, 4.2)."""
    suggestion = facts.suggestion
    return suggestion if suggestion is not None and suggestion.end > suggestion.start else None


# ---------------------------------------------------------------- renew


def not_issued(facts: Facts, _settings: PolicySettings) -> Violation | None:
    if current_chain(facts) is not None or unseen_places(facts) or unreadable_places(facts):
        return None
    return Violation(Reason.NOT_ISSUED, "no certificate exists yet")


def unreadable(facts: Facts, _settings: PolicySettings) -> Violation | None:
    """Only where the config says what belongs there: an adopted place may hold what somebody needs."""
    broken = unreadable_places(facts)
    if not broken or (facts.spec.adopted_from and Reason.UNREADABLE not in facts.history.approvals):
        return None
    first = broken[0]
    why = first.problem.message if first.problem else ""
    return Violation(Reason.UNREADABLE, f"{first.location} holds no certificate: {why}")


def key_is_lost(facts: Facts, _settings: PolicySettings) -> Violation | None:
    if not key_lost(facts):
        return None
    return Violation(Reason.KEY_LOST, "neither the store nor any of its places has a key that belongs to it")


def incomplete(facts: Facts, settings: PolicySettings) -> Violation | None:
    """No path to a root that clients trust, while its dates are good; a place that lost a part of ours only differs."""
    chain = current_chain(facts)
    if chain is None or facts.evidence.trusted is not False or not chain.not_before <= facts.now <= chain.not_after:
        return None
    if any(drift.holds and drift.holds.fingerprint == chain.fingerprint for drift in drifted(facts, settings)):
        return None
    return Violation(Reason.INCOMPLETE, f"no path leads from it to what its clients trust ({facts.evidence.trust})")


def names_changed(facts: Facts, _settings: PolicySettings) -> Violation | None:
    chain = current_chain(facts)
    missing = missing_names(facts.spec, chain) if chain else ()
    return Violation(Reason.NAMES_CHANGED, f"it does not cover {', '.join(missing)}") if missing else None


def revoked(facts: Facts, _settings: PolicySettings) -> Violation | None:
    if current_chain(facts) is None or not facts.evidence.revoked:
        return None
    why = f" ({facts.evidence.revocation})" if facts.evidence.revocation else ""
    return Violation(Reason.REVOKED, f"its issuer has revoked it{why}")


def expired(facts: Facts, _settings: PolicySettings) -> Violation | None:
    """Valid through the last second of its life (RFC 5280, 4.1.2.5)."""
    chain = current_chain(facts)
    if chain is None or facts.now <= chain.not_after:
        return None
    return Violation(Reason.EXPIRED, f"it ended {span(facts.now - chain.not_after)} ago")


def suggested(facts: Facts, settings: PolicySettings) -> Violation | None:
    chain, suggestion = current_chain(facts), usable_suggestion(facts)
    if chain is None or suggestion is None:
        return None
    at = suggested_at(suggestion, chain, facts.spec, settings)
    if facts.now < at:
        return None
    why = f" ({suggestion.explanation})" if suggestion.explanation else ""
    return Violation(
        Reason.SUGGESTED,
        f"{ends_in(chain.not_after, facts.now)}, its issuer suggests a renewal since {moment(at)}{why}",
    )


def due(facts: Facts, settings: PolicySettings) -> Violation | None:
    """A suggestion moves the date either way, so where there is one it alone counts."""
    chain = current_chain(facts)
    if chain is None or usable_suggestion(facts) is not None:
        return None
    at = due_at(chain, facts.spec, settings)
    if facts.now < at:
        return None
    since = span(facts.now - at)
    why = why_this_lead(chain, facts.spec, settings)
    return Violation(Reason.DUE, f"{ends_in(chain.not_after, facts.now)}, due since {since}, {why}")


def received(facts: Facts, _settings: PolicySettings) -> Violation | None:
    """A crash may have come between a chain and its validation, and what called for it may be answered by now."""
    if not facts.history.received:
        return None
    return Violation(Reason.UNFINISHED, "a new certificate was received and is not validated yet")


def delegated(facts: Facts, _settings: PolicySettings) -> Violation | None:
    """What the owner has done since is proved like any other renewal, also where a crash came in between."""
    owner = under_way(facts)
    if owner is None:
        return None
    return Violation(Reason.UNFINISHED, f"{owner.kind} was asked to renew it and is followed to the end")


def asked(facts: Facts, _settings: PolicySettings) -> Violation | None:
    ask = open_ask(facts)
    if ask is None or not ask.force:
        return None
    return Violation(Reason.ASKED, f"asked for by a person{': ' + ask.reason if ask.reason else ''}")


# ---------------------------------------------------------------- at the next due renewal


def issuer_changed(facts: Facts, _settings: PolicySettings) -> Violation | None:
    """An unknown origin is no changed issuer, and any issuer of the list is as good as the first."""
    chain, signer = current_chain(facts), facts.history.accepted_issuer
    if chain is None or not is_ours(facts, chain) or not signer or signer in facts.spec.issuers:
        return None
    return Violation(Reason.ISSUER_CHANGED, f"{signer} signed it; now it is {' or '.join(facts.spec.issuers)}")


def key_policy_changed(facts: Facts, _settings: PolicySettings) -> Violation | None:
    chain, want = current_chain(facts), facts.spec.key
    if chain is None or not chain.leaf.key_algorithm:
        return None
    if facts.spec.csr:
        return _request_changed(chain, facts)
    have = chain.leaf
    same_size = have.key_size == want.size or 0 in {have.key_size, want.size}
    if have.key_algorithm == want.algorithm and same_size:
        return None
    was, wanted = _key(have.key_algorithm, have.key_size), _key(want.algorithm, want.size)
    return Violation(Reason.KEY_POLICY_CHANGED, f"its key is {was}, to be {wanted}")


def _request_changed(chain: Chain, facts: Facts) -> Violation | None:
    requested = facts.evidence.requested
    if not requested or not chain.spki or requested == chain.spki:
        return None
    return Violation(Reason.KEY_POLICY_CHANGED, f"{facts.spec.csr} asks for another key than it has")


def weak(facts: Facts, _settings: PolicySettings) -> Violation | None:
    chain = current_chain(facts)
    if chain is None:
        return None
    leaf = chain.leaf
    if leaf.key_algorithm and (why := weak_key(leaf)):
        return Violation(Reason.WEAK, f"it has {why}")
    if leaf.signature_hash in WEAK_HASHES:
        return Violation(Reason.WEAK, f"it is signed with {leaf.signature_hash.upper()}")
    return None


def _key(algorithm: str, size: int) -> str:
    return f"{algorithm} {size}" if size else algorithm


# ---------------------------------------------------------------- redeploy


def unfinished(facts: Facts, _settings: PolicySettings) -> Violation | None:
    """A bundle that a hand-made chain has overtaken meanwhile is not finished."""
    chain = current_chain(facts)
    if chain is None or not facts.history.unfinished or not is_ours(facts, chain):
        return None
    return Violation(Reason.UNFINISHED, f"{short(chain)} was accepted and has not reached every place yet")


def missing(facts: Facts, settings: PolicySettings) -> Violation | None:
    return _drift(facts, settings, Reason.MISSING)


def differs(facts: Facts, settings: PolicySettings) -> Violation | None:
    return _drift(facts, settings, Reason.DIFFERS)


def _drift(facts: Facts, settings: PolicySettings, reason: Reason) -> Violation | None:
    found = [drift.message for drift in drifted(facts, settings) if drift.reason is reason]
    return Violation(reason, "; ".join(found)) if found else None


def stale(facts: Facts, settings: PolicySettings) -> Violation | None:
    """Stored, but an endpoint shows another one: its consumer was not reloaded."""
    chain, shown = current_chain(facts), not_served(facts, settings)
    if chain is None or not shown:
        return None
    where = ", ".join(dict.fromkeys(f"{s.endpoint} at {s.address}" for s in shown))
    return Violation(Reason.NOT_SERVED, f"{where} shows {_what(shown[0].chain)} instead of {short(chain)}")


def _what(shown: Chain | None) -> str:
    return short(shown) if shown else "another certificate"
