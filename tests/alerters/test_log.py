"""The log alerter: notices as events."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from dataclasses import replace

import pytest
import structlog

from rotator import log
from rotator.alerters.log import LogAlerter, LogSettings
from rotator.conformance.alerter import example
from rotator.core.model import Severity
from tests.alerters.services import clock


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    """The log as it is written, with what was configured before put back."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    written = io.StringIO()
    log.configure(stream=written)
    try:
        yield written
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
        logging.captureWarnings(capture=False)
        structlog.reset_defaults()


@pytest.mark.parametrize("severity", list(Severity))
def test_a_notice_is_an_event_of_its_severity(stream: io.StringIO, severity: Severity) -> None:
    """The level is the severity, and the dedup key is shown under a name that redaction leaves alone."""
    LogAlerter("log", LogSettings(), clock()).send(replace(example(), severity=severity), receipt=None)
    event = json.loads(stream.getvalue())
    assert event["level"] == severity
    assert event["notice"] == "rotator/failing/shop"
    assert event["command"] == "rotator rotate shop"
    assert event["since"] == "2026-03-02T12:00:00+00:00"


def test_the_end_of_a_notice_is_an_info(stream: io.StringIO) -> None:
    """What is over no longer shouts."""
    over = replace(example(), severity=Severity.CRITICAL, resolved=True)
    LogAlerter("log", LogSettings(), clock()).send(over, receipt=None)
    event = json.loads(stream.getvalue())
    assert (event["level"], event["event"]) == ("info", "notice over")
