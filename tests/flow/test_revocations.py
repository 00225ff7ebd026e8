"""Watching revocation: a CRL on a real server, a look that does not wait for a dead one, and what follows."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from rotator.asked import carry_out
from rotator.core.model import (
    Bundle,
    Certificate,
    Chain,
    Evidence,
    Mode,
    Result,
    Revocation,
    RevocationState,
)
from rotator.core.pem import key_pem
from rotator.core.reasons import Reason
from rotator.ports import Request
from rotator.revocations import DRAWER, Ask, RevocationWatch, asking, with_revocation
from tests.builders import HOUR, MINUTE, NOW, chain, facts, spec
from tests.flow.services import Service
from tests.flow.site import DAY, Site
from tests.issuers.asking import Drawer
from tests.lib.revoking import Ca, Shelf, point

GOOD = Revocation(RevocationState.GOOD, "CRL http://ca.example/1")
GONE = Revocation(RevocationState.REVOKED, "CRL http://ca.example/1", NOW, "keyCompromise")
UNKNOWN = Revocation(RevocationState.UNKNOWN, "CRL http://ca.example/1", detail="cannot be had")
CHAIN = chain()


# ---------------------------------------------------------------- a real CRL


@pytest.fixture
def shelf() -> Iterator[Shelf]:
    with Shelf() as opened:
        yield opened


def revocable(site: Site, ca: Ca, crl: str) -> Service:
    """A service whose certificate names a CRL."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = "shop.example.com"
    leaf = ca.sign(
        name,
        [
            (x509.SubjectAlternativeName([x509.DNSName(name)]), False),
            (x509.BasicConstraints(ca=False, path_length=None), True),
            (x509.ExtendedKeyUsage([x509.OID_SERVER_AUTH]), False),
            (x509.AuthorityKeyIdentifier.from_issuer_public_key(ca.private.public_key()), False),
            (x509.CRLDistributionPoints([point(crl)]), False),
        ],
        key=key.public_key(),
    )
    service = site.service("shop", bundle=Bundle(Chain((leaf, ca.certificate)), key_pem(key)))
    site.declare("shop", service)
    return service


def watch_of(site: Site, ask: Ask, **options: object) -> RevocationWatch:
    return RevocationWatch(ask, site.clock.now, site.store, **options)  # type: ignore[arg-type]  # its own keywords


def test_what_its_ca_revokes_is_renewed_by_itself(site: Site, shelf: Shelf) -> None:
    """A certificate on its CA's CRL is seen in two looks and then renewed, far from due, with a new key."""
    ca = Ca("Revoking CA", parent=site.root, now=site.time.now.replace(microsecond=0))
    url = shelf.put("/ca.crl", ca.crl())
    shop = revocable(site, ca, url)
    old = shop.serves
    watch = watch_of(site, asking(site.clock.now, ["127.0.0.1"], HOUR))
    site.change = lambda world: replace(world, revocations=watch)
    assert site.decision("shop").reason is Reason.HEALTHY
    (served,) = [one.newest for one in site.look()[0].inventory.facts]
    assert served is not None
    assert len(shelf.asked) == 1, "an answer is asked for once in an hour"
    shelf.put("/ca.crl", ca.crl({served.leaf.serial: x509.ReasonFlags.key_compromise}))
    site.time.goes_by(HOUR + MINUTE)
    first = site.decision("shop")
    assert (first.reason, first.because) == (Reason.SECOND_LOOK, Reason.REVOKED)
    assert "keyCompromise since" in first.message
    site.time.goes_by(HOUR)
    outcome = site.outcome()
    assert (outcome.decision.reason, outcome.result) == (Reason.REVOKED, Result.DONE)
    assert outcome.after is not None
    assert outcome.after.spki != served.spki
    assert shop.serves not in {old, ""}


def test_an_internal_ca_is_asked_only_where_the_config_says_so(site: Site, shelf: Shelf) -> None:
    """An address in a certificate leads nowhere inside unless the operator allows it: nothing is known then."""
    ca = Ca("Revoking CA", parent=site.root, now=site.time.now.replace(microsecond=0))
    revocable(site, ca, shelf.put("/ca.crl", ca.crl()))
    watch = watch_of(site, asking(site.clock.now, [], HOUR))
    site.change = lambda world: replace(world, revocations=watch)
    (facts_of_shop,) = site.look()[0].inventory.facts
    assert facts_of_shop.evidence.revoked is None
    assert shelf.asked == []


