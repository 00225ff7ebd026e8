"""An HTTP or HTTPS server on loopback inside the test's own process; base of `recorder` and `hostile`."""

from __future__ import annotations

import socket
import ssl
import struct
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from tests.servers.certificates import Pair
from tests.servers.ports import LOOPBACK

HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "te", "trailer", "upgrade", "content-length"}


@dataclass(frozen=True, slots=True)
class Request:
    """What a client sent."""

    method: str
    path: str
    """With the query."""
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes
    at: float = field(default_factory=time.monotonic)


@dataclass(frozen=True, slots=True)
class Response:
    """What is answered."""

    status: int = HTTPStatus.OK
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    delay: float = 0.0
    """Seconds to wait before answering; the end of the server ends the wait."""


class Drop(Exception):  # noqa: N818 - an instruction, not an error
    """Raised while answering: cut the connection with a reset instead of answering."""


class LoopbackServer(ABC):
    """Answer every request with `respond`, one thread a connection; a context manager.

    An exception in `respond` is answered with 500 and raised again when the server is closed: it is the test's fault.
    """

    def __init__(self, *, tls: Pair | None = None) -> None:
        self._stopping = threading.Event()
        self._errors: list[Exception] = []
        self._server = _Server(self)
        self._scheme = "http"
        if tls is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(tls.certificate, tls.key)
            # The handshake belongs to the connection's thread, or one silent client would block all others.
            self._server.socket = context.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
            self._scheme = "https"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), name=type(self).__name__)

    @property
    def port(self) -> int:
        """Return the port that it listens on."""
        return int(self._server.server_address[1])

    @property
    def url(self) -> str:
        """Return its address, without a slash at the end."""
        return f"{self._scheme}://{LOOPBACK}:{self.port}"

    @abstractmethod
    def respond(self, request: Request) -> Response:
        """Return the answer, or raise `Drop`."""

    def answer(self, request: Request) -> Response:
        """Return what `respond` says, after its delay."""
        try:
            response = self.respond(request)
        except Drop:
            raise
        except Exception as error:
            self._errors.append(error)
            return Response(HTTPStatus.INTERNAL_SERVER_ERROR, body=repr(error).encode())
        if response.delay:
            self._stopping.wait(response.delay)
        return response

    def __enter__(self) -> Self:
        """Start to listen."""
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop, cut what is still connected, and raise what went wrong in `respond`."""
        self._stopping.set()
        self._server.shutdown()
        self._thread.join()
        self._server.cut_all()
        self._server.server_close()
        if error is None and self._errors:
            raise self._errors[0]


class _Server(ThreadingHTTPServer):
    """Knows its open connections, so that none of its threads outlives it."""

    daemon_threads = False
    block_on_close = True

    def __init__(self, app: LoopbackServer) -> None:
        self.app = app
        self._open: set[socket.socket] = set()
        self._guard = threading.Lock()
        super().__init__((LOOPBACK, 0), _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._guard:
            self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._guard:
            self._open.discard(request)
        super().shutdown_request(request)

    def cut_all(self) -> None:
        """Wake the threads that wait for a client's next request."""
        with self._guard:
            for each in self._open:
                try:
                    # The plain method: a TLS socket would first want to talk to its peer.
                    socket.socket.shutdown(each, socket.SHUT_RDWR)
                except OSError:
                    continue

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: clients that go away or do not trust us are what tests are made of."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def _serve(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = Request(self.command, self.path, headers, self.rfile.read(length))
        try:
            self._send(self.server.app.answer(request))
        except Drop:
            self._reset()

    def _send(self, response: Response) -> None:
        self.send_response_only(response.status)
        given = {name.lower() for name in response.headers}
        for name, value in response.headers.items():
            if name.lower() not in HOP_BY_HOP - {"content-length"}:
                self.send_header(name, value)
        if "content-length" not in given:
            self.send_header("Content-Length", str(len(response.body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(response.body)
            if int(response.headers.get("Content-Length", len(response.body))) != len(response.body):
                self.close_connection = True  # a truncated answer, on purpose

    def _reset(self) -> None:
        """Close so that the client sees a reset, not an orderly end."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        self.connection.close()

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing on stderr; whoever wants to know asks the recorder."""

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = _serve  # noqa: N815 - the library looks for these names
