"""From bytes to certificates: everything is read or is a PemError, nothing else."""

from __future__ import annotations

import base64
import time
from datetime import UTC, datetime
from pathlib import Path

import cryptography_vectors
import pytest
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from hypothesis import example, given
from hypothesis import strategies as st

from rotator.core.csr import new_key
from rotator.core.model import Certificate, Chain, KeySpec
from rotator.core.pem import (
    MAX_PEM_BYTES,
    PemError,
    certificate_pem,
    chain_pem,
    key_facts,
    key_matches,
    key_spki,
    parse_certificate,
    read_certificates,
    read_chain,
    read_key,
)
from tests.pki import Authority

START = datetime(2026, 1, 1, tzinfo=UTC)
END = datetime(2027, 1, 1, tzinfo=UTC)
VECTORS = Path(cryptography_vectors.__file__).parent / "x509"
FILES = sorted(path for path in VECTORS.rglob("*") if path.is_file())
ROOT = Authority("Test Root", not_before=START, not_after=END)
ISSUING = Authority("Test Issuing", not_before=START, not_after=END, parent=ROOT)
BUNDLE = ISSUING.issue(["shop.example.com", "10.0.0.1"], not_before=START, not_after=END, scts=2)


def _read(data: bytes) -> tuple[Certificate, ...]:
    """Whatever certificates are in it, as DER or PEM."""
    found: tuple[Certificate, ...] = ()
    for reader in (read_certificates, lambda der: (parse_certificate(der),)):
        try:
            found += reader(data)
        except PemError:
            continue
    return found


@pytest.mark.parametrize("folder", sorted({path.parent for path in FILES}), ids=lambda p: str(p.relative_to(VECTORS)))
def test_each_odd_certificate_is_read_or_is_a_pem_error(folder: Path) -> None:
    """Shows that no file of cryptography's collection of odd certificates raises anything but PemError."""
    for path in FILES:
        if path.parent == folder:
            for certificate in _read(path.read_bytes()):
                assert certificate.fingerprint
                assert certificate.not_after.tzinfo is UTC


def test_most_of_the_odd_certificates_are_read() -> None:
    """Shows that "read or refused" is not met by refusing: of these files more than five hundred give a certificate."""
    assert sum(1 for path in FILES if _read(path.read_bytes())) > 500


@pytest.mark.parametrize(
    ("file", "problem"),
    [
        ("custom/malformed-san.pem", "extensions"),
        ("custom/two_basic_constraints.pem", "extensions"),
        ("custom/unsupported_subject_public_key_info.pem", "public key"),
        ("custom/invalid_utf8_common_name.pem", "subject"),
        ("custom/negative_serial.pem", "serial"),
        ("verisign_md2_root.pem", "signature hash"),
    ],
)
def test_an_unreadable_field_leaves_the_others_known(file: str, problem: str) -> None:
    """Shows that the end is known though another field is unreadable, and that the problem is named."""
    (certificate,) = read_certificates((VECTORS / file).read_bytes())
    assert certificate.problems[0].startswith(f"{problem}: ")
    assert certificate.not_after > certificate.not_before


def test_the_fields_of_a_certificate_are_read_once_into_plain_values() -> None:
    """Shows the fields of an ordinary leaf and of its issuer."""
    leaf, issuing = BUNDLE.chain.certificates
    assert leaf.names == ("shop.example.com", "10.0.0.1")
    assert (leaf.subject, leaf.issuer) == ("CN=shop.example.com", "CN=Test Issuing")
    assert (leaf.key_algorithm, leaf.key_size, leaf.signature_hash) == ("ecdsa", 256, "sha256")
    assert (leaf.is_ca, leaf.self_signed, leaf.embedded_scts) == (False, False, 2)
    assert (issuing.is_ca, issuing.self_signed, ROOT.root.self_signed) == (True, False, True)
    assert leaf.authority_key_id == issuing.subject_key_id != ""
    assert (leaf.not_before, leaf.not_after) == (START, END)
    assert leaf.problems == ()


def test_a_chain_is_the_same_after_a_round_trip() -> None:
    """Shows that writing a chain as PEM and reading it gives the same chain, also between foreign text and CRLF."""
    text = chain_pem(BUNDLE.chain)
    assert read_chain(text) == BUNDLE.chain
    assert (
        read_chain(b"Bag Attributes\r\n  friendlyName: x\r\n" + text.replace(b"\n", b"\r\n") + b"\r\n") == BUNDLE.chain
    )


def test_keys_beside_certificates_are_ignored() -> None:
    """Shows that a combined file of key and chain is read as a chain."""
    assert read_chain(BUNDLE.key + chain_pem(BUNDLE.chain)) == BUNDLE.chain


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", "an empty text"),
        (b"  \n", "an empty text"),
        (b"<!DOCTYPE html><title>Login</title>", "an HTML page"),
        (b'{"error": "denied"}', "a JSON text"),
        (BUNDLE.chain.leaf.der, "look like DER"),
        (BUNDLE.key, "no CERTIFICATE block"),
        (certificate_pem(BUNDLE.chain.leaf)[:-30], "no end"),
        (certificate_pem(BUNDLE.chain.leaf)[:400] + certificate_pem(BUNDLE.chain.leaf), "no end"),
        (b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "cannot be read"),
        (b"x" * (MAX_PEM_BYTES + 1), "are more than"),
    ],
    ids=["nothing", "blank", "html", "json", "der", "key", "half", "half-then-whole", "no-certificate", "too-big"],
)
def test_what_is_no_chain_is_refused_by_name(text: bytes, message: str) -> None:
    """Shows that each thing an issuer may send instead of a chain is refused, and says what it was."""
    with pytest.raises(PemError, match=message):
        read_chain(text)


