"""The demo's on-call channel: a receiver on loopback that keeps what the webhook alerter sends to it."""

from __future__ import annotations

import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from types import TracebackType
from typing import Any, Self

from rotator.demo.fleet import HOST


class OnCall:
    """Receives alerts while it is open; `received` has them in order."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._received: list[dict[str, Any]] = []
        self._server = ThreadingHTTPServer((HOST, 0), self._receiver())
        self._thread = Thread(target=self._server.serve_forever, name="demo-oncall", daemon=True)

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self._server.server_address[1]}/alerts"

    @property
    def received(self) -> tuple[dict[str, Any], ...]:
        with self._lock:
            return tuple(self._received)

    def _receiver(self) -> type[BaseHTTPRequestHandler]:
        keep = self._keep

        class Receiver(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                keep(self.rfile.read(int(self.headers.get("Content-Length", "0"))))
                self.send_response(204)
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                """Say nothing: the demo's output is the story."""

        return Receiver

    def _keep(self, body: bytes) -> None:
        with self._lock:
            self._received.append(json.loads(body))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
