"""The private keys in a file, as far as may be known without a password: whose they are, never what they are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from rotator.core.model import Chain, KeyFacts
from rotator.core.pem import PemError, blocks, key_spki
from rotator.lib.keystore import asn1

_LABEL = b"PRIVATE KEY"
_ENCRYPTED = (b"ENCRYPTED", b"Proc-Type: 4,ENCRYPTED")  # PKCS#8, and OpenSSL's older way
_MOST_KEYS = 100


@dataclass(frozen=True, slots=True)
class HeldKey:
    """One private key.

    Attributes:
        spki: SHA-256 over its public part; empty where it cannot be read.
        encrypted: a password is needed, so nothing can be said of it.
        der: not in PEM.
    """

    spki: str = ""
    encrypted: bool = False
    der: bool = False

    def facts(self, chain: Chain | None, mode: int | None) -> KeyFacts:
        """What may be said of it beside a chain; an unreadable key matches nothing."""
        if self.encrypted:
            return KeyFacts(mode=mode, sealed=True)
        known = chain is not None and bool(chain.spki)
        matches = self.spki == chain.spki if chain is not None and known else None
        return KeyFacts(self.spki, matches if self.spki else False, mode)


def has_key(data: bytes) -> bool:
    """Whether there is anything that begins as a private key does, whole or not."""
    return _LABEL in data or _der_key(data) is not None


def held_keys(data: bytes) -> tuple[HeldKey, ...]:
    """Every private key in it, at most a hundred; one that is cut off counts as unreadable."""
    if data[:1] == b"\x30":
        key = _der_key(data)
        return (key,) if key else ()
    return tuple(_pem_keys(data))[:_MOST_KEYS]


def _pem_keys(data: bytes) -> Iterator[HeldKey]:
    if _LABEL not in data:
        return
    try:
        found = [(label, block) for label, block in blocks(data) if label.endswith(_LABEL)]
    except PemError:
        yield HeldKey()
        return
    for label, block in found[:_MOST_KEYS]:
        if label.startswith(_ENCRYPTED[0]) or _ENCRYPTED[1] in block[:200]:
            yield HeldKey(encrypted=True)
        elif label != b"OPENSSH PRIVATE KEY":  # SSH's own; no certificate here is for it
            yield HeldKey(_spki(block))


def _spki(key: bytes) -> str:
    try:
        return key_spki(key, check=False)
    except PemError:
        return ""


def _der_key(data: bytes) -> HeldKey | None:
    """A key in DER: PKCS#8 (RFC 5208), its encrypted form, PKCS#1 (RFC 8017, A.1.2) or SEC 1 (RFC 5915)."""
    outer = asn1.item_at(data, 0)
    if outer is None or outer.tag != asn1.SEQUENCE or outer.end is None:
        return None
    algorithm = asn1.inside(data, outer, asn1.SEQUENCE)
    if asn1.inside(data, algorithm, asn1.OID) is not None:
        sealed = asn1.after(data, algorithm, asn1.OCTET_STRING)
        return HeldKey(encrypted=True, der=True) if sealed and sealed.end == outer.end else None
    version = asn1.inside(data, outer, asn1.INTEGER)
    kinds = {0: (asn1.SEQUENCE, asn1.INTEGER), 1: (asn1.SEQUENCE, asn1.OCTET_STRING)}
    second = kinds.get(asn1.number(data, version) or 0, ())
    if version is None or not any(asn1.after(data, version, tag) for tag in second) or _is_request(data, version):
        return None
    return HeldKey(_spki(data[: outer.end]), der=True)


def _is_request(data: bytes, version: asn1.Item) -> bool:
    """PKCS#8 has an algorithm behind its version."""
    body = asn1.after(data, version, asn1.SEQUENCE)
    return body is not None and asn1.inside(data, body, asn1.OID) is None
