"""A reverse proxy that lies: it stands before Pebble, OpenBao or the Kubernetes API, counts calls and changes answers.

The `Host` header is passed on, so that servers which build links from it (Pebble) build them to the proxy. Answers are
read whole: it does not carry watches.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import requests

from tests.servers.certificates import Pair
from tests.servers.loopback import HOP_BY_HOP, LoopbackServer, Request, Response

TIMEOUT = 90.0

Before = Callable[[Request], Response | None]
"""Gets a request before the real server does: answer instead of it, raise `Drop`, or return `None` to pass it on."""

After = Callable[[Request, Response], Response]
"""Gets the real server's answer: return it, return another, or raise `Drop` although the server has acted."""


class HostileProxy(LoopbackServer):
    """Pass requests on to `upstream`, with two places to interfere that can be set at any time.

    >>> with HostileProxy(pebble_base, verify=pebble.ca_file, tls=pair) as proxy:
    ...     proxy.after = lambda request, response: replace(response, body=other_certificate)
    """

    def __init__(
        self,
        upstream: str,
        *,
        verify: Path | None = None,
        tls: Pair | None = None,
        before: Before | None = None,
        after: After | None = None,
    ) -> None:
        super().__init__(tls=tls)
        self.upstream = upstream.rstrip("/")
        self.before = before
        self.after = after
        self._verify = verify
        self._guard = threading.Lock()
        self._calls: list[Request] = []

    @property
    def calls(self) -> list[Request]:
        """Return every request so far, also those that were not passed on."""
        with self._guard:
            return list(self._calls)

    def count(self, *, method: str | None = None, path: str = "") -> int:
        """Return how many requests had this method and a path with this in it."""
        return sum(method in (None, call.method) and path in call.path for call in self.calls)

    def counts(self) -> Counter[str]:
        """Return how many requests each `METHOD /first/segments` had, without the query."""
        return Counter(f"{call.method} {call.path.partition('?')[0]}" for call in self.calls)

    def respond(self, request: Request) -> Response:
        """Interfere or pass on."""
        with self._guard:
            self._calls.append(request)
        if self.before is not None and (instead := self.before(request)) is not None:
            return instead
        response = self._pass_on(request)
        return response if self.after is None else self.after(request, response)

    def _pass_on(self, request: Request) -> Response:
        headers = {name: value for name, value in request.headers.items() if name not in HOP_BY_HOP}
        with requests.request(
            request.method,
            f"{self.upstream}{request.path}",
            data=request.body or None,
            headers=headers,
            verify=True if self._verify is None else str(self._verify),
            allow_redirects=False,
            stream=True,
            timeout=TIMEOUT,
        ) as answer:
            body = answer.raw.read(decode_content=False)
            kept = {name: value for name, value in answer.headers.items() if name.lower() not in HOP_BY_HOP}
            return Response(answer.status_code, kept, body)
