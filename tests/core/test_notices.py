"""Which notices are open about a certificate: when each begins to be told, how it rises, what is told together."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from rotator.core.model import (
    Action,
    History,
    NoticeKind,
    Pause,
    Result,
    Severity,
    Stage,
    Verification,
)
from rotator.core.noticetext import clause
from rotator.core.reasons import Reason
from tests.builders import (
    DAY,
    ENDPOINT,
    HOUR,
    MINUTE,
    NOW,
    attempt,
    chain,
    outcome,
    quarantine,
    seen,
    showing,
)
from tests.core.noticing import INFO, C, E, W, certificate, failed, only, told

# ---------------------------------------------------------------- failing


@pytest.mark.parametrize(
    ("history", "left", "severity"),
    [
        pytest.param(failed(3), 29 * DAY, None, id="three-tries"),
        pytest.param(failed(4), 29 * DAY, W, id="the-fourth-try"),
        pytest.param(failed(2, first=25 * HOUR), 29 * DAY, W, id="two-tries-in-a-day"),
        pytest.param(failed(1, permanent=True), 29 * DAY, W, id="a-permanent-error"),
        pytest.param(failed(1), 16 * DAY, None, id="before-half-the-lead"),
        pytest.param(failed(1), 14 * DAY, C, id="past-half-the-lead"),
        pytest.param(failed(4, result=Result.PENDING), 29 * DAY, None, id="pending-is-no-failure"),
    ],
)
def test_failing_is_told_when_a_retry_alone_may_not_do(
    history: History, left: timedelta, severity: Severity | None
) -> None:
    """A warning at the fourth failed try, after 24 hours or at once for a permanent error; a page at half the lead."""
    found = [n for n in told(certificate(left, history=history)) if n.kind is NoticeKind.FAILING]
    assert [n.severity for n in found] == ([severity] if severity else [])


@pytest.mark.parametrize(
    ("reason", "pages"),
    [(Reason.EXPIRED, True), (Reason.REVOKED, True), (Reason.KEY_LOST, True), (Reason.INCOMPLETE, False)],
)
def test_one_failure_pages_when_something_broken_is_served(reason: Reason, pages: bool) -> None:
    """What is served is expired, revoked or has lost its key: the first failed try is a page."""
    current = chain("shop.example.com", lives=90 * DAY, left=-HOUR if reason is Reason.EXPIRED else 40 * DAY)
    case = certificate(current=current, because=reason, history=failed(1), served=current)
    assert [n.severity for n in told(case)] == ([C] if pages else [])


def test_a_served_expired_chain_pages_though_the_stored_one_is_fine() -> None:
    """What users see counts: an endpoint that still shows an expired certificate is broken."""
    old = chain("shop.example.com", lives=90 * DAY, left=-HOUR, label="old")
    case = certificate(
        60 * DAY, served=old, action=Action.REDEPLOY, reason=Reason.NOT_SERVED, because=Reason.NOT_SERVED
    )
    assert only(told(case)).severity is C


def test_the_same_cause_is_one_notice_for_each_owner() -> None:
    """Forty-eight certificates that fail for one reason are one notice with all of them, for each owner theirs."""
    cases = [
        certificate(
            name=f"svc-{n}", owner="shop" if n % 4 else "payments",
            history=failed(4, error=f"no TXT record for _acme-challenge.svc-{n}.example.com (try {n}, serial {n:x}0)"),
        )
        for n in range(48)
    ]  # fmt: skip
    payments, shop = sorted(told(*cases), key=lambda n: n.owner)
    assert (len(payments.subjects), len(shop.subjects)) == (12, 36)
    assert payments.key != shop.key
    assert shop.title.startswith("36 certificates could not be issued: no TXT record")
    assert "and 16 more" in shop.detail


def test_a_link_that_a_person_must_open_is_whole_and_makes_no_cause_of_its_own() -> None:
    """A paused account: the link has another token at each refusal; it is one notice, with one link unbroken in it."""
    links = [f"https://portal.ca.example/unpause?jwt={token * 900}" for token in ("aB", "cD", "eF")]
    cases = [
        certificate(
            name=f"svc-{n}",
            history=failed(1, permanent=True, error=f"ca: the CA has paused this account; open {link} to lift that"),
        )
        for n, link in enumerate(links)
    ]
    notice = only(told(*cases))
    assert len(notice.subjects) == 3
    assert any(f"open {link} to lift that" in notice.detail for link in links)


@pytest.mark.parametrize("most", [10, 20, 29, 30, 40, 300])
def test_no_link_is_cut_in_two(most: int) -> None:
    """A text that is too long ends before a link or behind it, and never exceeds what it may have."""
    text = f"see https://ca.example/a-page and {'more ' * 100}"
    cut = clause(text, most)
    assert len(cut) <= most
    assert ("https://" in cut) is ("https://ca.example/a-page" in cut)


def test_a_notice_keeps_its_key_when_the_words_of_the_error_change() -> None:
    """An issuer that answers with a timeout now and a 503 then is still one incident, begun when it began."""
    first = only(told(certificate(history=failed(4, error="timed out"))))
    later = only(told(certificate(history=failed(6, error="503 from the CA")), previous=[first]))
    assert (later.key, later.since) == (first.key, first.since)
    assert "503" in later.title


def test_a_notice_says_what_a_person_needs() -> None:
    """What is served now, when it ends, the last error, the next try, what to run, and where to read on."""
    current = chain("shop.example.com", lives=90 * DAY, left=10 * DAY)
    notice = only(told(certificate(current=current, served=current, history=failed(5, error="CAA forbids it"))))
    assert notice.key.startswith("rotator/failing/")
    assert notice.title == "shop could not be issued in 5 tries: CAA forbids it"
    for part in (
        "Served now: the one that ends in 9 d",
        "at 1 of 1 addresses",
        "Last error, 60 s ago at stage issue: CAA",
        "Next try by itself: 2026-03-02 14:00 UTC",
        "To do: Mend the cause",
    ):
        assert part in notice.detail
    assert notice.command == "rotator rotate shop"
    assert notice.runbook == "docs/runbooks/failing.md"


def test_outcomes_after_the_look_count_once() -> None:
    """A try that ended since the look is counted, also when the history has it by now."""
    case = certificate(history=failed(3))
    fresh = outcome(case[0], Result.FAILED, finished=NOW + MINUTE, took=30 * timedelta(seconds=1), error="no")
    assert only(told(case, outcomes=[fresh])).title.startswith("shop could not be issued in 4 tries")
    history = failed(3)
    known = replace(history, attempts=(*history.attempts, replace(history.attempts[-1], at=fresh.finished)))
    assert only(told(certificate(history=known), outcomes=[fresh])).title.startswith(
        "shop could not be issued in 4 tries"
    )


def test_a_success_after_the_look_ends_failing() -> None:
    """When a rotation succeeds after the look, the older plan opens nothing again for that certificate."""
    case = certificate(10 * DAY, history=failed(5))
    new = chain("shop.example.com", lives=90 * DAY, left=90 * DAY, label="new")
    done = outcome(case[0], Result.DONE, finished=NOW + MINUTE, after=new)
    assert told(case, outcomes=[done]) == ()


# ---------------------------------------------------------------- harm


def test_a_roll_back_is_told_until_the_next_success() -> None:
    """Harm that was undone is an error with its story, and stays while the bundle is barred from the place."""
    history = replace(
        History(attempts=(replace(attempt(result=Result.ROLLED_BACK, stage=Stage.VERIFY), error="shop:443 is down"),)),
        quarantines=(quarantine(chain()),),
    )
    for action in (Action.HOLD, Action.KEEP):
        notice = only(told(certificate(action=action, reason=Reason.QUARANTINED, history=history)))
        assert (notice.kind, notice.severity) == (NoticeKind.ROLLED_BACK, E)
        assert notice.command == "rotator approve shop"
        assert "shop:443 is down" in notice.title


def test_what_could_not_be_undone_pages_at_once() -> None:
    """Stranded is a page however long the certificate lives."""
    history = History(attempts=(attempt(result=Result.STRANDED, stage=Stage.ROLL_BACK),))
    notice = only(told(certificate(60 * DAY, history=history)))
    assert (notice.kind, notice.severity) == (NoticeKind.STRANDED, C)
    assert notice.command == "rotator rollback shop"


@pytest.mark.parametrize(("old_left", "severity"), [(29 * DAY, W), (16 * DAY, W), (14 * DAY, C), (-HOUR, C)])
def test_not_reloaded_rises_with_what_is_left_of_the_served_one(old_left: timedelta, severity: Severity) -> None:
    """Stored and not served is a warning, and a page when half the lead of what is still served is gone."""
    old = chain("shop.example.com", lives=90 * DAY, left=old_left, label="old")
    case = certificate(
        80 * DAY, served=old, action=Action.REDEPLOY, reason=Reason.NOT_SERVED, because=Reason.NOT_SERVED
    )
    notice = only(told(case))
    assert (notice.kind, notice.severity, notice.key) == (
        NoticeKind.NOT_RELOADED,
        severity,
        "rotator/not-reloaded/shop",
    )
    assert str(ENDPOINT) in notice.title


def test_not_reloaded_is_told_when_a_rotation_ends_so() -> None:
    """The outcome alone, before the next look, is enough."""
    old = chain("shop.example.com", lives=90 * DAY, left=29 * DAY)
    new = chain("shop.example.com", lives=90 * DAY, left=90 * DAY, label="new")
    case = certificate(current=old, action=Action.RENEW, reason=Reason.DUE, served=old)
    ended = replace(
        outcome(case[0], Result.UNPROVED, finished=NOW + MINUTE, stage=Stage.VERIFY, after=new, error="not reloaded"),
        verification=Verification(after=(showing(old), showing(new, address="192.0.2.2"))),
    )
    assert only(told(case, outcomes=[ended])).kind is NoticeKind.NOT_RELOADED


def test_a_place_not_served_is_told_from_the_second_look() -> None:
    """What one look alone saw is not told."""
    old = chain("shop.example.com", lives=90 * DAY, left=60 * DAY, label="old")
    case = certificate(80 * DAY, served=old, reason=Reason.SECOND_LOOK, because=Reason.NOT_SERVED)
    assert told(case) == ()


def test_a_rotation_that_waited_for_it_needs_no_second_look() -> None:
    """When the rotation itself ended with the old one still served, the first look after it tells so."""
    old = chain("shop.example.com", lives=90 * DAY, left=29 * DAY, label="old")
    waited = replace(attempt(result=Result.UNPROVED, stage=Stage.VERIFY), error="not reloaded: shop:443")
    case = certificate(
        80 * DAY, served=old, reason=Reason.SECOND_LOOK, because=Reason.NOT_SERVED, history=History(attempts=(waited,))
    )
    assert only(told(case)).kind is NoticeKind.NOT_RELOADED


# ---------------------------------------------------------------- waiting for a person


def test_held_names_the_command_that_lets_it_go_on() -> None:
    """A held certificate is told at once with `approve`; a name that a shell would misread is quoted."""
    case = certificate(name="a b;c", action=Action.HOLD, reason=Reason.APPROVAL, message="client-auth would be lost")
    notice = only(told(case))
    assert (notice.kind, notice.severity, notice.command) == (NoticeKind.HELD, W, "rotator approve 'a b;c'")
    assert "client-auth would be lost" in notice.title


@pytest.mark.parametrize(
    ("left", "emergency", "severity"), [(29 * DAY, False, W), (14 * DAY, False, E), (4 * DAY, True, C)]
)
def test_held_rises_to_a_page_past_the_emergency_line(left: timedelta, emergency: bool, severity: Severity) -> None:
    """Nobody's approval is waited for in silence until the end."""
    case = certificate(left, action=Action.HOLD, reason=Reason.ROOT_CHANGED, emergency=emergency)
    assert only(told(case)).severity is severity


