"""What an address of an endpoint showed, as an observation. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from types import MappingProxyType

from rotator.core.adoptable import issuer_name
from rotator.core.model import Location, Observation, Problem, ProblemKind, Sighting, SightingState

SYSTEM = "tls"
"""The system of every location on the wire."""


def observations_of(sightings: Iterable[Sighting]) -> Iterator[Observation]:
    """Sightings as observations, as they come; at the end one for all addresses that this machine has no route to.

    A machine without IPv6 would say the same of every name that has an AAAA record: it is said once, with a count.
    """
    unrouted: Counter[str] = Counter()
    for sighting in sightings:
        if sighting.state is SightingState.UNROUTED:
            unrouted["IPv6" if ":" in sighting.address else "IPv4"] += 1
        else:
            yield observation_of(sighting)
    for family, count in sorted(unrouted.items()):
        have = "1 endpoint has" if count == 1 else f"{count} endpoints have"
        told = f"this machine has no route to {family}; {have} further addresses there that were not looked at"
        yield Observation(Location(SYSTEM, family), problem=Problem(ProblemKind.UNSEEN, told))


def observation_of(sighting: Sighting) -> Observation:
    """A sighting as an observation of its address; each kind of key that was asked for is a place of its own."""
    endpoint, chain = sighting.endpoint, sighting.chain
    labels = {"name": str(endpoint), "host": endpoint.host, "port": str(endpoint.port), "address": sighting.address}
    if sighting.key:
        labels["key"] = sighting.key
    if chain is not None:
        labels["issuer"] = issuer_name(chain.leaf)
    return Observation(
        location=Location(SYSTEM, _address(sighting)),
        chain=chain,
        problem=_problem(sighting),
        handshake=sighting.handshake,
        endpoint=endpoint,
        labels=MappingProxyType(labels),
        remarks=(sighting.detail,) if chain is not None and sighting.detail else (),
    )


def _address(sighting: Sighting) -> str:
    """As `shop.example.com:443@192.0.2.7 (rsa)`; `Observation.address` reads it."""
    at = f"@{sighting.address}" if sighting.address else ""
    return f"{sighting.endpoint}{at} ({sighting.key})" if sighting.key else f"{sighting.endpoint}{at}"


def _problem(sighting: Sighting) -> Problem | None:
    where = f"{sighting.endpoint} at {sighting.address}" if sighting.address else str(sighting.endpoint)
    if not sighting.state.up:
        return Problem(ProblemKind.UNSEEN, f"{where}: {sighting.state}: {sighting.detail}")
    if sighting.chain is None:
        return Problem(ProblemKind.UNREADABLE, f"{where}: {sighting.detail}")
    return None
