"""The auditor: what clients trust, how the operator judges, and what is known and accepted."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rotator.audit.auditor import Asked, Auditor, Trusted
from rotator.core.audit import Line
from rotator.core.model import Caa, Chain, Endpoint, Location, Observation, Severity, Use
from rotator.core.rules.judgement import Exemption, Judgement
from tests.builders import DAY, NOW, PLACE
from tests.pki import Authority

ROOT = Authority("Root", not_before=NOW - 400 * DAY, not_after=NOW + 4000 * DAY)
TRUSTED = Trusted(system=(ROOT.certificate,))
STRANGER = Authority("Stranger", not_before=NOW - 400 * DAY, not_after=NOW + 4000 * DAY)


def issued(by: Authority = ROOT, left: timedelta = 60 * DAY) -> Chain:
    """A certificate with so much left, and the timestamps that the public web asks for."""
    scts = 2 if by is ROOT else 0
    return by.issue(["shop.example.com"], not_before=NOW - 30 * DAY, not_after=NOW + left, scts=scts).chain


def line(observation: Observation, judgement: Judgement | None = None, trusted: Trusted = TRUSTED) -> Line:
    """What an auditor says of one place."""
    with closing(Auditor(NOW, trusted, judgement or Judgement())) as auditor:
        return auditor.line(observation)


def rules(one: Line) -> list[str]:
    return [finding.rule for finding in one.findings]


def test_public_rules_hold_below_the_systems_store_alone() -> None:
    """Timestamps are asked of what the system's store vouches for, not of what a root of the operator's own does."""
    bare = ROOT.issue(["shop.example.com"], not_before=NOW - 30 * DAY, not_after=NOW + 60 * DAY).chain
    assert rules(line(Observation(PLACE, chain=bare))) == ["RT022"]
    assert rules(line(Observation(PLACE, chain=bare), trusted=Trusted(own=(ROOT.certificate,)))) == []


def test_trust_of_ones_own_is_added_to_the_systems() -> None:
    """A private root that is told, or lies beside the certificate as its ca.crt, makes it trusted there."""
    private = issued(STRANGER)
    assert rules(line(Observation(PLACE, chain=private))) == ["RT010"]
    told = Trusted(system=(ROOT.certificate,), own=(STRANGER.certificate,))
    assert rules(line(Observation(PLACE, chain=private), trusted=told)) == []
    assert rules(line(Observation(PLACE, chain=private, anchors=(STRANGER.certificate,)))) == []


def test_the_same_chain_is_judged_by_what_lies_beside_it() -> None:
    """What was said of a chain at one place is not said at another with another ca.crt."""
    private = issued(STRANGER)
    with closing(Auditor(NOW, TRUSTED, Judgement())) as auditor:
        assert rules(auditor.line(Observation(PLACE, chain=private))) == ["RT010"]
        beside = Observation(Location("host", "/b"), chain=private, anchors=(STRANGER.certificate,))
        assert rules(auditor.line(beside)) == []


def test_the_same_chain_is_judged_by_what_was_asked_about_it() -> None:
    """An answer about a name counts where it was given, and does not stay with the certificate for ever."""
    failed = Asked(caa={"shop.example.com": Caa(detail="the resolver answered SERVFAIL")})
    one = Observation(PLACE, chain=issued())
    with closing(Auditor(NOW, TRUSTED, Judgement())) as auditor:
        assert [rules(auditor.line(one, asked)) for asked in (failed, Asked(), failed)] == [["RT035"], [], ["RT035"]]


def test_trust_bundles_are_not_judged_as_leaves() -> None:
    """Roots in a bundle are self-signed and have no names, which is as it should be."""
    bundle = Observation(PLACE, chain=Chain((ROOT.certificate, STRANGER.certificate)), use=Use.TRUST)
    assert rules(line(bundle)) == []
    assert line(bundle).due is None


@pytest.mark.parametrize(
    ("judgement", "expected"),
    [
        (Judgement(), [("RT001", Severity.CRITICAL), ("RT010", Severity.WARNING)]),
        (Judgement(only=frozenset({"RT010"})), [("RT010", Severity.WARNING)]),
        (Judgement(ignore=frozenset({"RT010"})), [("RT001", Severity.CRITICAL)]),
        (Judgement(severities={"RT010": Severity.ERROR}), [("RT001", Severity.CRITICAL), ("RT010", Severity.ERROR)]),
    ],
)
def test_the_operator_judges(judgement: Judgement, expected: list[tuple[str, Severity]]) -> None:
    """Rules can be left out, asked alone, and weighed otherwise."""
    told = line(Observation(PLACE, chain=issued(STRANGER, -DAY)), judgement).findings
    assert [(one.rule, one.severity) for one in told] == expected


def test_a_severity_moves_what_is_less_grave_along() -> None:
    """Weighed as an error less than critical, what is merely due is no more than a note; notes stay what they are."""
    due = Observation(PLACE, chain=issued(left=10 * DAY))
    assert line(due).worst is Severity.WARNING
    for worst, expected in ((Severity.CRITICAL, Severity.ERROR), (Severity.WARNING, Severity.INFO)):
        judged = Judgement(severities={"RT002": worst})
        assert line(due, judged).worst is expected
    twice = Observation(PLACE, chain=Chain((*issued().certificates, ROOT.certificate)))
    assert line(twice, Judgement(severities={"RT014": Severity.ERROR})).worst is Severity.ERROR


def test_the_baseline_holds_on_every_machine_and_address() -> None:
    """A file is excused whatever the host is called, an endpoint whatever address its name leads to."""
    ended = issued(left=-DAY)
    for location, endpoint, place in (
        (Location("runner-7", "/srv/shop.pem"), None, "/srv/shop.pem"),
        (
            Location("tls", "shop.example.com:443@198.51.100.7"),
            Endpoint("shop.example.com", 443),
            "shop.example.com:443",
        ),
    ):
        told = line(
            Observation(location, chain=ended, endpoint=endpoint), Judgement(baseline=(Exemption("RT001", place),))
        )
        assert [one.finding.rule for one in told.excused] == ["RT001"]


def test_a_chain_of_hundreds_is_judged_by_its_beginning() -> None:
    """No server can keep the auditor busy with certificates that all claim to have signed each other."""
    many = Chain((*issued().certificates, *(ROOT.certificate for _ in range(300))))
    (told,) = [one for one in line(Observation(PLACE, chain=many)).findings if "were judged" in one.message]
    assert (told.rule, told.severity) == ("RT014", Severity.INFO)


@given(st.datetimes(timezones=st.just(UTC)), st.datetimes(timezones=st.just(UTC)))
def test_no_date_is_too_odd(begins: datetime, ends: datetime) -> None:
    """From the year 1 to 9999, the end before the beginning: the place has its line."""
    leaf = replace(issued().leaf, not_before=begins.replace(microsecond=0), not_after=ends.replace(microsecond=0))
    with closing(Auditor(NOW, TRUSTED, Judgement())) as auditor:
        assert isinstance(auditor.told(Observation(PLACE, chain=Chain((leaf,)))), Line)
        list(auditor.compared())


@pytest.mark.parametrize(
    ("exemption", "excused"),
    [
        (Exemption("RT001", "host:/etc/ssl/*"), True),
        (Exemption("RT001", "host:/srv/*"), False),
        (Exemption("RT002", "*"), False),
        (Exemption("RT001", until=NOW.date()), True),
        (Exemption("RT001", until=NOW.date() - timedelta(days=1)), False),
    ],
    ids=["its place", "another place", "another rule", "its last day", "the day after"],
)
def test_the_baseline_excuses_until_its_day(exemption: Exemption, excused: bool) -> None:
    """A known finding does not count, stays visible with its reason, and counts again the day after."""
    told = line(Observation(PLACE, chain=issued(left=-DAY)), Judgement(baseline=(exemption,)))
    assert ("RT001" in rules(told)) is not excused
    assert [one.finding.rule for one in told.excused] == (["RT001"] if excused else [])


def test_lines_of_the_baseline_that_have_passed_are_named() -> None:
    """So that somebody takes them out."""
    passed, holds = Exemption("RT001", until=date(2026, 1, 1)), Exemption("RT002")
    assert Judgement(baseline=(passed, holds)).outlived(NOW.date()) == (passed,)
