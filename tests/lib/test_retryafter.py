"""Tests of `rotator.lib.retryafter`."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rotator.lib.retryafter import clamp, parse_retry_after

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


@pytest.fixture(params=["UTC", "America/New_York", "Asia/Tokyo"])
def zone(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The machine's own time zone."""
    monkeypatch.setenv("TZ", request.param)
    time.tzset()
    yield request.param
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0),
        ("120", 120),
        (" 120 ", 120),
        ("31536000", 31536000),
        ("Sun, 22 Nov 2026 12:02:00 GMT", 120),
        ("Sunday, 22-Nov-26 12:02:00 GMT", 120),
        ("Sun Nov 22 12:02:00 2026", 120),
        ("Sun, 22 Nov 2026 21:02:00 +0900", 120),
        ("Sun, 22 Nov 2026 07:02:00 -0500", 120),
        ("Sun, 22 Nov 2026 12:02:00 -0000", 120),
        ("Sun, 22 Nov 2026 11:58:00 GMT", 0),
    ],
)
def test_both_forms_are_read_in_every_zone(zone: str, value: str, seconds: int) -> None:
    """Seconds and HTTP dates (RFC 9110, 5.6.7) mean the same wherever the machine stands; the past means now."""
    assert parse_retry_after(value, NOW) == timedelta(seconds=seconds)


@pytest.mark.parametrize("value", [None, "", "soon", "-5", "1.5", "٣", "9" * 40, "Sun, 99 Nov 2026 12:02:00 GMT"])
def test_what_makes_no_sense_is_as_good_as_absent(value: str | None) -> None:
    """A header that is no wait gives None, so that the caller's own default is used."""
    assert parse_retry_after(value, NOW) is None


@given(st.text())
def test_no_text_breaks_it(value: str) -> None:
    """Whatever a server sends, the answer is a wait that is not negative, or None."""
    wait = parse_retry_after(value, NOW)

    assert wait is None or wait >= timedelta(0)


def test_a_wait_is_kept_within_limits() -> None:
    """Nought becomes the least, a year the most, and an absent one the default."""
    limits = {"default": 5 * MINUTE, "least": MINUTE, "most": 10 * MINUTE}

    assert clamp(timedelta(0), **limits) == MINUTE
    assert clamp(timedelta(days=365), **limits) == 10 * MINUTE
    assert clamp(3 * MINUTE, **limits) == 3 * MINUTE
    assert clamp(None, **limits) == 5 * MINUTE
