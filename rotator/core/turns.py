"""When the next preflight of a certificate is due: daily, and oftener where its end is near or something failed. Pure.

Certificates of the same issuers and zones have their turn at the same moment of the day, so that they are asked about
together; others have another one, so that issuers are not asked about everything at once.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from rotator.core.cohorts import zone_of
from rotator.core.lead import DAY, HOUR, MINUTE, share
from rotator.core.model import CertificateSpec
from rotator.core.readiness import Kept

OFTENEST = 15 * MINUTE
"""However short the life of a certificate is."""


def next_turn(
    spec: CertificateSpec, kept: Kept | None, due: datetime | None, lead: timedelta | None, now: datetime
) -> datetime:
    """When it is asked about next; a moment that has passed means now.

    - Never asked about: now.
    - Each day at its moment; and at twice the lead before it is due, from when on a quarter of the lead is the longest
      pause.
    - After a failure each hour for a day, and an hour after something could not be asked.

    Args:
        due: when the renewal is due; None without a certificate.
        lead: the time between due and the end.
    """
    if kept is None or kept.asked > now:  # the clock went back
        return now
    turns = [_daily(spec, kept.asked)]
    if due is not None and lead is not None:
        near = due - 2 * lead
        turns.append(near if kept.asked < near else kept.asked + max(OFTENEST, lead / 4))
    fails_anew = kept.failing_since is not None and kept.asked - kept.failing_since < DAY
    if fails_anew or not kept.complete:
        turns.append(kept.asked + HOUR)
    return min(turns)


def _daily(spec: CertificateSpec, asked: datetime) -> datetime:
    """The next moment of its own, half a day after it was asked about at the earliest."""
    after = asked.astimezone(UTC) + DAY / 2
    midnight = after.replace(hour=0, minute=0, second=0, microsecond=0)
    moment = midnight + DAY * share(neighbourhood(spec))
    return moment if moment > after else moment + DAY


def neighbourhood(spec: CertificateSpec) -> str:
    """The same text for certificates that are asked about together."""
    zones = sorted({zone_of(name) for name in spec.names})
    return f"{' '.join(spec.issuers)} {' '.join(zones)}"