@pytest.mark.parametrize("end", [b"", b"-----END B-----\n" * 30_000], ids=["no-end", "other-ends"])
def test_hostile_pem_is_read_in_linear_time(end: bytes) -> None:
    """Shows that a megabyte of block beginnings is refused at once; a backtracking pattern takes minutes."""
    began = time.monotonic()
    with pytest.raises(PemError):
        read_chain(b"-----BEGIN A-----\n" * 28_000 + end)
    assert time.monotonic() - began < 5


@given(st.binary(max_size=400))
@example(b"-----BEGIN CERTIFICATE-----\n")
def test_any_bytes_are_a_chain_or_a_pem_error(data: bytes) -> None:
    """Shows that no bytes whatever raise anything but PemError, in PEM, DER or as a key."""
    for read in (read_chain, parse_certificate, read_key):
        with pytest.raises(PemError):
            read(data)


@given(st.integers(min_value=0, max_value=len(BUNDLE.chain.leaf.der) - 1), st.integers(min_value=1, max_value=255))
def test_a_flipped_byte_never_escapes(position: int, flip: int) -> None:
    """Shows that a damaged certificate is read with problems, or refused, and never crashes the reader."""
    der = bytearray(BUNDLE.chain.leaf.der)
    der[position] ^= flip
    try:
        certificate = parse_certificate(bytes(der))
    except PemError:
        return
    assert certificate.fingerprint != BUNDLE.chain.leaf.fingerprint


@pytest.mark.parametrize("extra", [b"", bytes.fromhex("30050c03616263")], ids=["alone", "with-trust"])
def test_a_trusted_certificate_of_openssl_is_read_without_its_trust(extra: bytes) -> None:
    """Shows that what OpenSSL writes behind a certificate, to say what it is trusted for, is passed over."""
    body = base64.encodebytes(ROOT.certificate.der + extra)
    text = b"-----BEGIN TRUSTED CERTIFICATE-----\n" + body + b"-----END TRUSTED CERTIFICATE-----\n"
    assert read_certificates(text) == (ROOT.certificate,)


@pytest.mark.parametrize("body", [b"", b"M", b"MIE=", b"MIH/", b"!!!!"])
def test_half_a_trusted_certificate_is_a_pem_error(body: bytes) -> None:
    """Shows that one of a few bytes, or of none, is damaged and no more."""
    text = b"-----BEGIN TRUSTED CERTIFICATE-----\n" + body + b"\n-----END TRUSTED CERTIFICATE-----\n"
    with pytest.raises(PemError):
        read_certificates(text)


# ---------------------------------------------------------------- keys


@pytest.mark.parametrize("spec", [KeySpec(), KeySpec("rsa", 2048), KeySpec("ed25519", 0)], ids=str)
def test_a_key_is_read_from_any_of_its_forms(spec: KeySpec) -> None:
    """Shows that PKCS#8 and the older forms give the same PKCS#8 key, also between certificates."""
    key = new_key(spec)
    assert read_key(key) == key
    assert read_key(chain_pem(BUNDLE.chain) + key) == key
    if spec.algorithm != "ed25519":
        old = load_pem_private_key(key, None)
        text = old.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
        assert read_key(text) == key


@pytest.mark.parametrize("form", [PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL], ids=str)
def test_an_encrypted_key_is_refused_by_name(form: PrivateFormat) -> None:
    """Shows that an encrypted key is told apart from a broken one, in both of its forms."""
    key = load_pem_private_key(new_key(KeySpec()), None)
    text = key.private_bytes(Encoding.PEM, form, BestAvailableEncryption(b"secret"))
    with pytest.raises(PemError, match="is encrypted"):
        read_key(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", "no private key"),
        (BUNDLE.key + BUNDLE.key, "2 private keys"),
        (BUNDLE.key[:-20], "no end"),
        (b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "cannot be read"),
    ],
    ids=["none", "two", "half", "broken"],
)
def test_what_is_no_key_is_refused_without_repeating_it(text: bytes, message: str) -> None:
    """Shows that a bad key file is named for what it is, and that nothing of it is in the error."""
    with pytest.raises(PemError, match=message) as caught:
        read_key(text)
    assert "AAAA" not in str(caught.value)
    assert BUNDLE.key.splitlines()[1].decode() not in str(caught.value)


def test_key_facts_say_whether_the_key_belongs_to_the_leaf() -> None:
    """Shows matching, foreign, broken and absent keys, and that no fact holds the key."""
    chain, other = BUNDLE.chain, new_key(KeySpec())
    assert key_matches(chain, BUNDLE.key)
    assert key_facts(chain, BUNDLE.key, 0o600).matches is True
    assert key_facts(chain, other).matches is False
    assert key_facts(chain, b"-----BEGIN PRIVATE KEY-----").matches is False
    assert key_facts(None, BUNDLE.key).matches is None
    assert key_facts(chain, None).spki == ""


def test_whose_a_key_is_can_be_told_from_der_too() -> None:
    """Shows that PEM and DER of one key have one public part, with and without RSA's self-test."""
    for spec in (KeySpec(), KeySpec("rsa", 2048)):
        key = new_key(spec)
        der = load_pem_private_key(key, None).private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
        assert key_spki(key) == key_spki(der) == key_spki(der, check=False)


def test_a_key_matches_no_leaf_whose_key_cannot_be_read() -> None:
    """Shows that an unreadable public key is never taken for a match."""
    (odd,) = read_certificates((VECTORS / "custom/unsupported_subject_public_key_info.pem").read_bytes())
    assert not key_matches(Chain((odd,)), BUNDLE.key)
    assert key_facts(Chain((odd,)), BUNDLE.key).matches is None
