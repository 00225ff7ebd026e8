"""Source `endpoints`: what TLS endpoints serve, every address of each, looked at without judging."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from datetime import timedelta
from typing import Any, ClassVar, Self

from pydantic import Field, field_validator, model_validator

from rotator.core.model import Observation
from rotator.core.served import observations_of
from rotator.errors import SourceError
from rotator.lib.endpoint import parse_endpoint
from rotator.lib.tls import ClientCertificate, ClientCertificateUnfit, WorkerEnded, probe
from rotator.ports import Clock
from rotator.settings import Duration, NamedFile, PluginSettings


class EndpointsSettings(PluginSettings):
    """Which endpoints to look at; `endpoints: ["shop.example.com:443"]` is short for `endpoints: {endpoints: […]}`."""

    endpoints: tuple[str, ...] = Field(
        min_length=1, description="host, host:port, https://…, smtp://host:587, [2001:db8::1]:443."
    )
    server_name: str = Field(
        default="", description="The name to ask each of them for (SNI), where it is not the host."
    )
    connect_timeout: Duration = Field(
        default=timedelta(seconds=5), gt=timedelta(0), description="How long a connection may take to stand."
    )
    handshake_timeout: Duration = Field(
        default=timedelta(seconds=5), gt=timedelta(0), description="How long the TLS handshake alone may take."
    )
    timeout: Duration = Field(
        default=timedelta(seconds=10),
        gt=timedelta(0),
        description="How long one address may take in all, STARTTLS included; and a name to be resolved.",
    )
    retries: int = Field(
        default=0, ge=0, le=10, description="How often to look again where it timed out or the connection broke."
    )
    concurrency: int = Field(default=256, ge=1, le=10_000, description="How many connections to have at once.")
    per_address: int = Field(
        default=10, ge=1, le=10_000, description="How many of them to one address; the others go on meanwhile."
    )
    processes: int = Field(
        default=0, ge=0, le=64, description="Processes beside this one that shake hands; helps from some hundreds on."
    )
    both_keys: bool = Field(
        default=False,
        description="Whether to ask once more for a certificate with the other kind of key, RSA or ECDSA (TLS 1.2).",
    )
    client_certificate: NamedFile | None = Field(
        default=None, description="A chain (PEM, leaf first) to show to servers that ask for a client certificate."
    )
    client_key: NamedFile | None = Field(
        default=None, description="Its private key (PEM, not encrypted); not needed where the same file holds it."
    )

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

    @field_validator("server_name")
    @classmethod
    def _sendable(cls, name: str) -> str:
        parse_endpoint("localhost", name)
        return name

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.client_key is not None and self.client_certificate is None:
            raise ValueError("a client_key needs a client_certificate beside it")
        return self

    @property
    def client(self) -> ClientCertificate | None:
        """What is shown to servers that ask."""
        if self.client_certificate is None:
            return None
        return ClientCertificate(self.client_certificate, self.client_key or self.client_certificate)


class EndpointsSource:
    """Endpoints that the operator names."""

    Settings: ClassVar[type[PluginSettings]] = EndpointsSettings

    def __init__(self, name: str, settings: PluginSettings, clock: Clock) -> None:
        assert isinstance(settings, EndpointsSettings)
        self.name = name
        self._settings = settings

    def observe(self) -> Iterator[Observation]:
        """One observation per address, as they come; an endpoint that is down is one that could not be seen."""
        settings = self._settings
        try:
            sightings = probe(
                tuple(parse_endpoint(text, settings.server_name) for text in settings.endpoints),
                connect_seconds=settings.connect_timeout.total_seconds(),
                handshake_seconds=settings.handshake_timeout.total_seconds(),
                total_seconds=settings.timeout.total_seconds(),
                concurrency=settings.concurrency,
                per_address=settings.per_address,
                retries=settings.retries,
                client=settings.client,
                processes=settings.processes,
                every_key=settings.both_keys,
                unrouted=True,
            )
            with contextlib.closing(sightings):
                yield from observations_of(sightings)
        except (ClientCertificateUnfit, WorkerEnded) as error:
            raise SourceError(f"source {self.name}: {error}") from error
