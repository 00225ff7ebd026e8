"""What CRLs say, from a shelf on loopback: right ones, old ones, foreign ones, lying ones."""

from __future__ import annotations

import contextlib
import io
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7
from cryptography.x509.oid import ObjectIdentifier
from hypothesis import given, settings
from hypothesis import strategies as st

from rotator import log
from rotator.core.model import Chain, Revocation, RevocationState
from rotator.core.pem import PemError, load, parse_certificate
from rotator.lib.revocation import ENDED, NOBODY, SELF_SIGNED, Limits, Revocations
from rotator.lib.revocation.crl import Crl, read_crl
from rotator.lib.revocation.issuers import read_issuers
from rotator.lib.revocation.pointers import Point, is_asked, read_pointers
from rotator.lib.revocation.verdict import Unusable
from tests.lib.revoking import DAY, NOW, Ca, Extension, Shelf, point, resigned, scope, uris
from tests.pki import self_signed
from tests.servers.loopback import Response
from tests.servers.ports import LOOPBACK, free_port

GOOD, REVOKED, UNKNOWN = RevocationState.GOOD, RevocationState.REVOKED, RevocationState.UNKNOWN
Reason = x509.ReasonFlags
ODD: Extension = x509.UnrecognizedExtension(ObjectIdentifier("1.3.6.1.4.1.99999.1"), b"\x05\x00"), True
INDIRECT = "(an indirect CRL), which is not read"
OTHER_PART = "covers another part of what its CA has issued"
SOME = frozenset({Reason.key_compromise})
VERSION_2 = b"\x02\x01\x01"  # INTEGER 1 (RFC 5280, 5.1.2.1)


@pytest.fixture
def shelf() -> Iterator[Shelf]:
    """Where CRLs lie."""
    with Shelf() as server:
        yield server


@pytest.fixture(scope="module")
def ca() -> Ca:
    """A CA of this module."""
    return Ca()


def revocations(now: datetime = NOW, limits: Limits | None = None) -> Revocations:
    """One that may ask loopback."""
    return Revocations(lambda: now, allow_internal=[LOOPBACK], limits=limits)


def said(shelf: Shelf, ca: Ca, body: bytes | Response, chain: Chain | None = None) -> Revocation:
    """What comes of a CRL at the address that a certificate names."""
    chain = chain or ca.leaf(crls=[f"{shelf.url}/1.crl"], serial=1000)
    shelf.put("/1.crl", body)
    return revocations().of(chain)


# ---------------------------------------------------------------- right ones


def test_what_a_crl_does_not_list_is_good(shelf: Shelf, ca: Ca) -> None:
    """A certificate that a valid CRL of its issuer leaves out is good, and it is said by whose word."""
    assert said(shelf, ca, ca.crl({999: None})) == Revocation(GOOD, f"CRL {shelf.url}/1.crl")


@pytest.mark.parametrize(
    ("reason", "word"),
    [
        (Reason.key_compromise, "keyCompromise"),
        (Reason.certificate_hold, "certificateHold"),
        (Reason.unspecified, ""),
        (None, ""),
    ],
)
def test_what_a_crl_lists_is_revoked(shelf: Shelf, ca: Ca, reason: Reason | None, word: str) -> None:
    """A listed one is revoked since the entry's date for the entry's reason, also while it is only on hold."""
    found = said(shelf, ca, ca.crl({1000: reason}))
    assert found == Revocation(REVOKED, f"CRL {shelf.url}/1.crl", NOW - 10 * DAY, word)


def test_what_was_taken_off_is_good_again(shelf: Shelf, ca: Ca) -> None:
    """An entry with `removeFromCRL` says that it is no longer revoked (RFC 5280, 6.3.3 (k))."""
    assert said(shelf, ca, ca.crl({1000: Reason.remove_from_crl})).state is GOOD


@pytest.mark.parametrize("listed", [0x12, 0x1200, 0x0112, 0x11234, 0x123400, 0x12 << 64])
def test_serial_numbers_are_compared_as_numbers(shelf: Shelf, ca: Ca, listed: int) -> None:
    """A serial number that only contains the other, or begins with it, is another certificate's."""
    chain = ca.leaf(crls=[f"{shelf.url}/1.crl"], serial=0x1234)
    assert said(shelf, ca, ca.crl({listed: None}), chain).state is GOOD
    assert (
        revocations().of(Chain((ca.leaf(crls=[f"{shelf.url}/1.crl"], serial=listed).leaf, ca.certificate))).state
        is REVOKED
    )


