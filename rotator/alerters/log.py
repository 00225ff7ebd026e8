"""Notices as log events, for those who read logs and for the record. Needs no setting."""

from __future__ import annotations

from typing import ClassVar

from rotator.core.model import Notice
from rotator.lib.delivery import cut, some
from rotator.log import logger
from rotator.ports import Clock
from rotator.settings import PluginSettings

log = logger(__name__)

_MOST_DETAIL = 8 << 10


class LogSettings(PluginSettings):
    """Nothing to say: level and format are the log's own."""


class LogAlerter:
    """Says each notice on standard error, with its fields."""

    Settings: ClassVar[type[PluginSettings]] = LogSettings
    reaches_people: ClassVar[bool] = False

    def __init__(self, name: str, settings: PluginSettings, clock: Clock) -> None:
        self.name = name

    def send(self, notice: Notice, *, receipt: str | None) -> str | None:
        """Log it at its own level; what is over is an info."""
        say = getattr(log, "info" if notice.resolved else notice.severity)  # the levels have the severities' names
        say("notice over" if notice.resolved else "notice", **payload(notice))
        return None


def payload(notice: Notice) -> dict[str, object]:
    """The fields of the event. The notice's key is `notice`, because fields named `key` are never shown."""
    return {
        "notice": notice.key,
        "kind": notice.kind,
        "severity": notice.severity,
        "title": cut(notice.title, 1024),
        "detail": cut(notice.detail, _MOST_DETAIL),
        "owner": notice.owner,
        "subjects": some(notice.subjects),
        "subjects_total": len(notice.subjects),
        "since": notice.since,
        "command": notice.command,
        "runbook": notice.runbook,
    }
