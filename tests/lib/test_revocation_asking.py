"""Who is asked whether a certificate is revoked: addresses, issuers, internal places, and how often for many."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import pytest
from cryptography import x509
from cryptography.x509.oid import ObjectIdentifier

from rotator import log
from rotator.core.model import Chain, Revocation
from rotator.lib.revocation import ENDED, NOBODY, SELF_SIGNED, Limits, Revocations
from tests.lib.asking_crls import GOOD, REVOKED, UNKNOWN, issuer_file, revocations, said
from tests.lib.revoking import DAY, NOW, Ca, Shelf
from tests.pki import self_signed
from tests.servers.loopback import Response
from tests.servers.ports import LOOPBACK, free_port


@pytest.fixture
def shelf() -> Iterator[Shelf]:
    """Where CRLs lie."""
    with Shelf() as server:
        yield server


@pytest.fixture(scope="module")
def ca() -> Ca:
    """A CA of this module."""
    return Ca()


# ---------------------------------------------------------------- whom to ask


def test_a_certificate_may_name_nobody(ca: Ca) -> None:
    """No pointer at all is no fault, LDAP is named as not asked, and what ended or signed itself is not asked about."""
    silent = x509.UnrecognizedExtension(ObjectIdentifier("2.5.29.56"), b"\x05\x00"), False
    asked = revocations()
    alone = self_signed(["a.example"], not_before=NOW - DAY, not_after=NOW + DAY).chain
    details = [
        (ca.leaf(), NOBODY),
        (ca.leaf(more=[silent]), "its CA says that it gives no word on it (noRevAvail)"),
        (ca.leaf(crls=["http://crl.example/1.crl"], ends=-DAY), ENDED),
        (alone, SELF_SIGNED),
    ]
    for chain, detail in details:
        assert asked.of(chain) == Revocation(UNKNOWN, detail=detail)
    ldap = asked.of(ca.leaf(crls=["ldap://dir.example/cn=ca"]))
    assert ldap == Revocation(UNKNOWN, "CRL ldap://dir.example/cn=ca", detail="is not asked, as only HTTP is")


def test_the_next_address_is_asked_when_one_fails(shelf: Shelf, ca: Ca) -> None:
    """Each CRL that the certificate names is tried, in order, up to three; when none helps all clauses are told."""
    gone, good = f"{shelf.url}/gone.crl", shelf.put("/good.crl", ca.crl())
    assert revocations().of(ca.leaf(crls=[gone, good])).by == f"CRL {good}"
    found = revocations().of(ca.leaf(crls=[f"{shelf.url}/{number}.gone" for number in range(5)]))
    clause = f"cannot be had: {LOOPBACK} answers with status 404"
    assert found.by == f"CRL {shelf.url}/0.gone"
    assert found.detail == f"{clause}; CRL {shelf.url}/1.gone {clause}; CRL {shelf.url}/2.gone {clause}"
    assert revocations().of(ca.leaf(crls=["http://x/\x1b[2J"])).by == "CRL http://x/?[2J"


# ---------------------------------------------------------------- the issuer


def test_without_its_issuer_nothing_can_be_verified(shelf: Shelf, ca: Ca) -> None:
    """A chain that lacks the issuer is helped out by roots, or by what the certificate itself points to."""
    crl = shelf.put("/1.crl", ca.crl())
    alone = Chain((ca.leaf(crls=[crl]).leaf,))
    found = revocations().of(alone)
    assert found.by == f"CRL {crl}"
    assert found.detail == "is not asked: the certificate of its issuer, CN=Revoking CA, is not at hand"
    assert revocations().of(alone, [Ca().certificate, ca.certificate]).state is GOOD


@pytest.mark.parametrize("form", ["der", "pem", "pkcs7"])
def test_the_issuer_is_fetched(shelf: Shelf, ca: Ca, form: str) -> None:
    """A caIssuers address may have DER, PEM or a PKCS#7; what is there must really have signed the certificate."""
    url = shelf.put("/ca", issuer_file(ca, form))
    chain = Chain((ca.leaf(crls=[shelf.put("/1.crl", ca.crl())], issuers=[url]).leaf,))
    asked = revocations()
    assert asked.of(chain).state is GOOD
    assert asked.issuer_of(chain.leaf) == ca.certificate
    assert shelf.asked.count("/ca") == 1