def test_a_crl_in_pem_is_read_too(shelf: Shelf, ca: Ca) -> None:
    """Some publish PEM where DER belongs; that is no reason to be blind."""
    pem = x509.load_der_x509_crl(ca.crl({1000: None})).public_bytes(Encoding.PEM)
    assert said(shelf, ca, pem).state is REVOKED


# ---------------------------------------------------------------- what is no word on it


@pytest.mark.parametrize(
    ("extension", "is_ca", "clause"),
    [
        pytest.param(scope(users=True), False, "", id="users-for-a-user"),
        pytest.param(scope(cas=True), True, "", id="cas-for-a-ca"),
        pytest.param(scope(users=True), True, "covers certificates of end entities only, and this is a CA", id="users"),
        pytest.param(scope(cas=True), False, "covers CAs only", id="cas"),
        pytest.param(scope(attributes=True), False, "covers attribute certificates only", id="attributes"),
        pytest.param(scope(indirect=True), False, f"covers several issuers {INDIRECT}", id="indirect"),
        pytest.param(scope(reasons=SOME), False, "covers some reasons only, and does not list it", id="reasons"),
        pytest.param(scope(names=["http://x.example/2.crl"]), False, OTHER_PART, id="another-part"),
        pytest.param((x509.DeltaCRLIndicator(6), True), False, "is a delta CRL, which has changes only", id="delta"),
        pytest.param(ODD, False, "has a critical extension 1.3.6.1.4.1.99999.1 that is not known", id="critical"),
        pytest.param((ODD[0], False), False, "", id="unknown-but-not-critical"),
    ],
)  # fmt: skip
def test_the_scope_of_a_crl(shelf: Shelf, ca: Ca, extension: Extension, is_ca: bool, clause: str) -> None:
    """A CRL counts only for what it says that it covers, and not at all with a critical extension that is not known."""
    chain = ca.leaf(crls=[f"{shelf.url}/1.crl"], ca=is_ca)
    found = said(shelf, ca, ca.crl(more=[extension]), chain)
    assert found.state is (UNKNOWN if clause else GOOD)
    assert (found.by, found.detail) == (f"CRL {shelf.url}/1.crl", clause)


def test_a_part_of_a_crl_is_taken_under_each_name_of_its_point(shelf: Shelf, ca: Ca) -> None:
    """Large CAs split their CRL; the part names its own address, which must be one that the certificate names, too."""
    url = f"{shelf.url}/1.crl"
    chain = ca.leaf(crls=[point("ldap://x/cn=1", url)])
    assert said(shelf, ca, ca.crl(more=[scope(names=[url], users=True)]), chain).state is GOOD
    assert said(shelf, ca, ca.crl(more=[scope(names=["ldap://x/cn=1"])]), chain).state is GOOD


@pytest.mark.parametrize(
    ("times", "clause"),
    [
        ({"ends": -DAY, "begins": -9 * DAY}, "ended 2026-05-31 12:00 UTC, and its CA has published no newer one there"),
        ({"begins": DAY}, "is not valid before 2026-06-02 12:00 UTC"),
    ],
)
def test_a_crl_out_of_its_time_says_nothing(shelf: Shelf, ca: Ca, times: dict[str, timedelta], clause: str) -> None:
    """One that ended, or has not begun, does not vouch for anything; but what was revoked for good stays revoked."""
    found = said(shelf, ca, ca.crl(**times))  # type: ignore[arg-type]  # only the times
    assert found == Revocation(UNKNOWN, f"CRL {shelf.url}/1.crl", detail=clause)
    assert said(shelf, ca, ca.crl({1000: Reason.superseded}, **times)).state is REVOKED  # type: ignore[arg-type]  # as above
    assert said(shelf, ca, ca.crl({1000: Reason.certificate_hold}, **times)).state is UNKNOWN  # type: ignore[arg-type]  # as above


def test_only_the_issuers_signature_counts(shelf: Shelf, ca: Ca) -> None:
    """A CRL of another CA, or of one that only has the same name, can neither clear nor accuse a certificate."""
    twin, other = Ca(), Ca("Other CA")
    assert said(shelf, ca, twin.crl({1000: None})).detail == (
        "has a signature that does not verify with the key of CN=Revoking CA"
    )
    assert said(shelf, ca, other.crl({1000: None})).detail == ("is of CN=Other CA, not of CN=Revoking CA")


