"""Certificates that are alike are read as `core.pem` reads them, whatever they are."""

from __future__ import annotations

from pathlib import Path

import cryptography_vectors
import pytest

from rotator.core.csr import new_key
from rotator.core.model import Certificate, KeySpec
from rotator.core.pem import PemError, parse_certificate, read_certificates
from rotator.lib.kube.alike import _templates, parse
from tests.lib.kube_builders import END, START, authority, issue

VECTORS = Path(cryptography_vectors.__file__).parent / "x509"
KEYS = [KeySpec("ecdsa", 256), KeySpec("ecdsa", 384), KeySpec("rsa", 2048)]


def slowly(der: bytes) -> Certificate | str:
    """What `core.pem` says."""
    try:
        return parse_certificate(der)
    except PemError as error:
        return str(error)


def quickly(der: bytes) -> Certificate | str:
    """What is said here."""
    try:
        return parse(der)
    except PemError as error:
        return str(error)


def certificates(data: bytes) -> list[bytes]:
    """The DER of whatever can be read in a file."""
    found: list[bytes] = []
    for reader in (read_certificates, lambda der: (parse_certificate(der),)):
        try:
            found += [each.der for each in reader(data)]
        except PemError:
            continue
    return found


def test_odd_certificates_are_read_the_same() -> None:
    """Each certificate of cryptography's collection is told as `core.pem` tells it, also when it is seen again."""
    ders = [der for path in sorted(VECTORS.rglob("*")) if path.is_file() for der in certificates(path.read_bytes())]
    assert len(ders) > 100
    for _ in range(2):
        for der in ders:
            assert quickly(der) == slowly(der)


@pytest.mark.parametrize("spec", KEYS, ids=lambda spec: f"{spec.algorithm}-{spec.size}")
def test_many_of_one_issuer_are_told_apart(spec: KeySpec) -> None:
    """Certificates that differ in names, dates, key, subject and timestamps each keep what is their own."""
    ca = authority("Issuing CA", authority())
    keys = [new_key(spec) for _ in range(2)]
    for number in range(4):
        for names, how in (
            ((f"shop-{number}.example.com", "WWW.Example.com", "*.example.com"), {}),
            ((f"shop-{number}.example.com",), {"scts": number}),
            (("10.0.0.1", "spiffe://example.org/shop"), {}),
            ((f"shop-{number}.example.com",), {"eku": ["client"]}),
            ((f"shop-{number}.example.com",), {"subject": f"Müller, Söhne #{number}"}),
            ((f"shop-{number}.example.com",), {"subject": ""}),
            ((f"shop-{number}.example.com",), {"without_aki": True, "san_critical": True}),
            ((f"shop-{number}.example.com",), {"without_san": True}),
            ((f"ca-{number}.example.com",), {"ca": True}),
        ):
            der = issue(ca, *names, key=keys[number % 2], **how).chain.leaf.der
            assert parse(der) == parse_certificate(der), (names, how)


@pytest.mark.parametrize("spec", KEYS[::2], ids=lambda spec: spec.algorithm)
def test_each_changed_byte_is_noticed(spec: KeySpec) -> None:
    """With any one byte changed, or cut off anywhere, a certificate is told, or refused, as `core.pem` does it."""
    ca = authority("Issuing CA", authority())
    bundles = [issue(ca, f"shop-{number}.example.com", key=new_key(spec), scts=1) for number in range(2)]
    learnt, der = (bundle.chain.leaf.der for bundle in bundles)
    assert parse(learnt) == parse_certificate(learnt)
    for place in range(len(der)):
        others = [bytes((der[place] ^ bits,)) for bits in (0x01, 0x21, 0x80, 0xFF)]
        for changed in (*(der[:place] + other + der[place + 1 :] for other in others), der[:place]):
            assert quickly(changed) == slowly(changed), place
    assert parse(der) == parse_certificate(der)


LENGTHS = [b"\x30\x1e\x17", b"\x17\x0d", b"\x06\x03\x55\x1d\x11", b"\x06\x03\x55\x1d\x0e", b"\x03\x55\x04\x03"]


@pytest.mark.parametrize("mark", LENGTHS, ids=bytes.hex)
def test_a_length_in_more_bytes_than_it_takes_is_noticed(mark: bytes) -> None:
    """DER has one way to write a length; another one is refused, as `core.pem` refuses it."""
    ca = authority("Issuing CA", authority())
    first, second = (issue(ca, f"shop-{number}.example.com").chain.leaf.der for number in range(2))
    assert parse(first) == parse_certificate(first)
    for place in range(second.index(mark) - 6, second.index(mark) + len(mark) + 3):
        changed = second[:place] + b"\x81" + second[place:]
        sized = lengthened(changed)
        assert quickly(sized) == slowly(sized), place


def lengthened(der: bytes) -> bytes:
    """The same with the lengths of the certificate and of what is signed grown by the byte that was put in."""
    whole, signed = (int.from_bytes(der[at : at + 2], "big") + 1 for at in (2, 6))
    return der[:2] + whole.to_bytes(2, "big") + der[4:6] + signed.to_bytes(2, "big") + der[8:]


@pytest.mark.parametrize("sign", ["*", "_", "@", "a", " "])
def test_a_name_in_another_kind_of_text(sign: str) -> None:
    """A sign that PrintableString does not have is told as `core.pem` tells it."""
    ca = authority("Issuing CA", authority())
    for number in range(2):
        der = issue(ca, "shop.example.com", subject=f"a{sign}{number}").chain.leaf.der
        printable = der.replace(b"\x0c\x03a" + sign.encode(), b"\x13\x03a" + sign.encode())
        assert printable != der
        assert parse(der) == parse_certificate(der)
        assert quickly(printable) == slowly(printable)


@pytest.mark.parametrize("spec", KEYS, ids=lambda spec: f"{spec.algorithm}-{spec.size}")
def test_the_quick_way_is_taken(spec: KeySpec) -> None:
    """A second certificate of an issuer makes no second template: it was filled in from the first."""
    ca = authority(f"CA of {spec.algorithm} {spec.size}", authority())
    _templates.clear()
    key = new_key(spec)
    for number in range(3):
        parse(issue(ca, f"shop-{number}.example.com", key=key, scts=2).chain.leaf.der)
    assert [len(each) for each in _templates.values()] == [1]


def test_self_signed_is_found_out_by_its_signature() -> None:
    """A certificate with its issuer's own name is never filled in: only its signature tells who signed it."""
    root = authority("Same Name")
    first = root.issue(["a.example.com"], not_before=START, not_after=END)
    assert not parse(first.chain.leaf.der).self_signed
    named = root.issue(["b.example.com"], not_before=START, not_after=END, subject="Same Name").chain.leaf.der
    assert parse(named) == parse_certificate(named)
    assert parse(root.certificate.der) == parse_certificate(root.certificate.der)
    assert parse(root.certificate.der).self_signed
