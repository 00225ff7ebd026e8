"""Services on loopback that understand what the alerters send, each as far as the tests need it."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from rotator.conformance.alerter import Received
from rotator.ports import Clock
from tests.builders import NOW
from tests.servers.loopback import Drop, LoopbackServer, Request, Response
from tests.servers.recorder import json_response

Parse = Callable[[Request], Received | None]


def clock(now: datetime = NOW) -> Clock:
    """A clock that stands still, except for limits."""
    return Clock(now=lambda: now, monotonic=time.monotonic, wait=lambda seconds: None)


@dataclass
class Behaviour:
    """How a service answers from now on."""

    status: int = 0
    retry_after: str | None = None
    silent: bool = False
    gone: bool = False
    answer: Callable[[Request], Response] = field(default=lambda request: Response())


class Service(LoopbackServer):
    """Takes messages until it is told to refuse them."""

    def __init__(self, parse: Parse, answer: Callable[[Request], Response]) -> None:
        super().__init__()
        self.behaviour = Behaviour(answer=answer)
        self.requests: list[Request] = []
        self._parse = parse

    def respond(self, request: Request) -> Response:
        behaviour = self.behaviour
        if behaviour.gone:
            raise Drop
        if behaviour.status:
            headers = {"Location": "/elsewhere"} if behaviour.status < 400 else {}
            headers |= {"Retry-After": behaviour.retry_after} if behaviour.retry_after else {}
            # A service that repeats what it was sent, to see that no secret comes back in an error.
            told = f"refused: {request.headers.get('authorization')} {request.path} {request.body.decode()}"
            return Response(behaviour.status, headers, told.encode()[:1500])
        self.requests.append(request)
        return Response(delay=60) if behaviour.silent else behaviour.answer(request)

    def received(self) -> list[Received]:
        found = (self._parse(request) for request in self.requests)
        return [message for message in found if message is not None]

    def refuse(self, status: int, retry_after: str | None) -> None:
        self.behaviour.status, self.behaviour.retry_after = status, retry_after

    def silence(self) -> None:
        self.behaviour.silent = True

    def vanish(self) -> None:
        self.behaviour.gone = True


@contextmanager
def environment(**values: str) -> Iterator[Callable[[], None]]:
    """Set variables for secrets; what is given forgets them again."""

    def forget() -> None:
        for name in values:
            os.environ.pop(name, None)

    os.environ.update(values)
    try:
        yield forget
    finally:
        forget()


# ---------------------------------------------------------------- what the services understand


def taken(status: int = 200) -> Callable[[Request], Response]:
    return lambda request: json_response({"status": "success"}, status)


def webhook_message(request: Request) -> Received:
    body = json.loads(request.body)
    return Received(body["key"], body["resolved"], _texts(body), len(request.body))


def pagerduty_message(request: Request) -> Received:
    body = json.loads(request.body)
    assert request.path == "/v2/enqueue"
    text = _texts(body.get("payload", {}))
    return Received(body["dedup_key"], body["event_action"] == "resolve", text, len(request.body))


def alertmanager_message(request: Request) -> Received:
    body = json.loads(request.body)
    assert request.path == "/api/v2/alerts"
    first = body[0]
    over = datetime.fromisoformat(first["endsAt"]) <= NOW
    return Received(first["labels"]["key"], over, _texts(body), len(request.body))


def slack_message(request: Request) -> Received:
    body = json.loads(request.body)
    return Received("", body["text"].startswith("Over"), _texts(body), len(request.body))


class SlackApi:
    """`chat.postMessage` and `chat.update`, as far as threads need them."""

    def __init__(self) -> None:
        self.posted = 0

    def __call__(self, request: Request) -> Response:
        body = json.loads(request.body)
        if request.path.endswith("/chat.postMessage"):
            self.posted += 1
            return json_response({"ok": True, "channel": "C024BE91L", "ts": f"1700000000.{self.posted:06}"})
        known = body.get("ts", "").startswith("1700000000.")
        return json_response({"ok": True} if known else {"ok": False, "error": "message_not_found"})


def slack_bot_message(request: Request) -> Received | None:
    """A `chat.update` that finds nothing changes nothing that a person could read."""
    body = json.loads(request.body)
    if request.path.endswith("/chat.update") and not str(body.get("ts", "")).startswith("1700000000."):
        return None
    return slack_message(request)


def _texts(value: Any) -> str:
    """Every text inside a JSON value."""
    if isinstance(value, str):
        return value
    if isinstance(value, Mapping):
        return "\n".join(_texts(inner) for inner in value.values())
    if isinstance(value, list):
        return "\n".join(_texts(inner) for inner in value)
    return ""


SHORT = timedelta(seconds=5)
"""The time limit of the alerters under test."""
