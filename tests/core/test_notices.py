"""Which notices are open: when each begins to be told, how it rises, what is told together, what a look may end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rotator.core.model import (
    Action,
    AdoptionProblem,
    Attempt,
    Chain,
    Decision,
    Endpoint,
    Facts,
    History,
    Inventory,
    Location,
    Notice,
    NoticeKind,
    Observation,
    Outcome,
    Owner,
    Pause,
    Result,
    Severity,
    SourceProblem,
    Stage,
    Verification,
)
from rotator.core.notices import KEY_MAX, NoticeSettings, notices
from rotator.core.noticetext import clause
from rotator.core.readiness import Answer, Kept, Line, Readiness, Verdict
from rotator.core.reasons import Reason
from tests.builders import (
    DAY,
    ENDPOINT,
    HOUR,
    MINUTE,
    NOW,
    attempt,
    chain,
    decision,
    facts,
    holding,
    outcome,
    plan,
    quarantine,
    seen,
    showing,
    spec,
    unseen,
)

SETTINGS = NoticeSettings()
W, E, C, INFO = Severity.WARNING, Severity.ERROR, Severity.CRITICAL, Severity.INFO
DUE_90 = {"lives": 90 * DAY}  # a lead of 30 days: late at 22.5 left, half at 15


def look(*pairs: tuple[Decision, Facts], first: bool = False, **more: object) -> tuple[Inventory, tuple[Decision, ...]]:
    """An inventory and the decisions on it, from pairs."""
    at = max((one.now for _, one in pairs), default=NOW)
    found = Inventory(at=at, facts=tuple(one for _, one in pairs), first=first)
    return replace(found, **more), tuple(one for one, _ in pairs)  # type: ignore[arg-type]  # fields by name


def told(
    *pairs: tuple[Decision, Facts],
    outcomes: Sequence[Outcome] = (),
    previous: Sequence[Notice] = (),
    preflight: Mapping[str, Kept] | None = None,
    **more: object,
) -> tuple[Notice, ...]:
    """The open notices of one look."""
    inventory, decisions = look(*pairs, **more)  # type: ignore[arg-type]  # fields by name
    before = {notice.key: notice for notice in previous}
    return notices(inventory, plan(*decisions, at=inventory.at), outcomes, before, SETTINGS, preflight=preflight)


def only(found: Sequence[Notice]) -> Notice:
    (notice,) = found
    return notice


def certificate(
    left: timedelta = 29 * DAY,
    *,
    name: str = "shop",
    owner: str = "",
    action: Action = Action.WAIT,
    reason: Reason = Reason.BACKING_OFF,
    because: Reason = Reason.DUE,
    history: History | None = None,
    served: Chain | None = None,
    emergency: bool = False,
    installed: Sequence[Observation] | None = None,
    at: datetime = NOW + 2 * HOUR,
    message: str = "backing off until 14:00",
    current: Chain | None = None,
) -> tuple[Decision, Facts]:
    """One certificate in trouble: a decision and the look it was made from."""
    of = spec(name, names=(f"{name}.example.com",), owner=owner, issuers=("letsencrypt",))
    held = current or chain(f"{name}.example.com", lives=90 * DAY, left=left)
    decided = decision(
        of, action, reason, because=because, wanted=Action.RENEW, ends=held.not_after, emergency=emergency, at=at,
        message=message,
    )  # fmt: skip
    shown = [showing(served)] if served else ()
    return decided, facts(of, chain=held, history=history, served=shown, installed=installed)


def failed(times: int, *, first: timedelta = 3 * HOUR, error: str = "the issuer said no", **more: object) -> History:
    """A history of failed tries, the first so long ago, the last a minute ago."""
    tries = [attempt(NOW - first + (first - MINUTE) * n / max(times - 1, 1), **more) for n in range(times)]  # type: ignore[arg-type]
    return History(attempts=tuple(replace(one, error=error, issuer="letsencrypt") for one in tries))


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


# ---------------------------------------------------------------- places


def test_an_unreadable_source_rises_with_time() -> None:
    """An info at first (a blip), a warning after an hour, an error after a day; its end is a look that succeeds."""

    def at(moment: datetime, previous: Sequence[Notice]) -> Notice:
        return only(told(previous=previous, at=moment, problems=(SourceProblem("cluster", "403 for list secrets"),)))

    first = at(NOW, [])
    second = at(NOW + HOUR, [first])
    third = at(NOW + DAY, [second])
    assert [n.severity for n in (first, second, third)] == [INFO, W, E]
    assert {n.since for n in (first, second, third)} == {NOW}
    assert "403 for list secrets" in first.title
    assert told(previous=[third]) == ()


def unmanaged(left: timedelta, *, served: bool, place: str = "/etc/x.pem", **more: object) -> Observation:
    found = holding(chain("legacy.example.com", lives=90 * DAY, left=left, label=place), Location("host", place))
    return replace(found, endpoint=Endpoint("legacy.example.com", 443) if served else None, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("left", "served", "severity"),
    [(16 * DAY, True, None), (14 * DAY, True, W), (7 * DAY, True, E), (-HOUR, True, E), (-40 * DAY, True, E),
     (14 * DAY, False, W), (-40 * DAY, False, None)],
)  # fmt: skip
def test_an_unmanaged_certificate_is_told_and_never_pages(
    left: timedelta, served: bool, severity: Severity | None
) -> None:
    """What is not in our care is told when it ends soon; what ended long ago and is served nowhere is litter."""
    found = told(unmanaged=(unmanaged(left, served=served),))
    assert [n.severity for n in found] == ([severity] if severity else [])


def test_unmanaged_copies_are_one_and_stored_ones_are_told_together() -> None:
    """Copies of a served certificate are one notice, what is only stored is one a system; what is ignored is none."""
    served = unmanaged(10 * DAY, served=True)
    copy = replace(served, location=Location("host", "/copy.pem"), endpoint=None)
    stored = [unmanaged(10 * DAY, served=False, place=f"/old/{n}.pem") for n in range(9)]
    ignored = unmanaged(DAY, served=False, place="/ignored.pem", ignored=True)
    first, second = told(unmanaged=(copy, served, *stored, ignored))
    assert sorted([len(first.subjects), len(second.subjects)]) == [1, 9]
    assert "rotator/unmanaged-expiring/legacy.example.com:443" in {first.key, second.key}


def test_an_owner_that_renews_it_is_named() -> None:
    """For a certificate that another controller owns the notice has the owner's own command."""
    owner = Owner("cert-manager", "Certificate shop/legacy", "cmctl renew -n shop legacy")
    notice = only(told(unmanaged=(unmanaged(10 * DAY, served=True, owner=owner),)))
    assert notice.command == "cmctl renew -n shop legacy"
    assert "Certificate shop/legacy" in notice.detail


