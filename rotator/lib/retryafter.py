"""`Retry-After` in both of its forms (RFC 9110, 10.2.3): seconds, or an HTTP date of any time zone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

_MOST_DIGITS = 12  # 30,000 years of seconds: more would overflow, and means the same


def parse_retry_after(value: str | None, now: datetime) -> timedelta | None:
    """How long to wait from `now`; never negative. None when the header is absent or makes no sense.

    A date without a zone, or with the unknown zone `-0000`, is UTC, as HTTP dates always are.
    """
    text = (value or "").strip()
    if text.isascii() and text.isdigit():
        return timedelta(seconds=int(text[:_MOST_DIGITS])) if len(text) <= _MOST_DIGITS else None
    try:
        at = parsedate_to_datetime(text)
        at = at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, OverflowError, TypeError):
        return None
    return max(at - now, timedelta(0))


def clamp(wait: timedelta | None, *, default: timedelta, least: timedelta, most: timedelta) -> timedelta:
    """A wait that can be acted on: `default` when the server named none, and never outside what makes sense here."""
    return min(max(default if wait is None else wait, least), most)
