"""Certificates in whatever format a file has them: bytes in, entries out. What it is, is told by its content alone.

    contents = read(data, passwords)
    for entry in contents.entries: …

`sniff` tells from the first bytes of a file whether it is worth reading at all.
"""

from __future__ import annotations

from collections.abc import Sequence

from rotator.core.pem import MAX_PEM_BYTES, described
from rotator.lib.keystore.contents import (
    Broken,
    Contents,
    Entry,
    KeystoreError,
    Kind,
    Locked,
    Reference,
    TooLarge,
    Unknown,
    Unsupported,
)
from rotator.lib.keystore.private import HeldKey, has_key, held_keys
from rotator.lib.keystore.sniff import HEAD, may_follow, sniff

__all__ = [
    "HEAD",
    "Broken",
    "Contents",
    "Entry",
    "HeldKey",
    "KeystoreError",
    "Kind",
    "Locked",
    "Reference",
    "TooLarge",
    "Unknown",
    "Unsupported",
    "has_key",
    "held_keys",
    "may_follow",
    "most_bytes",
    "read",
    "sniff",
]

MAX_STORE_BYTES = 16 << 20
_STORES = {Kind.PKCS7, Kind.PKCS12, Kind.JKS, Kind.JCEKS}


def most_bytes(kind: Kind | None) -> int:
    """How much is read of a file of a format."""
    return MAX_STORE_BYTES if kind in _STORES else MAX_PEM_BYTES


def read(data: bytes, passwords: Sequence[str] = ()) -> Contents:
    """Read everything that a file holds.

    Args:
        passwords: tried one after the other where a store needs one, after none and the empty one.

    Raises:
        Locked: it is a store, and no password opens it.
        Unsupported: it is a store of a kind that is not read.
        TooLarge: it is larger, or costlier to open, than any real one.
        Broken: it is cut off or damaged; `Unknown`, a kind of it: it is none of the formats.
    """
    kind = sniff(data[:HEAD]) or (sniff(data) if may_follow(data[:HEAD]) else None)
    if len(data) > most_bytes(kind):
        raise TooLarge(f"it is larger than {most_bytes(kind) >> 20} MiB")
    if kind is None:
        raise Unknown(f"no CERTIFICATE block in {described(data)}")
    return _read(data, kind, passwords)


def _read(data: bytes, kind: Kind, passwords: Sequence[str]) -> Contents:
    # Inside, so that a machine without keystores does not load what reads them.
    from rotator.lib.keystore import der, jks, jwks, kubeconfig, pemfile, pkcs7, pkcs12

    match kind:
        case Kind.PEM:
            return pemfile.read_pem(data)
        case Kind.DER:
            return der.read_der(data)
        case Kind.PKCS7:
            return pkcs7.read_pkcs7(data)
        case Kind.PKCS12:
            return pkcs12.read_pkcs12(data, passwords)
        case Kind.JKS | Kind.JCEKS:
            return jks.read_jks(data, kind, passwords)
        case Kind.KUBECONFIG:
            return kubeconfig.read_kubeconfig(data)
        case Kind.JWKS:
            return jwks.read_jwks(data)
        case _:
            raise Unsupported(f"it is a {kind.upper()} keystore, which rotator does not read")
