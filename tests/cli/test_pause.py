"""Until when to pause, as people write it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from rotator.cli.ending import Mistake
from rotator.cli.pause import moment_of
from tests.builders import NOW


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("", None),
        ("2h", NOW + timedelta(hours=2)),
        ("1d12h", NOW + timedelta(hours=36)),
        ("2027-01-31", datetime(2027, 1, 31, tzinfo=UTC)),
        ("2027-01-31T08:00", datetime(2027, 1, 31, 8, tzinfo=UTC)),
        ("2027-01-31T08:00Z", datetime(2027, 1, 31, 8, tzinfo=UTC)),
        ("2027-01-31T08:00+02:00", datetime(2027, 1, 31, 6, tzinfo=UTC)),
    ],
)
def test_moments(text: str, moment: datetime | None) -> None:
    """A length from now or a moment; without a zone it is UTC."""
    assert moment_of(text, NOW) == moment


@pytest.mark.parametrize("text", ["soon", "12:00", "31.1.2027", "-1h"])
def test_what_is_no_moment(text: str) -> None:
    """What cannot be read is refused with examples."""
    with pytest.raises(Mistake, match="write it like 2h"):
        moment_of(text, NOW)
