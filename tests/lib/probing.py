"""Asking the prober for one endpoint on loopback, and what is served there."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta

from rotator.core.model import Bundle, Endpoint, Sighting
from rotator.lib.tls import probe
from tests.pki import Authority

NOW = datetime.now(UTC)
YEAR = timedelta(days=365)
NAME = "shop.example.com"
V = ssl.TLSVersion


def issued(by: Authority, *names: str, key: str = "ecdsa-256", ends_in: timedelta = timedelta(days=30)) -> Bundle:
    return by.issue(names or (NAME,), not_before=NOW - timedelta(days=60), not_after=NOW + ends_in, key=key)


def at(port: int, *, starttls: str = "", server_name: str = NAME) -> Endpoint:
    return Endpoint("127.0.0.1", port, server_name, starttls)


def look(endpoint: Endpoint, **limits: float) -> Sighting:
    (sighting,) = probe([endpoint], **limits)  # type: ignore[arg-type]  # all of them are numbers of seconds
    return sighting
