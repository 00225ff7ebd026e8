"""Slack, in one of two ways.

`webhook`: an incoming webhook, one message for each thing told; simple, and nothing can be changed afterwards.
`token` and `channel`: a bot with `chat:write`. What follows a notice goes into its thread, and when it is over the
first message says so (`chat.update`). The receipt is that message's channel and `ts`.

Slack answers most failures of its API with 200 and `ok: false` (docs.slack.dev, "chat.postMessage").
"""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any, ClassVar, Self

import requests
from pydantic import Field, model_validator

from rotator.core.model import Endpoint, Notice
from rotator.errors import AlertError
from rotator.lib import http
from rotator.lib.delivery import cut, deliver, json_bytes, reveal, secret_parts, some
from rotator.lib.peers import https_peers
from rotator.ports import Clock
from rotator.settings import Duration, PluginSettings, SecretRef

_MOST_BLOCK = 2900  # a section takes 3000 characters, after escaping
_MOST_TITLE = 1000
_MOST_SUBJECTS = 20
_PASSING = frozenset(
    {"ratelimited", "rate_limited", "internal_error", "fatal_error", "service_unavailable", "request_timeout",
     "message_limit_exceeded", "team_added_to_org"}
)  # fmt: skip
_GONE = ("message_not_found", "cant_update_message", "thread_not_found")


class SlackSettings(PluginSettings):
    """Which channel, and how."""

    webhook: SecretRef | None = Field(default=None, description="The address of an incoming webhook; it is a secret.")
    token: SecretRef | None = Field(default=None, description="A bot token (xoxb-…) with the scope chat:write.")
    channel: str = Field(default="", description="The channel's id or name; only with a token.")
    api: str = Field(default="https://slack.com/api", pattern=r"^https?://", description="The address of the Web API.")
    timeout: Duration = Field(default=timedelta(seconds=10), gt=timedelta(0), description="For one whole request.")

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.webhook is None) == (self.token is None):
            raise ValueError("say either webhook, or token and channel")
        return self

    @model_validator(mode="after")
    def _channel_goes_with_token(self) -> Self:
        if (self.token is None) == bool(self.channel):
            raise ValueError("channel goes with token, and token needs a channel")
        return self


class SlackAlerter:
    """Posts notices to a channel."""

    Settings: ClassVar[type[PluginSettings]] = SlackSettings

    def __init__(self, name: str, settings: PluginSettings, clock: Clock) -> None:
        assert isinstance(settings, SlackSettings)
        self.name = name
        self._settings = settings
        self._clock = clock

    @property
    def peers(self) -> tuple[Endpoint, ...]:
        """Where notices go."""
        return https_peers([self._settings.webhook or self._settings.api])

    def send(self, notice: Notice, *, receipt: str | None) -> str | None:
        """Post it; with a token into its thread, if there is one.

        Raises:
            AlertError: not posted.
        """
        seconds = self._settings.timeout.total_seconds()
        with http.session(total_seconds=seconds, clock_monotonic=self._clock.monotonic) as session:
            if self._settings.webhook is not None:
                url = reveal(self._settings.webhook)
                deliver(session, url, json_bytes(payload(notice)), now=self._clock.now(), hide=secret_parts(url))
                return None
            return self._by_bot(session, notice, _thread(receipt))

    def _by_bot(self, session: requests.Session, notice: Notice, thread: dict[str, str]) -> str:
        message = payload(notice)
        if thread and self._follow_up(session, notice, thread):
            return json.dumps(thread)
        posted = self._call(session, "chat.postMessage", {"channel": self._settings.channel, **message})
        return json.dumps({"channel": posted.get("channel", self._settings.channel), "ts": posted.get("ts", "")})

    def _follow_up(self, session: requests.Session, notice: Notice, thread: dict[str, str]) -> bool:
        """Change the first message and reply to it; False when somebody has deleted it."""
        message = payload(notice)
        try:
            # The first message before the reply: changing it twice does no harm, replying twice does.
            self._call(session, "chat.update", {**thread, **message})
        except AlertError as error:
            if any(gone in str(error) for gone in _GONE):
                return False
            raise
        reply = {"channel": thread["channel"], "thread_ts": thread["ts"], **message}
        # A reply in a thread notifies only those who follow it; what goes on is for the whole channel.
        self._call(session, "chat.postMessage", {**reply, "reply_broadcast": not notice.resolved})
        return True

    def _call(self, session: requests.Session, method: str, body: dict[str, Any]) -> dict[str, Any]:
        token = reveal(self._settings.token) if self._settings.token else ""
        answer = deliver(
            session,
            f"{self._settings.api.rstrip('/')}/{method}",
            json_bytes(body),
            now=self._clock.now(),
            headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json; charset=utf-8"},
            hide=(token,),
        )
        return _checked(answer, method)


def payload(notice: Notice) -> dict[str, Any]:
    """The message: a line for notifications, and two blocks, the second as plain text."""
    mark = "Over" if notice.resolved else notice.severity.capitalize()
    title = cut(notice.title, _MOST_TITLE)
    blocks: list[dict[str, Any]] = [
        {"type": "section", "text": {"type": "mrkdwn", "text": cut(f"*{mark}*: {_escaped(title)}", _MOST_BLOCK)}}
    ]
    if not notice.resolved:
        blocks.append({"type": "section", "text": {"type": "plain_text", "text": _detail(notice), "emoji": False}})
    return {"text": f"{mark}: {_escaped(title)}", "blocks": blocks, "unfurl_links": False, "unfurl_media": False}


def _detail(notice: Notice) -> str:
    lines = [notice.detail]
    if len(notice.subjects) > 1:
        lines.append(f"Subjects: {', '.join(some(notice.subjects, _MOST_SUBJECTS))}")
    tail = "\n".join(
        line
        for line in (
            f"Run: {notice.command}" if notice.command else "",
            f"Owner: {notice.owner}" if notice.owner else "",
            f"Runbook: {notice.runbook}" if notice.runbook else "",
        )
        if line
    )
    # What to do must not be what is cut off.
    tail = cut(tail, _MOST_BLOCK // 2)
    body = "\n".join(line for line in lines if line)
    return f"{cut(body, _MOST_BLOCK - len(tail) - 1)}\n{tail}".strip() or notice.title


def _escaped(text: str) -> str:
    """Slack's three characters; without this an error text could mention the whole channel."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _thread(receipt: str | None) -> dict[str, str]:
    """Channel and `ts` of the first message; empty when there is none, or it is not ours."""
    try:
        found = json.loads(receipt or "{}")
    except ValueError:
        return {}
    if not isinstance(found, dict) or not found.get("ts"):
        return {}
    return {"channel": str(found.get("channel", "")), "ts": str(found["ts"])}


def _checked(answer: requests.Response, method: str) -> dict[str, Any]:
    try:
        body = answer.json()
    except requests.JSONDecodeError:
        raise AlertError(f"Slack's answer to {method} is no JSON") from None
    if not isinstance(body, dict) or not body.get("ok"):
        error = cut(str(body.get("error", "unknown")) if isinstance(body, dict) else "unknown", 100)
        raise AlertError(f"Slack refuses {method}: {error}", permanent=error not in _PASSING)
    return body
