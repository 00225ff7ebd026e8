"""Record what is sent to services that cannot run here: PagerDuty, Slack, Teams, any webhook."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable
from http import HTTPStatus
from typing import Any

from tests.servers.certificates import Pair
from tests.servers.loopback import LoopbackServer, Request, Response
from tests.servers.service import ServerError

JSON = {"Content-Type": "application/json"}


def json_response(body: object, status: int = HTTPStatus.OK, *, delay: float = 0.0, **headers: str) -> Response:
    """Return a JSON answer; header names are given with `_` for `-`."""
    more = {name.replace("_", "-"): value for name, value in headers.items()}
    return Response(status, {**JSON, **more}, json.dumps(body).encode(), delay)


class Recorder(LoopbackServer):
    """Keep every request; give the scripted answers in order, then `default` for ever.

    >>> with Recorder([Response(503), json_response({"ok": True})]) as recorder:
    ...     send_to(recorder.url)
    ...     assert recorder.wait_for(2)[1].path == "/v2/enqueue"
    """

    def __init__(
        self, script: Iterable[Response] = (), *, default: Response | None = None, tls: Pair | None = None
    ) -> None:
        super().__init__(tls=tls)
        self._script = list(script)
        self._default = default or Response()
        self._requests: list[Request] = []
        self._arrived = threading.Condition()

    @property
    def requests(self) -> list[Request]:
        """Return what has arrived so far, oldest first."""
        with self._arrived:
            return list(self._requests)

    @property
    def bodies(self) -> list[Any]:
        """Return the JSON bodies of what has arrived so far."""
        return [json.loads(request.body) for request in self.requests]

    def script(self, *responses: Response) -> None:
        """Add answers to the script."""
        with self._arrived:
            self._script.extend(responses)

    def wait_for(self, count: int, *, seconds: float = 10.0) -> list[Request]:
        """Wait until so many requests have arrived and return them; raise `ServerError` when they do not in time."""
        with self._arrived:
            if not self._arrived.wait_for(lambda: len(self._requests) >= count, seconds):
                raise ServerError(f"{len(self._requests)} of {count} requests arrived in {seconds:g} s")
            return list(self._requests)

    def respond(self, request: Request) -> Response:
        """Note the request and take the next answer."""
        with self._arrived:
            self._requests.append(request)
            self._arrived.notify_all()
            return self._script.pop(0) if self._script else self._default
