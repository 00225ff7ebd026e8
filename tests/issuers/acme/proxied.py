"""A Pebble behind a proxy that knows what the CA really did, and can lie about it."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.servers.certificates import authority
from tests.servers.hostile import After, Before, HostileProxy
from tests.servers.loopback import Drop, Request, Response
from tests.servers.pebble import Pebble

# Pebble's own paths.
NEW_ACCOUNT, NEW_ORDER, FINALIZE = "/sign-me-up", "/order-plz", "/finalize-order/"
ORDER, AUTHORIZATION, CHALLENGE, CERTIFICATE = "/my-order/", "/authZ/", "/chalZ/", "/certZ/"
RENEWAL = "/draft-ietf-acme-ari"
_ACME = "urn:ietf:params:acme:error:"


class Front:
    """The proxy before a Pebble.

    Attributes:
        change: changes an answer on its way, or cuts it off with `Drop`.
        instead: answers in the place of the CA.
    """

    def __init__(self, pebble: Pebble, folder: Path) -> None:
        ca = authority(folder)
        self.pebble = pebble
        self.ca_file = ca.ca_file
        self.http_port = pebble.http_port
        self.change: After | None = None
        self.instead: Before | None = None
        self._guard = threading.Lock()
        self._answered: list[tuple[Request, Response]] = []
        upstream = pebble.directory_url.removesuffix("/dir")
        pair = ca.issue("front", "127.0.0.1")
        self.proxy = HostileProxy(upstream, verify=pebble.ca_file, tls=pair, before=self._before, after=self._after)

    @property
    def directory_url(self) -> str:
        return f"{self.proxy.url}/dir"

    def done(self, path: str) -> list[Response]:
        """What the CA really answered to calls of this path that it accepted; refused nonces are not among them."""
        with self._guard:
            return [answer for request, answer in self._answered if path in request.path and answer.status < 400]

    @property
    def orders(self) -> int:
        """How many orders the CA has taken."""
        return len(self.done(NEW_ORDER))

    def asked(self, path: str) -> int:
        """How many calls of this path came, refused ones among them."""
        return self.proxy.count(path=path)

    def _before(self, request: Request) -> Response | None:
        return self.instead(request) if self.instead else None

    def _after(self, request: Request, response: Response) -> Response:
        with self._guard:
            self._answered.append((request, response))
        return self.change(request, response) if self.change else response


@contextmanager
def fronted(pebble: Pebble, folder: Path) -> Iterator[Front]:
    """Put a proxy before a Pebble."""
    front = Front(pebble, folder)
    with front.proxy:
        yield front


def problem(code: str, detail: str, status: int = 400, **headers: str) -> Response:
    """A refusal as an ACME server words it; header names with `_` for `-`."""
    body = json.dumps({"type": f"{_ACME}{code}", "detail": detail, "status": status}).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Response(status, {"Content-Type": "application/problem+json", **named}, body)


def changed(response: Response, **fields: Any) -> Response:
    """The same answer with other fields in its JSON; None takes a field out."""
    body: dict[str, Any] = {**json.loads(response.body), **fields}
    kept = {name: value for name, value in body.items() if value is not None}
    return replace(response, body=json.dumps(kept).encode())


def with_headers(response: Response, headers: Mapping[str, str]) -> Response:
    return replace(response, headers={**response.headers, **headers})


def cut(path: str) -> After:
    """The CA acts, but the answer never arrives."""

    def after(request: Request, response: Response) -> Response:
        if path in request.path and response.status < 400:
            raise Drop
        return response

    return after


def answer_instead(path: str, answer: Response) -> After:
    """The CA acts, but something else is answered; its nonces still come through."""

    def after(request: Request, response: Response) -> Response:
        if path not in request.path or response.status >= 400:
            return response
        nonce = {name: value for name, value in response.headers.items() if name == "Replay-Nonce"}
        return with_headers(answer, nonce)

    return after
