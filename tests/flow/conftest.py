"""What the flow tests share."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from rotator.log import configure
from tests.flow.site import Site

pytest.register_assert_rewrite("tests.flow.crashing")


@pytest.fixture(autouse=True)
def log() -> Iterator[io.StringIO]:
    """What rotator has logged in this test's own process; there is never a key in it."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    stream = io.StringIO()
    configure(stream=stream)
    yield stream
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(capture=False)
    structlog.reset_defaults()
    assert "PRIVATE KEY" not in stream.getvalue()


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
