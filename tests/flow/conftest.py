"""What the flow tests share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.flow.site import Site


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """A site without services, and a rotator beside it that has looked once, when there was nothing."""
    with Site(tmp_path / "site") as opened:
        opened.look()
        yield opened


@pytest.fixture
def new_site(tmp_path: Path) -> Iterator[Site]:
    """A site without services, and a rotator beside it that has not looked yet."""
    with Site(tmp_path / "site") as opened:
        yield opened
