"""What to do about one certificate, and why: ordered chains of small checks over its facts. Pure.

The first violation wins; its reason is one word, its message a sentence. The commented tuples in this module are the
specification: what each line makes sure of is said beside it, how it is found out stands in `rotator.core.checks`
and `rotator.core.holds`. What needs the whole fleet comes after, in `rotator.core.guards`.

The same facts always give the same decision. A reason that one look alone cannot prove is waited for once; where
another one is certain already, that one is acted upon, so that a flickering observation starves nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from rotator.core import checks, holds, quarantine
from rotator.core.budget.known import known_at
from rotator.core.checks import Check, ends_in, usable_suggestion
from rotator.core.delegation import CURED, asked_owner, under_way
from rotator.core.drift import (
    at_stake,
    current_chain,
    key_stored,
    needing,
    quarantined_places,
    sound_others,
    unreadable_places,
    unseen_places,
)
from rotator.core.keys import next_key, told
from rotator.core.lead import PolicySettings, due_at, emergency_at, lead, lead_of, renew_at, span, why_this_lead
from rotator.core.limits import cap_until, gap_until, open_ask, redeploy_until, resumes
from rotator.core.model import Action, Chain, Decision, Facts, History, Location, TlsaMode, Violation
from rotator.core.pins import pins_of, tlsa_problem
from rotator.core.reasons import Reason
from rotator.core.wanted import DEAD, Held, Hold, Wanted

RENEW_CHECKS: tuple[Check, ...] = (
    checks.not_issued,  # a certificate exists at all
    checks.unreadable,  # what a declared place holds is a certificate
    checks.key_is_lost,  # somebody has the key that belongs to it
    checks.incomplete,  # a path leads from what is stored to what its clients trust
    checks.names_changed,  # it covers every name that it must
    checks.revoked,  # its issuer still stands by it
    checks.expired,  # it has not ended
    checks.suggested,  # its issuer does not ask for a new one
    checks.due,  # its lead has not begun
    checks.received,  # no new one lies here unvalidated
    checks.delegated,  # no other controller was asked for one and not followed to its end
    checks.asked,  # nobody insists
)

NEXT_RENEWAL_CHECKS: tuple[Check, ...] = (
    # None of these is worth an order of its own; they are put right at the next due renewal, or when a person asks.
    checks.issuer_changed,  # an issuer of its list has signed it
    checks.key_policy_changed,  # its key is of the kind that is asked for
    checks.weak,  # key and signature are strong enough for today
)

REDEPLOY_CHECKS: tuple[Check, ...] = (
    checks.unfinished,  # the newest accepted bundle has reached every place
    checks.missing,  # no place is empty
    checks.differs,  # every place holds the current chain, whole, with its key
    checks.stale,  # every address that answers shows it
)

HOLD_CHECKS: tuple[Hold, ...] = (
    # Is it true?
    holds.second_look,  # one look may be wrong
    # Is it ours to do?
    holds.owned,  # no other controller writes the place, unless it is the one that is asked
    holds.ignored,  # nobody said hands off
    holds.immutable,  # the place can be written
    holds.lifetime_too_short,  # looks come often enough for so short a life
    holds.unseen,  # there is a place to put it
    # What did people say?
    holds.observe,  # the mode says rotate
    holds.paused,  # nobody paused it
    holds.put_back,  # nobody put an older one back
    quarantine.quarantined,  # this bundle did no harm there
    holds.request_unfit,  # a request that was made elsewhere can be ordered with
    holds.tlsa,  # what the DNS publishes of keys will hold; yields past the emergency line
    holds.findings,  # no finding on the new chain waits for a person
    # Is it time? The first two yield past the emergency line.
    holds.outside_window,  # changes are allowed now
    holds.backing_off,  # the last failure is long enough ago
    holds.too_soon,  # the last issuance is, too: no loop can form
    holds.capped,  # a day's orders are not used up
    holds.redeployed_enough,  # nor a day's redeploys
)

CERTAIN = frozenset({Reason.DUE, Reason.SUGGESTED, Reason.EXPIRED, Reason.ASKED, Reason.UNFINISHED})
"""Reasons that are dates, or in our own records: one look is enough."""

UNFIT = frozenset(
    {
        Reason.NOT_ISSUED,
        Reason.UNREADABLE,
        Reason.KEY_LOST,
        Reason.INCOMPLETE,
        Reason.NAMES_CHANGED,
        Reason.REVOKED,
        Reason.EXPIRED,
    }
)
"""Reasons for which the current chain is not worth being put anywhere while its renewal waits."""


def decide(facts: Facts, settings: PolicySettings) -> Decision:
    """What to do about one certificate.

    A renewal that is held back does not keep a certificate that is still good from being put back where it is missing.
    """
    return replace(_decided(facts, settings), pins=pins_of(facts, settings))


def _decided(facts: Facts, settings: PolicySettings) -> Decision:
    renewal = _renewal(facts, settings)
    if renewal is None:
        redeploy = _redeploy(facts, settings)
        return _answer(redeploy, facts, settings) if redeploy else _left_alone(facts, settings)
    decision = _answer(renewal, facts, settings)
    if decision.due or UNFIT & {renewal.reason, *renewal.reasons}:
        return decision
    redeploy = _redeploy(facts, settings)
    if redeploy is None or redeploy.renews:
        return decision
    instead = _answer(redeploy, facts, settings)
    if not instead.due:
        return decision
    return replace(instead, message=f"{instead.message}; its renewal waits: {decision.message}")


def reasons_seen(facts: Facts, settings: PolicySettings) -> frozenset[Reason]:
    """Everything that this look saw, to be stored with the beginning of each for the second-look rule."""
    every = (*RENEW_CHECKS, *NEXT_RENEWAL_CHECKS, *REDEPLOY_CHECKS)
    return frozenset(violation.reason for violation in _found(every, facts, settings))


def skips_gap(decision: Decision, facts: Facts) -> bool:
    """Whether the order that this decision places skips the gap; the ledger remembers it. Force by hand is no skip."""
    ask = open_ask(facts)
    if decision.action not in {Action.RENEW, Action.DELEGATE} or decision.resumes or (ask is not None and ask.force):
        return False
    spec = facts.spec
    own = decision.lead if decision.lead is not None else lead(spec.lifetime or timedelta(0), spec.renew_before)
    return gap_until(facts, current_chain(facts), own) is not None


def may_order_again(decision: Decision, facts: Facts, history: History, now: datetime) -> bool:
    """Whether the cap has room for one more order within a rotation.

    Args:
        history: as it stands now, with the orders that this rotation has placed.
    """
    spec = facts.spec
    own = decision.lead if decision.lead is not None else lead(spec.lifetime or timedelta(0), spec.renew_before)
    return cap_until(replace(facts, history=history, now=now), current_chain(facts), own) is None


def places_to_write(decision: Decision, facts: Facts, settings: PolicySettings) -> tuple[Location, ...]:
    """Where a due decision writes: a renewal everywhere, a redeploy only where it is needed and allowed.

    Quarantined places are left out, unless they are all that is needed: that is the one try past the emergency line.
    What is delegated is written by its owner alone.
    """
    if decision.action is Action.DELEGATE:
        return ()
    chain = current_chain(facts)
    if decision.action is not Action.REDEPLOY or chain is None:
        return tuple(facts.installed) if decision.due else ()
    reason = decision.because or decision.reason
    about = needing(facts, settings, reason)
    harmed = quarantined_places(facts, settings)
    allowed = tuple(place for place in about if place not in harmed) or about
    if reason is Reason.UNFINISHED:
        return allowed
    own = lead_of(chain, facts.spec, settings)
    return tuple(place for place in allowed if redeploy_until(facts, place, chain, own) is None)


# ---------------------------------------------------------------- what is wanted


def _renewal(facts: Facts, settings: PolicySettings) -> Wanted | None:
    found = _found(RENEW_CHECKS, facts, settings)
    if not found and open_ask(facts) is not None:
        found = _found(NEXT_RENEWAL_CHECKS, facts, settings)
    if not found:
        return None
    wanted = _wanted(Action.RENEW, found, (), facts, settings)
    owner = asked_owner(facts)
    if owner is None or not CURED & wanted.reasons:
        return wanted
    message = f"{wanted.message}; {owner.kind} is asked to renew {owner.name}"
    return replace(
        wanted, action=Action.DELEGATE, message=message, resumes=wanted.resumes or under_way(facts) is not None
    )


def _redeploy(facts: Facts, settings: PolicySettings) -> Wanted | None:
    """Where the store has no key for the current chain, what is missing can only be issued anew.

    A place that holds the right bundle needs no key from us to be reloaded.
    """
    found = _found(REDEPLOY_CHECKS, facts, settings)
    if not found:
        return None
    wanted = _wanted(Action.REDEPLOY, found, at_stake(facts, settings), facts, settings)
    if wanted.reason is Reason.NOT_SERVED or key_stored(facts):
        return wanted
    message = f"{wanted.message}, and the key to put it there is not kept"
    return replace(wanted, action=Action.RENEW, message=message, resumes=resumes(facts))


def _found(chain: Sequence[Check], facts: Facts, settings: PolicySettings) -> tuple[Violation, ...]:
    violations = (check(facts, settings) for check in chain)
    return tuple(violation for violation in violations if violation is not None)


def _wanted(
    action: Action, found: Sequence[Violation], stake: Sequence[Chain], facts: Facts, settings: PolicySettings
) -> Wanted:
    certain = [violation for violation in found if _confirmed(violation.reason, facts)]
    first = (certain or found)[0]
    chain = current_chain(facts)
    concerned = (*stake, chain) if chain else tuple(stake)
    line = min((emergency_at(one, facts.spec, settings) for one in concerned), default=None)
    reasons = frozenset(violation.reason for violation in certain)
    return Wanted(
        action=action,
        reason=first.reason,
        message=first.message,
        reasons=reasons,
        confirmed=bool(certain),
        chain=chain,
        lead=_lead(facts, settings),
        ends=min((one.not_after for one in concerned), default=None),
        line=line,
        emergency=bool(reasons & DEAD) or (line is not None and line <= facts.now),
        resumes=action is Action.RENEW and resumes(facts),
    )


def _confirmed(reason: Reason, facts: Facts) -> bool:
    """Seen by the looks before this one too. A certificate's own fields do not change between two looks."""
    at_once = CERTAIN | {Reason.ISSUER_CHANGED, Reason.KEY_POLICY_CHANGED, Reason.WEAK}
    chain = current_chain(facts)
    if reason is Reason.REVOKED and chain is not None and chain.fingerprint in facts.history.revoked:
        return True  # by rotator itself
    return reason in at_once or reason in facts.history.seen_since