def test_what_was_not_adopted_or_has_disappeared_is_an_info() -> None:
    """Matches that were not adopted are told by reason, retired ones together."""
    held = tuple(AdoptionProblem(Location("cluster", f"shop/{n}"), f"shop/{n} is a CA certificate") for n in range(5))
    first, second = told(held=held, retired=("a", "b"))
    assert {first.kind, second.kind} == {NoticeKind.HELD, NoticeKind.RETIRED}
    assert {first.severity, second.severity} == {INFO}
    assert sorted([len(first.subjects), len(second.subjects)]) == [2, 5]


def foretold(
    *problems: str, failures: int = 2, check: str = "dns-01", issuer: str = "letsencrypt", other: str = ""
) -> Kept:
    """What is remembered of a certificate's preflights; `other` is an issuer that still can."""
    lines = tuple(Line(check, Verdict.FAILS, problem, "mend it") for problem in problems)
    own, others = Answer("", (Line("key", Verdict.WELL),)), (Answer(other, (Line("account", Verdict.WELL),)),)
    answers = (own, Answer(issuer, lines), *(others if other else ()))
    since = NOW - failures * HOUR if problems else None
    return Kept(Readiness("shop", NOW, answers), NOW, since, failures if problems else 0)


def test_a_failed_preflight_is_told_until_one_succeeds() -> None:
    """A next order that would fail is a warning; it stays where nobody asked again, and ends when it would succeed."""
    case = certificate(60 * DAY, action=Action.KEEP, reason=Reason.HEALTHY)
    first = only(told(case, preflight={"shop": foretold("the token was refused")}))
    assert (first.kind, first.severity, first.command) == (NoticeKind.PREFLIGHT_FAILED, W, "rotator preflight shop")
    assert "letsencrypt: dns-01: the token was refused To do: mend it." in first.detail
    assert told(case, previous=[first]) == (first,)
    assert told(case, previous=[first], preflight={"shop": foretold()}) == ()


