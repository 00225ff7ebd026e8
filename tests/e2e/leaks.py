"""Whether a private key can be read anywhere it does not belong: in logs, state, left-over and temporary files."""

from __future__ import annotations

import base64
from collections.abc import Collection, Iterable, Iterator
from itertools import pairwise
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key

LINE = 64  # characters of a line of PEM


def traces(key: bytes) -> frozenset[bytes]:
    """What of an elliptic curve key (PEM) nobody may see: its secret number, wherever an encoding puts it.

    Only the secret part of the key's lines: the rest is the same in all keys, or is the public key.
    """
    loaded = load_pem_private_key(key, None)
    assert isinstance(loaded, ec.EllipticCurvePrivateKey)
    secret = loaded.private_numbers().private_value.to_bytes((loaded.key_size + 7) // 8)
    found = {secret, secret.hex().encode(), str(int.from_bytes(secret)).encode()}
    for form in (PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL):
        found |= set(_in_pem(loaded, form, secret))
    return frozenset(found)


def _in_pem(key: ec.EllipticCurvePrivateKey, form: PrivateFormat, secret: bytes) -> Iterator[bytes]:
    der = key.private_bytes(Encoding.DER, form, NoEncryption())
    body, at = base64.b64encode(der), der.index(secret)
    first, last = -(-at * 4 // 3), (at + len(secret)) * 4 // 3
    edges = [first, *range(-(-first // LINE) * LINE, last, LINE), last]
    for begin, end in pairwise(edges):
        piece = body[begin:end]
        if len(piece) >= LINE // 4:
            yield piece
            yield from _again(piece)


def _again(piece: bytes) -> Iterator[bytes]:
    """The same text inside base64, as in a Secret's `data`, at each of the three alignments."""
    for shift in range(3):
        encoded = base64.b64encode(b"\0" * shift + piece)
        yield encoded[-(-shift * 4 // 3) : (shift + len(piece)) * 4 // 3]


def leaks(keys: Iterable[bytes], where: Iterable[Path], *, beside: Collection[Path] = ()) -> list[str]:
    """Every file in these places, those `beside` left out, in which one of the keys can be read."""
    needles = frozenset[bytes]().union(*(traces(key) for key in keys))
    assert needles, "no key was given to look for"
    found = []
    for path in _files(where):
        if not any(path.is_relative_to(each) for each in beside):
            content = path.read_bytes()
            found += [str(path)] if any(needle in content for needle in needles) else []
    return found


def _files(where: Iterable[Path]) -> Iterator[Path]:
    for place in where:
        yield from (path for path in (place, *place.rglob("*")) if path.is_file())
