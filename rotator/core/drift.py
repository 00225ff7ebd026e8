"""What the places and endpoints of a certificate hold and show, held against its current chain. Pure.

A place that could not be looked at says nothing here: it is never missing, never different.
"""

from __future__ import annotations

from dataclasses import dataclass

from rotator.core.lead import PolicySettings, due_at
from rotator.core.model import (
    CertificateSpec,
    Chain,
    Facts,
    Location,
    Observation,
    ProblemKind,
    Quarantine,
    Sighting,
)
from rotator.core.reasons import Reason
from rotator.core.trust import covers


@dataclass(frozen=True, slots=True)
class Drift:
    """A place that was looked at and does not hold the current chain with its key.

    Attributes:
        reason: `missing` or `differs`.
        holds: the chain that is there instead; None where there is none.
    """

    location: Location
    reason: Reason
    message: str
    holds: Chain | None = None


# ---------------------------------------------------------------- the current chain and its key


def current_chain(facts: Facts) -> Chain | None:
    """The current chain; what is found stands in for it where the inventory names none."""
    if facts.newest is not None:
        return facts.newest
    found = (observation.chain for observation in facts.installed.values() if observation.chain)
    return max(found, key=lambda chain: chain.not_after, default=None)


def is_ours(facts: Facts, chain: Chain) -> bool:
    """Whether it is the newest chain that rotator accepted, not one that was found or made by hand."""
    accepted = facts.history.accepted
    return accepted is not None and accepted.fingerprint == chain.fingerprint


def key_stored(facts: Facts) -> bool:
    """Whether the store has the key of the current chain: only then can it be put anywhere without a new order."""
    chain = current_chain(facts)
    return chain is not None and facts.history.key_kept and is_ours(facts, chain)


def key_lost(facts: Facts) -> bool:
    """Whether neither the store nor any place has a key that belongs to the current chain.

    Certain only where every place was looked at and every key beside the chain was readable. What is held elsewhere
    cannot be lost here.
    """
    chain = current_chain(facts)
    if chain is None or facts.spec.csr or key_stored(facts) or unseen_places(facts):
        return False
    holders = [o for o in facts.installed.values() if o.chain and o.chain.fingerprint == chain.fingerprint]
    elsewhere = any(o.key and o.key.spki and o.key.spki == chain.spki for o in facts.installed.values())
    return bool(holders) and not elsewhere and all(_key_fits(o, facts.spec) is False for o in holders)


def _key_fits(observation: Observation, spec: CertificateSpec) -> bool | None:
    """Whether the key at a place belongs to the chain there; None where no key is expected or it could not be told."""
    key = observation.key
    if key is None or spec.csr:
        return None
    if key.matches is None and not key.spki:
        return False  # a key belongs there, and there is none
    return key.matches


def missing_names(spec: CertificateSpec, chain: Chain) -> tuple[str, ...]:
    """Names of the spec that the chain does not cover; none where its names could not be read."""
    if any(problem.startswith("names:") for problem in chain.leaf.problems):
        return ()
    return tuple(name for name in spec.names if not covers(chain.names, name))


# ---------------------------------------------------------------- places


def unseen_places(facts: Facts) -> tuple[Observation, ...]:
    """Places that could not be looked at."""
    return tuple(o for o in facts.installed.values() if o.problem and o.problem.kind is ProblemKind.UNSEEN)


def seen_places(facts: Facts) -> tuple[Observation, ...]:
    """Places that were looked at, whatever they hold."""
    return tuple(o for o in facts.installed.values() if not o.problem or o.problem.kind is not ProblemKind.UNSEEN)


def unreadable_places(facts: Facts) -> tuple[Observation, ...]:
    """Places that hold something that is no certificate, and that no stored bundle could mend."""
    if key_stored(facts):
        return ()
    return tuple(o for o in facts.installed.values() if o.problem and o.problem.kind is ProblemKind.UNREADABLE)


def drifted(facts: Facts, settings: PolicySettings) -> tuple[Drift, ...]:
    """Places that need the current chain.

    A chain made by hand whose key rotator does not have cannot be spread to other places. What these hold is left
    alone as long as it is sound and not due itself: the next renewal brings them together.
    """
    chain = current_chain(facts)
    if chain is None:
        return ()
    passed_over = {o.location for o in (*unreadable_places(facts), *sound_others(facts, settings))}
    found = (_drift(o, chain, facts) for o in seen_places(facts) if o.location not in passed_over)
    return tuple(drift for drift in found if drift is not None)


