"""Notices as signed JSON to any address.

Body (UTF-8 JSON, one object): `version` 1, `key` (the same for every message about one thing), `kind`, `severity`,
`title`, `detail`, `owner`, `subjects` and how many there are (`subjects_total`), `since` (RFC 3339), `command`,
`runbook`, `resolved`.

With `secret` each request carries `X-Rotator-Signature: t=<unix seconds>,v1=<hex>`, where `v1` is HMAC-SHA256 with the
secret over `<t>.<body>`, the bytes as they came. A receiver takes what verifies and is not older than five minutes,
and treats a `key` that it has seen as an update: delivery is at least once. In Python:

    signed = f"{t}.".encode() + body
    hmac.compare_digest(hmac.new(secret, signed, "sha256").hexdigest(), v1)
"""

from __future__ import annotations

import hashlib
import hmac
from datetime import datetime, timedelta
from typing import ClassVar

from pydantic import Field

from rotator.core.model import Endpoint, Notice
from rotator.lib import http
from rotator.lib.delivery import cut, deliver, iso, json_bytes, reveal, secret_parts, some
from rotator.lib.peers import https_peers
from rotator.ports import Clock
from rotator.settings import AuthoritiesFile, Duration, PluginSettings, SecretRef

SIGNATURE = "X-Rotator-Signature"
_MOST_DETAIL = 32 << 10


class WebhookSettings(PluginSettings):
    """Where to send, and how the receiver knows that it was us."""

    url: SecretRef = Field(description="The address, as a reference: whoever knows it can write there.")
    secret: SecretRef | None = Field(default=None, description="The shared secret that requests are signed with.")
    ca: AuthoritiesFile | None = Field(
        default=None, description="A file of CA certificates to trust instead of the system's."
    )
    timeout: Duration = Field(default=timedelta(seconds=10), gt=timedelta(0), description="For one whole request.")


class WebhookAlerter:
    """Posts each notice, signed, to one address."""

    Settings: ClassVar[type[PluginSettings]] = WebhookSettings

    def __init__(self, name: str, settings: PluginSettings, clock: Clock) -> None:
        assert isinstance(settings, WebhookSettings)
        self.name = name
        self._settings = settings
        self._clock = clock

    @property
    def peers(self) -> tuple[Endpoint, ...]:
        """Where notices go."""
        return https_peers([self._settings.url])

    def send(self, notice: Notice, *, receipt: str | None) -> str | None:
        """Post it.

        Raises:
            AlertError: not delivered.
        """
        settings, now = self._settings, self._clock.now()
        url = reveal(settings.url)
        secret = reveal(settings.secret) if settings.secret else ""
        body = json_bytes(payload(notice))
        headers = {SIGNATURE: signature(secret, body, now)} if secret else {}
        verify = str(settings.ca) if settings.ca else True
        seconds = settings.timeout.total_seconds()
        with http.session(total_seconds=seconds, verify=verify, clock_monotonic=self._clock.monotonic) as session:
            deliver(session, url, body, now=now, headers=headers, hide=(secret, *secret_parts(url)))
        return None


def payload(notice: Notice) -> dict[str, object]:
    """The body as it is documented above."""
    return {
        "version": 1,
        "key": notice.key,
        "kind": notice.kind,
        "severity": notice.severity,
        "title": cut(notice.title, 1024),
        "detail": cut(notice.detail, _MOST_DETAIL),
        "owner": notice.owner,
        "subjects": some(notice.subjects),
        "subjects_total": len(notice.subjects),
        "since": iso(notice.since),
        "command": notice.command,
        "runbook": notice.runbook,
        "resolved": notice.resolved,
    }


def signature(secret: str, body: bytes, now: datetime) -> str:
    """The value of the signature header."""
    stamp = int(now.timestamp())
    signed = f"{stamp}.".encode() + body
    return f"t={stamp},v1={hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()}"
