"""Bytes that a file might hold, taken as stores and as PEM: what the fuzzers, the properties and the seeds share."""

from __future__ import annotations

from rotator.core.model import Chain
from rotator.core.pem import (
    MAX_CERTIFICATES,
    PemError,
    key_facts,
    parse_certificate,
    read_anchors,
    read_certificates,
    read_key,
)
from rotator.lib.keystore import Contents, KeystoreError, held_keys, read

PASSWORDS = ("changeit", "\ud800", "")


def take_store(data: bytes) -> Contents | None:
    """Read bytes as a file of certificates; None where they are refused, which only the package's own error may say."""
    held_keys(data)
    try:
        contents = read(data, PASSWORDS)
    except KeystoreError as error:
        _is_a_clause(str(error))
        return None
    aliases = [entry.alias for entry in contents.entries]
    assert len(set(aliases)) == len(aliases)
    for entry in contents.entries:
        assert bool(entry.certificates) != bool(entry.problem)
        assert entry.alias.isprintable()
        entry.alias.encode()
        assert len(entry.certificates) <= MAX_CERTIFICATES
        if entry.problem:
            _is_a_clause(entry.problem)
    assert contents.entries or contents.references or contents.remark
    return contents


def take_pem(data: bytes) -> None:
    """Read bytes as everything that PEM and DER can be; only `PemError` may refuse them."""
    for reader in (read_certificates, read_anchors, parse_certificate, read_key):
        try:
            reader(data)
        except PemError as error:
            assert str(error)
    try:
        chain = Chain(read_certificates(data))
    except PemError:
        chain = None
    key_facts(chain, data)


def _is_a_clause(text: str) -> None:
    assert text
    assert "\n" not in text
    assert len(text) < 1000
