"""A roll-back that was left undone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from rotator.core.model import Result
from tests.builders import DAY
from tests.flow.services import Manner
from tests.flow.site import Site


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with Site(tmp_path / "site") as opened:
        opened.policy = replace(opened.policy, first_look_acts=True)
        yield opened


def test_an_expired_neighbour_keeps_no_harm_in_place(site: Site) -> None:
    """Of two endpoints one has shown an expired certificate for long; the other one is put back all the same."""
    shop = site.service("shop", left=20 * DAY, manner=Manner.FALLS)
    stale = site.service("stale", bundle=site.bundle("shop.example.com", left=-DAY), manner=Manner.KEEPS)
    spec = site.declare("shop", shop)
    site.specs["shop"] = replace(spec, endpoints=(shop.endpoint, stale.endpoint))
    before = shop.serves
    outcome = site.outcome()
    assert outcome.result is Result.ROLLED_BACK, outcome.error
    assert shop.serves == before
