"""The rules of the audit that look at one place: each fires for what it is about, and keeps silent otherwise."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rotator.core.model import (
    Certificate,
    Chain,
    Consumer,
    Handshake,
    KeyFacts,
    Observation,
    Owner,
    Severity,
    Use,
)
from tests.builders import DAY, PLACE, certificate, chain, decision, holding, unreadable, unseen
from tests.core.ruling import at, served

# ---------------------------------------------------------------- place


def test_unreadable_and_unseen_are_different_things() -> None:
    """What is no certificate is a finding; what could not be looked at says nothing about what is there."""
    assert at(unreadable()) == {"RT005": [Severity.ERROR]}
    assert at(unseen()) == {}


def test_what_could_not_be_read_beside_what_could() -> None:
    """A certificate of the chain that is garbage is told, though the leaf is fine."""
    assert at(replace(holding(chain()), remarks=("certificate 2 of the chain cannot be read",))) == {
        "RT005": [Severity.WARNING]
    }


def test_key_that_does_not_match() -> None:
    """A pair of which the key is another one's is critical; a place without a key is not judged."""
    assert at(holding(chain(), key=KeyFacts("another", matches=False))) == {"RT003": [Severity.CRITICAL]}
    assert at(Observation(PLACE, chain=chain())) == {}


@pytest.mark.parametrize(("mode", "fires"), [(0o600, False), (0o640, False), (0o644, True), (0o604, True)])
def test_key_that_all_may_read(mode: int, fires: bool) -> None:
    """A private key that every user may read is an error; its group is the operator's business."""
    shop = chain()
    assert ("RT026" in at(holding(shop, key=KeyFacts(shop.spki, True, mode)))) is fires
    assert "RT026" not in at(holding(shop, key=KeyFacts(shop.spki, True, mode, sealed=True)))


def test_name_that_was_asked_for() -> None:
    """An endpoint has to cover the name it was asked for; an address is no name."""
    assert at(served(chain("shop.example.com"), "mail.example.com")).get("RT009") == [Severity.ERROR]
    assert at(served(chain("*.example.com"), "mail.example.com")) == {}
    assert at(served(chain("shop.example.com"), "192.0.2.1")) == {}


def test_name_that_an_ingress_serves() -> None:
    """A Secret has to cover the hosts of what takes it, and each that it does not is named."""
    web = Consumer("Ingress", "shop/web", hosts=("shop.example.com", "www.example.com"))
    assert at(replace(holding(chain("shop.example.com")), consumers=(web,))).get("RT009") == [Severity.ERROR]
    assert at(replace(holding(chain("*.example.com")), consumers=(web,))) == {}


def test_server_auth() -> None:
    """A certificate for clients alone is an error where it is served, and right where it is only kept."""
    client = Chain((replace(certificate(), extended_key_usages=("1.3.6.1.5.5.7.3.2",)),))
    assert at(served(client)).get("RT020") == [Severity.ERROR]
    assert at(holding(client)) == {}
    assert at(served(chain())) == {}


@pytest.mark.parametrize(
    ("version", "fires"), [("TLSv1", True), ("TLSv1.1", True), ("TLSv1.2", False), ("TLSv1.3", False)]
)
def test_old_tls(version: str, fires: bool) -> None:
    """A server that has nothing newer than TLS 1.1 is a warning."""
    assert ("RT028" in at(served(chain(), handshake=Handshake(version)))) is fires


def test_due_and_not_managed() -> None:
    """What is due and belongs to no rule is a warning where there is a plan, unless somebody else owns it."""
    due = holding(chain(left=20 * DAY))
    assert at(due, plan=True).get("RT008") == [Severity.WARNING]
    assert at(due) == {}
    assert at(due, plan=True, decision=decision()) == {}
    assert at(replace(due, owner=Owner("cert-manager", "Certificate shop/tls", "")), plan=True) == {}
    assert at(holding(chain(left=60 * DAY)), plan=True) == {}


def test_reference_to_what_is_not_there() -> None:
    """An Ingress whose Secret is missing is an error; an empty place that nobody takes is nothing."""
    missed = Observation(PLACE, consumers=(Consumer("Ingress", "shop/web"),))
    assert at(missed) == {"RT031": [Severity.ERROR]}
    assert at(Observation(PLACE)) == {}


def test_reference_that_is_not_granted() -> None:
    """A Gateway that takes a Secret of another namespace needs a grant."""
    foreign = Consumer("Gateway", "edge/gw", foreign="no ReferenceGrant in shop")
    assert at(replace(holding(chain()), consumers=(foreign,))) == {"RT032": [Severity.ERROR]}
    assert at(replace(holding(chain()), consumers=(Consumer("Gateway", "edge/gw"),))) == {}


def test_consumer_that_stays_behind() -> None:
    """Whoever mounts it with subPath does not see a renewal: a warning for each."""
    stuck = Consumer("Deployment", "shop/web", stuck="container web mounts tls.crt with subPath")
    assert at(replace(holding(chain()), consumers=(stuck,))) == {"RT029": [Severity.WARNING]}


def test_two_owners() -> None:
    """Two controllers at one Secret are a warning; one is none."""
    one, other = Owner("cert-manager", "Certificate a/b", ""), Owner("external-secrets", "ExternalSecret a/b", "")
    assert at(replace(holding(chain()), owner=one, rivals=(other,))) == {"RT030": [Severity.WARNING]}
    assert at(replace(holding(chain()), owner=one)) == {}


def test_expired_anchor() -> None:
    """A CA that has ended, or is about to, is a warning wherever it is trusted."""
    ended, fine = certificate("Old Root", left=-DAY, is_ca=True), certificate("Root", lives=3650 * DAY, is_ca=True)

    def bundle(*certificates: Certificate) -> Observation:
        return Observation(PLACE, chain=Chain(certificates), use=Use.TRUST)

    assert at(bundle(fine, ended)) == {"RT033": [Severity.WARNING]}
    assert at(bundle(fine)) == {}
    assert at(bundle(certificate("Root", lives=3650 * DAY, left=20 * DAY, is_ca=True))) == {"RT033": [Severity.WARNING]}
