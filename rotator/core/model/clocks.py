"""What other clocks say of ours."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True)
class PeerClock:
    """Our clock held against another one's.

    Attributes:
        peer: whose it is: `host:port`, or the issuer that signed.
        ahead: how far ours is ahead of it; negative where ours is behind.
        within: how wrong `ahead` may be either way: half of a round trip, and the second that a date is cut to.
        at: when it was read, by our clock.
        at_least: the other clock may be further away still: a certificate says only when its validity begins.
    """

    peer: str
    ahead: timedelta
    within: timedelta
    at: datetime
    at_least: bool = False
