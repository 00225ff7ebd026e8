"""Source `endpoints`: what TLS endpoints serve, every address of each, looked at without judging."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from types import MappingProxyType
from typing import Any, ClassVar

from pydantic import Field, field_validator, model_validator

from rotator.core.adoptable import issuer_name
from rotator.core.model import Location, Observation, Problem, ProblemKind, Sighting
from rotator.lib.endpoint import parse_endpoint
from rotator.lib.tls import probe
from rotator.ports import Clock
from rotator.settings import Duration, PluginSettings

SYSTEM = "tls"


class EndpointsSettings(PluginSettings):
    """Which endpoints to look at; `endpoints: ["shop.example.com:443"]` is short for `endpoints: {endpoints: […]}`."""

    endpoints: tuple[str, ...] = Field(
        min_length=1, description="host, host:port, https://…, smtp://host:587, [2001:db8::1]:443."
    )
    connect_timeout: Duration = Field(
        default=timedelta(seconds=5), gt=timedelta(0), description="How long a connection may take to stand."
    )
    timeout: Duration = Field(
        default=timedelta(seconds=10), gt=timedelta(0), description="How long one address may take in all."
    )
    concurrency: int = Field(default=256, ge=1, le=10_000, description="How many connections to have at once.")

    @model_validator(mode="before")
    @classmethod
    def _bare_list(cls, given: Any) -> Any:
        return {"endpoints": given} if isinstance(given, list | tuple) else given

    @field_validator("endpoints")
    @classmethod
    def _readable(cls, endpoints: tuple[str, ...]) -> tuple[str, ...]:
        for text in endpoints:
            parse_endpoint(text)
        return endpoints


class EndpointsSource:
    """Endpoints that the operator names."""

    Settings: ClassVar[type[PluginSettings]] = EndpointsSettings

    def __init__(self, name: str, settings: PluginSettings, clock: Clock) -> None:
        assert isinstance(settings, EndpointsSettings)
        self.name = name
        self._settings = settings

    def observe(self) -> Iterator[Observation]:
        """One observation per address; an endpoint that is down is one that could not be seen."""
        settings = self._settings
        sightings = probe(
            tuple(parse_endpoint(text) for text in settings.endpoints),
            connect_seconds=settings.connect_timeout.total_seconds(),
            total_seconds=settings.timeout.total_seconds(),
            concurrency=settings.concurrency,
        )
        return map(observation_of, sightings)


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
