"""A CA that believes every proof, and the scene in front of it."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from rotator.core.model import Result
from rotator.core.pem import chain_pem
from tests.e2e.cas import minted
from tests.e2e.hostile.scene import LEFT, Scene
from tests.e2e.minting import Mint
from tests.e2e.path import Later
from tests.issuers.acme.proxied import (
    fronted,
)
from tests.servers.pebble import DEFAULT, LIFETIMES, Pebble, PebbleSettings, start_pebble


@pytest.fixture(scope="package")
def easy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pebble]:
    """A Pebble that believes every proof."""
    settings = PebbleSettings(lifetimes={DEFAULT: LIFETIMES[DEFAULT]}, nonce_reject=5)
    with start_pebble(tmp_path_factory.mktemp("easy"), settings, PEBBLE_VA_ALWAYS_VALID="1") as pebble:
        yield pebble


@pytest.fixture
def scene(easy: Pebble, tmp_path: Path) -> Iterator[Scene]:
    name = f"shop-{uuid.uuid4().hex[:8]}.example.com"
    old = minted(easy, name, LEFT)
    (tmp_path / "roots.pem").write_text(easy.roots())
    (tmp_path / "tls.crt").write_bytes(chain_pem(old.chain))
    (tmp_path / "tls.key").touch(mode=0o600)
    (tmp_path / "tls.key").write_bytes(old.key)
    with fronted(easy, tmp_path / "front") as front:
        held = (tmp_path / "tls.crt").read_bytes()
        yield Scene(tmp_path, front, name, Later(), Mint(easy), held, tmp_path / "roots.pem")


@pytest.fixture
def renewed(scene: Scene) -> Scene:
    """The certificate after an honest renewal."""
    with scene.wired() as wiring:
        _, outcome = scene.look(wiring)
    assert outcome is not None
    assert outcome.result is Result.UNPROVED, outcome.error
    return scene
