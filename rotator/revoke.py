"""Revoke certificates: by the issuer that signed them, never by accident, and remembered for good.

A revoked certificate that is still served is an outage wherever clients look: nothing is revoked that any place holds,
any endpoint shows or the store has as current, unless a person insists. Where that cannot be told, it counts as in use.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from rotator.core.drift import current_chain
from rotator.core.model import Certificate, Facts, Inventory, ProblemKind, RevocationReason
from rotator.core.noticetext import run
from rotator.core.sightings import place
from rotator.errors import IssueError, RotatorError
from rotator.log import logger
from rotator.ports import Issued, Issuer, Revoked, Revokes
from rotator.world import World

log = logger(__name__)

NEVER_REVOKED = frozenset({"received"})
"""One that was just received is not yet anybody's; it is dropped or accepted first."""


class Kept(RotatorError):  # noqa: N818 - reads as what happened
    """A certificate was not revoked, and why."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A certificate that could be revoked.

    Attributes:
        name: the certificate spec that it was made for; empty where nobody knows.
        issuer: who signed it, by the config's name; empty where nobody knows.
        status: as the store has it, `accepted` or `superseded`; empty where it is not in the store.
    """

    certificate: Certificate
    name: str
    issuer: str
    status: str = ""


def candidates(issued: Iterable[Issued], revoked: Mapping[str, Revoked], now: datetime) -> tuple[Candidate, ...]:
    """What of ours could be revoked: neither ended nor revoked already; newest first."""
    return tuple(
        Candidate(one.chain.leaf, one.certificate, one.issuer, one.status)
        for one in issued
        if one.status not in NEVER_REVOKED and one.chain.not_after > now and one.chain.fingerprint not in revoked
    )


def revoke(candidate: Candidate, reason: RevocationReason, world: World) -> str:
    """Have one certificate revoked, and remember it; safe to repeat. Says what was done.

    Raises:
        IssueError: the issuer refused, or could not be asked.
        Kept: there is no issuer that could.
    """
    issuer = revoker(candidate.issuer, world.issuers)
    certificate = candidate.certificate
    try:
        issuer.revoke(certificate, reason)
    except IssueError as error:
        named = str(error).startswith(f"{candidate.issuer}: ")
        raise IssueError(
            str(error) if named else f"{candidate.issuer}: {error}",
            permanent=error.permanent,
            retry_after=error.retry_after,
        ) from error
    now = world.clock.now()
    world.store.keep_revoked(Revoked(certificate.fingerprint, candidate.name, candidate.issuer, reason, now))
    said = f"{candidate.issuer} revoked {certificate.fingerprint} ({reason}), serial {certificate.serial:x}"
    world.store.audit("revoked", candidate.name or certificate.fingerprint, said, now)
    log.info("revoked", certificate=candidate.name, fingerprint=certificate.fingerprint, issuer=candidate.issuer)
    return said


def revoker(name: str, issuers: Mapping[str, Issuer]) -> Revokes:
    """The issuer of that name, if it can revoke.

    Raises:
        Kept: there is none, or it cannot.
    """
    issuer = issuers.get(name)
    if issuer is None:
        raise Kept(f"there is no issuer {name!r} in the config; there are {', '.join(sorted(issuers)) or 'none'}")
    if not isinstance(issuer, Revokes):
        raise Kept(f"{name} cannot revoke; do it at the CA itself")
    return issuer


def in_use(fingerprint: str, everything: Iterable[Facts]) -> tuple[str, ...]:
    """Where a certificate is in use, or may be, a clause each; empty where it is certain that it is not."""
    return tuple(dict.fromkeys(clause for facts in everything for clause in _in_use(fingerprint, facts)))


def _in_use(fingerprint: str, facts: Facts) -> Iterator[str]:
    accepted = facts.history.accepted
    if accepted is not None and accepted.fingerprint == fingerprint:
        yield f"it is the current one of {facts.spec.name}"
    for location, observation in facts.installed.items():
        if observation.chain is not None and observation.chain.fingerprint == fingerprint:
            yield f"{location} holds it"
    for sightings in facts.served.values():
        for sighting in sightings:
            if sighting.fingerprint == fingerprint:
                yield f"{place(sighting)} serves it"
    yield from _hidden(facts)


def _hidden(facts: Facts) -> Iterator[str]:
    """What a look could not see of a certificate's places and endpoints; any certificate may be there."""
    for location, observation in facts.installed.items():
        if observation.problem is not None and observation.problem.kind is ProblemKind.UNSEEN:
            yield f"{location} could not be looked at and may hold it"
    for endpoint, sightings in facts.served.items():
        if not any(sighting.state.up for sighting in sightings):
            yield f"{endpoint} did not show what it serves"


def used_elsewhere(certificate: Certificate, inventory: Inventory, but: str = "") -> tuple[str, ...]:
    """Where somebody else than one spec uses a certificate, or may: other specs that share it, or share a name with it
    and could not be looked at, and what is served without being in our care. A clause each; a mere copy that nobody
    serves is no use."""
    return used_by_others([certificate], inventory, but)[certificate.fingerprint]


def used_by_others(
    certificates: Iterable[Certificate], inventory: Inventory, but: str = ""
) -> Mapping[str, tuple[str, ...]]:
    """The same for several certificates, in one pass; by fingerprint."""
    names = {one.fingerprint: frozenset(one.names) for one in certificates}
    found: dict[str, dict[str, None]] = {fingerprint: {} for fingerprint in names}
    for facts in inventory.facts:
        if facts.spec.name != but:
            for fingerprint, clause in _used_by(facts, names):
                found[fingerprint][clause] = None
    for observation in inventory.unmanaged:
        chain = observation.chain
        if chain is not None and observation.handshake is not None and chain.fingerprint in found:
            found[chain.fingerprint][f"{observation.location} serves it"] = None
    return {fingerprint: tuple(clauses) for fingerprint, clauses in found.items()}


def _used_by(facts: Facts, names: Mapping[str, frozenset[str]]) -> Iterator[tuple[str, str]]:
    """Which of these certificates one spec uses, or may; the names of each are known by fingerprint."""
    whose, accepted = facts.spec.name, facts.history.accepted
    if accepted is not None and accepted.fingerprint in names and current_chain(facts) == accepted:
        yield accepted.fingerprint, f"it is the current one of {whose}"
    for location, observation in facts.installed.items():
        if observation.chain is not None and observation.chain.fingerprint in names:
            yield observation.chain.fingerprint, f"{location} holds it for {whose}"
    for sighting in (one for sightings in facts.served.values() for one in sightings):
        if sighting.fingerprint in names:
            yield sighting.fingerprint, f"{place(sighting)} serves it for {whose}"
    for clause in _hidden(facts):
        yield from (
            (fingerprint, f"{clause}, of {whose}") for fingerprint, own in names.items() if own & set(facts.spec.names)
        )


def renew_first(name: str, reason: RevocationReason) -> str:
    """The command that replaces a certificate which is in use, so that the old one can be revoked afterwards."""
    return run("rotate", name, "--force", "--reason", str(reason))
