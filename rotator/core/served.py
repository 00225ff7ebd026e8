"""What an address of an endpoint showed, as an observation. Pure."""

from __future__ import annotations

from types import MappingProxyType

from rotator.core.adoptable import issuer_name
from rotator.core.model import Location, Observation, Problem, ProblemKind, Sighting

SYSTEM = "tls"
"""The system of every location on the wire."""


def observation_of(sighting: Sighting) -> Observation:
    """A sighting as an observation of its address."""
    endpoint, chain = sighting.endpoint, sighting.chain
    labels = {"name": str(endpoint), "host": endpoint.host, "port": str(endpoint.port), "address": sighting.address}
    if chain is not None:
        labels["issuer"] = issuer_name(chain.leaf)
    return Observation(
        location=Location(SYSTEM, f"{endpoint}@{sighting.address}" if sighting.address else str(endpoint)),
        chain=chain,
        problem=_problem(sighting),
        handshake=sighting.handshake,
        endpoint=endpoint,
        labels=MappingProxyType(labels),
    )


def _problem(sighting: Sighting) -> Problem | None:
    where = f"{sighting.endpoint} at {sighting.address}" if sighting.address else str(sighting.endpoint)
    if not sighting.state.up:
        return Problem(ProblemKind.UNSEEN, f"{where}: {sighting.state}: {sighting.detail}")
    if sighting.chain is None:
        return Problem(ProblemKind.UNREADABLE, f"{where}: {sighting.detail}")
    return None