def test_a_surge_is_one_notice_with_one_command() -> None:
    """Renewals that nobody foresaw are held together, and approved together."""
    cases = [certificate(name=f"s{n}", action=Action.HOLD, reason=Reason.SURGE) for n in range(30)]
    notice = only(told(*cases))
    assert (len(notice.subjects), notice.command) == (30, "rotator approve --surge")
    assert notice.severity is W


def test_a_surge_that_the_ca_wants_pages_at_once() -> None:
    """Where a CA suggests renewals that nobody foresaw it is about to revoke many: a person is woken to approve."""
    cases = [certificate(name=f"s{n}", action=Action.HOLD, reason=Reason.SURGE) for n in range(30)]
    suggested = [(replace(decision, because=Reason.SUGGESTED), facts) for decision, facts in cases]
    notice = only(told(*suggested))
    assert (len(notice.subjects), notice.severity) == (30, C)


@pytest.mark.parametrize(
    ("left", "emergency", "severity"), [(40 * DAY, False, INFO), (20 * DAY, False, W), (4 * DAY, True, C)]
)
def test_a_pause_is_an_info_until_it_makes_something_late(left: timedelta, emergency: bool, severity: Severity) -> None:
    """A pause that a person wanted is quiet, then a warning, and a page past the emergency line; one notice for all."""
    history = History(pause=Pause("change freeze", NOW - DAY, match="*"))
    cases = [
        certificate(left, name=name, action=Action.HOLD, reason=Reason.PAUSED, history=history, emergency=emergency)
        for name in ("a", "b")
    ]
    notice = only(told(*cases))
    assert (notice.kind, notice.severity, notice.subjects) == (NoticeKind.PAUSED, severity, ("a", "b"))
    assert notice.command == "rotator resume --match '*'"


