"""Tests of `rotator.lib.jwe`."""

from __future__ import annotations

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rotator.lib.jwe import JweError, open_with_password
from tests.servers.step_ca import seal

# Made by smallstep's own library (go.step.sm/crypto/jose, GenerateDefaultKeyPair), and its public key.
PASSWORD = "correct horse"
SEALED = (
    "eyJhbGciOiJQQkVTMi1IUzI1NitBMTI4S1ciLCJjdHkiOiJqd2sranNvbiIsImVuYyI6IkEyNTZHQ00iLCJwMmMiOjYwMDAwMCwi"
    "cDJzIjoiMm9qT1l4ZzFtUkVFTFJGOUhQZmM4dyJ9.WuJ8UFMEoo6U-mGRS_W7eS207feaPnI5dH5Dj0HB7gLtwqwZ23U_dQ.z5RU"
    "109wbvZuAtuL.dqp_lyoJALkyCP6b9OuOmFdP1kc-er-cYCFrAT7q1BoiBYGCFo_fQwNTINaCMNsZv0p8xPgC70R3Ax3cVJVMidn"
    "W-6rBOAIsM9sht7FF9NX-T7kiLsjAY4w9SwTUUDzzw4tMlIM32I-nVqhcBg8Wzmd29BY0_V4ZGP8tfrAnJlJstIfld_MLwf-n3Lm"
    "Vp9M4a8RdA01RbZQ2YMWAd0IiDzSvlSmg32TkHYGQI8FRIN-rqqGyXsl17-i5BQQ8E2f3Qp_J-Gf_dTevapg7aMefl_zMKsut0vW"
    "wxmad6b4j9haPT6N7T5PbBRtjAqsyc3QtL1av8MhCksDI_r6G-zk.1bnrhXO5QbwV1ddc1WRMZA"
)
X = "RmArOzStu4qwgkCKnwtPBcjPWDOrVn7apfclH6_ALyU"


def test_a_key_that_step_has_sealed_is_opened() -> None:
    """With the 600 000 rounds that step-ca's own keys have."""
    assert json.loads(open_with_password(SEALED + "\n", PASSWORD))["x"] == X


def test_a_wrong_password_is_said_without_showing_it() -> None:
    """The commonest mistake has its own words."""
    with pytest.raises(JweError, match=r"^the password does not open it$"):
        open_with_password(seal(b"content", "right"), "wrong")


@given(content=st.binary(max_size=200), password=st.text("aé 漢", min_size=1, max_size=8))
def test_what_is_sealed_is_opened(content: bytes, password: str) -> None:
    """Any content, and any password that people may choose."""
    assert open_with_password(seal(content, password, rounds=1), password) == content


@pytest.mark.parametrize("part", range(5))
def test_a_change_in_any_part_is_noticed(part: int) -> None:
    """Header, wrapped key, nonce, content and tag are all protected."""
    parts = seal(b"content", "right").split(".")
    text = parts[part]
    parts[part] = ("A" if text[0] != "A" else "B") + text[1:]

    with pytest.raises(JweError):
        open_with_password(".".join(parts), "right")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"alg": "RSA-OAEP"}, "not with a password"),
        ({"enc": "A128CBC-HS256"}, "not with AES-GCM"),
        ({"p2c": 10**9}, "asks for 1000000000 rounds"),
        ({"p2c": 0}, "asks for 0 rounds"),
        ({"p2c": "many"}, "asks for 'many' rounds"),
        ({"enc": "A128GCM"}, "another length"),
    ],
)
def test_a_header_that_is_not_understood_is_said(change: dict[str, object], words: str) -> None:
    """Nothing is guessed, and nobody makes us compute for ever."""
    head, _, rest = seal(b"content", "right").partition(".")
    header = {**json.loads(base64.urlsafe_b64decode(head + "==")), **change}
    forged = base64.urlsafe_b64encode(json.dumps(header).encode()).rstrip(b"=").decode()

    with pytest.raises(JweError, match=words):
        open_with_password(f"{forged}.{rest}", "right")


@pytest.mark.parametrize("text", ["", "a.b.c", "....", "!.!.!.!.!", '{"ciphertext": "x"}', "é.a.b.c.d"])
def test_what_is_no_jwe_is_said(text: str) -> None:
    """Also what a web page in the place of the CA would answer."""
    with pytest.raises(JweError):
        open_with_password(text, "any")
