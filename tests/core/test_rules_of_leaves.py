"""The rules of the audit about one certificate: each fires for what it is about, and keeps silent otherwise."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rotator.core.model import (
    Caa,
    Chain,
    KeySpec,
    Revocation,
    RevocationState,
    Severity,
)
from rotator.core.rules.rule import Thresholds
from tests.builders import DAY, NOW, certificate, chain
from tests.core.ruling import at, of_chain, served

# ---------------------------------------------------------------- leaf


@pytest.mark.parametrize("key", [KeySpec("rsa", 1024), KeySpec("ecdsa", 192), KeySpec("dsa", 2048)])
def test_weak_keys(key: KeySpec) -> None:
    """Keys that clients refuse are errors, whatever else is right."""
    assert of_chain(chain(key=key)).get("RT004") == [Severity.ERROR]


def test_weak_signature_anywhere_in_the_chain() -> None:
    """A SHA-1 signature counts in an intermediate, too, and not in a root, which signed itself."""
    above = certificate("Issuing", signature_hash="sha1", is_ca=True)
    assert of_chain(chain(above=(above,))).get("RT004") == [Severity.ERROR]
    assert "RT004" not in of_chain(chain(above=(replace(above, self_signed=True),)))


def test_unreadable_field() -> None:
    """A field that cannot be read is a warning, not a crash; unreadable names are not taken for no names."""
    found = of_chain(chain(problems=("names: not ASN.1",)))
    assert found == {"RT005": [Severity.WARNING]}


def test_no_san() -> None:
    """A leaf that names no host is an error."""
    assert of_chain(Chain((replace(certificate(), names=()),))).get("RT018") == [Severity.ERROR]
    assert "RT018" not in of_chain(chain())


def test_a_mail_address_is_no_host() -> None:
    """A certificate with nothing but mail addresses has no name for a server, and covers none."""
    mail = Chain((replace(certificate(), names=("mailto:shop.example.com",)),))
    assert of_chain(mail).get("RT018") == [Severity.ERROR]
    assert "RT009" not in at(served(mail))


def test_wildcard() -> None:
    """A wildcard is worth a note."""
    assert of_chain(chain("*.example.com")).get("RT019") == [Severity.INFO]
    assert "RT019" not in of_chain(chain("shop.example.com"))


@pytest.mark.parametrize(
    ("lives", "scts", "fires"), [(90, 2, False), (90, 1, True), (200, 3, False), (200, 2, True), (180, 2, False)]
)
def test_scts_by_lifetime(lives: int, scts: int, fires: bool) -> None:
    """Public certificates have two timestamps up to 180 days and three beyond; private ones need none."""
    one = Chain((replace(certificate(lives=lives * DAY), embedded_scts=scts),))
    assert ("RT022" in of_chain(one, public=True)) is fires
    assert "RT022" not in of_chain(one)


def test_scts_as_the_operator_has_it() -> None:
    """A number of one's own counts instead."""
    one = Chain((replace(certificate(), embedded_scts=2),))
    assert "RT022" in of_chain(one, public=True, thresholds=Thresholds(scts=4))
    assert "RT022" not in of_chain(one, public=True, thresholds=Thresholds(scts=0))


@pytest.mark.parametrize(
    ("told_by_ca", "expected"),
    [
        (Revocation(RevocationState.REVOKED, "CRL http://ca.example/c.crl", NOW, "keyCompromise"), {"RT021"}),
        (Revocation(RevocationState.GOOD, "CRL http://ca.example/c.crl"), set()),
        (Revocation(RevocationState.UNKNOWN, "CRL http://ca.example/c.crl", detail="it did not answer"), {"RT034"}),
        (Revocation(RevocationState.UNKNOWN, detail="it names nobody to ask"), set()),
        (None, set()),
    ],
)
def test_revocation(told_by_ca: Revocation | None, expected: set[str]) -> None:
    """Revoked is critical; an answer that cannot be had is a note; nobody to ask, or not asked, is nothing."""
    found = of_chain(chain(), revocation=told_by_ca)
    assert set(found) == expected
    assert found.get("RT021", [Severity.CRITICAL]) == [Severity.CRITICAL]


@pytest.mark.parametrize(
    ("name", "caa", "fires"),
    [
        ("shop.example.com", Caa("example.com", ("letsencrypt.org",)), False),
        ("shop.example.com", Caa("example.com", ("pki.goog",)), True),
        ("shop.example.com", Caa("example.com", ("",)), True),
        ("shop.example.com", Caa(), False),
        ("shop.example.com", Caa("example.com", (), detail="SERVFAIL"), False),
        ("*.example.com", Caa("example.com", ("letsencrypt.org",), ("pki.goog",)), True),
        ("*.example.com", Caa("example.com", ("pki.goog",), ("letsencrypt.org",)), False),
        ("shop.example.com", Caa("example.com", (), ("pki.goog",)), False),
    ],
)
def test_caa(name: str, caa: Caa, fires: bool) -> None:
    """The CA has to be among those that the records allow; wildcards have their own; no records allow all."""
    one = Chain((replace(certificate(name), issuer="CN=R12,O=Let's Encrypt,C=US"),))
    assert ("RT023" in of_chain(one, caa={name: caa})) is fires


def test_caa_that_could_not_be_told() -> None:
    """A name server that does not answer is a note, not silence."""
    failed = {"shop.example.com": Caa(detail="the resolver answered SERVFAIL")}
    assert of_chain(chain(), caa=failed) == {"RT035": [Severity.INFO]}
    assert of_chain(chain(), caa={"shop.example.com": Caa()}) == {}


def test_caa_keeps_quiet_for_an_unknown_ca() -> None:
    """Of a CA whose CAA domains are not known nothing can be said."""
    assert "RT023" not in of_chain(chain(), caa={"shop.example.com": Caa("example.com", ("pki.goog",))})
