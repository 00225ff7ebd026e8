"""Rules of the audit about dates and chains, and the catalogue: each fires for what it is about and no other does."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from rotator.core.model import (
    Chain,
    Severity,
    Use,
)
from rotator.core.rules.catalogue import RULES, chain_says, rule_id
from rotator.core.rules.dates import soon
from rotator.core.rules.rule import ChainFacts, Thresholds
from rotator.core.trust import path_of
from tests.builders import DAY, HOUR, NOW, certificate, chain, holding
from tests.core.ruling import AFTER, BEFORE, ISSUING, ROOT, at, leaf, of_chain, of_real, told
from tests.pki import Authority, self_signed


def test_a_healthy_chain_and_place_say_nothing() -> None:
    """A trusted certificate in the middle of its life, with its key, has no finding of any rule."""
    assert of_real(leaf()) == {}
    assert at(holding(chain())) == {}


# ---------------------------------------------------------------- time


@pytest.mark.parametrize(("left", "expected"), [(-3 * DAY, [Severity.CRITICAL]), (30 * DAY, None)])
def test_expired(left: timedelta, expected: list[Severity] | None) -> None:
    """What has ended is critical; it is not expiring as well."""
    found = of_chain(chain(left=left))
    assert found.get("RT001") == expected
    assert not (expected and "RT002" in found)


@pytest.mark.parametrize(
    ("lives", "left", "severity"),
    [
        (90 * DAY, 31 * DAY, None),
        (90 * DAY, 29 * DAY, Severity.WARNING),
        (90 * DAY, 6 * DAY, Severity.ERROR),
        (47 * DAY, 20 * DAY, None),
        (6 * DAY, 4 * DAY, None),
        (6 * DAY, 2 * DAY, Severity.WARNING),
        (6 * DAY, 1 * DAY, Severity.ERROR),
        (24 * HOUR, 13 * HOUR, None),
    ],
)
def test_expiring_follows_the_lifetime(lives: timedelta, left: timedelta, severity: Severity | None) -> None:
    """Less than the lead is a warning, under seven days (or half the lead of a short-lived one) an error."""
    assert of_chain(chain(lives=lives, left=left)).get("RT002") == ([severity] if severity else None)


@pytest.mark.parametrize(("within", "severity"), [(45 * DAY, [Severity.ERROR]), (39 * DAY, None)])
def test_expiring_within_what_was_asked_for(within: timedelta, severity: list[Severity] | None) -> None:
    """A person's own threshold makes it an error, long before the lead."""
    found = of_chain(chain(left=40 * DAY), thresholds=Thresholds(expiring_within=within))
    assert found.get("RT002") == severity


def test_soon_is_seven_days_and_less_for_short_lives() -> None:
    """Six-day certificates are not in trouble for being six-day certificates."""
    assert soon(90 * DAY) == 7 * DAY
    assert soon(6 * DAY) == 1.5 * DAY


@pytest.mark.parametrize(("begins", "expected"), [(NOW + HOUR, [Severity.ERROR]), (NOW - HOUR, None)])
def test_not_yet_valid(begins: datetime, expected: list[Severity] | None) -> None:
    """What begins in the future is refused until then."""
    assert of_chain(chain(begins=begins)).get("RT007") == expected


@pytest.mark.parametrize(
    ("begins", "days", "fires"),
    [
        ("2018-02-28", 900, False),
        ("2018-03-01", 826, True),
        ("2020-09-01", 398, False),
        ("2020-09-01", 399, True),
        ("2026-03-14", 398, False),
        ("2026-03-15", 200, False),
        ("2026-03-15", 201, True),
        ("2027-03-15", 101, True),
        ("2029-03-15", 47, False),
        ("2029-03-15", 48, True),
    ],
)
def test_lifetime_limits_by_the_first_day(begins: str, days: int, fires: bool) -> None:
    """The CA/B Forum's limit is that of the first day; it holds for public certificates alone."""
    one = chain(begins=datetime.fromisoformat(begins).replace(tzinfo=UTC), lives=days * DAY)
    assert ("RT017" in of_chain(one, public=True)) is fires
    assert "RT017" not in of_chain(one)


# ---------------------------------------------------------------- chain


