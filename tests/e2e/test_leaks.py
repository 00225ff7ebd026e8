"""The search for private keys that the other tests rely on finds them in every form that a leak would have."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from rotator.core.csr import make_csr, new_key
from rotator.core.model import KeySpec
from tests.e2e.leaks import leaks

FORMS: dict[str, Callable[[bytes], bytes]] = {
    "pem": lambda key: b"x" + key,
    "one line of it": lambda key: key.splitlines()[2],
    "in JSON": lambda key: json.dumps({"key": key.decode()}).encode(),
    "in a Secret": lambda key: base64.b64encode(key),
    "in base64 after a byte": lambda key: base64.b64encode(b"x" + key),
    "in base64 after two bytes": lambda key: base64.b64encode(b"xx" + key),
    "binary": lambda key: load_pem_private_key(key, None).private_bytes(
        Encoding.DER, PrivateFormat.PKCS8, NoEncryption()
    ),
    "as OpenSSL once wrote it": lambda key: load_pem_private_key(key, None).private_bytes(
        Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()
    ),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_key_is_found(form: str, tmp_path: Path) -> None:
    """Whatever was done to it on the way, the file that holds it is named, and only that one."""
    key, other = new_key(KeySpec()), new_key(KeySpec())
    (tmp_path / "log").write_bytes(b"before " + FORMS[form](key) + b" after")
    (tmp_path / "fine").write_bytes(FORMS[form](other))
    assert leaks([key], [tmp_path]) == [str(tmp_path / "log")]
    assert leaks([key], [tmp_path], beside=[tmp_path / "log"]) == []


def test_what_is_public_is_no_leak(tmp_path: Path) -> None:
    """The public key and a signing request share lines with the private key's file, and are no secret."""
    key = new_key(KeySpec())
    public = load_pem_private_key(key, None).public_key()
    (tmp_path / "public").write_bytes(public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    (tmp_path / "request").write_bytes(make_csr(key, ("shop.example.com",)))
    (tmp_path / "tail").write_bytes(key.splitlines()[3])
    assert leaks([key], [tmp_path]) == []