def _lead(facts: Facts, settings: PolicySettings) -> timedelta:
    chain = current_chain(facts)
    if chain is not None:
        return lead_of(chain, facts.spec, settings)
    return lead(facts.spec.lifetime or timedelta(0), facts.spec.renew_before, due_rule=settings.due_rule)


# ---------------------------------------------------------------- the answer


def _answer(wanted: Wanted, facts: Facts, settings: PolicySettings) -> Decision:
    """What is wanted, or the first thing that holds it back."""
    if wanted.action is Action.RENEW and not facts.evidence.request_problem:
        key = told(next_key(facts, settings), facts.spec)
        wanted = replace(wanted, message=f"{wanted.message}, {key}") if key else wanted
        published = tlsa_problem(facts, settings) if facts.spec.tlsa is TlsaMode.CHECK else ""
        wanted = replace(wanted, message=f"{wanted.message}; {published}") if published else wanted
    for hold in HOLD_CHECKS:
        held = hold(facts, settings, wanted)
        if held is not None:
            return _held(held, wanted, facts)
    return Decision(
        spec=facts.spec,
        action=wanted.action,
        reason=wanted.reason,
        message=wanted.message,
        at=facts.now,
        wanted=wanted.action,
        because=wanted.reason,
        ends=wanted.ends,
        emergency=wanted.emergency,
        lead=wanted.lead if wanted.chain else None,
        foreseen=_foreseen(facts),
        resumes=wanted.resumes,
        known_at=known_at(facts, settings),
    )