def _drift(observation: Observation, chain: Chain, facts: Facts) -> Drift | None:
    where, held = observation.location, observation.chain
    if observation.problem is not None:
        return Drift(where, Reason.DIFFERS, f"{where} holds no certificate: {observation.problem.message}")
    if held is None:
        return Drift(where, Reason.MISSING, f"{where} is empty")
    if held.fingerprint != chain.fingerprint:
        return Drift(where, Reason.DIFFERS, f"{where} holds {short(held)} instead of {short(chain)}", held)
    if _key_fits(observation, facts.spec) is False:
        return Drift(where, Reason.DIFFERS, f"{where} holds {short(chain)} with a key that does not belong to it")
    if key_stored(facts) and facts.evidence.trusted is False and _fewer(held, chain):
        return Drift(where, Reason.DIFFERS, f"{where} holds {short(chain)} without all of its chain", held)
    return None


def _fewer(held: Chain, chain: Chain) -> bool:
    there = {certificate.fingerprint for certificate in held.certificates}
    return any(certificate.fingerprint not in there for certificate in chain.certificates)


def sound_others(facts: Facts, settings: PolicySettings) -> tuple[Observation, ...]:
    """Places with a good chain of their own beside a current one that somebody else made; see `drifted`."""
    chain = current_chain(facts)
    if chain is None or is_ours(facts, chain):
        return ()
    return tuple(
        o
        for o in facts.installed.values()
        if o.chain
        and o.chain.fingerprint != chain.fingerprint
        and _key_fits(o, facts.spec) is not False
        and not missing_names(facts.spec, o.chain)
        and facts.now < due_at(o.chain, facts.spec, settings)
    )


# ---------------------------------------------------------------- endpoints


def not_served(facts: Facts, settings: PolicySettings) -> tuple[Sighting, ...]:
    """Addresses that show another certificate than what is rightly stored; those that show nothing say nothing."""
    chain = current_chain(facts)
    if chain is None or not seen_places(facts):
        return ()
    right = {chain.fingerprint, *(o.chain.fingerprint for o in sound_others(facts, settings) if o.chain)}
    seen = (sighting for sightings in facts.served.values() for sighting in sightings if sighting.state.up)
    return tuple(sighting for sighting in seen if sighting.fingerprint not in right)


def at_stake(facts: Facts, settings: PolicySettings) -> tuple[Chain, ...]:
    """What places hold and endpoints show instead of the current chain: its end is the one that users would feel."""
    held = (drift.holds for drift in drifted(facts, settings))
    shown = (sighting.chain for sighting in not_served(facts, settings))
    return tuple(chain for chain in (*held, *shown) if chain is not None)


# ---------------------------------------------------------------- quarantine and writing


def quarantines(facts: Facts, settings: PolicySettings) -> tuple[Quarantine, ...]:
    """Quarantines that stand: of this very spec, and not past the bundle's own next due time."""
    chain = current_chain(facts)
    return tuple(
        q
        for q in facts.history.quarantines
        if q.digest in {"", facts.spec.digest} and not _over(q, facts, chain, settings)
    )


def _over(quarantine: Quarantine, facts: Facts, chain: Chain | None, settings: PolicySettings) -> bool:
    until = quarantine.until
    if until is None and chain is not None and chain.fingerprint == quarantine.fingerprint:
        until = due_at(chain, facts.spec, settings)
    return until is not None and until <= facts.now


def needing(facts: Facts, settings: PolicySettings, reason: Reason) -> tuple[Location, ...]:
    """The places that a redeploy for this reason is about.

    What is not served is stored rightly everywhere, so every place is written again, which reloads its consumers. An
    unfinished bundle goes where it is not yet; where it is everywhere, only its proof is missing.
    """
    behind = tuple(drift.location for drift in drifted(facts, settings))
    if behind and reason is not Reason.NOT_SERVED:
        return behind
    others = {observation.location for observation in sound_others(facts, settings)}
    return tuple(observation.location for observation in seen_places(facts) if observation.location not in others)


def quarantined_places(facts: Facts, settings: PolicySettings) -> frozenset[Location]:
    """Places that the current chain did harm at."""
    chain = current_chain(facts)
    return frozenset(
        q.location for q in quarantines(facts, settings) if chain is not None and q.fingerprint == chain.fingerprint
    )


def short(chain: Chain) -> str:
    """A chain in a sentence."""
    return f"{chain.fingerprint[:16]}…"
