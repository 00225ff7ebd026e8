"""Which notices are sent now, and to whom."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rotator.conformance.alerter import example
from rotator.core.model import Notice, NoticeKind, Severity
from rotator.core.standing import REPEAT_EVERY
from rotator.core.telling import Mark, Taker, Told, risen, takers_of, to_close, to_open
from tests.builders import DAY, HOUR, MINUTE, NOW

W, E, C, INFO = Severity.WARNING, Severity.ERROR, Severity.CRITICAL, Severity.INFO
CHAT = Taker("chat")
NOTICE = example()


def told(at: datetime = NOW, to: str = "chat", *, notice: Notice = NOTICE, undelivered: tuple[str, ...] = ()) -> Told:
    mark = Mark(at, notice.severity, len(notice.subjects), "a thread")
    return Told(notice, {to: mark}, frozenset(undelivered))


def sent(notice: Notice, before: Told | None, *takers: Taker, now: datetime = NOW) -> list[str]:
    states: Mapping[str, Told] = {notice.key: before} if before else {}
    return [errand.to for errand in to_open([notice], states, takers or (CHAT,), now, REPEAT_EVERY)]


def closed(before: Told, *takers: Taker) -> list[tuple[str, bool]]:
    return [
        (errand.to, errand.notice.resolved) for errand in to_close([], {before.notice.key: before}, takers or (CHAT,))
    ]


@pytest.mark.parametrize(
    ("severity", "after", "due"),
    [(C, 4 * HOUR, True), (C, 3 * HOUR, False), (E, DAY, True), (E, 23 * HOUR, False), (W, 3 * DAY, True),
     (W, 2 * DAY, False), (INFO, 29 * DAY, False)],
)  # fmt: skip
def test_a_notice_is_told_once_and_repeated_as_its_severity_says(
    severity: Severity, after: timedelta, due: bool
) -> None:
    """New: at once; then not before its time."""
    notice = replace(NOTICE, severity=severity)
    assert sent(notice, None) == ["chat"]
    assert sent(notice, told(notice=notice), now=NOW + after) == (["chat"] if due else [])


def test_a_route_may_say_how_often() -> None:
    """`repeat_every` of the route wins over the severity's, and a service that forgets is told more often still."""
    assert sent(NOTICE, told(), replace(CHAT, repeat_every=HOUR), now=NOW + HOUR) == ["chat"]
    assert sent(NOTICE, told(), replace(CHAT, resend_every=5 * MINUTE), now=NOW + 5 * MINUTE) == ["chat"]
    assert sent(NOTICE, told(), replace(CHAT, resend_every=5 * MINUTE), now=NOW + 4 * MINUTE) == []


def test_what_rises_is_told_at_once_and_does_not_fall() -> None:
    """A higher severity is sent at once; a lower one is not a new message, and not a smaller one either."""
    assert sent(replace(NOTICE, severity=C), told()) == ["chat"]
    calmer = risen(NOTICE, told(notice=replace(NOTICE, severity=C)))
    assert calmer.severity is C
    assert sent(calmer, told(notice=replace(NOTICE, severity=C)), now=NOW + MINUTE) == []
    over = told(notice=replace(NOTICE, severity=C, resolved=True))
    assert risen(NOTICE, over).severity is W


def test_a_cause_that_spreads_is_told_when_it_has_doubled() -> None:
    """One more subject is no news, twice as many are."""
    assert sent(replace(NOTICE, subjects=("a", "b", "c")), told()) == []
    assert sent(replace(NOTICE, subjects=("a", "b", "c", "d")), told()) == ["chat"]


def test_what_did_not_arrive_is_sent_again() -> None:
    """Whoever has not got the last message gets it at the next call, with the receipt of the one before."""
    before = told(undelivered=("chat",))
    (errand,) = to_open([NOTICE], {NOTICE.key: before}, [CHAT], NOW + MINUTE, REPEAT_EVERY)
    assert errand.receipt == "a thread"


