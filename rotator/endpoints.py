"""Where each certificate is served, and what is shown there: declared, in front of its places, or joined once.

A fingerprint is evidence, not ownership: only what exactly one certificate stores joins an endpoint to it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from rotator.core.model import CertificateSpec, Endpoint, Location, Observation, Sighting, SightingState
from rotator.world import World

Served = Mapping[Endpoint, tuple[Sighting, ...]]
"""What each endpoint of one certificate shows."""


def served(
    specs: Sequence[CertificateSpec],
    installed: Mapping[str, Mapping[Location, Observation]],
    observations: Sequence[Observation],
    world: World,
) -> Mapping[str, Served]:
    """The endpoints of every certificate and what they show, by the certificate's name.

    Args:
        installed: what the places of each certificate hold, by its name.
        observations: what sources saw; what follows from them of whose an endpoint is, is remembered.

    Raises:
        StateError: what is known of endpoints cannot be read or kept.
    """
    endpoints = _endpoints(specs, installed, observations, world)
    return _shown([_Wanted(spec, endpoints[spec.name], installed[spec.name]) for spec in specs], observations, world)


# ---------------------------------------------------------------- whose they are


def _endpoints(
    specs: Iterable[CertificateSpec],
    installed: Mapping[str, Mapping[Location, Observation]],
    observations: Iterable[Observation],
    world: World,
) -> Mapping[str, tuple[Endpoint, ...]]:
    """The endpoints of each certificate: declared, in front of its places, or joined by fingerprint once."""
    joins = dict(world.store.joins())
    by_fingerprint: dict[str, set[str]] = {}
    for name, places in installed.items():
        for observation in places.values():
            if observation.chain:
                by_fingerprint.setdefault(observation.chain.fingerprint, set()).add(name)
    new = _new_joins(observations, by_fingerprint, joins)
    if new:
        world.store.keep_joins(new)
    joins |= new
    endpoints: dict[str, tuple[Endpoint, ...]] = {}
    for spec in specs:
        fronts = (front for o in installed[spec.name].values() for front in o.fronts)
        joined = (endpoint for endpoint, name in joins.items() if name == spec.name)
        endpoints[spec.name] = tuple(dict.fromkeys((*spec.endpoints, *fronts, *joined)))
    return endpoints


def _new_joins(
    observations: Iterable[Observation], by_fingerprint: Mapping[str, set[str]], joins: Mapping[Endpoint, str]
) -> dict[Endpoint, str]:
    """An endpoint that serves what exactly one certificate stores belongs to it from now on."""
    new: dict[Endpoint, str] = {}
    for observation in observations:
        if observation.endpoint is None or observation.chain is None or observation.endpoint in joins:
            continue
        names = by_fingerprint.get(observation.chain.fingerprint, set())
        if len(names) == 1:
            new[observation.endpoint] = next(iter(names))
    return new


# ---------------------------------------------------------------- what they show


@dataclass(frozen=True, slots=True)
class _Wanted:
    spec: CertificateSpec
    endpoints: tuple[Endpoint, ...]
    installed: Mapping[Location, Observation]

    @property
    def stored(self) -> frozenset[str]:
        """The fingerprints of what its places hold."""
        return frozenset(o.chain.fingerprint for o in self.installed.values() if o.chain)


def _shown(wanted: Sequence[_Wanted], observations: Iterable[Observation], world: World) -> Mapping[str, Served]:
    """What every endpoint shows, by certificate: as a source just saw it, else by a handshake of our own.

    A server may have an RSA certificate beside an ECDSA one. Where a source saw something else than what is stored,
    it is asked again for a key like that of the certificate in question.
    """
    seen: dict[Endpoint, list[Sighting]] = {}
    for observation in observations:
        if observation.endpoint is not None and observation.chain is not None:
            sighting = _as_sighting(observation.endpoint, observation)
            there = seen.setdefault(observation.endpoint, [])
            if all((s.address, s.fingerprint) != (sighting.address, sighting.fingerprint) for s in there):
                there.append(sighting)  # two sources may look at one endpoint
    shown: dict[str, dict[Endpoint, tuple[Sighting, ...]]] = {one.spec.name: {} for one in wanted}
    asked: dict[str | None, list[tuple[str, Endpoint]]] = {}
    for one in wanted:
        stored = one.stored
        for endpoint in one.endpoints:
            sightings = seen.get(endpoint, [])
            shown[one.spec.name][endpoint] = tuple(sightings)
            if not sightings or any(s.fingerprint not in stored for s in sightings):
                asked.setdefault(one.spec.key_algorithm, []).append((one.spec.name, endpoint))
    for algorithm, pairs in asked.items():
        fresh: dict[Endpoint, list[Sighting]] = {}
        for sighting in world.probe([endpoint for _, endpoint in pairs], key_algorithm=algorithm):
            fresh.setdefault(sighting.endpoint, []).append(sighting)
        for name, endpoint in pairs:
            shown[name][endpoint] = tuple(fresh.get(endpoint, ()))
    return shown


def _as_sighting(endpoint: Endpoint, observation: Observation) -> Sighting:
    return Sighting(
        endpoint,
        observation.address,
        SightingState.SERVED,
        observation.chain.fingerprint if observation.chain else "",
        observation.chain,
        observation.handshake,
    )
