"""New keys and requests."""

from __future__ import annotations

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, x25519
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from rotator.core.csr import csr_is_for, csr_names, csr_spki, make_csr, new_key
from rotator.core.model import KeySpec
from rotator.core.pem import PemError, key_spki

EC_KEY = new_key(KeySpec())
LABEL = st.from_regex(r"[a-z]([a-z0-9-]{0,30}[a-z0-9])?", fullmatch=True)
DNS_NAME = st.lists(LABEL, min_size=2, max_size=5).map(".".join)
ADDRESS = st.ip_addresses().map(str)


@pytest.mark.parametrize(
    "spec", [KeySpec("ecdsa", 256), KeySpec("ecdsa", 384), KeySpec("rsa", 2048), KeySpec("ed25519", 0)], ids=str
)
def test_every_kind_of_key_signs_a_request_for_itself(spec: KeySpec) -> None:
    """Shows that each key rotator makes yields a valid request that carries its public part."""
    key = new_key(spec)
    csr = make_csr(key, ("shop.example.com",))
    assert x509.load_pem_x509_csr(csr).is_signature_valid
    assert csr_spki(csr) == key_spki(key)


@pytest.mark.parametrize("spec", [KeySpec("rsa", 1024), KeySpec("ecdsa", 192), KeySpec("dsa", 2048)], ids=str)
def test_weak_keys_are_never_made(spec: KeySpec) -> None:
    """Shows that a weak or unknown kind is refused with the kinds that exist."""
    with pytest.raises(ValueError, match="use rsa 2048-4096, ecdsa 256 or 384, or ed25519"):
        new_key(spec)


@given(st.lists(st.one_of(DNS_NAME, ADDRESS), min_size=1, max_size=8, unique=True))
def test_a_request_asks_for_exactly_the_names_given(names: list[str]) -> None:
    """Shows that names and addresses come back as they went in, in their order."""
    assert csr_names(make_csr(EC_KEY, tuple(names))) == tuple(names)


@pytest.mark.parametrize(
    ("names", "common"),
    [
        (("shop.example.com", "www.example.com"), "shop.example.com"),
        (("10.0.0.1", "shop.example.com"), "shop.example.com"),
        (("a" * 60 + ".example.com", "www.example.com"), "www.example.com"),
        (("10.0.0.1", "::1"), None),
        (("spiffe://example.com/shop",), None),
    ],
    ids=["first", "no-address", "too-long", "addresses-only", "uri-only"],
)
def test_the_common_name_is_the_first_dns_name_that_fits(names: tuple[str, ...], common: str | None) -> None:
    """Shows that the common name never is an address, a URI or longer than RFC 5280 allows."""
    found = x509.load_pem_x509_csr(make_csr(EC_KEY, names)).subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    assert [attribute.value for attribute in found] == ([common] if common else [])


def test_a_name_outside_ascii_is_refused_with_its_remedy() -> None:
    """Shows that a U-label is no certificate name, and that the error says what to write."""
    with pytest.raises(ValueError, match="xn--"):
        make_csr(EC_KEY, ("exämple.com",))


def test_a_request_without_names_is_refused() -> None:
    """Shows that nothing is ever requested for nobody."""
    with pytest.raises(ValueError, match="at least one name"):
        make_csr(EC_KEY, ())


def test_junk_is_no_key_and_no_request() -> None:
    """Shows that unreadable input is always a PemError, and that it never repeats the input."""
    for read in (lambda: make_csr(b"junk", ("a.example.com",)), lambda: csr_spki(b"junk"), lambda: csr_names(b"junk")):
        with pytest.raises(PemError) as caught:
            read()
        assert "junk" not in str(caught.value)


def test_a_key_that_cannot_sign_is_refused() -> None:
    """Shows that a key agreement key is a PemError and not a crash."""
    key = x25519.X25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    with pytest.raises(PemError, match="cannot sign"):
        make_csr(key, ("a.example.com",))


def test_a_request_without_san_asks_for_no_names() -> None:
    """Shows that foreign requests without the extension are read."""
    private = load_pem_private_key(EC_KEY, password=None)
    assert isinstance(private, ec.EllipticCurvePrivateKey)
    csr = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).sign(private, SHA256())
    assert csr_names(csr.public_bytes(Encoding.PEM)) == ()


@pytest.mark.parametrize(
    "kind", [KeySpec("rsa", 2048), KeySpec("ecdsa", 256), KeySpec("ecdsa", 384), KeySpec("ed25519", 0)]
)
def test_what_kind_of_key_a_request_is_for(kind: KeySpec) -> None:
    """A request fits the kind that its key was made as, and no other."""
    csr = make_csr(new_key(kind), ("shop.example.com",))
    others = {
        KeySpec("rsa", 2048),
        KeySpec("rsa", 3072),
        KeySpec("ecdsa", 256),
        KeySpec("ecdsa", 384),
        KeySpec("ed25519", 0),
    }
    assert {one for one in others if csr_is_for(csr, one)} == {kind}