@pytest.mark.parametrize(
    ("remains", "failures", "severity"),
    [
        (60 * DAY, 1, None),
        (60 * DAY, 2, W),
        (31 * DAY, 1, None),
        (29 * DAY, 1, W),
        (14 * DAY, 1, E),
        (1 * DAY, 5, E),
    ],
)
def test_how_grave_a_failed_preflight_is(remains: timedelta, failures: int, severity: Severity | None) -> None:
    """Nothing at the first failure while there is time, an error from half of the lead on, and never a page."""
    case = certificate(remains, action=Action.KEEP, reason=Reason.HEALTHY)
    found = told(case, preflight={"shop": foretold("refused", failures=failures)})
    about = [notice for notice in found if notice.kind is NoticeKind.PREFLIGHT_FAILED]
    assert [notice.severity for notice in about] == ([severity] if severity else [])


def test_one_dead_token_is_one_notice() -> None:
    """Forty-eight certificates that suffer from the same thing, each in words of its own."""
    cases = [
        certificate(
            60 * DAY, name=f"s{n}", action=Action.KEEP, reason=Reason.HEALTHY, current=chain(f"s{n}.example.com")
        )
        for n in range(48)
    ]
    kept = {
        f"s{n}": foretold(f"no record can be written for s{n}.example.com: the token was refused") for n in range(48)
    }
    notice = only(told(*cases, preflight=kept))
    assert len(notice.subjects) == 48
    assert "48 certificates could not be renewed if they had to be" in notice.title
    assert told(*cases, previous=[notice], preflight={name: foretold() for name in kept}) == ()


def test_an_issuer_that_is_lost_is_no_more_than_a_warning() -> None:
    """Another one of its list still can, however near the end is."""
    case = certificate(2 * DAY, action=Action.KEEP, reason=Reason.HEALTHY)
    kept = {"shop": foretold("the account is gone", other="google")}
    (notice,) = [one for one in told(case, preflight=kept) if one.kind is NoticeKind.PREFLIGHT_FAILED]
    assert notice.severity is W
    assert "letsencrypt could not renew it, another issuer can" in notice.title


def test_a_renewal_that_worked_disproves_a_preflight() -> None:
    """What was found before it says nothing any more."""
    done = Attempt(NOW + HOUR, Action.RENEW, Reason.DUE, "", Result.DONE, issued=True)
    case = certificate(60 * DAY, action=Action.KEEP, reason=Reason.HEALTHY, history=History(attempts=(done,)))
    assert told(case, preflight={"shop": foretold("refused")}) == ()


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
    """Nothing by itself; what was asked for by name, or all that is due with `first_look: act`."""
    waits = certificate(5 * DAY, name="waits", action=Action.WAIT, reason=Reason.FIRST_LOOK)
    begun = certificate(5 * DAY, name="begun", action=Action.RENEW, reason=Reason.DUE)
    nothing, asked, all_of_it = (only(told(*cases, first=True)).detail for cases in ([waits], [waits, begun], [begun]))
    assert "Nothing is done at a first look." in nothing
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
