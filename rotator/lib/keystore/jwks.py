"""The certificates in a set of JSON Web Keys, `x5c` (RFC 7517, 4.7)."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterator
from typing import Any

from rotator.core.pem import MAX_CERTIFICATES, PemError, parse_certificate
from rotator.core.usages import use_of
from rotator.lib.keystore.contents import Broken, Contents, Entry, Kind, TooLarge
from rotator.lib.keystore.entries import distinct


def read_jwks(data: bytes) -> Contents:
    """Read the chain of each key that has one; the leaf first.

    Raises:
        Broken: it is no JSON.
        TooLarge: more certificates than are read.
    """
    try:
        document = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise Broken('it has "x5c" in it, and is no JSON') from error
    keys = document.get("keys", [document]) if isinstance(document, dict) else ()
    entries = distinct(_entries(keys if isinstance(keys, list) else ()))
    return Contents(Kind.JWKS, entries, remark="" if entries else "it holds no certificate")


def _entries(keys: Any) -> Iterator[Entry]:
    read = 0
    for position, key in enumerate(keys, start=1):
        chain = key.get("x5c") if isinstance(key, dict) else None
        if not isinstance(chain, list) or not chain:
            continue
        read += len(chain)
        if read > MAX_CERTIFICATES:
            raise TooLarge(f"it has more than the {MAX_CERTIFICATES} certificates that are read")
        alias = key.get("kid") if isinstance(key.get("kid"), str) else ""
        try:
            found = tuple(parse_certificate(base64.b64decode(one)) for one in chain)
        except (PemError, binascii.Error, ValueError, TypeError) as error:
            why = str(error) if isinstance(error, PemError) else "it is no base64"
            yield Entry(alias or str(position), problem=f"x5c: {why}")
        else:
            yield Entry(alias or str(position), found, use_of(found[0]))