def test_a_wrong_issuer_is_not_taken(shelf: Shelf, ca: Ca) -> None:
    """A file with another CA, even of the same name, or with nothing of the kind, is told and not used."""
    for body, clause in ((Ca().certificate.der, "has did not sign it"), (b"nonsense", "does not have it: it cannot")):
        url = shelf.put("/ca", body)
        leaf = ca.leaf(crls=[f"{shelf.url}/1.crl"], issuers=[url]).leaf
        found = revocations()
        assert found.issuer_of(leaf) is None
        assert clause in found.of(Chain((leaf,))).detail


# ---------------------------------------------------------------- the guard


def test_internal_addresses_are_not_asked_unless_allowed(shelf: Shelf, ca: Ca) -> None:
    """By default neither an internal address nor a name that leads to one is asked, for a CRL, OCSP or an issuer."""
    for host in (LOOPBACK, "localhost", "[::ffff:127.0.0.1]", "2130706433", "0"):
        url = f"http://{host}:{shelf.port}/1.crl"
        leaf = ca.leaf(crls=[url], ocsp=[url], issuers=[url]).leaf
        found = Revocations(lambda: NOW)
        assert found.issuer_of(leaf) is None
        detail = found.of(Chain((leaf, ca.certificate))).detail
        assert detail.count("leads to an internal address, which is not allowed here") == 2, detail
    assert shelf.asked == []


def test_a_redirect_inside_is_not_followed(shelf: Shelf, ca: Ca) -> None:
    """A CRL server that is allowed cannot send us on to another internal place."""
    with Shelf() as inside:
        target = f"http://127.0.0.2:{inside.port}/latest/meta-data"
        found = said(shelf, ca, Response(302, {"Location": target}))
        assert "127.0.0.2 leads to an internal address" in found.detail
        assert inside.asked == []


def test_what_allows_nothing_is_refused_at_once() -> None:
    """A mistake in what the operator allows is said when it is made, not at the first certificate."""
    with pytest.raises(ValueError, match=r"10\.0\.0\.0/99 is neither"):
        Revocations(lambda: NOW, allow_internal=["10.0.0.0/99"])


# ---------------------------------------------------------------- many certificates


def test_each_crl_is_fetched_once(shelf: Shelf, ca: Ca) -> None:
    """Threads that ask about many certificates share one download, and each gets its own answer."""
    shelf.put("/1.crl", Response(body=ca.crl(dict.fromkeys(range(1, 11))), delay=0.2))
    chains = [ca.leaf(crls=[f"{shelf.url}/1.crl"], serial=serial) for serial in range(1, 41)]
    asked = revocations()
    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(asked.of, chains))
    assert [each.state for each in found] == [REVOKED] * 10 + [GOOD] * 30
    assert shelf.asked == ["/1.crl"]


def test_a_crl_is_fetched_anew_when_it_grows_old(shelf: Shelf, ca: Ca) -> None:
    """It is kept for an hour, but not beyond its own end; a failure is tried again after ten minutes."""
    moment = [NOW]
    asked = Revocations(lambda: moment[0], allow_internal=[LOOPBACK])
    shelf.put("/1.crl", ca.crl(ends=timedelta(minutes=90)))
    chain, seen = ca.leaf(crls=[f"{shelf.url}/1.crl"], serial=1000), []
    for minutes in (0, 59, 61, 89, 91, 99, 102):
        if minutes == 91:
            shelf.put("/1.crl", ca.crl({1000: None}))
        moment[0] = NOW + timedelta(minutes=minutes)
        asked.of(chain)
        seen.append(len(shelf.asked))
    assert seen == [1, 1, 2, 2, 3, 3, 3]
    assert asked.of(chain).state is REVOKED


