"""What an answer comes to, and until when."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography import x509

from rotator.core.model import Revocation, RevocationState

SKEW = timedelta(minutes=5)
"""By how much the clocks of a CA and of this machine may differ."""

_MAY_END = frozenset({"certificateHold", "removeFromCRL"})


class Unusable(Exception):  # noqa: N818 - says what it is
    """An answer says nothing of the certificate; the message is the clause why."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one answer comes to; `until` is when it says that a newer one will be there, None where it does not say."""

    revocation: Revocation
    until: datetime | None = None


def good(by: str) -> Revocation:
    return Revocation(RevocationState.GOOD, by)


def unknown(detail: str, by: str = "") -> Revocation:
    return Revocation(RevocationState.UNKNOWN, by, detail=detail)


def revoked(by: str, at: datetime | None, reason: x509.ReasonFlags | None) -> Revocation:
    said = reason.value if reason is not None and reason is not x509.ReasonFlags.unspecified else ""
    return Revocation(RevocationState.REVOKED, by, at, said)


def is_final(found: Revocation) -> bool:
    """Whether no later answer can take it back: only what was on hold comes back (RFC 5280, 5.3.1)."""
    return found.state is RevocationState.REVOKED and found.reason not in _MAY_END
