"""What clients may pin of a key, and what the DNS says of it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class TlsaMode(StrEnum):
    """What is done about TLSA records (RFC 6698) at the endpoints of a certificate."""

    OFF = "off"  # they are not looked up
    CHECK = "check"  # what would break is told
    REQUIRE = "require"  # and holds the renewal


@dataclass(frozen=True, slots=True)
class TlsaRecord:
    """One record. `data` is lower-case hex."""

    usage: int
    selector: int
    matching: int
    data: str


@dataclass(frozen=True, slots=True)
class TlsaSet:
    """The records at one name; none and no `problem` where there are none.

    Attributes:
        name: as `_443._tcp.shop.example.com`.
        problem: why it could not be told, in a clause.
    """

    name: str
    records: tuple[TlsaRecord, ...] = ()
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Pins:
    """SHA-256 of the public keys of a certificate (hex), and where TLSA records of it would stand.

    Attributes:
        current: of the current certificate; empty where there is none.
        next: of the next one, where its key is known beforehand; empty where it is not.
        names: of TLSA records, one for each port of each name that it is served under.
    """

    current: str = ""
    next: str = ""
    names: tuple[str, ...] = ()