def test_a_dead_ca_does_not_hold_a_look_up(site: Site) -> None:
    """A CA that never answers costs a look its patience; the answer counts in the look after it came."""
    ca = Ca("Revoking CA", parent=site.root, now=site.time.now.replace(microsecond=0))
    revocable(site, ca, "http://ca.example/ca.crl")
    answers = threading.Event()

    def slow(_chain: Chain, _issuers: Sequence[Certificate]) -> Revocation:
        answers.wait(60)
        return GONE

    watch = watch_of(site, slow, patience=0.2)
    site.change = lambda world: replace(world, revocations=watch)
    (before,) = site.look()[0].inventory.facts
    assert before.evidence.revoked is None
    answers.set()
    (after,) = site.look()[0].inventory.facts
    assert after.evidence.revoked is True


def test_nobody_goes_back_to_what_its_ca_has_revoked(site: Site) -> None:
    """After a CA has revoked a certificate and it was renewed, `rollback` does not put the revoked one back."""
    shop = site.cared_for("shop", left=29 * DAY)
    site.look()
    before = shop.serves
    watch = watch_of(site, lambda chain, _: GONE if chain.fingerprint == before else GOOD)
    site.change = lambda world: replace(world, revocations=watch)
    for _ in range(3):
        site.time.goes_by(HOUR)
        site.look()
    assert shop.serves != before
    said = carry_out(Request(0, "rollback", {"certificate": "shop"}, site.time.now, "ada@host"), site.wiring)
    assert said.startswith("not done: ")
    assert "was revoked" in said
    assert shop.serves != before


def test_an_answer_that_breaks_its_reader(site: Site) -> None:
    """A CA whose answer breaks what reads it says nothing; the look after it asks again and does not wait in vain."""
    site.service("shop", left=60 * DAY)
    site.declare("shop", site.services["shop"])
    broken = [RecursionError("too deep")]

    def ask(_chain: Chain, _issuers: Sequence[Certificate]) -> Revocation:
        if broken:
            raise broken.pop()
        return GONE

    watch = watch_of(site, ask, patience=30)
    site.change = lambda world: replace(world, revocations=watch)
    (before,) = site.look()[0].inventory.facts
    assert before.evidence.revoked is None
    site.time.goes_by(HOUR)
    (after,) = site.look()[0].inventory.facts
    assert after.evidence.revoked is True


# ---------------------------------------------------------------- answers


class Asked:
    """A CA in this process: what it says next, and how often it was asked."""

    def __init__(self, *says: Revocation) -> None:
        self.says = list(says)
        self.times = 0

    def __call__(self, _chain: Chain, _issuers: Sequence[Certificate]) -> Revocation:
        self.times += 1
        return self.says.pop(0) if len(self.says) > 1 else self.says[0]


class Hands:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = NOW


def revoked_by(watch: RevocationWatch, at: Hands, mode: Mode = Mode.ROTATE) -> bool | None:
    """What one look at one healthy certificate learns."""
    about = facts(spec(mode=mode), chain=CHAIN, now=at.now, evidence=Evidence())
    watch.begin(about, ())
    (found,) = watch.look([about])
    return found.evidence.revoked


def test_answers_outlive_the_process() -> None:
    """After a restart nobody is asked again until the hour is over."""
    hands, drawer, ca = Hands(), Drawer(), Asked(GOOD)
    assert revoked_by(RevocationWatch(ca, lambda: hands.now, drawer), hands) is False
    again = RevocationWatch(ca, lambda: hands.now, drawer)
    assert revoked_by(again, hands) is False
    assert ca.times == 1
    hands.now += HOUR
    assert revoked_by(again, hands) is False
    assert ca.times == 2


def test_what_was_revoked_stays_so() -> None:
    """Nobody takes a revocation back but a hold: it is not asked for again, and a failure does not hide it."""
    hands, ca = Hands(), Asked(GONE, UNKNOWN)
    watch = RevocationWatch(ca, lambda: hands.now, Drawer())
    assert revoked_by(watch, hands) is True
    hands.now += 2 * DAY
    assert revoked_by(watch, hands) is True
    assert ca.times == 1


