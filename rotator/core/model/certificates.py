"""Certificates, chains and bundles."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

_NO_HOSTS = ("mailto:", "directory:", "other:", "id:", "uri:")


@dataclass(frozen=True, slots=True)
class Certificate:
    """One X.509 certificate, parsed once into plain fields.

    A field that cannot be read keeps its empty value and has a line in `problems`; the DER is kept as it came.

    Attributes:
        fingerprint: SHA-256 over the DER, lower-case hex.
        spki: SHA-256 over the SubjectPublicKeyInfo, lower-case hex; empty when unreadable.
        names: SAN entries in the order of the certificate: DNS names in lower case, addresses and URIs as text; others
            with their kind before them (`mailto:`, `directory:`, `other:`, `id:`).
        key_algorithm: `rsa`, `ecdsa`, `ed25519`, `ed448`, `dsa`, `ml-dsa-…`, or the OID in dots.
        key_size: bits (the curve's for `ecdsa`), 0 where it means nothing.
        signature_hash: `sha256` and the like; empty where the algorithm has none.
        extended_key_usages: dotted OIDs.
        embedded_scts: number of signed certificate timestamps in the certificate (RFC 6962).
        authority_key_id: hex, empty when absent.
        problems: `field: what is wrong` lines.
    """

    der: bytes = field(repr=False)
    fingerprint: str
    subject: str
    issuer: str
    serial: int
    not_before: datetime
    not_after: datetime
    names: tuple[str, ...] = ()
    spki: str = ""
    key_algorithm: str = ""
    key_size: int = 0
    signature_hash: str = ""
    is_ca: bool = False
    self_signed: bool = False
    extended_key_usages: tuple[str, ...] = ()
    embedded_scts: int = 0
    authority_key_id: str = ""
    subject_key_id: str = ""
    problems: tuple[str, ...] = ()

    @property
    def hosts(self) -> tuple[str, ...]:
        """The names that a service is asked by (RFC 9525, 1.2): without those of people, mailboxes and the like."""
        return tuple(name for name in self.names if not name.startswith(_NO_HOSTS))

    @property
    def lifetime(self) -> timedelta:
        """How long it lives, both ends included (RFC 5280, 4.1.2.5)."""
        return self.not_after - self.not_before + timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Chain:
    """A leaf and what came with it, in the order found: the leaf first, never empty."""

    certificates: tuple[Certificate, ...]

    def __post_init__(self) -> None:
        if not self.certificates:
            raise ValueError("a chain has at least one certificate")

    @property
    def leaf(self) -> Certificate:
        return self.certificates[0]

    @property
    def names(self) -> tuple[str, ...]:
        return self.leaf.names

    @property
    def not_before(self) -> datetime:
        return self.leaf.not_before

    @property
    def not_after(self) -> datetime:
        return self.leaf.not_after

    @property
    def lifetime(self) -> timedelta:
        return self.leaf.lifetime

    @property
    def fingerprint(self) -> str:
        return self.leaf.fingerprint

    @property
    def spki(self) -> str:
        return self.leaf.spki


@dataclass(frozen=True, slots=True)
class Bundle:
    """A chain and its private key (PKCS#8 PEM, never shown; empty where the key is held elsewhere)."""

    chain: Chain
    key: bytes = field(repr=False)
