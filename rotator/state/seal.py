"""Sealing what must not be readable in the file: AES-256-GCM under one key, each value bound to its row.

A value copied to another row, table or purpose does not open there (the associated data names all three). The nonce is
96 random bits (NIST SP 800-38D, 8.2.2): one key may seal 2^32 values, far more than a fleet ever will.
"""

from __future__ import annotations

import contextlib
import hmac
import json
import os
from base64 import b64decode
from collections.abc import Callable, Set
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from rotator.errors import SecretMissing, StateError, StateKeyMissing
from rotator.settings import SecretRef

StateKeySource: TypeAlias = SecretRef | None
"""Where the key-encryption key is: a reference from the config, or None for the file `<database>.key` beside SQLite."""

KEY_BYTES = 32
_NONCE_BYTES = 12
_RESTORE = "put the right key back; without it rotation stops, taking stock and alerts do not"


@dataclass(frozen=True, slots=True)
class Sealed:
    """A sealed value as it is stored: nonce and ciphertext, and the id of the key that opens it."""

    key_id: str
    value: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a sealed value stands; it opens nowhere else."""

    table: str
    row: tuple[str, ...]
    kind: str

    @property
    def associated(self) -> bytes:
        return json.dumps([self.table, self.row, self.kind], separators=(",", ":")).encode()


class Seal:
    """Seals and opens values with the key-encryption key, which is read when it is first needed and then kept.

    Args:
        read: gives the key; see `read_key`.
        ids_in_use: ids of the keys that sealed the rows in the store, so that a wrong key seals nothing beside them.
        state: the state's place, for messages.
    """

    def __init__(self, read: Callable[[], bytes], ids_in_use: Callable[[], Set[str]], state: str) -> None:
        self._read = read
        self._ids_in_use = ids_in_use
        self._state = state
        self._key: bytes | None = None

    def __repr__(self) -> str:
        return f"Seal({self._state!r})"

    @property
    def problem(self) -> str:
        """Why nothing can be sealed or opened right now, in one sentence; empty when all is well."""
        try:
            self._current()
        except StateKeyMissing as error:
            return str(error)
        return ""

    def close(self, value: bytes, place: Place) -> Sealed:
        """Seal a value for a place.

        Raises:
            StateKeyMissing: there is no key, or not the one that sealed what is stored.
        """
        key = self._current()
        nonce = os.urandom(_NONCE_BYTES)
        return Sealed(key_id(key), nonce + AESGCM(key).encrypt(nonce, value, place.associated))

    def open(self, sealed: Sealed, place: Place) -> bytes:
        """Open what was sealed for this place.

        Raises:
            StateKeyMissing: there is no key, or not the one that sealed it.
            StateError: it was damaged, or moved from another place.
        """
        key = self._current()
        if not hmac.compare_digest(sealed.key_id, key_id(key)):
            raise StateKeyMissing(self._wrong(key, {sealed.key_id}))
        nonce, ciphertext = sealed.value[:_NONCE_BYTES], sealed.value[_NONCE_BYTES:]
        try:
            return AESGCM(key).decrypt(nonce, ciphertext, place.associated)
        except (InvalidTag, ValueError) as error:
            row = "/".join(place.row)
            raise StateError(
                f"the sealed {place.kind} of {row} in {self._state} is damaged or was copied from another row; "
                "restore the state from a backup"
            ) from error

    def _current(self) -> bytes:
        if self._key is None:
            key = self._read()
            used = self._ids_in_use()
            if used and key_id(key) not in used:
                raise StateKeyMissing(self._wrong(key, used))
            self._key = key
        return self._key

    def _wrong(self, key: bytes, used: Set[str]) -> str:
        return (
            f"the state key (id {key_id(key)}) is not the one that sealed the keys in {self._state} "
            f"(id {', '.join(sorted(used))}); {_RESTORE}"
        )


def key_id(key: bytes) -> str:
    """A name for a key that tells nothing about it."""
    return hmac.digest(key, b"rotator state key id", "sha256")[:8].hex()


def read_key(source: StateKeySource, beside: Path) -> bytes:
    """Read the key-encryption key: 32 bytes in base64 or hex.

    Args:
        source: the reference in the config; None means the file beside the database.
        beside: that file.

    Raises:
        StateKeyMissing: it cannot be read, or is no such key.
    """
    if source is not None:
        try:
            return decode_key(source.reveal(), f"state.key ({source.reference})")
        except SecretMissing as error:
            raise StateKeyMissing(f"the state key cannot be read: {error}; {_RESTORE}") from error
    try:
        text = beside.read_text(encoding="ascii")
    except FileNotFoundError as error:
        raise StateKeyMissing(
            f"the state key {beside} is gone, and what is stored is sealed with it; {_RESTORE}"
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise StateKeyMissing(f"the state key {beside} cannot be read ({error}); {_RESTORE}") from error
    return decode_key(text, str(beside))


def decode_key(text: str, where: str) -> bytes:
    """Decode 64 hex digits, or base64 (either alphabet, padded or not), of 32 bytes.

    Raises:
        StateKeyMissing: it is neither; the text is not repeated.
    """
    text = text.strip()
    key = b""
    with contextlib.suppress(ValueError):
        key = bytes.fromhex(text)
    if len(key) != KEY_BYTES:
        standard = text.rstrip("=").replace("-", "+").replace("_", "/")
        with contextlib.suppress(ValueError):
            key = b64decode(standard + "=" * (-len(standard) % 4), validate=True)
    if len(key) != KEY_BYTES:
        raise StateKeyMissing(
            f"{where} is no state key: it must be {KEY_BYTES} random bytes in base64 or hex; "
            "make one with `openssl rand -base64 32`"
        )
    return key
