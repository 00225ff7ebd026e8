"""Chains and keys are told as `core.pem` tells them, the usual ones in a quicker way."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from rotator.core.csr import new_key
from rotator.core.model import Chain, KeySpec
from rotator.core.pem import PemError, chain_pem, key_facts
from rotator.core.pem import read_chain as read_chain_slowly
from rotator.lib.kube.chains import facts_of, read_chain, stated_spki
from tests.lib.kube_builders import authority, issue

ISSUING = authority("Issuing CA", authority())
BUNDLE = issue(ISSUING, "shop.example.com")
TEXT = chain_pem(BUNDLE.chain)
KEYS = [KeySpec("ecdsa", 256), KeySpec("ecdsa", 384), KeySpec("rsa", 2048)]
FORMATS = [PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL]


def told(reader: object, text: bytes) -> Chain | str:
    """The chain, or the sentence that refuses it."""
    try:
        found: Chain = reader(text)  # type: ignore[operator]  # one of the two functions
    except PemError as error:
        return str(error)
    return found


@pytest.mark.parametrize(
    "text",
    [
        TEXT,
        TEXT + TEXT,
        TEXT.replace(b"\n", b"\r\n"),
        b"Subject: shop\n" + TEXT,
        TEXT + b"\nsome words\n",
        TEXT + BUNDLE.key,
        BUNDLE.key + TEXT,
        TEXT[:-30],
        TEXT[:300],
        TEXT.replace(b"MII", b"M!I", 1),
        TEXT.replace(b"\n", b"\n\n", 3),
        TEXT.replace(b"-----END CERTIFICATE-----", b"-----END X509 CERTIFICATE-----", 1),
        TEXT + b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        b"-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n",
        b"-----BEGIN CERTIFICATE-----",
        b"",
        TEXT + b"x" * (1 << 20),
    ],
    ids=range(17),
)
def test_a_chain_in_whatever_form(text: bytes) -> None:
    """The chain, or the sentence that refuses it, is that of `core.pem`, at first sight and later."""
    for _ in range(2):
        assert told(read_chain, text) == told(read_chain_slowly, text)


@pytest.mark.parametrize("sign", [b"\n", b"\r", b" ", b"=", b"-"])
def test_a_stray_sign_anywhere(sign: bytes) -> None:
    """One sign put in between, anywhere in the first block, is taken or refused as `core.pem` does it."""
    for place in range(0, TEXT.index(b"-----END") + 30):
        text = TEXT[:place] + sign + TEXT[place:]
        assert told(read_chain, text) == told(read_chain_slowly, text), place


@pytest.mark.parametrize("form", FORMATS, ids=str)
@pytest.mark.parametrize("spec", KEYS, ids=lambda spec: f"{spec.algorithm}-{spec.size}")
def test_a_key_states_whose_it_is(spec: KeySpec, form: PrivateFormat) -> None:
    """The public part that a key states is that of its certificate, in PKCS#8 as in the older forms."""
    bundle = issue(ISSUING, "shop.example.com", key=new_key(spec))
    key = load_pem_private_key(bundle.key, None).private_bytes(Encoding.PEM, form, NoEncryption())
    assert stated_spki(key) == bundle.chain.spki
    assert facts_of(bundle.chain, key) == key_facts(bundle.chain, key)
    assert facts_of(bundle.chain, key).matches is True


@pytest.mark.parametrize("spec", KEYS, ids=lambda spec: f"{spec.algorithm}-{spec.size}")
def test_another_key_is_loaded_to_say_so(spec: KeySpec) -> None:
    """A key of another certificate does not match, and is told with its own digest."""
    key = issue(ISSUING, "other.example.com", key=new_key(spec)).key
    found = facts_of(BUNDLE.chain, key)
    assert found == key_facts(BUNDLE.chain, key)
    assert found.matches is False
    assert found.spki not in {"", BUNDLE.chain.spki}


@pytest.mark.parametrize("spec", KEYS, ids=lambda spec: f"{spec.algorithm}-{spec.size}")
def test_a_key_that_is_cut_off_matches_nothing(spec: KeySpec) -> None:
    """Half a key states nothing, though its public part may stand in that half."""
    bundle = issue(ISSUING, "shop.example.com", key=new_key(spec))
    lines = bundle.key.splitlines(keepends=True)
    shorter = b"".join((*lines[:-2], lines[-1]))
    assert facts_of(bundle.chain, shorter).matches is False
    assert facts_of(bundle.chain, b"no key").matches is False
    assert facts_of(None, bundle.key).matches is None


def test_an_ed25519_key_is_loaded() -> None:
    """A key that states no public part still is told by what it is."""
    bundle = issue(ISSUING, "shop.example.com", key=new_key(KeySpec("ed25519", 0)))
    assert stated_spki(bundle.key) == ""
    assert facts_of(bundle.chain, bundle.key).matches is True