def test_a_dead_host_is_left_alone(ca: Ca) -> None:
    """After two failures a host that cannot be reached costs no more time, until ten minutes later."""
    moment, port = [NOW], free_port()
    asked = Revocations(lambda: moment[0], allow_internal=[LOOPBACK])
    chains = [ca.leaf(crls=[f"http://{LOOPBACK}:{port}/{number}.crl"]) for number in range(3)]
    details = [asked.of(chain).detail for chain in chains]
    assert [f"{LOOPBACK} refuses the connection" in detail for detail in details] == [True, True, False]
    assert details[2].endswith(f"{LOOPBACK} could not be reached 2 times and is left alone for now")
    moment[0] += timedelta(minutes=11)
    assert "refuses the connection" in asked.of(chains[2]).detail


def test_a_silent_host_is_left_in_time(shelf: Shelf, ca: Ca) -> None:
    """A server that never answers costs no more than the time that is allowed."""
    shelf.put("/1.crl", Response(delay=30))
    found = revocations(limits=Limits(seconds=0.3)).of(ca.leaf(crls=[f"{shelf.url}/1.crl"]))
    assert f"{LOOPBACK} did not finish within 0.3 s" in found.detail


def test_what_is_kept_is_bounded(shelf: Shelf, ca: Ca) -> None:
    """However many CRLs a fleet names, only so many bytes of them are kept; the others are fetched again."""
    asked = revocations(limits=Limits(kept_bytes=3 * len(ca.crl()) + 20))
    chains = [ca.leaf(crls=[shelf.put(f"/{number}.crl", ca.crl())]) for number in range(6)]
    for chain in (*chains, chains[5], chains[0]):
        assert asked.of(chain).state is GOOD
    assert len(shelf.asked) == 7


def test_waiting_threads_get_the_error_of_the_one_that_asked(shelf: Shelf, ca: Ca) -> None:
    """When the one download fails, all that waited for it are told why, and none of them hangs."""
    url = shelf.put("/1.crl", Response(500, delay=0.2))
    asked, begin = revocations(), threading.Barrier(8)

    def ask(chain: Chain) -> str:
        begin.wait()
        return asked.of(chain).detail

    with ThreadPoolExecutor(8) as pool:
        details = list(pool.map(ask, [ca.leaf(crls=[url]) for _ in range(8)]))
    assert set(details) == {f"cannot be had: {LOOPBACK} answers with status 500"}
    assert shelf.asked == ["/1.crl"]


# ---------------------------------------------------------------- what nobody foresaw


class PanicException(BaseException):
    """What its Rust code raises where it gives up; no Exception."""


@pytest.mark.parametrize("error", [LookupError("odd"), PanicException("odd")], ids=["exception", "panic"])
def test_what_nobody_foresaw_is_unknown_and_logged(ca: Ca, error: BaseException) -> None:
    """A fault while one certificate is asked about is said of that one, with its kind, and logged with its trace."""

    def now() -> datetime:
        raise error

    lines = io.StringIO()
    log.configure(stream=lines)
    asked = Revocations(now, allow_internal=[LOOPBACK])
    leaf = ca.leaf(crls=["http://127.0.0.1:1/1.crl"], issuers=["http://127.0.0.1:1/ca"]).leaf
    kind = type(error).__name__
    assert asked.of(Chain((leaf,))) == Revocation(
        UNKNOWN, detail=f"was not asked: a fault of rotator ({kind}); its log has the whole of it"
    )
    assert asked.issuer_of(leaf) is None
    told = lines.getvalue()
    assert told.count(leaf.fingerprint) == 2
    assert "Traceback" in told


def test_an_interrupt_is_no_answer(ca: Ca) -> None:
    """Who presses Ctrl-C while a CA is asked ends the scan, not one question."""

    def now() -> datetime:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Revocations(now).of(ca.leaf(crls=["http://crl.example/1.crl"]))