def test_an_issuer_that_may_not_sign_crls(shelf: Shelf, ca: Ca) -> None:
    """A key usage without cRLSign makes its CRLs worthless (RFC 5280, 6.3.3 (f))."""
    usage = x509.KeyUsage(
        digital_signature=True, key_cert_sign=True, crl_sign=False, content_commitment=False, key_encipherment=False,
        data_encipherment=False, key_agreement=False, encipher_only=False, decipher_only=False,
    )  # fmt: skip
    weak = Ca("Weak CA")
    weak.certificate = Ca("Above").sign("Weak CA", [(usage, True)], key=weak.private.public_key())
    chain = weak.leaf(crls=[f"{shelf.url}/1.crl"], serial=1000)
    assert "which may not sign CRLs (key usage)" in said(shelf, weak, weak.crl({1000: None}), chain).detail


@pytest.mark.parametrize(
    ("entry", "clause"),
    [
        (ODD, "lists it with a critical extension 1.3.6.1.4.1.99999.1 that is not known"),
        (
            (x509.CertificateIssuer([x509.DNSName("other.example")]), True),
            f"lists it for another issuer {INDIRECT}",
        ),
    ],
)
def test_an_entry_that_cannot_be_understood(shelf: Shelf, ca: Ca, entry: Extension, clause: str) -> None:
    """An entry with a critical extension that is not known is no ground to call the certificate revoked, or good."""
    found = said(shelf, ca, ca.crl({1000: None}, entry_more=[entry]))
    assert found == Revocation(UNKNOWN, f"CRL {shelf.url}/1.crl", detail=clause)


@pytest.mark.parametrize(
    ("entry", "clause"),
    [
        pytest.param({"reasons": SOME}, "covers some reasons only, and does not list it", id="some-reasons"),
        pytest.param(
            {"issuer": x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "CRL signer")])},
            f"is signed by another than its issuer {INDIRECT}",
            id="another-signer",
        ),
    ],
)
def test_what_the_certificate_says_of_its_crl(shelf: Shelf, ca: Ca, entry: dict[str, object], clause: str) -> None:
    """A distribution point for some reasons, or with a signer of its own, does not make the certificate good."""
    chain = ca.leaf(crls=[point(f"{shelf.url}/1.crl", **entry)])  # type: ignore[arg-type]  # as parametrised
    assert said(shelf, ca, ca.crl(), chain).detail == clause


@pytest.mark.parametrize(
    ("body", "clause"),
    [
        (b"", "what is there is no CRL that can be read"),
        (b"<html>gone</html>", "what is there is no CRL that can be read"),
        (b"-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n", "what is there is no CRL that can be read"),
        (Response(503), f"{LOOPBACK} answers with status 503"),
        (Response(302, {"Location": "ftp://x/1.crl"}), "the request to the server failed: InvalidSchema"),
        (Response(body=b"x" * 2000), f"{LOOPBACK} answered with more than 1000 bytes; not read any further"),
    ],
)
def test_what_is_no_crl(shelf: Shelf, ca: Ca, body: bytes | Response, clause: str) -> None:
    """Whatever lies at the address, the answer is one clause that says what and where."""
    url = shelf.put("/1.crl", body)
    found = revocations(limits=Limits(crl_bytes=1000)).of(ca.leaf(crls=[url]))
    assert found == Revocation(UNKNOWN, f"CRL {url}", detail=f"cannot be had: {clause}")


@pytest.mark.parametrize("version", [0, 2, 6, 127])
def test_a_crl_of_a_version_that_does_not_exist(shelf: Shelf, ca: Ca, version: int) -> None:
    """A hostile CA signs a CRL of version 7: it cannot be read, which is said, and ends no scan."""
    good = ca.crl()
    tbs = bytearray(x509.load_der_x509_crl(good).tbs_certlist_bytes)
    assert tbs.count(VERSION_2, 0, 10) == 1
    at = tbs.index(VERSION_2) + len(VERSION_2) - 1
    tbs[at] = version
    body = resigned(good, bytes(tbs), ca.private)
    assert said(shelf, ca, body).detail == "cannot be had: what is there is no CRL that can be read"


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
    url = shelf.put("/ca", _issuer_file(ca, form))
    chain = Chain((ca.leaf(crls=[shelf.put("/1.crl", ca.crl())], issuers=[url]).leaf,))
    asked = revocations()
    assert asked.of(chain).state is GOOD
    assert asked.issuer_of(chain.leaf) == ca.certificate
    assert shelf.asked.count("/ca") == 1


def _issuer_file(ca: Ca, form: str) -> bytes:
    if form == "pkcs7":
        return pkcs7.serialize_certificates([load(ca.root.certificate), load(ca.certificate)], Encoding.DER)
    return ca.pem if form == "pem" else ca.certificate.der


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


# ---------------------------------------------------------------- lying bytes

