"""Handing one message to a service over HTTP, and saying of a refusal whether it is worth trying again."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from urllib.parse import urlsplit

import requests

from rotator.errors import AlertError, SecretMissing
from rotator.lib import http
from rotator.lib.allowance import host_of
from rotator.lib.retryafter import parse_retry_after
from rotator.log import redact_text
from rotator.settings import SecretRef

_MALFORMED = (
    requests.exceptions.InvalidURL,
    requests.exceptions.MissingSchema,
    requests.exceptions.InvalidSchema,
    requests.exceptions.InvalidHeader,
)
_TRY_AGAIN = frozenset({408, 425, 429})  # RFC 9110 15.5.9, RFC 8470 5.2, RFC 6585 4
_MOST_REASON = 200


def deliver(
    session: requests.Session,
    url: str,
    body: bytes,
    *,
    now: datetime,
    headers: Mapping[str, str] | None = None,
    hide: Sequence[str] = (),
) -> requests.Response:
    """POST a JSON body; returns the answer when it is a success (2xx).

    Redirects are not followed: a POST that is redirected would arrive as a GET, and look delivered.

    Args:
        hide: secrets that must not be in the error, should the service repeat them.

    Raises:
        AlertError: not delivered. Names the host and the reason, never the path of the URL. Permanent for what the
            service will not take however often it is sent (4xx but 408, 425 and 429; a redirect; a malformed URL).
    """
    sent = {"Content-Type": "application/json", "User-Agent": "rotator", **(headers or {})}
    try:
        answer = session.post(url, data=body, headers=sent, allow_redirects=False)
    except requests.RequestException as error:
        # `from None`: the error of requests has the whole URL in it, and a traceback would show it.
        raise AlertError(http.explain(error), permanent=isinstance(error, _MALFORMED)) from None
    status = answer.status_code
    if status < 300:
        return answer
    retry_after = parse_retry_after(answer.headers.get("Retry-After"), now)
    if status < 400:
        raise AlertError(f"{host_of(url)} answered {status}, a redirect; correct the address", permanent=True)
    raise AlertError(
        f"{host_of(url)} answered {status}{_reason(answer, hide)}",
        permanent=status < 500 and status not in _TRY_AGAIN,
        retry_after=retry_after,
    )


def reveal(secret: SecretRef) -> str:
    """Read a secret.

    Raises:
        AlertError: it cannot be read; the message names the reference.
    """
    try:
        return secret.reveal()
    except SecretMissing as error:
        raise AlertError(str(error)) from None


def secret_parts(url: str) -> tuple[str, ...]:
    """What of a secret URL a service may repeat: all of it, and everything after the host."""
    parts = urlsplit(url)
    return tuple(text for text in (url, parts.path.strip("/"), parts.query) if text)


def cut(text: str, most: int) -> str:
    """The text, ended by an ellipsis when it would be longer than `most` characters."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


def some(items: Sequence[str], most: int = 100) -> list[str]:
    """The first items, and how many more there are."""
    return list(items) if len(items) <= most else [*items[:most], f"and {len(items) - most} more"]


def json_bytes(body: object) -> bytes:
    """JSON in UTF-8; half a surrogate, which a name in a broken certificate may hold, becomes a question mark."""
    return json.dumps(body, ensure_ascii=False).encode(errors="replace")


def iso(moment: datetime) -> str:
    """A moment in RFC 3339, in UTC."""
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _reason(answer: requests.Response, hide: Sequence[str]) -> str:
    text = answer.content.decode(errors="replace")
    for secret in hide:
        text = text.replace(secret, "[removed]") if secret else text
    line = " ".join("".join(char if char.isprintable() else " " for char in redact_text(text)).split())
    return f": {cut(line, _MOST_REASON)}" if line else ""
