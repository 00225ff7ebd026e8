"""The audit rules: each one fires for what it is about, and keeps silent otherwise."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta

import pytest

from rotator.core.findings import CATALOGUE, RULES, findings, soon
from rotator.core.model import Chain, Endpoint, Finding, KeyFacts, KeySpec, Location, Observation, Severity
from tests.builders import DAY, ENDPOINT, HOUR, NOW, certificate, chain, holding, unreadable, unseen

WIRE = Location("tls", "shop.example.com:443@192.0.2.1")


def served(shown: Chain, endpoint: Endpoint = ENDPOINT) -> Observation:
    return Observation(WIRE, chain=shown, endpoint=endpoint)


def found(*observations: Observation, expected: Mapping[Endpoint, Chain] | None = None) -> list[Finding]:
    return list(findings(observations, NOW, expected=expected or {}))


def ids(found: Iterable[Finding]) -> list[tuple[str, Severity]]:
    return [(finding.rule, finding.severity) for finding in found]


def test_a_healthy_place_has_no_finding() -> None:
    """A certificate in the middle of its life, with its key, says nothing."""
    assert found(holding(chain())) == []


def test_expired_is_critical() -> None:
    """What has ended is critical, and the sentence says since when."""
    (finding,) = found(holding(chain(left=-3 * DAY)))
    assert (finding.rule, finding.severity) == ("RT001", Severity.CRITICAL)
    assert "3 d ago" in finding.message
    assert finding.remedy


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
    expected = [] if severity is None else [("RT002", severity)]
    assert ids(found(holding(chain(lives=lives, left=left)))) == expected


def test_soon_is_seven_days_and_less_for_short_lives() -> None:
    """Six-day certificates are not in trouble for being six-day certificates."""
    assert soon(90 * DAY) == 7 * DAY
    assert soon(6 * DAY) == 1.5 * DAY


def test_key_that_does_not_match() -> None:
    """A pair of which the key is another one's is critical; a place without a key is not judged."""
    shop = chain()
    assert ids(found(holding(shop, key=KeyFacts("another", matches=False)))) == [("RT003", Severity.CRITICAL)]
    assert found(Observation(Location("host", "/etc/ssl/shop.crt"), chain=shop)) == []


@pytest.mark.parametrize("key", [KeySpec("rsa", 1024), KeySpec("ecdsa", 192), KeySpec("dsa", 2048)])
def test_weak_keys(key: KeySpec) -> None:
    """Keys that clients refuse are errors, whatever else is right."""
    assert ids(found(holding(chain(key=key)))) == [("RT004", Severity.ERROR)]


def test_weak_signature_anywhere_in_the_chain() -> None:
    """A SHA-1 signature counts in an intermediate, too."""
    above = certificate("Issuing", signature_hash="sha1", is_ca=True)
    (finding,) = found(holding(chain(above=(above,))))
    assert finding.rule == "RT004"
    assert "SHA1" in finding.message


def test_unreadable_and_unseen_are_different_things() -> None:
    """What is no certificate is a finding; what could not be looked at says nothing about what is there."""
    assert ids(found(unreadable())) == [("RT005", Severity.ERROR)]
    assert found(unseen()) == []


def test_unreadable_field() -> None:
    """A field that cannot be read is a warning, not a crash."""
    assert ids(found(holding(chain(problems=("names: not ASN.1",))))) == [("RT005", Severity.WARNING)]


def test_joined_endpoint_that_serves_another_one() -> None:
    """An endpoint known to belong to a certificate must serve the current one."""
    old, new = chain(label="old"), chain(label="new")
    assert ids(found(served(old), expected={ENDPOINT: new})) == [("RT006", Severity.ERROR)]
    assert found(served(new), expected={ENDPOINT: new}) == []


def test_newer_one_stored_under_the_same_names_is_a_hint() -> None:
    """Without a join, a newer certificate for the same names that is not served is a warning at the endpoint."""
    old, new = chain(begins=NOW - 40 * DAY), chain(begins=NOW - 2 * DAY)
    (finding,) = found(holding(new), served(old))
    assert (finding.rule, finding.severity, finding.location) == ("RT006", Severity.WARNING, WIRE)
    assert "/etc/ssl/shop.pem" in finding.message


@pytest.mark.parametrize("stored", ["older", "other names", "the same", "no key"])
def test_no_hint_where_nothing_newer_waits(stored: str) -> None:
    """An older copy, other names, the served one itself, or a chain without a key beside it prove nothing."""
    old, new = chain(begins=NOW - 40 * DAY), chain(begins=NOW - 2 * DAY)
    shown, kept = {
        "older": (new, holding(old)),
        "other names": (old, holding(chain("mail.example.com", begins=NOW - 2 * DAY))),
        "the same": (new, holding(new)),
        "no key": (old, Observation(Location("host", "/etc/ssl/shop.crt"), chain=new)),
    }[stored]
    assert found(kept, served(shown)) == []


def test_catalogue_is_complete() -> None:
    """Ids are unique and in order, and every rule has a cause and a remedy."""
    assert [rule.id for rule, _ in CATALOGUE] == [f"RT{number:03}" for number in range(1, len(CATALOGUE) + 1)]
    assert len({rule.name for rule in RULES.values()}) == len(RULES)
    assert all(rule.cause and rule.remedy for rule in RULES.values())
