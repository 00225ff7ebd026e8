"""Asking about many certificates at once, and whose problem an answer is."""

from __future__ import annotations

import math
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rotator.core.cohorts import MOST_NAMES, Member, anonymous, answers_of, cohorts, zone_of
from rotator.core.model import KeySpec, PreflightRequest
from rotator.core.readiness import Line, Verdict

DAY = timedelta(days=1)


def members(count: int, domain: str = "example.com") -> tuple[Member, ...]:
    return tuple(Member(f"c{n:03}", PreflightRequest((f"c{n:03}.{domain}",))) for n in range(count))


class Issuer:
    """Says what is wrong with each name, and what is wrong with all of them."""

    def __init__(self, bad: frozenset[str] = frozenset(), shared: str = "") -> None:
        self.bad, self.shared = bad, shared
        self.asked: list[PreflightRequest] = []

    def __call__(self, request: PreflightRequest) -> tuple[Line, ...]:
        self.asked.append(request)
        account = Line("account", Verdict.FAILS if self.shared else Verdict.WELL, self.shared)
        bad = [name for name in request.names if name in self.bad]
        names = [Line("role", Verdict.FAILS, f"{', '.join(bad)} is not allowed")] if bad else []
        return (account, *names)


def test_what_is_clean_is_asked_once() -> None:
    """A thousand certificates of one domain cost a fortieth of the questions, and each has its answer."""
    issuer = Issuer()
    many = cohorts(members(1000))
    found = {name: lines for cohort in many for name, lines in answers_of(cohort, issuer).items()}
    assert len(issuer.asked) == len(many) == 1000 / MOST_NAMES
    assert len(found) == 1000
    assert {line.verdict for lines in found.values() for line in lines} == {Verdict.WELL}


def test_a_dead_account_is_asked_about_four_times() -> None:
    """All of them, the first, the last and one between: the same answer is everybody's."""
    issuer = Issuer(shared="the account is gone")
    (cohort,) = cohorts(members(MOST_NAMES))
    found = answers_of(cohort, issuer)
    assert len(issuer.asked) == 4
    assert {lines[0].text for lines in found.values()} == {"the account is gone"}


def test_a_refused_token_is_one_thing_whatever_name_it_was_tried_with() -> None:
    """The answer names where it was tried; that is no reason to try it with each of them."""
    asked: list[PreflightRequest] = []

    def refused(request: PreflightRequest) -> tuple[Line, ...]:
        asked.append(request)
        return (Line("dns-01", Verdict.FAILS, f"_acme-challenge.{request.names[0]} cannot be written: token refused"),)

    (cohort,) = cohorts(members(MOST_NAMES))
    assert all(lines[0].verdict is Verdict.FAILS for lines in answers_of(cohort, refused).values())
    assert len(asked) == 4


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("No record for _acme-challenge.a.example.com in Example.com.", "no record for … in …."),
        ("*.example.com and notexample.com", "… and notexample.com"),
        ("example.community, a.example.com-x", "example.community, a.example.com-x"),
        ("the token was refused", "the token was refused"),
    ],
)
def test_names_of_the_zone_are_taken_out(text: str, plain: str) -> None:
    """Whatever stands below the zone; nothing that only looks like it."""
    assert anonymous(text, ["example.com"]) == plain


def test_two_certificates_share_nothing_but_what_both_have() -> None:
    """With two, the bad one is found and the good one is clean."""
    found = answers_of(members(2), Issuer(frozenset({"c000.example.com"})))
    assert [len(lines) for lines in found.values()] == [2, 1]


@given(st.integers(1, MOST_NAMES), st.data(), st.sampled_from(["", "the account is gone"]))
def test_every_problem_is_told_of_whom_it_belongs_to(count: int, data: st.DataObject, shared: str) -> None:
    """However many names are bad: each certificate has the shared problem and its own, and nobody else's."""
    (cohort,) = cohorts(members(count))
    names = [member.request.names[0] for member in cohort]
    bad = data.draw(st.frozensets(st.sampled_from(names)))
    issuer = Issuer(bad, shared)
    found = answers_of(cohort, issuer)
    for member in cohort:
        own = [line.text for line in found[member.certificate] if line.check == "role"]
        name = member.request.names[0]
        assert own == ([f"{name} is not allowed"] if name in bad else [])
        assert found[member.certificate][0].text == shared
    assert len(issuer.asked) <= 1 + len(bad) * 4 * (2 + math.ceil(math.log2(count))) + (3 if shared else 0)


@given(
    st.lists(
        st.builds(
            PreflightRequest,
            st.lists(st.sampled_from(["a.one.org", "b.one.org", "*.two.org", "two.org"]), min_size=1, max_size=40).map(
                tuple
            ),
            st.sampled_from([None, DAY]),
            st.sampled_from(["", "shortlived"]),
            st.sampled_from([KeySpec(), KeySpec("rsa", 2048)]),
        ),
        max_size=30,
    )
)
def test_nobody_is_lost_and_only_likes_go_together(requests: list[PreflightRequest]) -> None:
    """Each certificate is in exactly one cohort, with others of the same lifetime, profile, key and zones."""
    many = cohorts(Member(str(number), request) for number, request in enumerate(requests))
    assert sorted(member.certificate for cohort in many for member in cohort) == sorted(
        str(number) for number in range(len(requests))
    )
    for cohort in many:
        assert len({(m.request.lifetime, m.request.profile, m.request.key) for m in cohort}) == 1
        assert len({frozenset(map(zone_of, m.request.names)) for m in cohort}) == 1
        assert len(cohort) == 1 or sum(len(m.request.names) for m in cohort) <= MOST_NAMES


@pytest.mark.parametrize(
    ("name", "zone"),
    [
        ("a.b.example.com", "example.com"),
        ("*.example.com", "example.com"),
        ("shop.example.co.uk", "example.co.uk"),
        ("example.io", "example.io"),
        ("www.bbc.de", "bbc.de"),
        ("localhost", "localhost"),
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8::1", "2001:db8::1"),
        ("spiffe://cluster/ns/shop", "spiffe://cluster/ns/shop"),
    ],
)
def test_neighbours(name: str, zone: str) -> None:
    """Names are neighbours by about what one owner registered."""
    assert zone_of(name) == zone
