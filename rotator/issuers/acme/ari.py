"""ACME renewal information, ARI (RFC 9773): when the CA would like a certificate to be renewed."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from rotator.core.model import Certificate, Suggestion
from rotator.lib.jsonobject import read_object
from rotator.lib.retryafter import clamp, parse_retry_after

LONG_TERM = timedelta(hours=6)  # RFC 9773, 4.3.3: when to ask again after an answer that makes no sense
LEAST, MOST = timedelta(minutes=1), timedelta(days=1)  # RFC 9773, 4.3.2: reasonable limits of Retry-After
_MOST_URL = 1000  # a cut address leads nowhere; one that long is not for people


def certificate_id(certificate: Certificate) -> str | None:
    """How ARI and `replaces` name a certificate (RFC 9773, 4.1): key id of its CA and serial, in base64url.

    None for a certificate without an authority key id or with a serial that no CA may give.
    """
    if not certificate.authority_key_id or certificate.serial <= 0:
        return None
    # The octets of the DER INTEGER: with a zero in front where the first bit would make it negative.
    serial = certificate.serial.to_bytes(certificate.serial.bit_length() // 8 + 1, "big")
    return f"{_unpadded(bytes.fromhex(certificate.authority_key_id))}.{_unpadded(serial)}"


def _unpadded(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).decode("ascii").rstrip("=")


def read_suggestion(text: bytes, retry_after: str | None, now: datetime) -> Suggestion:
    """The suggestion in an answer; `nothing` where it cannot be made out or its window has no length."""
    body: Mapping[str, Any] = read_object(text) or {}
    try:
        window = body["suggestedWindow"]
        start, end = _moment(window["start"]), _moment(window["end"])
    except (ValueError, TypeError, KeyError, OverflowError):
        return nothing(now, "an answer that makes no sense")
    if end <= start:
        return nothing(now, "a window that ends before it has begun")
    wait = clamp(parse_retry_after(retry_after, now), default=LONG_TERM, least=LEAST, most=MOST)
    return Suggestion(start, end, _explanation(body), now + wait)


def nothing(now: datetime, instead: str) -> Suggestion:
    """No suggestion, to be asked for again in six hours: a window without length, which nobody acts on.

    Args:
        instead: what the CA answered.
    """
    return Suggestion(now, now, instead, now + LONG_TERM)


def _moment(text: Any) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("a moment without a time zone")
    return moment.astimezone(UTC)


def _explanation(body: Mapping[str, Any]) -> str:
    """The CA's page about it, for people; never asked for by us."""
    url = body.get("explanationURL")
    if not isinstance(url, str) or not url.startswith(("https://", "http://")):
        return ""
    return url if url.isprintable() and len(url) <= _MOST_URL else ""