def test_a_failure_forgets_a_good_answer_slowly() -> None:
    """A CA that cannot be had for a moment leaves the last word standing; soon nothing is known any more."""
    hands, ca = Hands(), Asked(GOOD, UNKNOWN)
    watch = RevocationWatch(ca, lambda: hands.now, Drawer())
    assert revoked_by(watch, hands) is False
    hands.now += HOUR
    assert revoked_by(watch, hands) is False
    hands.now += 2 * HOUR
    assert revoked_by(watch, hands) is None


def test_a_good_answer_is_forgotten_however_often_its_ca_fails() -> None:
    """Asking a dead CA every ten minutes does not make its last word stand for ever: after two turns it is unknown."""
    hands, ca = Hands(), Asked(GOOD, UNKNOWN)
    watch = RevocationWatch(ca, lambda: hands.now, Drawer())
    assert revoked_by(watch, hands) is False
    for _ in range(11):
        hands.now += 10 * MINUTE
        assert revoked_by(watch, hands) is False
    hands.now += 10 * MINUTE
    assert revoked_by(watch, hands) is None
    assert ca.times == 1 + 7, "it is asked again every ten minutes from the end of the first turn on"


def test_a_clock_that_ran_ahead_keeps_no_ca_from_being_asked() -> None:
    """Answers and failures of a morrow that never was are asked for anew once the clock is right."""
    hands, ca = Hands(), Asked(GOOD, UNKNOWN, GONE)
    watch = RevocationWatch(ca, lambda: hands.now, Drawer())
    hands.now += 30 * DAY
    assert revoked_by(watch, hands) is False
    hands.now = NOW
    assert revoked_by(watch, hands) is None
    hands.now -= DAY
    assert revoked_by(watch, hands) is True


@pytest.mark.parametrize(("observed", "told"), [(False, None), (True, True)])
def test_what_is_only_observed(observed: bool, told: bool | None) -> None:
    """In observe mode no CA is asked, unless the config says `watch: managed`."""
    hands, ca = Hands(), Asked(GONE)
    watch = RevocationWatch(ca, lambda: hands.now, Drawer(), observed=observed)
    assert revoked_by(watch, hands, Mode.OBSERVE) is told
    assert ca.times == int(observed)


@pytest.mark.parametrize("rubbish", [b"", b"{", b"[]", b'{"ab": 1}', b'{"ab": ["x", "", "", "", ""]}', b"\xff\xfe"])
def test_a_drawer_that_cannot_be_read(rubbish: bytes) -> None:
    """What somebody else left in the drawer is no reason to stop: everything is asked anew."""
    hands, drawer, ca = Hands(), Drawer(), Asked(GOOD)
    drawer.put(DRAWER, rubbish)
    assert revoked_by(RevocationWatch(ca, lambda: hands.now, drawer), hands) is False
    assert ca.times == 1


def test_a_moment_far_ahead_is_not_waited_for() -> None:
    """A clock that ran ahead when an answer was kept does not keep CAs from being asked for ever."""
    hands, drawer, ca = Hands(), Drawer(), Asked(GOOD, GONE)
    hands.now += 900 * DAY
    assert revoked_by(RevocationWatch(ca, lambda: hands.now, drawer, every=DAY), hands) is None, "it has ended by then"
    kept = {CHAIN.fingerprint: ["good", "", "", "", "2999-01-01T00:00:00+00:00"]}
    drawer.put(DRAWER, json.dumps(kept).encode())
    hands.now = NOW
    assert revoked_by(RevocationWatch(ca, lambda: hands.now, drawer), hands) is False
    assert ca.times == 1


def test_our_own_revocation_is_known_before_any_crl() -> None:
    """What rotator had revoked is revoked, though the CRL of the hour does not list it yet."""
    assert with_revocation(Evidence(revoked=True), GOOD).revoked is True
    assert with_revocation(Evidence(), UNKNOWN).revoked is None
    assert (
        with_revocation(Evidence(), replace(GONE, reason="", at=None)).revocation
        == "no reason given, CRL http://ca.example/1"
    )