def _held(held: Held, wanted: Wanted, facts: Facts) -> Decision:
    return Decision(
        spec=facts.spec,
        action=held.action,
        reason=held.reason,
        message=f"{wanted.message}; {held.message}",
        at=held.at,
        wanted=wanted.action,
        because=wanted.reason,
        ends=wanted.ends,
        emergency=wanted.emergency,
        command=held.command,
        lead=wanted.lead if wanted.chain else None,
        foreseen=_foreseen(facts),
        resumes=wanted.resumes,
    )


def _foreseen(facts: Facts) -> bool:
    """Whether a stored plan named this renewal before it fell due, or a person asked for it or approved it."""
    named = facts.history.foreseen_at
    by_hand = open_ask(facts) is not None or Reason.SURGE in facts.history.approvals
    return by_hand or (named is not None and named <= facts.now)


def _left_alone(facts: Facts, settings: PolicySettings) -> Decision:
    """Nothing is wanted: it is healthy, or it could not be looked at, which says nothing, or it is not ours to mend."""
    chain = current_chain(facts)
    at = _next_renewal(chain, facts, settings) if chain else facts.now + settings.check_every
    action, reason, command = Action.KEEP, Reason.HEALTHY, ""
    message = _outlook(chain, at, facts, settings) if chain else "nothing is known of it"
    broken, unseen = unreadable_places(facts), unseen_places(facts)
    if broken:
        action, reason, command = Action.HOLD, Reason.UNREADABLE, f"rotator approve {facts.spec.name}"
        message = f"{broken[0].location} holds no certificate any more, and nobody declared what belongs there"
    elif unseen:
        why = unseen[0].problem.message if unseen[0].problem else ""
        action, reason = Action.WAIT, Reason.UNSEEN
        message = f"{message}; {unseen[0].location} could not be looked at: {why}"
    return Decision(
        spec=facts.spec,
        action=action,
        reason=reason,
        message=message,
        at=at,
        ends=chain.not_after if chain else None,
        command=command,
        lead=lead_of(chain, facts.spec, settings) if chain else None,
    )


