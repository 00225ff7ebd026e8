"""Certificates and keys in PEM, with any text around them (RFC 7468)."""

from __future__ import annotations

import re
from collections.abc import Sequence

from rotator.core.model import Certificate, Use
from rotator.core.pem import CERTIFICATE_LABELS, MAX_CERTIFICATES, PemError, blocks, described, read_block
from rotator.lib.keystore.contents import Broken, Contents, Entry, Kind, TooLarge, Unknown
from rotator.lib.keystore.entries import entries_of
from rotator.lib.keystore.groups import groups
from rotator.lib.keystore.pkcs7 import certificates_in
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
        labels = {label for label, _ in found}
        if labels and all(_OTHERS.match(label) or label in _PKCS7 for label in labels):
            return Contents(Kind.PEM, remark="it holds no certificate")
        raise Unknown(f"no CERTIFICATE block in {described(text)}")
    keys = held_keys(text)
    sorted_ = groups(certificates, {key.spki for key in keys if key.spki})
    if failures and (len(sorted_) > 1 or sorted_[0].use is not Use.TRUST):
        raise failures[0][1]
    problems = tuple(Entry(str(position), problem=str(error)) for position, error in failures)
    return Contents(Kind.PEM, (*entries_of(sorted_, keys), *problems))


def _read(found: Sequence[tuple[bytes, bytes]]) -> tuple[list[Certificate], list[tuple[int, Broken]]]:
    """The certificates, and what could not be read with its position counted from 1."""
    certificates: list[Certificate] = []
    failures: list[tuple[int, Broken]] = []
    for label, block in found:
        try:
            if label in CERTIFICATE_LABELS:
                certificates.append(read_block(label, block))
            elif label in _PKCS7:
                certificates.extend(certificates_in(block))
        except PemError as error:
            failures.append((len(certificates) + len(failures) + 1, Broken(str(error))))
        except Broken as error:
            failures.append((len(certificates) + len(failures) + 1, error))
        if len(certificates) + len(failures) > MAX_CERTIFICATES:
            raise TooLarge(f"it has more than the {MAX_CERTIFICATES} certificates that are read")
    return certificates, failures
