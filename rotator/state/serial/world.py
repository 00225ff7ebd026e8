"""What was seen: locations, endpoints, sightings, observations."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from types import MappingProxyType
from typing import TypeVar

from rotator.core.model import (
    Chain,
    Endpoint,
    Handshake,
    KeyFacts,
    Location,
    Observation,
    Owner,
    Problem,
    ProblemKind,
    Sighting,
    SightingState,
    Verification,
)
from rotator.state.serial.certificates import (
    certificates_from_json,
    certificates_to_json,
    chain_from_json,
    chain_to_json,
    maybe_chain_from_json,
    maybe_chain_to_json,
)
from rotator.state.serial.scalars import Json

A = TypeVar("A")
B = TypeVar("B")


def _maybe(convert: Callable[[A], B], value: A | None) -> B | None:
    return None if value is None else convert(value)


# ---------------------------------------------------------------- places


def location_to_json(location: Location) -> Json:
    return {"system": location.system, "address": location.address}


def location_from_json(document: Json) -> Location:
    return Location(document["system"], document["address"])


def endpoint_to_json(endpoint: Endpoint) -> Json:
    return {
        "host": endpoint.host,
        "port": endpoint.port,
        "server_name": endpoint.server_name,
        "starttls": endpoint.starttls,
    }


def endpoint_from_json(document: Json) -> Endpoint:
    return Endpoint(document["host"], document["port"], document["server_name"], document["starttls"])


# ---------------------------------------------------------------- handshakes


def handshake_to_json(handshake: Handshake) -> Json:
    return {
        "version": handshake.version,
        "cipher": handshake.cipher,
        "client_certificate_wanted": handshake.client_certificate_wanted,
    }


def handshake_from_json(document: Json) -> Handshake:
    return Handshake(document["version"], document["cipher"], document["client_certificate_wanted"])


def sightings_to_json(sightings: Iterable[Sighting]) -> Json:
    """Many sightings in one document: addresses of a fleet show the same few chains, so each is written once."""
    chains: dict[Chain, int] = {}
    seen = [
        _sighting_to_json(sighting, _maybe(lambda chain: chains.setdefault(chain, len(chains)), sighting.chain))
        for sighting in sightings
    ]
    return {"chains": [chain_to_json(chain) for chain in chains], "sightings": seen}


def sightings_from_json(document: Json) -> tuple[Sighting, ...]:
    chains = [chain_from_json(texts) for texts in document["chains"]]
    return tuple(_sighting_from_json(one, chains) for one in document["sightings"])


def _sighting_to_json(sighting: Sighting, chain: int | None) -> Json:
    return {
        "endpoint": endpoint_to_json(sighting.endpoint),
        "address": sighting.address,
        "state": sighting.state.value,
        "fingerprint": sighting.fingerprint,
        "chain": chain,
        "handshake": _maybe(handshake_to_json, sighting.handshake),
        "detail": sighting.detail,
        "key": sighting.key,
    }


def _sighting_from_json(document: Json, chains: list[Chain]) -> Sighting:
    return Sighting(
        endpoint=endpoint_from_json(document["endpoint"]),
        address=document["address"],
        state=SightingState(document["state"]),
        fingerprint=document["fingerprint"],
        chain=_maybe(chains.__getitem__, document["chain"]),
        handshake=_maybe(handshake_from_json, document["handshake"]),
        detail=document["detail"],
        key=document.get("key", ""),
    )


def verification_to_json(verification: Verification) -> Json:
    return {
        "before": sightings_to_json(verification.before),
        "after": sightings_to_json(verification.after),
        "verified": list(verification.verified),
    }


def verification_from_json(document: Json) -> Verification:
    return Verification(
        before=sightings_from_json(document["before"]),
        after=sightings_from_json(document["after"]),
        verified=tuple(document["verified"]),
    )


# ---------------------------------------------------------------- observations


def problem_to_json(problem: Problem) -> Json:
    return {"kind": problem.kind.value, "message": problem.message}


def problem_from_json(document: Json) -> Problem:
    return Problem(ProblemKind(document["kind"]), document["message"])


def key_facts_to_json(key: KeyFacts) -> Json:
    return {"spki": key.spki, "matches": key.matches, "mode": key.mode, "sealed": key.sealed}


def key_facts_from_json(document: Json) -> KeyFacts:
    return KeyFacts(document["spki"], document["matches"], document["mode"], document.get("sealed", False))


def owner_to_json(owner: Owner) -> Json:
    return {"kind": owner.kind, "name": owner.name, "remedy": owner.remedy, "asks": owner.asks}


def owner_from_json(document: Json) -> Owner:
    return Owner(document["kind"], document["name"], document["remedy"], document.get("asks", ""))


def observation_to_json(observation: Observation) -> Json:
    return {
        "location": location_to_json(observation.location),
        "chain": maybe_chain_to_json(observation.chain),
        "problem": _maybe(problem_to_json, observation.problem),
        "key": _maybe(key_facts_to_json, observation.key),
        "owner": _maybe(owner_to_json, observation.owner),
        "handshake": _maybe(handshake_to_json, observation.handshake),
        "endpoint": _maybe(endpoint_to_json, observation.endpoint),
        "labels": dict(observation.labels),
        "anchors": certificates_to_json(observation.anchors),
        "never_adopt": observation.never_adopt,
        "ignored": observation.ignored,
        "immutable": observation.immutable,
        "fronts": [endpoint_to_json(front) for front in observation.fronts],
    }


def observation_from_json(document: Json) -> Observation:
    return Observation(
        location=location_from_json(document["location"]),
        chain=maybe_chain_from_json(document["chain"]),
        problem=_maybe(problem_from_json, document["problem"]),
        key=_maybe(key_facts_from_json, document["key"]),
        owner=_maybe(owner_from_json, document["owner"]),
        handshake=_maybe(handshake_from_json, document["handshake"]),
        endpoint=_maybe(endpoint_from_json, document["endpoint"]),
        labels=MappingProxyType(dict(document["labels"])),
        anchors=certificates_from_json(document["anchors"]),
        never_adopt=document["never_adopt"],
        ignored=document["ignored"],
        immutable=document["immutable"],
        fronts=tuple(endpoint_from_json(front) for front in document["fronts"]),
    )
