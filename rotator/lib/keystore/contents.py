"""What a file of certificates holds, in whatever format, and why it could not be told.

KeystoreError
├── Locked      no password that was given opens it
├── Unsupported it is a keystore, of a kind that rotator does not read
├── TooLarge    reading it would cost more than any real file of its kind
└── Broken      it is not what it begins as
    └── Unknown it is none of the formats that are read

Each message is one clause, without the place, and never repeats what is in the file.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from rotator.core.model import Certificate, KeyFacts, Use


class KeystoreError(ValueError):
    """The bytes give no certificates; one clause."""


class Locked(KeystoreError):  # noqa: N818 - reads as what happened
    """It may hold certificates, and no password opens it."""


class Unsupported(KeystoreError):  # noqa: N818
    """It may hold certificates, in a format that rotator does not read."""


class TooLarge(KeystoreError):  # noqa: N818
    """It, or one part of it, is larger or costlier than any real one."""


class Broken(KeystoreError):  # noqa: N818
    """It is cut off or damaged."""


class Unknown(Broken):
    """Nothing in it is known as a certificate or a keystore."""


class Kind(StrEnum):
    """The formats, as people call them."""

    PEM = "pem"
    DER = "der"
    PKCS7 = "pkcs7"
    PKCS12 = "pkcs12"
    JKS = "jks"
    JCEKS = "jceks"
    KUBECONFIG = "kubeconfig"
    JWKS = "jwks"
    BKS = "bks"  # told, not read
    BCFKS = "bcfks"  # told, not read


@dataclass(frozen=True, slots=True)
class Entry:
    """Certificates that belong together in one file.

    Attributes:
        alias: tells it from the others of its file: the alias of a keystore, a friendly name, `#` and a position
            counted from 1; empty for the one that stands for the whole file.
        certificates: the leaf first; those that are trusted in no order. Empty where there is a `problem`.
        key: None where there is none. What is stored with it may be closed to us: then nothing is said of it.
        problem: why this entry cannot be read, in a clause; the others still are.
    """

    alias: str
    certificates: tuple[Certificate, ...] = ()
    use: Use = Use.SERVE
    key: KeyFacts | None = None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Reference:
    """A file that a kubeconfig names, relative to itself.

    Attributes:
        key_path: of the key that belongs to it; empty where none is named.
    """

    alias: str
    path: str
    use: Use
    key_path: str = ""


@dataclass(frozen=True, slots=True)
class Contents:
    """What one file holds.

    Attributes:
        entries: empty where it is sound and holds no certificate; then `remark` says what it holds.
        intact: whether the digest over the whole store is right; None where no password was there to check it, or the
            format has none.
        remark: a clause worth knowing that is no problem.
    """

    kind: Kind
    entries: tuple[Entry, ...] = ()
    references: tuple[Reference, ...] = ()
    intact: bool | None = None
    remark: str = ""
