"""What the end-to-end tests share."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from rotator.log import configure


@pytest.fixture
def logged(tmp_path: Path) -> Iterator[Path]:
    """A file with everything that this process logs during the test, down to debug, as rotator writes it."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    path = tmp_path / "rotator.log"
    with path.open("w") as stream:
        configure("debug", "json", stream)
        try:
            yield path
        finally:
            root.handlers[:] = handlers
            root.setLevel(level)
            logging.captureWarnings(capture=False)
            structlog.reset_defaults()
