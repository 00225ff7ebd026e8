"""Prometheus Alertmanager by its API v2.

Labels: `alertname` RotatorNotice, `kind`, `key`, `owner`, `severity`. They make an alert what it is, so a severity that
rises is a new alert, and the one before it is ended in the same message. Each message names an end, because an alert
without one would be over five minutes after the last. What is open is therefore sent again every `resend`, and ends by
itself after three times that, should rotator be gone. Prometheus rules over rotator's metrics (the chart has them)
remain the better way to the same place: they also notice when rotator is silent.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import ClassVar

from pydantic import Field

from rotator.core.model import Endpoint, Notice, Severity
from rotator.errors import AlertError
from rotator.lib import http
from rotator.lib.delivery import cut, deliver, iso, json_bytes, reveal, some
from rotator.lib.peers import https_peers
from rotator.ports import Clock
from rotator.settings import Duration, PluginSettings, SecretRef

ALERTNAME = "RotatorNotice"
_MOST_TEXT = 16 << 10
_SEVERITIES = frozenset(Severity)


class AlertmanagerSettings(PluginSettings):
    """Which Alertmanagers are told."""

    urls: tuple[str, ...] = Field(
        min_length=1, description="Every member of the cluster, as http://alertmanager:9093; they do not share alerts."
    )
    token: SecretRef | None = Field(default=None, description="A bearer token, where something in front wants one.")
    resend: Duration = Field(
        default=timedelta(hours=1),
        ge=timedelta(minutes=1),
        description="How often what is open is sent again; no less than check_every.",
    )
    timeout: Duration = Field(default=timedelta(seconds=10), gt=timedelta(0), description="For one whole request.")


class AlertmanagerAlerter:
    """Sends each notice to every member of a cluster; one that takes it is enough."""

    Settings: ClassVar[type[PluginSettings]] = AlertmanagerSettings

    def __init__(self, name: str, settings: PluginSettings, clock: Clock) -> None:
        assert isinstance(settings, AlertmanagerSettings)
        self.name = name
        self.resend_every: timedelta | None = settings.resend
        self._settings = settings
        self._clock = clock

    @property
    def peers(self) -> tuple[Endpoint, ...]:
        """Where notices go."""
        return https_peers(self._settings.urls)

    def send(self, notice: Notice, *, receipt: str | None) -> str | None:
        """Post it to all of them; the receipt is the severity that it was told as.

        Raises:
            AlertError: none has taken it.
        """
        settings, now = self._settings, self._clock.now()
        token = reveal(settings.token) if settings.token else ""
        alerts = payload(notice, now=now, resend=settings.resend, told_as=receipt)
        body = json_bytes(alerts)
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        refusals: list[AlertError] = []
        # Within one time limit for all of them: the others must not wait for a dead member.
        seconds = settings.timeout.total_seconds() / len(settings.urls)
        for url in settings.urls:
            with http.session(total_seconds=seconds, clock_monotonic=self._clock.monotonic) as session:
                try:
                    deliver(session, f"{url.rstrip('/')}/api/v2/alerts", body, now=now, headers=headers, hide=(token,))
                except AlertError as error:
                    refusals.append(error)
        if len(refusals) == len(settings.urls):
            raise AlertError(
                "; ".join(str(error) for error in refusals),
                permanent=all(error.permanent for error in refusals),
                retry_after=min((e.retry_after for e in refusals if e.retry_after is not None), default=None),
            )
        return notice.severity


def payload(notice: Notice, *, now: datetime, resend: timedelta, told_as: str | None = None) -> list[dict[str, object]]:
    """The alert, and with it the end of the one that it was before its severity changed."""
    alerts = [_alert(notice, notice.severity, now if notice.resolved else now + 3 * resend, now)]
    if told_as in _SEVERITIES - {notice.severity}:
        alerts.append(_alert(notice, told_as, now, now))
    return alerts


def _alert(notice: Notice, severity: str, ends: datetime, now: datetime) -> dict[str, object]:
    labels = {
        "alertname": ALERTNAME,
        "kind": notice.kind,
        "key": notice.key,
        "owner": notice.owner,
        "severity": severity,
    }
    annotations = {
        "summary": cut(notice.title, 1024),
        "description": cut(notice.detail, _MOST_TEXT),
        "subjects": ", ".join(some(notice.subjects)),
        "command": notice.command,
        "runbook": notice.runbook,
    }
    return {
        "labels": {name: str(value) for name, value in labels.items() if value},
        "annotations": {name: value for name, value in annotations.items() if value},
        "startsAt": iso(min(notice.since, now)),
        "endsAt": iso(ends),
    }
