"""What asking about certificates may cost."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds, because both the addresses and the answers come from strangers.

    Attributes:
        seconds: for one answer, redirects included.
        crl_bytes: of one CRL; the largest of public CAs have some ten megabytes.
        answer_bytes: of one OCSP answer, or one file with an issuer's certificate.
        addresses: how many addresses of each kind are asked for one certificate.
        failures: after so many in a row a host that cannot be reached is left alone for `forget`.
        kept: how many CRLs, and how many other answers, are kept.
        kept_bytes: of all CRLs that are kept.
        fresh: how long an answer is taken for the newest, though it says that it holds longer.
        forget: how long a failure is remembered.
    """

    seconds: float = 15.0
    crl_bytes: int = 32 << 20
    answer_bytes: int = 256 << 10
    addresses: int = 3
    failures: int = 2
    kept: int = 2000
    kept_bytes: int = 256 << 20
    fresh: timedelta = timedelta(hours=1)
    forget: timedelta = timedelta(minutes=10)
