"""A person's `rollback` where somebody else has a say."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from rotator.asked import carry_out
from rotator.core.model import Owner, Snapshot, TargetSpec
from rotator.ports import Request, Target
from rotator.world import World
from tests.builders import DAY, HOUR
from tests.flow.site import Site


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with Site(tmp_path / "site") as opened:
        yield opened


class Marked:
    """A target whose place carries a mark."""

    def __init__(self, target: Target, *, ignored: bool, owner: Owner | None) -> None:
        self._target, self._ignored, self._owner = target, ignored, owner

    def __getattr__(self, name: str) -> object:
        return getattr(self._target, name)

    def snapshot(self) -> Snapshot:
        found = self._target.snapshot()
        return replace(found, observation=replace(found.observation, ignored=self._ignored, owner=self._owner))


@pytest.mark.parametrize(
    ("ignored", "owner"), [(True, None), (False, Owner("cert-manager", "Certificate shop/shop", "cmctl renew shop"))]
)
def test_what_is_not_ours_is_not_rolled_back(site: Site, *, ignored: bool, owner: Owner | None) -> None:
    """A place that carries rotator/ignore, or that another controller writes, is not written by a rollback either."""
    shop = site.cared_for("shop", left=29 * DAY)
    site.looks(2 * HOUR, every=HOUR)
    site.time.goes_by(61 * DAY)
    site.look()
    served = shop.serves

    def marked(world: World) -> World:
        def target(certificate: str, spec: TargetSpec) -> Target:
            return Marked(world.target(certificate, spec), ignored=ignored, owner=owner)  # type: ignore[return-value]  # by `__getattr__`

        return replace(world, target=target)

    site.change = marked
    answer = carry_out(Request(1, "rollback", {"certificate": "shop"}, site.time.now, "ada@host"), site.wiring)
    assert answer.startswith("not done: ")
    assert "rotator/ignore" in answer or "cert-manager" in answer
    assert shop.serves == shop.held == served
