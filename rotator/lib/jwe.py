"""A text that a password opens: JWE in the one form that provisioner keys of step-ca are kept in.

RFC 7516 (compact serialisation), `PBES2-HS256+A128KW` and the like (RFC 7518, 4.8) with AES-GCM (5.3). The
cryptography is the library's; what is here takes the five parts apart. josepy has no JWE, and jwcrypto opens none of
step-ca's keys as it comes: it stops at 16 384 rounds of key derivation, by a global, and they have 600 000.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.pbkdf2 import PBKDF2HMAC
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap

from rotator.lib.jsonobject import read_object

MOST_ROUNDS = 5_000_000
"""Of the key derivation; a header that asks for more only wants to keep us busy. step-ca has 600 000."""

_WRAPPING: Mapping[str, tuple[hashes.HashAlgorithm, int]] = {
    "PBES2-HS256+A128KW": (hashes.SHA256(), 16),
    "PBES2-HS384+A192KW": (hashes.SHA384(), 24),
    "PBES2-HS512+A256KW": (hashes.SHA512(), 32),
}
_CONTENT = {"A128GCM": 16, "A192GCM": 24, "A256GCM": 32}


class JweError(ValueError):
    """It cannot be opened; the message is one clause, without the password or the content."""


def open_with_password(text: str, password: str) -> bytes:
    """The content of a compact JWE.

    Raises:
        JweError: it is none, is of a kind that is not known here, or the password is wrong.
    """
    parts = text.strip().split(".")
    if len(parts) != 5:
        raise JweError("it is no JWE in compact form")
    head, wrapped, nonce, sealed, tag = parts
    header = read_object(_decoded(head)) or {}
    size = _CONTENT.get(str(header.get("enc")))
    if size is None:
        raise JweError(f"its content is encrypted with {header.get('enc')!r}, not with AES-GCM")
    try:
        key = aes_key_unwrap(_wrapping_key(header, password), _decoded(wrapped))
        if len(key) != size:
            raise JweError("its key has another length than its header says")
        return AESGCM(key).decrypt(_decoded(nonce), _decoded(sealed) + _decoded(tag), head.encode("ascii"))
    except InvalidUnwrap as error:
        raise JweError("the password does not open it") from error
    except (InvalidTag, ValueError) as error:
        raise error if isinstance(error, JweError) else JweError("it has been changed or cut") from error


def _wrapping_key(header: Mapping[str, Any], password: str) -> bytes:
    """The key that the password gives (RFC 7518, 4.8.1.1)."""
    name, rounds = str(header.get("alg")), header.get("p2c")
    if name not in _WRAPPING:
        raise JweError(f"its key is wrapped with {name!r}, not with a password (PBES2)")
    if not isinstance(rounds, int) or not 1 <= rounds <= MOST_ROUNDS:
        raise JweError(f"its key derivation asks for {rounds!r} rounds, out of 1 to {MOST_ROUNDS}")
    digest, length = _WRAPPING[name]
    salt = name.encode("ascii") + b"\x00" + _decoded(str(header.get("p2s", "")))
    return PBKDF2HMAC(digest, length, salt, rounds).derive(password.encode())


def _decoded(part: str) -> bytes:
    """Base64url without padding (RFC 7515, 2)."""
    try:
        return base64.b64decode(part.encode("ascii") + b"=" * (-len(part) % 4), altchars=b"-_", validate=True)
    except (UnicodeEncodeError, binascii.Error) as error:
        raise JweError("a part of it is no base64url") from error
