"""Notices of places and sources, of what nobody manages, and of what a preflight has found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from rotator.core.model import (
    Action,
    AdoptionProblem,
    Attempt,
    Endpoint,
    History,
    Location,
    Notice,
    NoticeKind,
    Observation,
    Owner,
    Result,
    Severity,
    SourceProblem,
)
from rotator.core.readiness import Answer, Kept, Line, Readiness, Verdict
from rotator.core.reasons import Reason
from tests.builders import (
    DAY,
    HOUR,
    NOW,
    chain,
    holding,
)
from tests.core.noticing import INFO, E, W, certificate, only, told

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
