"""PagerDuty by its Events API v2: a notice triggers an incident, its end resolves it, by the same dedup key.

202 is taken, 400 will never be, 429 and 5xx are tried again (developer.pagerduty.com, "Events API v2 overview"). An
event is at most 512 KB, its summary 1024 characters, its dedup key 255.
"""

from __future__ import annotations

from datetime import timedelta
from typing import ClassVar

from pydantic import Field

from rotator.core.model import Endpoint, Notice
from rotator.lib import http
from rotator.lib.delivery import cut, deliver, iso, json_bytes, reveal, some
from rotator.lib.peers import https_peers
from rotator.ports import Clock
from rotator.settings import Duration, PluginSettings, SecretRef

_MOST_SUMMARY = 1024
_MOST_KEY = 255
_MOST_DETAIL = 16 << 10


class PagerDutySettings(PluginSettings):
    """Which service is paged."""

    routing_key: SecretRef = Field(description="The integration key of an Events API v2 integration.")
    url: str = Field(
        default="https://events.pagerduty.com",
        pattern=r"^https?://",
        description="The service region; in Europe https://events.eu.pagerduty.com.",
    )
    runbooks: str = Field(default="", description="Where the runbooks are published; each incident then links to its.")
    timeout: Duration = Field(default=timedelta(seconds=10), gt=timedelta(0), description="For one whole request.")


class PagerDutyAlerter:
    """Triggers and resolves incidents."""

    Settings: ClassVar[type[PluginSettings]] = PagerDutySettings

    def __init__(self, name: str, settings: PluginSettings, clock: Clock) -> None:
        assert isinstance(settings, PagerDutySettings)
        self.name = name
        self._settings = settings
        self._clock = clock

    @property
    def peers(self) -> tuple[Endpoint, ...]:
        """Where notices go."""
        return https_peers([self._settings.url])

    def send(self, notice: Notice, *, receipt: str | None) -> str | None:
        """Trigger or resolve.

        Raises:
            AlertError: not taken.
        """
        settings = self._settings
        key = reveal(settings.routing_key)
        event = {"routing_key": key, **payload(notice, runbooks=settings.runbooks)}
        body = json_bytes(event)
        seconds = settings.timeout.total_seconds()
        with http.session(total_seconds=seconds, clock_monotonic=self._clock.monotonic) as session:
            deliver(session, f"{settings.url.rstrip('/')}/v2/enqueue", body, now=self._clock.now(), hide=(key,))
        return None


def payload(notice: Notice, *, runbooks: str = "") -> dict[str, object]:
    """The event without its routing key."""
    event: dict[str, object] = {
        "event_action": "resolve" if notice.resolved else "trigger",
        "dedup_key": notice.key[:_MOST_KEY],
    }
    if notice.resolved:
        return event
    event["client"] = "rotator"
    event["payload"] = {
        "summary": cut(notice.title, _MOST_SUMMARY),
        "source": cut(notice.subjects[0] if notice.subjects else "rotator", _MOST_SUMMARY),
        "severity": notice.severity,  # the words are the same: critical, error, warning, info
        "timestamp": iso(notice.since),
        "component": "rotator",
        "group": notice.owner or "nobody",
        "class": notice.kind,
        "custom_details": {
            "detail": cut(notice.detail, _MOST_DETAIL),
            "command": notice.command,
            "runbook": notice.runbook,
            "subjects": some(notice.subjects),
            "subjects_total": len(notice.subjects),
        },
    }
    if runbooks and notice.runbook:
        name = notice.runbook.rpartition("/")[2]
        event["links"] = [{"href": f"{runbooks.rstrip('/')}/{name}", "text": "Runbook"}]
    return event