def test_untrusted() -> None:
    """A chain whose root is not trusted is a warning; where nothing is trusted at all, nothing is said."""
    stranger = Authority("Stranger", not_before=BEFORE, not_after=AFTER)
    assert of_real(leaf(), [stranger.certificate]).get("RT010") == [Severity.WARNING]
    assert "RT010" not in of_real(leaf(), [stranger.certificate], trust=False)


def test_self_signed_is_not_untrusted_as_well() -> None:
    """A certificate that vouches for itself has one finding; a trusted one has none."""
    own = self_signed(["shop.example.com"], not_before=NOW - 30 * DAY, not_after=NOW + 60 * DAY).chain.certificates
    found = of_real(own)
    assert found.get("RT011") == [Severity.WARNING]
    assert "RT010" not in found
    assert "RT011" not in of_real(own, own)


def test_a_missing_intermediate_is_told_from_a_private_root() -> None:
    """A public certificate without its intermediate is incomplete; a private one may be signed by a root: untrusted."""
    public = leaf(scts=2)[:1]
    found = of_real(public)
    assert found.get("RT012") == [Severity.ERROR]
    assert "RT010" not in found
    assert "RT012" not in of_real(leaf(scts=2))
    private = of_real(leaf(issuer_url="http://ca.example/i.crt")[:1])
    assert "RT010" in private
    assert "RT012" not in private


def test_what_lies_beside_a_stored_leaf_completes_it() -> None:
    """A file with the leaf alone is whole where its intermediate lies in the same folder, as certbot has it."""
    alone = Chain(leaf(scts=2)[:1])
    assert "RT012" in told(chain_says(ChainFacts(alone, NOW, refusal="no path")))
    beside = told(chain_says(ChainFacts(alone, NOW, refusal="no path", beside=(ISSUING.certificate,))))
    assert "RT012" not in beside


def test_misordered() -> None:
    """Intermediates in the wrong order, or the leaf not first, are a warning; clients find the path all the same."""
    second = Authority("Rule Second", not_before=BEFORE, not_after=AFTER, parent=ISSUING)
    right = second.issue(["shop.example.com"], not_before=NOW - 30 * DAY, not_after=NOW + 60 * DAY).chain.certificates
    assert "RT013" not in of_real(right)
    assert of_real((right[0], right[2], right[1])).get("RT013") == [Severity.WARNING]
    assert of_real((right[1], right[0], right[2])).get("RT013") == [Severity.WARNING]


def test_redundant() -> None:
    """A root, a stranger and a repeated certificate in the chain are notes, one each."""
    stranger = Authority("Stranger", not_before=BEFORE, not_after=AFTER, parent=ROOT)
    one = leaf()
    assert of_real((*one, ROOT.certificate)).get("RT014") == [Severity.INFO]
    assert of_real((*one, stranger.certificate)).get("RT014") == [Severity.INFO]
    assert of_real((*one, one[1])).get("RT014") == [Severity.INFO]
    assert "RT014" not in of_real(one)


def test_cross_signed_chains_give_no_false_alarm() -> None:
    """The old cross-signature that is still sent along, expired, is a note: clients have a path without it."""
    old_root = Authority("Old Root", not_before=BEFORE, not_after=NOW - 10 * DAY)
    cross = Authority("Rule Issuing", not_before=BEFORE, not_after=NOW - 20 * DAY, parent=old_root, key=ISSUING.key)
    found = of_real((*leaf(), cross.certificate))
    assert found == {"RT015": [Severity.INFO]}


def test_what_is_on_no_path_that_clients_take_is_a_note_at_most() -> None:
    """A twin under a weak, old or dropped root does no harm to clients that have a better path."""
    weak_root = Authority("Weak Root", not_before=BEFORE, not_after=AFTER, key="rsa-1024")
    dropped = Authority(
        "GLOBALTRUST 2020", not_before=BEFORE, not_after=AFTER, organisation="e-commerce monitoring GmbH"
    )
    for old in (weak_root, dropped):
        twin = Authority("Rule Issuing", not_before=BEFORE, not_after=AFTER, parent=old, key=ISSUING.key)
        assert set(of_real((*leaf(), twin.certificate, old.certificate))) <= {"RT014"}