def test_a_pause_of_what_was_never_issued_says_so() -> None:
    """Where nothing ends yet, the title is a sentence all the same."""
    history = History(pause=Pause("moving house", NOW - DAY))
    decided, seen_now = certificate(
        action=Action.HOLD, reason=Reason.PAUSED, because=Reason.NOT_ISSUED, history=history
    )
    never = (replace(decided, ends=None, lead=None), replace(seen_now, newest=None, installed={}))
    assert only(told(never)).title == ("shop is paused until it is resumed, and has no certificate yet (moving house)")


def test_a_fix_by_hand_is_an_info() -> None:
    """A certificate that a person put there and that won is told once, for the record."""
    decided, seen_now = certificate(80 * DAY, action=Action.KEEP, reason=Reason.HEALTHY)
    notice = only(told((decided, replace(seen_now, replaced_by_hand=True))))
    assert (notice.kind, notice.severity) == (NoticeKind.REPLACED_BY_HAND, INFO)


# ---------------------------------------------------------------- late


@pytest.mark.parametrize(
    ("left", "emergency", "severity"),
    [(29 * DAY, False, None), (22 * DAY, False, W), (14 * DAY, False, E), (4 * DAY, True, C), (-HOUR, True, C)],
)
def test_late_rises_with_the_lead_that_is_gone(left: timedelta, emergency: bool, severity: Severity | None) -> None:
    """Due and for a quarter of the lead not done, whatever holds it back: a warning, then an error, then a page."""
    case = certificate(left, reason=Reason.OBSERVE, emergency=emergency, message="mode is observe")
    found = told(case)
    assert [n.severity for n in found] == ([severity] if severity else [])
    assert all(n.kind is NoticeKind.LATE for n in found)