_CA = Ca()
_URL = "http://crl.example/1.crl"
_LEAF = _CA.leaf(crls=[_URL], serial=1000).leaf
_CRLS = [
    _CA.crl({1000: Reason.key_compromise, 1001: None}, more=[scope(names=[_URL], users=True)]),
    _CA.crl({999: None}, more=[(x509.AuthorityKeyIdentifier(b"1" * 20, None, None), False)]),
]


def _says(body: bytes) -> RevocationState:
    try:
        crl = Crl(read_crl(body))
    except Unusable:
        return UNKNOWN
    assert crl.until is None or crl.until.tzinfo is not None
    return crl.says_of(_LEAF, _CA.certificate, Point(_URL, tuple(uris(_URL))), NOW).state


@settings(max_examples=500, deadline=None)
@given(st.data(), st.sampled_from(_CRLS))
def test_a_mutated_crl_never_lies(data: st.DataObject, body: bytes) -> None:
    """With any byte changed, cut or doubled it says nothing rather than something else, and never breaks."""
    changed = bytearray(body)
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(changed) - 1))
        match data.draw(st.sampled_from(["set", "cut", "double"])):
            case "set":
                changed[at] = data.draw(st.integers(0, 255))
            case "cut":
                del changed[at : at + data.draw(st.integers(1, 5))]
            case _:
                changed[at:at] = changed[at : at + 5]
        if not changed:
            break
    assert _says(bytes(changed)) in {UNKNOWN, _says(body)}


@pytest.mark.filterwarnings("ignore::UserWarning")  # the library's, of what is odd
@settings(max_examples=500, deadline=None)
@given(st.data(), st.sampled_from(_CRLS))
def test_what_a_hostile_ca_signs_breaks_nothing(data: st.DataObject, body: bytes) -> None:
    """Whatever a CA writes into its CRL and signs, there is a verdict; the signature is no shelter from its owner."""
    tbs = bytearray(x509.load_der_x509_crl(body).tbs_certlist_bytes)
    for _ in range(data.draw(st.integers(1, 3))):
        tbs[data.draw(st.integers(0, len(tbs) - 1))] = data.draw(st.integers(0, 255))
    assert _says(resigned(body, bytes(tbs), _CA.private)) in RevocationState


_POINTING = _CA.leaf(
    crls=[point(_URL, "ldap://x", issuer=x509.Name([]), reasons=SOME)], ocsp=["http://x/o"], issuers=["http://x/i"]
).leaf


@pytest.mark.filterwarnings("ignore::UserWarning")  # the library's, of what is odd
@settings(max_examples=500, deadline=None)
@given(st.data())
def test_the_pointers_of_any_certificate_are_read(data: st.DataObject) -> None:
    """Whatever stands in a certificate that can be read at all, what it names is read, or why not is told."""
    tbs = bytearray(load(_POINTING).tbs_certificate_bytes)
    for _ in range(data.draw(st.integers(1, 3))):
        tbs[data.draw(st.integers(0, len(tbs) - 1))] = data.draw(st.integers(0, 255))
    try:
        certificate = parse_certificate(resigned(_POINTING.der, bytes(tbs), _CA.private))
    except PemError:
        return
    pointers = read_pointers(certificate)
    assert pointers.problem or all(map(is_asked, (*(each.url for each in pointers.crls), *pointers.responders)))


@pytest.mark.filterwarnings("ignore::UserWarning")  # the library's, of what is odd
@settings(max_examples=300, deadline=None)
@given(st.data())
def test_any_file_of_issuers_is_read(data: st.DataObject) -> None:
    """With any byte of a PKCS#7 changed there are certificates, or it is told that there are none."""
    changed = bytearray(_issuer_file(_CA, "pkcs7"))
    changed[data.draw(st.integers(0, len(changed) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(ValueError):
        assert read_issuers(bytes(changed)) is not None


def test_an_issuer_of_a_version_that_does_not_exist(shelf: Shelf, ca: Ca) -> None:
    """A certificate of version 7 in the PKCS#7 of an issuer is no certificate, and that is said."""
    good = ca.root.certificate.der
    version = bytes.fromhex("a003020102")  # [0] INTEGER 2 (RFC 5280, 4.1.2.1)
    odd = good.replace(version, version[:-1] + b"\x06", 1)
    url = shelf.put("/ca", _issuer_file(ca, "pkcs7").replace(good, odd))
    found = revocations().of(Chain((ca.leaf(crls=[f"{shelf.url}/1.crl"], issuers=[url]).leaf,)))
    assert found.detail.endswith("does not have it: it cannot be read: neither a certificate nor a PKCS#7 of some")


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


@settings(deadline=None)
@given(st.binary(max_size=400))
def test_noise_is_no_crl(noise: bytes) -> None:
    """Random bytes say nothing."""
    assert _says(noise) is UNKNOWN


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
