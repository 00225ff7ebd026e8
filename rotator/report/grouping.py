"""What lines of a scan may be grouped by; by itself, since a command line needs the words before anything else."""

from __future__ import annotations

from enum import StrEnum


class GroupBy(StrEnum):
    """What lines have in common."""

    SERVICE = "service"
    OWNER = "owner"
    ISSUER = "issuer"
    EXPIRY = "expiry"
    FINDING = "finding"