def _next_renewal(chain: Chain, facts: Facts, settings: PolicySettings) -> datetime:
    """When the next renewal begins by itself: that of the current chain, or of a sound other one beside it."""
    others = [o.chain for o in sound_others(facts, settings) if o.chain]
    own = renew_at(chain, facts.spec, usable_suggestion(facts), settings)
    return min((own, *(due_at(other, facts.spec, settings) for other in others)))


def _outlook(chain: Chain, at: datetime, facts: Facts, settings: PolicySettings) -> str:
    """ "ends in 29 d, due in 13 d, because it lives 47 d", and what else there is to know."""
    why = "as its issuer suggests" if usable_suggestion(facts) else why_this_lead(chain, facts.spec, settings)
    notes = [f"{ends_in(chain.not_after, facts.now)}, due in {span(at - facts.now)}, {why}"]
    notes += ["put there by hand"] if facts.replaced_by_hand else []
    later = _found(NEXT_RENEWAL_CHECKS, facts, settings)
    notes += [f"at its next renewal: {'; '.join(v.message for v in later)}"] if later else []
    problem = facts.evidence.request_problem
    notes += [f"it could not be renewed: {problem}"] if problem else []
    published = tlsa_problem(facts, settings)
    notes += [published] if published else []
    notes += [f"TLSA of {one.name} is not known: {one.problem}" for one in facts.evidence.tlsa if one.problem]
    silent = [str(s.endpoint) for many in facts.served.values() for s in many if not s.state.up]
    notes += [f"{', '.join(dict.fromkeys(silent))} did not show what it serves"] if silent else []
    return "; ".join(notes)
