"""Certificates and keys in PEM, with any text around them (RFC 7468)."""

from __future__ import annotations

import re
from collections.abc import Sequence

from rotator.core.model import Certificate, Use
from rotator.core.pem import (
    CERTIFICATE_LABELS,
    MAX_CERTIFICATES,
    PemError,
    block_content,
    blocks,
    described,
    read_block,
)
from rotator.lib.keystore.contents import Broken, Contents, Entry, Kind, TooLarge, Unknown
from rotator.lib.keystore.entries import entries_of
from rotator.lib.keystore.groups import groups
from rotator.lib.keystore.pkcs7 import read_pkcs7
from rotator.lib.keystore.private import held_keys
from rotator.lib.keystore.sniff import narrow

_PKCS7 = {b"PKCS7", b"PKCS #7 SIGNED DATA", b"CMS"}
_OTHERS = re.compile(rb".*(PRIVATE KEY|PUBLIC KEY|CERTIFICATE REQUEST|X509 CRL|PARAMETERS)")
"""What people keep beside certificates."""


def read_pem(data: bytes) -> Contents:
    """Read every certificate, and match the keys among them.

    Raises:
        Broken: half a block, or a block that is no certificate; but where all others are CA certificates that
            somebody trusts, each broken one is an entry with a problem.
        Unknown: nothing in it is known.
    """
    text = narrow(data)
    try:
        found = blocks(text)
    except PemError as error:
        raise Broken(str(error)) from error
    certificates, failures = _read(found)
    if not certificates:
        if failures:
            raise failures[0][1]
        return _without_certificates(text, found)
    keys = held_keys(text)
    sorted_ = groups(certificates, {key.spki for key in keys if key.spki})
    if failures and (len(sorted_) > 1 or sorted_[0].use is not Use.TRUST):
        raise failures[0][1]
    problems = tuple(Entry(str(position), problem=str(error)) for position, error in failures)
    return Contents(Kind.PEM, (*entries_of(sorted_, keys), *problems))


def _without_certificates(text: bytes, found: Sequence[tuple[bytes, bytes]]) -> Contents:
    box = next((block for label, block in found if label in _PKCS7), None)
    if box is not None:
        try:
            return read_pkcs7(block_content(box))
        except ValueError as error:
            raise Broken("the PKCS#7 structure cannot be read") from error
    if found and all(_OTHERS.match(label) for label, _ in found):
        return Contents(Kind.PEM, remark="it holds no certificate")
    raise Unknown(f"no CERTIFICATE block in {described(text)}")


def _read(found: Sequence[tuple[bytes, bytes]]) -> tuple[list[Certificate], list[tuple[int, Broken]]]:
    """The certificates, and what could not be read with its position counted from 1."""
    certificates: list[Certificate] = []
    failures: list[tuple[int, Broken]] = []
    for label, block in found:
        try:
            if label in CERTIFICATE_LABELS:
                certificates.append(read_block(label, block))
        except PemError as error:
            failures.append((len(certificates) + len(failures) + 1, Broken(str(error))))
        if len(certificates) + len(failures) > MAX_CERTIFICATES:
            raise TooLarge(f"it has more than the {MAX_CERTIFICATES} certificates that are read")
    return certificates, failures
