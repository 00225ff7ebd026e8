"""What a first look tells, what only a complete look may end, and what holds of every notice."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from rotator.core.model import (
    Action,
    NoticeKind,
    SourceProblem,
)
from rotator.core.notices import KEY_MAX
from rotator.core.reasons import Reason
from tests.builders import (
    DAY,
    ENDPOINT,
    MINUTE,
    NOW,
    chain,
    showing,
    unseen,
)
from tests.core.noticing import C, W, certificate, failed, only, told

# ---------------------------------------------------------------- the first look


def test_a_first_look_is_one_digest() -> None:
    """Whatever a first look finds is one message with counts and the most urgent, never one a certificate."""
    cases = [certificate(5 * DAY, name=f"s{n}", history=failed(9)) for n in range(40)]
    notice = only(told(*cases, first=True, problems=(SourceProblem("disk", "denied"),)))
    assert (notice.kind, notice.severity, notice.key) == (NoticeKind.DIGEST, W, "rotator/digest/first-look")
    assert "40 certificates in rotator's care, 40 of them not in order or due" in notice.detail
    assert "1 source could not be looked at" in notice.detail
    assert "and 20 more" in notice.detail
    assert told(previous=[notice]) == ()


def test_a_digest_says_what_a_first_look_does() -> None:
    """Nothing now; what was asked for by name, or all that is due with `first_look: act`, which waits for a second look
    at what is no date."""
    waits = certificate(5 * DAY, name="waits", action=Action.WAIT, reason=Reason.FIRST_LOOK)
    begun = certificate(5 * DAY, name="begun", action=Action.RENEW, reason=Reason.DUE)
    nothing, asked, all_of_it = (only(told(*cases, first=True)).detail for cases in ([waits], [waits, begun], [begun]))
    assert "Nothing is begun now. Where the mode says rotate" in nothing
    assert "Begun at once: 1 certificate. Where the mode says rotate" in asked
    assert all_of_it.endswith("Begun at once: 1 certificate.")


# ---------------------------------------------------------------- only a complete look ends a notice


def test_a_notice_stays_where_its_certificate_was_not_seen() -> None:
    """A certificate that is missing from an incomplete look keeps its notice; a complete one ends it."""
    before = only(told(certificate(history=failed(4))))
    problem = (SourceProblem("cluster", "timeout"),)
    assert before in told(previous=[before], problems=problem)
    assert told(previous=[before]) == ()


def test_a_notice_stays_where_its_place_could_not_be_looked_at() -> None:
    """An unseen target or a dead endpoint proves nothing: held and not-reloaded stay until they are seen to be over."""
    held = only(told(certificate(action=Action.HOLD, reason=Reason.APPROVAL)))
    blind = certificate(60 * DAY, reason=Reason.UNSEEN, installed=[unseen()])
    assert held in told(blind, previous=[held])
    old = chain("shop.example.com", lives=90 * DAY, left=29 * DAY, label="old")
    stale = only(told(certificate(80 * DAY, served=old, action=Action.REDEPLOY, reason=Reason.NOT_SERVED)))
    decided, seen_now = certificate(80 * DAY, action=Action.KEEP, reason=Reason.HEALTHY)
    down = replace(seen_now, served={ENDPOINT: (showing(None),)})
    assert told((decided, down), previous=[stale]) == (stale,)
    up = replace(seen_now, served={ENDPOINT: (showing(seen_now.newest),)})
    assert told((decided, up), previous=[stale]) == ()


def test_what_rests_on_history_ends_though_an_endpoint_is_down() -> None:
    """A renewal that succeeded ends `failing`, also where an endpoint has never been reachable."""
    before = only(told(certificate(history=failed(4))))
    decided, seen_now = certificate(80 * DAY, action=Action.KEEP, reason=Reason.HEALTHY)
    assert told((decided, replace(seen_now, served={ENDPOINT: (showing(None),)})), previous=[before]) == ()


# ---------------------------------------------------------------- all of them


@given(
    name=st.text(min_size=1, max_size=400),
    error=st.text(max_size=3000),
    owner=st.text(max_size=50),
    reason=st.sampled_from(list(Reason)),
    action=st.sampled_from(list(Action)),
    left=st.integers(-40, 89),
    emergency=st.booleans(),
    tries=st.integers(0, 6),
)
def test_every_notice_is_bounded_and_stable(
    name: str, error: str, owner: str, reason: Reason, action: Action, left: int, emergency: bool, tries: int
) -> None:
    """Whatever the names and errors: at most one notice a certificate, a short key and title, on one line, and the same
    when asked again a minute later."""
    case = certificate(
        left * DAY, name=name, owner=owner, action=action, reason=reason, emergency=emergency,
        history=failed(tries, error=error), message=error,
    )  # fmt: skip
    found = told(case)
    assert len(found) <= 1
    for notice in found:
        assert len(notice.key) <= KEY_MAX
        assert len(notice.title) <= 250
        assert notice.title.isprintable()
        assert len(notice.detail) < 10_000
        assert notice.owner == owner
    later = told((case[0], replace(case[1], now=NOW + MINUTE)), previous=found)
    assert [(n.key, n.since) for n in later] == [(n.key, n.since) for n in found]


def test_the_gravest_come_first() -> None:
    """What pages stands before what does not."""
    cases = [certificate(left * DAY, name=f"s{left}", history=failed(4, error=f"{left * 'x'}")) for left in (29, 4, 14)]
    assert [(n.severity, n.subjects) for n in told(*cases)] == [(C, ("s14",)), (C, ("s4",)), (W, ("s29",))]
