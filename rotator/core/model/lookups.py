"""What was asked about a certificate over the network, beyond the place that it was found at."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class RevocationState(StrEnum):
    GOOD = "good"
    REVOKED = "revoked"
    UNKNOWN = "unknown"  # it could not be told; says nothing about the certificate


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
