"""What was asked about a certificate over the network, beyond the place that it was found at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType


class RevocationState(StrEnum):
    GOOD = "good"
    REVOKED = "revoked"
    UNKNOWN = "unknown"  # it could not be told; says nothing about the certificate


class RevocationReason(StrEnum):
    """Why a certificate is revoked (RFC 5280, 5.3.1), as people write it."""

    UNSPECIFIED = "unspecified"
    KEY_COMPROMISE = "key-compromise"
    CA_COMPROMISE = "ca-compromise"
    AFFILIATION_CHANGED = "affiliation-changed"
    SUPERSEDED = "superseded"
    CESSATION_OF_OPERATION = "cessation-of-operation"
    PRIVILEGE_WITHDRAWN = "privilege-withdrawn"

    @property
    def code(self) -> int:
        """CRLReason; 8 (removeFromCRL), 6 (hold) and 10 are not for whoever revokes for good."""
        return _CODES[self]


_CODES: Mapping[RevocationReason, int] = MappingProxyType(
    {
        RevocationReason.UNSPECIFIED: 0,
        RevocationReason.KEY_COMPROMISE: 1,
        RevocationReason.CA_COMPROMISE: 2,
        RevocationReason.AFFILIATION_CHANGED: 3,
        RevocationReason.SUPERSEDED: 4,
        RevocationReason.CESSATION_OF_OPERATION: 5,
        RevocationReason.PRIVILEGE_WITHDRAWN: 9,
    }
)


@dataclass(frozen=True, slots=True)
class Revocation:
    """What a CA says of one certificate.

    Attributes:
        by: who said so: `CRL http://…` or `OCSP http://…`; empty when nobody could be asked.
        at: since when it is revoked.
        reason: the CA's reason (RFC 5280, 5.3.1), as `keyCompromise`; empty when it gives none.
        detail: why it could not be told, in a clause.
    """

    state: RevocationState
    by: str = ""
    at: datetime | None = None
    reason: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Caa:
    """The CAA records that count for one name (RFC 8659).

    Attributes:
        domain: where on the way up the tree the set was found; empty when there is none, so that any CA may issue.
        issue: domains of the CAs that may issue for it, parameters left out; an empty one (`;`) forbids all.
        issue_wild: the same for wildcards; None where `issue` counts for them, too.
        detail: why it could not be told, in a clause; empty when it could.
    """

    domain: str = ""
    issue: tuple[str, ...] = ()
    issue_wild: tuple[str, ...] | None = None
    detail: str = ""