def test_an_expired_twin_is_a_note_where_no_root_is_known() -> None:
    """Without any path an expired certificate counts where it is the only issuer of another, and nowhere else."""
    old_root = Authority("Old Root", not_before=BEFORE, not_after=NOW - 10 * DAY)
    twin = Authority("Rule Issuing", not_before=BEFORE, not_after=NOW - 20 * DAY, parent=old_root, key=ISSUING.key)
    stranger = Authority("Stranger", not_before=BEFORE, not_after=NOW - DAY)
    for beside in (twin.certificate, stranger.certificate):
        found = of_real((*leaf(), beside), [stranger.certificate])
        assert found.get("RT015") == [Severity.INFO]
        assert found.get("RT010") == [Severity.WARNING]


def test_a_cas_own_certificate_is_no_untrusted_server() -> None:
    """A root in its CA's folder signed itself, as roots do; one that names hosts is a server's."""
    assert "RT011" not in of_real([ROOT.certificate], [ISSUING.certificate])
    named = self_signed(["shop.example.com"], not_before=NOW - DAY, not_after=NOW + 60 * DAY, ca=True)
    assert "RT011" in of_real(named.chain.certificates)


@pytest.mark.parametrize("eku", ["client", "code"])
def test_certificates_that_are_not_for_servers(eku: str) -> None:
    """A client's or a signer's needs no host name, and its path is not asked for a server's use."""
    one = ISSUING.issue(
        ["admin"], not_before=NOW - 30 * DAY, not_after=NOW + 60 * DAY, eku=(eku,), without_san=True
    ).chain
    path = path_of(one, [ROOT.certificate], NOW, servers=False)
    assert not isinstance(path, str)
    assert told(chain_says(ChainFacts(one, NOW, use=Use.CLIENT, path=path))) == {}
    assert told(chain_says(ChainFacts(one, NOW, path=path))) == {}
    assert isinstance(path_of(one, [ROOT.certificate], NOW), str)


def test_expired_intermediate_on_the_only_path() -> None:
    """Where the only path leads through what has ended, that is the error, and `untrusted` does not repeat it."""
    short = Authority("Rule Short", not_before=BEFORE, not_after=NOW - DAY, parent=ROOT)
    chained = short.issue(["shop.example.com"], not_before=NOW - 30 * DAY, not_after=NOW + 60 * DAY).chain.certificates
    found = of_real(chained)
    assert found.get("RT015") == [Severity.ERROR]
    assert "RT010" not in found


def test_intermediate_that_ends_before_the_leaf() -> None:
    """An intermediate that will end first takes the certificate with it: a warning while there is time."""
    short = Authority("Rule Short", not_before=BEFORE, not_after=NOW + 20 * DAY, parent=ROOT)
    chained = short.issue(["shop.example.com"], not_before=NOW - 30 * DAY, not_after=NOW + 60 * DAY).chain.certificates
    assert of_real(chained).get("RT015") == [Severity.WARNING]


def test_distrusted_ca() -> None:
    """A CA that browsers have dropped is an error wherever this machine still trusts it; others are none."""
    dropped = replace(certificate("shop.example.com"), issuer="CN=GLOBALTRUST 2020,O=e-commerce monitoring GmbH,C=AT")
    assert of_chain(Chain((dropped,))).get("RT016") == [Severity.ERROR]
    assert "RT016" not in of_chain(chain())


# ---------------------------------------------------------------- the catalogue


def test_catalogue_is_complete() -> None:
    """Ids are unique, in order and without a gap, names are unique, and each rule has cause, remedy and source."""
    assert list(RULES) == [f"RT{number:03}" for number in range(1, len(RULES) + 1)]
    assert len({rule.name for rule in RULES.values()}) == len(RULES)
    assert all(rule.cause.endswith(".") and rule.remedy and rule.source for rule in RULES.values())


def test_rules_are_named_by_id_or_name() -> None:
    """People write RT002, rt002 or expiring; what is none of them is told with the nearest."""
    assert {rule_id("RT002"), rule_id("rt002"), rule_id("expiring")} == {"RT002"}
    with pytest.raises(ValueError, match="did you mean expiring"):
        rule_id("expirin")
