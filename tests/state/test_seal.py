"""Sealing: what opens where, with which key, and what is said when it does not."""

from __future__ import annotations

import os
from base64 import b64encode, urlsafe_b64encode
from dataclasses import replace
from pathlib import Path

import pytest

from rotator.errors import StateError, StateKeyMissing
from rotator.settings import SecretRef
from rotator.state.seal import Place, Seal, Sealed, decode_key, key_id, read_key

KEY, OTHER = bytes(range(32)), bytes(range(1, 33))
PLACE = Place("bundles", ("checkout", "ab" * 32), "key")


def seal_with(key: bytes, used: set[str] | None = None) -> Seal:
    return Seal(lambda: key, lambda: used or set(), "/state.db")


def test_what_is_sealed_opens_in_its_place() -> None:
    """A value comes back; sealing it twice gives two ciphertexts, and neither holds it."""
    seal = seal_with(KEY)
    first, second = seal.close(b"a private key", PLACE), seal.close(b"a private key", PLACE)
    assert seal.open(first, PLACE) == seal.open(second, PLACE) == b"a private key"
    assert first.value != second.value
    assert b"private" not in first.value
    assert first.key_id == key_id(KEY)


@pytest.mark.parametrize(
    "place",
    [
        replace(PLACE, table="pending"),
        replace(PLACE, row=("search", "ab" * 32)),
        replace(PLACE, row=("checkout", "ac" * 32)),
        replace(PLACE, kind="state"),
    ],
)
def test_what_is_sealed_opens_nowhere_else(place: Place) -> None:
    """A ciphertext that is copied to another table, row or purpose does not open there."""
    seal = seal_with(KEY)
    with pytest.raises(StateError, match="damaged or was copied"):
        seal.open(seal.close(b"value", PLACE), place)


def test_a_flipped_bit_does_not_open() -> None:
    """A damaged value is refused, and so is one that was cut off."""
    seal = seal_with(KEY)
    good = seal.close(b"value", PLACE)
    for value in (good.value[:-1] + bytes([good.value[-1] ^ 1]), good.value[:20], good.value[:5], b""):
        with pytest.raises(StateError):
            seal.open(Sealed(good.key_id, value), PLACE)


def test_a_wrong_key_opens_and_seals_nothing() -> None:
    """Another key than the one that sealed the rows seals nothing beside them; the sentence has both ids."""
    sealed = seal_with(KEY).close(b"value", PLACE)
    wrong = seal_with(OTHER, {key_id(KEY)})
    for act in (lambda: wrong.open(sealed, PLACE), lambda: wrong.close(b"value", PLACE)):
        with pytest.raises(StateKeyMissing, match=f"{key_id(OTHER)}.*{key_id(KEY)}"):
            act()
    assert wrong.problem
    with pytest.raises(StateKeyMissing):
        seal_with(OTHER).open(sealed, PLACE)


def test_a_key_that_comes_back_is_used() -> None:
    """A missing key stops sealing only while it is missing."""
    keys: list[bytes] = []

    def read() -> bytes:
        if not keys:
            raise StateKeyMissing("it is gone")
        return keys[0]

    seal = Seal(read, set, "/state.db")
    assert seal.problem == "it is gone"
    keys.append(KEY)
    assert seal.problem == ""
    assert seal.open(seal.close(b"value", PLACE), PLACE) == b"value"


@pytest.mark.parametrize(
    "text",
    [
        KEY.hex(),
        KEY.hex().upper() + "\n",
        b64encode(KEY).decode(),
        b64encode(KEY).decode().rstrip("="),
        urlsafe_b64encode(bytes([251] * 32)).decode(),
    ],
)
def test_keys_are_read_in_their_usual_forms(text: str) -> None:
    """Hex and base64 of 32 bytes, of either alphabet, padded or not."""
    assert len(decode_key(text, "here")) == 32


@pytest.mark.parametrize("text", ["", "hunter2hunter2", "00" * 31, "00" * 33, b64encode(b"short").decode(), "ä" * 43])
def test_other_texts_are_no_keys(text: str) -> None:
    """Anything else is refused with the command that makes a key, and is not repeated."""
    with pytest.raises(StateKeyMissing, match="openssl rand") as caught:
        decode_key(text, "state.key")
    assert text == "" or text not in str(caught.value)


def test_the_key_is_read_from_its_reference(tmp_path: Path) -> None:
    """`state.key` names a file or a variable; a reference that leads nowhere is a missing key, in one sentence."""
    path = tmp_path / "key"
    path.write_text(KEY.hex())
    beside = tmp_path / "state.db.key"
    assert read_key(SecretRef(f"${{file:{path}}}"), beside) == KEY
    path.unlink()
    with pytest.raises(StateKeyMissing, match=str(path)):
        read_key(SecretRef(f"${{file:{path}}}"), beside)
    with pytest.raises(StateKeyMissing, match=str(beside)):
        read_key(None, beside)
    beside.write_bytes(os.urandom(64))
    with pytest.raises(StateKeyMissing, match=str(beside)):
        read_key(None, beside)


def test_nothing_shows_a_key() -> None:
    """Neither the seal nor what it sealed shows a key or a ciphertext when printed."""
    seal = seal_with(KEY)
    sealed = seal.close(b"value", PLACE)
    assert KEY.hex() not in repr(seal)
    assert repr(sealed) == f"Sealed(key_id='{key_id(KEY)}')"
