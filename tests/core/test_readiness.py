"""What a preflight comes to, and what is remembered of it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from rotator.core.model import Check
from rotator.core.readiness import Answer, Kept, Line, Readiness, Verdict, kept_after, line_of
from tests.builders import NOW

W, F, U, N = Verdict.WELL, Verdict.FAILS, Verdict.UNKNOWN, Verdict.UNTOLD
HOUR = timedelta(hours=1)


def readiness(own: Verdict, hours: int = 0, **issuers: Verdict) -> Readiness:
    answers = [Answer("", (Line("key", own),))]
    answers += [Answer(name, (Line("account", verdict, name),)) for name, verdict in issuers.items()]
    return Readiness("shop", NOW + hours * HOUR, tuple(answers))


@pytest.mark.parametrize(
    ("one", "fails", "spoiled", "unknown"),
    [
        (readiness(W, le=W), False, (), False),
        (readiness(W, le=F), True, (), False),
        (readiness(W, le=F, google=W), False, ("le",), False),
        (readiness(W, le=F, google=U), False, ("le",), True),
        (readiness(W, le=F, google=F), True, (), False),
        (readiness(F, le=W), True, (), False),
        (readiness(N, le=N), False, (), False),
        (readiness(W), False, (), False),
    ],
)
def test_whether_the_renewal_would_come_about(
    one: Readiness, fails: bool, spoiled: tuple[str, ...], unknown: bool
) -> None:
    """One issuer that can is enough; a place that cannot be written is not made good by any."""
    assert (one.fails, one.spoiled, one.unknown) == (fails, spoiled, unknown)


def test_what_nobody_can_tell_is_not_called_well() -> None:
    """A check that cannot be made beforehand is neither well nor a failure, and says why."""
    (well, untold) = (line_of(Check("role", detail="seen", told=told)) for told in (True, False))
    assert (well.verdict, untold.verdict, untold.text) == (W, N, "seen")


def test_failures_in_a_row_are_counted_from_their_beginning() -> None:
    """Until one finds nothing; when that was is kept."""
    kept: Kept | None = None
    for hours, verdict in enumerate((W, F, F)):
        kept = kept_after(kept, readiness(W, hours, le=verdict))
    assert kept is not None
    assert (kept.failures, kept.failing_since, kept.succeeded) == (2, NOW + HOUR, NOW)
    kept = kept_after(kept, readiness(W, 3, le=W))
    assert (kept.failures, kept.failing_since, kept.succeeded) == (0, None, NOW + 3 * HOUR)


def test_what_could_not_be_asked_stands_as_it_stood() -> None:
    """A time limit neither opens nor closes anything."""
    failing = kept_after(None, readiness(W, le=F))
    still = kept_after(failing, readiness(W, 1, le=U))
    assert still.readiness.fails
    assert still.asked == NOW + HOUR
    well = kept_after(kept_after(None, readiness(W, le=W)), readiness(W, 1, le=U))
    assert not well.readiness.fails
    assert well.succeeded == NOW
