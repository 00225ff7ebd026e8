"""Why certificates are revoked, in a module of its own: the command line names these words before it loads the rest."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType


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