def test_what_was_refused_waits_for_its_repetition() -> None:
    """An alerter that will not take a notice is not asked at every call."""
    refused = Told(NOTICE, {"chat": Mark(NOW, W, 2, refused=True)})
    assert sent(NOTICE, refused, now=NOW + HOUR) == []
    assert sent(NOTICE, refused, now=NOW + 3 * DAY) == ["chat"]
    assert closed(refused) == []


def test_the_end_goes_to_those_who_were_told() -> None:
    """Not to an alerter that never heard of it; also to one that may have, though it did not answer."""
    before = told(undelivered=("pager",))
    assert closed(before, CHAT, Taker("pager"), Taker("mail")) == [("chat", True), ("pager", True)]


def test_an_end_that_did_not_arrive_is_sent_again() -> None:
    """Only to those who have not got it."""
    before = told(notice=replace(NOTICE, resolved=True), undelivered=("pager",))
    assert closed(before, CHAT, Taker("pager")) == [("pager", True)]


def test_what_opens_again_is_told_anew() -> None:
    """A notice whose end was told is new when it comes back, in the thread it had."""
    assert sent(NOTICE, told(notice=replace(NOTICE, resolved=True))) == ["chat"]


@pytest.mark.parametrize("kind", [NoticeKind.DIGEST, NoticeKind.RETIRED, NoticeKind.REPLACED_BY_HAND])
def test_news_has_no_end(kind: NoticeKind) -> None:
    """What is told once for the record is not declared over; it is still sent to whoever has not got it."""
    assert closed(told(notice=example(kind))) == []
    assert closed(told(notice=example(kind), undelivered=("chat",))) == [("chat", False)]


PAGER = Taker("pager", at_least=C)
PAYMENTS = Taker("payments", owners=frozenset({"payments"}))
SHOP = Taker("shop", owners=frozenset({"shop"}), at_least=W)
LOG = Taker("log", reaches_people=False)


@pytest.mark.parametrize(
    ("owner", "severity", "names"),
    [
        ("payments", W, ["payments", "log"]),
        ("payments", C, ["pager", "payments", "log"]),
        ("shop", W, ["shop", "log"]),
        ("nobody", C, ["pager", "log"]),
        ("nobody", W, ["pager", "payments", "shop", "log"]),  # no route takes it: everybody
        ("", W, ["pager", "payments", "shop", "log"]),
        ("shop", INFO, ["log"]),  # an info may go unread
    ],
)
def test_routes_by_owner_and_severity(owner: str, severity: Severity, names: list[str]) -> None:
    """Each route takes what it is for; what nobody who reads it takes goes to everybody."""
    notice = replace(NOTICE, owner=owner, severity=severity)
    assert [taker.name for taker in takers_of(notice, [PAGER, PAYMENTS, SHOP, LOG])] == names


def test_the_digest_always_reaches_somebody() -> None:
    """The first look is told even where all routes want more than an info."""
    digest = replace(example(NoticeKind.DIGEST, INFO), owner="")
    assert takers_of(digest, [PAGER, LOG]) == (PAGER, LOG)


@given(
    at=st.datetimes(timezones=st.just(NOW.tzinfo)), severity=st.sampled_from(list(Severity)),
    subjects=st.integers(0, 10_000), receipt=st.none() | st.text(), refused=st.booleans(),
)  # fmt: skip
def test_a_mark_survives_the_store(
    at: datetime, severity: Severity, subjects: int, receipt: str | None, refused: bool
) -> None:
    """What is kept as text comes back as it was."""
    mark = Mark(at, severity, subjects, receipt, refused)
    assert Mark.decode(mark.encode()) == mark


@pytest.mark.parametrize("text", ["", "{}", "[]", "1", "null", '["x", "warning", 1, null, false]', "1700.1"])
def test_a_mark_of_another_make_is_refused(text: str) -> None:
    """What cannot be read is an error that the caller can handle."""
    with pytest.raises((ValueError, TypeError)):
        Mark.decode(text)
