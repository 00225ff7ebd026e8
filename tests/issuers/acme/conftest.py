"""An ACME issuer on a real Pebble, directly or through a proxy that may lie."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from rotator.issuers.acme import AcmeIssuer, AcmeSettings
from rotator.ports import Clock
from tests.issuers.acme.proxied import Front, fronted
from tests.issuers.asking import Drawer, hurried_clock
from tests.servers.pebble import DEFAULT, Pebble

MakeIssuer = Callable[..., AcmeIssuer]


@pytest.fixture
def drawer() -> Drawer:
    """What the store keeps for the issuers of a test."""
    return Drawer()


@pytest.fixture
def make(drawer: Drawer) -> MakeIssuer:
    """Build an issuer on a Pebble or a front before it; settings where the test says so, else the profile `default`."""

    def built(server: Pebble | Front, clock: Clock | None = None, **settings: object) -> AcmeIssuer:
        standard = {
            "directory": server.directory_url,
            "ca_file": str(server.ca_file),
            "agree_terms": True,
            "http01": {"listen": f"127.0.0.1:{server.http_port}"},
            "profile": DEFAULT,
        }
        chosen = AcmeSettings.model_validate({**standard, **settings})
        return AcmeIssuer("ca", chosen, clock or hurried_clock(), drawer)

    return built


@pytest.fixture
def front(pebble: Pebble, tmp_path: Path) -> Iterator[Front]:
    """A proxy before the worker's Pebble."""
    with fronted(pebble, tmp_path / "front") as front:
        yield front
