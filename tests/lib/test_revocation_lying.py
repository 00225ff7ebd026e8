"""Lying bytes: CRLs, certificates and files of issuers with any byte changed say nothing, and break nothing."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest
from cryptography import x509
from hypothesis import given, settings
from hypothesis import strategies as st

from rotator.core.model import Chain, RevocationState
from rotator.core.pem import PemError, load, parse_certificate
from rotator.lib.revocation.crl import Crl, read_crl
from rotator.lib.revocation.issuers import read_issuers
from rotator.lib.revocation.pointers import Point, is_asked, read_pointers
from rotator.lib.revocation.verdict import Unusable
from tests.lib.asking_crls import SOME, UNKNOWN, Reason, issuer_file, revocations
from tests.lib.revoking import NOW, Ca, Shelf, point, resigned, scope, uris

_CA = Ca()
_URL = "http://crl.example/1.crl"
_LEAF = _CA.leaf(crls=[_URL], serial=1000).leaf
_CRLS = [
    _CA.crl({1000: Reason.key_compromise, 1001: None}, more=[scope(names=[_URL], users=True)]),
    _CA.crl({999: None}, more=[(x509.AuthorityKeyIdentifier(b"1" * 20, None, None), False)]),
]


@pytest.fixture
def shelf() -> Iterator[Shelf]:
    """Where CRLs lie."""
    with Shelf() as server:
        yield server


@pytest.fixture(scope="module")
def ca() -> Ca:
    """A CA of this module."""
    return Ca()


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


@settings(deadline=None)
@given(st.binary(max_size=400))
def test_noise_is_no_crl(noise: bytes) -> None:
    """Random bytes say nothing."""
    assert _says(noise) is UNKNOWN


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
    changed = bytearray(issuer_file(_CA, "pkcs7"))
    changed[data.draw(st.integers(0, len(changed) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(ValueError):
        assert read_issuers(bytes(changed)) is not None


def test_an_issuer_of_a_version_that_does_not_exist(shelf: Shelf, ca: Ca) -> None:
    """A certificate of version 7 in the PKCS#7 of an issuer is no certificate, and that is said."""
    good = ca.root.certificate.der
    version = bytes.fromhex("a003020102")  # [0] INTEGER 2 (RFC 5280, 4.1.2.1)
    odd = good.replace(version, version[:-1] + b"\x06", 1)
    url = shelf.put("/ca", issuer_file(ca, "pkcs7").replace(good, odd))
    found = revocations().of(Chain((ca.leaf(crls=[f"{shelf.url}/1.crl"], issuers=[url]).leaf,)))
    assert found.detail.endswith("does not have it: it cannot be read: neither a certificate nor a PKCS#7 of some")