def test_a_revoked_one_is_called_that_and_not_by_its_end() -> None:
    """Clients refuse it now; that it would have ended in a month is of no interest."""
    notice = only(
        told(
            certificate(
                29 * DAY, reason=Reason.SECOND_LOOK, because=Reason.REVOKED, emergency=True, message="by its CA"
            )
        )
    )
    assert (notice.kind, notice.severity) == (NoticeKind.LATE, C)
    assert notice.title == "shop is revoked and still not renewed: by its CA"


def test_a_rotation_that_has_just_been_started_is_not_late_yet() -> None:
    """After a long stop the first look starts what is overdue; it is told as late only when that does not help."""
    fresh = certificate(20 * DAY, action=Action.RENEW, reason=Reason.DUE)
    old = certificate(
        20 * DAY, action=Action.RENEW, reason=Reason.DUE,
        history=History(seen_since=seen(Reason.DUE, since=NOW - 2 * HOUR)),
    )  # fmt: skip
    assert told(fresh) == ()
    assert only(told(old)).kind is NoticeKind.LATE


def test_a_certificate_in_order_tells_nothing() -> None:
    """Kept, with an ARI window later than the usual date: no notice though a quarter of the lead is gone."""
    assert told(certificate(20 * DAY, action=Action.KEEP, reason=Reason.HEALTHY)) == ()


def test_a_budget_is_told_when_its_turn_comes_too_late() -> None:
    """What waits for the hour's budget is nobody's business until it would wait past half the lead."""
    assert told(certificate(29 * DAY, reason=Reason.BUDGET)) == ()
    notice = only(told(certificate(29 * DAY, reason=Reason.BUDGET, at=NOW + 20 * DAY)))
    assert (notice.kind, notice.severity) == (NoticeKind.BUDGET_SHORT, W)
