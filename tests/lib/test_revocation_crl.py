"""What CRLs say, from a shelf on loopback: right ones, old ones, partial ones, foreign ones."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ObjectIdentifier

from rotator.core.model import Chain, Revocation
from rotator.lib.revocation import Limits
from tests.lib.asking_crls import GOOD, REVOKED, SOME, UNKNOWN, Reason, revocations, said
from tests.lib.revoking import DAY, NOW, Ca, Extension, Shelf, point, resigned, scope
from tests.servers.loopback import Response
from tests.servers.ports import LOOPBACK

ODD: Extension = x509.UnrecognizedExtension(ObjectIdentifier("1.3.6.1.4.1.99999.1"), b"\x05\x00"), True
INDIRECT = "(an indirect CRL), which is not read"
OTHER_PART = "covers another part of what its CA has issued"
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
