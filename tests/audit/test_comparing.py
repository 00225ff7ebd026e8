"""Rules that compare places: each fires for what it is about, and keeps silent otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from dataclasses import replace
from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rotator.audit.auditor import Auditor, Trusted
from rotator.audit.index import Index
from rotator.core.model import Chain, Endpoint, Finding, KeyFacts, Location, Observation, Severity
from rotator.core.rules.judgement import Judgement
from tests.builders import DAY, ENDPOINT, NOW, certificate, chain

FLEET = Judgement(only=frozenset({"RT006", "RT024", "RT025", "RT027"}))


def found(*seen: Observation, expected: Mapping[Endpoint, Chain] = MappingProxyType({})) -> list[Finding]:
    """What comparing these places tells."""
    with closing(Auditor(NOW, Trusted(), FLEET)) as auditor:
        for one in seen:
            if one.endpoint is not None and one.endpoint in expected:
                auditor.expect(one, expected[one.endpoint], "shop")
            auditor.line(one)
        return [finding for finding, _ in auditor.compared()]


def ids(*seen: Observation, expected: Mapping[Endpoint, Chain] = MappingProxyType({})) -> list[tuple[str, Severity]]:
    return [(one.rule, one.severity) for one in found(*seen, expected=expected)]


def served(shown: Chain, address: str = "192.0.2.1", endpoint: Endpoint = ENDPOINT) -> Observation:
    return Observation(Location("tls", f"{endpoint}@{address}"), chain=shown, endpoint=endpoint)


def stored(kept: Chain, path: str = "/etc/ssl/shop.pem", *, key: bool = True) -> Observation:
    facts = KeyFacts(kept.spki, True) if key else None
    return Observation(Location("host", path), chain=kept, key=facts)


def alike(one: Chain, **changes: object) -> Chain:
    """The same chain with another leaf."""
    return Chain((replace(one.leaf, **changes),))  # type: ignore[arg-type]


OLD, NEW = chain(begins=NOW - 40 * DAY), chain(begins=NOW - 2 * DAY)


# ---------------------------------------------------------------- served against stored


def test_joined_endpoint_that_serves_another_one() -> None:
    """An endpoint known to belong to a certificate must serve the current one."""
    assert ids(served(OLD), expected={ENDPOINT: NEW}) == [("RT006", Severity.ERROR)]
    assert ids(served(NEW), expected={ENDPOINT: NEW}) == []


def test_front_that_serves_another_one() -> None:
    """What a cluster says is served at an endpoint is compared with what is served, whoever manages it."""
    kept = replace(stored(NEW), fronts=(ENDPOINT,))
    assert ids(kept, served(OLD)) == [("RT006", Severity.ERROR)]
    assert ids(kept, served(NEW)) == []


def test_newer_one_stored_under_the_same_names_is_a_hint() -> None:
    """Without a join, a newer certificate for the same names that is not served is a warning at the endpoint."""
    (finding,) = found(stored(NEW), served(OLD))
    assert (finding.rule, finding.severity, finding.location) == ("RT006", Severity.WARNING, served(OLD).location)
    assert "/etc/ssl/shop.pem" in finding.message


@pytest.mark.parametrize(
    ("shown", "kept"),
    [
        (NEW, stored(OLD)),
        (OLD, stored(chain("mail.example.com", begins=NOW - 2 * DAY))),
        (NEW, stored(NEW)),
        (OLD, stored(NEW, key=False)),
    ],
    ids=["older", "other names", "the same", "no key"],
)
def test_no_hint_where_nothing_newer_waits(shown: Chain, kept: Observation) -> None:
    """An older copy, other names, the served one itself, or a chain without a key beside it prove nothing."""
    assert found(kept, served(shown)) == []


def test_what_has_not_begun_is_waited_for() -> None:
    """A certificate that begins tomorrow is not served today, and rightly so."""
    assert found(stored(chain(begins=NOW + DAY)), served(OLD)) == []


def test_another_kind_of_key_is_another_certificate() -> None:
    """An ECDSA certificate in the store says nothing of the RSA one that is served."""
    rsa = alike(OLD, fingerprint="f" * 64, serial=7, key_algorithm="rsa", key_size=2048)
    assert found(stored(NEW), served(rsa)) == []


def test_a_copy_of_the_old_one_beside_the_new_one_is_no_excuse() -> None:
    """Where old and new lie in one folder, the old one there is a leftover; in a folder of its own it may be in use."""
    beside = stored(OLD, "/etc/ssl/shop.pem.old")
    elsewhere = stored(OLD, "/srv/other/shop.pem")
    assert [rule for rule, _ in ids(stored(NEW), beside, served(OLD))] == ["RT006"]
    assert found(stored(NEW), elsewhere, served(OLD)) == []


# ---------------------------------------------------------------- one name, several answers


def test_replicas_that_differ() -> None:
    """Each address of a name that shows something else than another has a finding that names one of those."""
    first, second = found(served(OLD), served(NEW, "192.0.2.2"))
    assert {first.rule, second.rule} == {"RT027"}
    assert "192.0.2.2" in first.message
    assert "192.0.2.1" in second.message


def test_replicas_with_two_kinds_of_key_do_not_differ() -> None:
    """An RSA certificate beside an ECDSA one is how servers are run; equal ones are fine anyway."""
    rsa = alike(OLD, fingerprint="f" * 64, serial=7, key_algorithm="rsa", key_size=2048)
    assert found(served(OLD), served(rsa, "192.0.2.2"), served(OLD, "192.0.2.3")) == []


def test_replicas_that_were_asked_for_one_name_by_address() -> None:
    """Addresses that are given one by one and asked for the same name are replicas, too."""
    first = Endpoint("10.0.0.1", 443, "shop.example.com")
    second = Endpoint("10.0.0.2", 443, "shop.example.com")
    assert [rule for rule, _ in ids(served(OLD, "10.0.0.1", first), served(NEW, "10.0.0.2", second))] == ["RT027"] * 2
    nameless = (Endpoint("10.0.0.1", 443), Endpoint("10.0.0.2", 443))
    assert found(*(served(one, at.host, at) for one, at in zip((OLD, NEW), nameless, strict=True))) == []


# ---------------------------------------------------------------- keys and serials


def test_one_key_for_two_services() -> None:
    """Certificates for different names with one key: each place has a finding that names the other."""
    mail = alike(chain("mail.example.com"), spki=OLD.spki)
    first, second = found(stored(OLD), stored(mail, "/etc/mail/mail.pem"))
    assert {first.rule, second.rule} == {"RT024"}
    assert "/etc/mail/mail.pem" in first.message


def test_a_renewal_that_kept_its_key_is_no_reuse() -> None:
    """The same names with the same key, old and new in one folder, are one service."""
    renewed = alike(NEW, spki=OLD.spki)
    assert found(stored(OLD), stored(renewed, "/etc/ssl/old.pem")) == []
    wider = alike(NEW, spki=OLD.spki, names=("shop.example.com", "www.example.com"))
    assert found(stored(OLD), stored(wider, "/etc/ssl/old.pem")) == []


def test_one_key_kept_in_two_places() -> None:
    """One certificate with its key in two folders is two services with one key; served at many addresses it is not."""
    assert [rule for rule, _ in ids(stored(OLD), stored(OLD, "/etc/mail/shop.pem"))] == ["RT024", "RT024"]
    assert found(served(OLD), served(OLD, "192.0.2.2")) == []
    assert found(stored(OLD, key=False), stored(OLD, "/etc/mail/shop.pem", key=False)) == []


def test_duplicate_serial() -> None:
    """Two certificates of one issuer with one serial are told at both; copies and other issuers are not."""
    twin = alike(chain("mail.example.com"), serial=OLD.leaf.serial)
    assert ids(stored(OLD), stored(twin, "/x")) == [("RT025", Severity.WARNING)] * 2
    assert "RT025" not in {rule for rule, _ in ids(stored(OLD), stored(OLD, "/x"))}
    assert found(stored(OLD), stored(alike(twin, issuer="CN=Other"), "/x")) == []


def test_what_comparing_tells_comes_one_by_one() -> None:
    """A fleet in which every place differs from another has a finding for each, and they are never held together."""
    with closing(Auditor(NOW, Trusted(), FLEET)) as auditor:
        for path in ("/a/shop.pem", "/b/shop.pem", "/c/shop.pem"):
            auditor.line(stored(OLD, path))
        compared = auditor.compared()
        first, _ = next(compared)
        assert first.rule == "RT024"
        assert len(list(compared)) == 2


def test_a_group_of_thousands_is_counted_not_listed() -> None:
    """One odd address among five thousand: each finding has a count and one example, and it takes no time."""
    many = [served(OLD, f"10.0.{n >> 8}.{n & 255}") for n in range(5000)]
    told = found(*many, served(NEW, "192.0.2.9"))
    assert len(told) == 5001
    odd = next(one for one in told if "192.0.2.9" in one.location.address)
    assert "and 4999 more places" in odd.message
    assert all("192.0.2.9" in one.message for one in told if one is not odd)


@given(st.text(), st.text(), st.lists(st.text(), max_size=3))
def test_no_text_breaks_the_index(path: str, subject: str, names: list[str]) -> None:
    """Paths that are no UTF-8 and names with anything in them go in and come out as they were."""
    leaf = replace(certificate(), names=tuple(names), issuer=subject)
    twin = replace(leaf, fingerprint="0" * 64)
    with closing(Index()) as index:
        index.add(Observation(Location("host", path), chain=Chain((leaf,))))
        index.add(Observation(Location("host", path + "2"), chain=Chain((twin,))))
        places = {one.member.location.address for one in index.compared(NOW)}
    assert places == {path, path + "2"}
