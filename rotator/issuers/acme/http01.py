"""HTTP-01 (RFC 8555, 8.3): show the CA what only the account's holder can know, and take it away afterwards."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any, ClassVar

import structlog

from rotator.core.model import Check
from rotator.errors import IssueError
from rotator.issuers.acme.listening import Listener, Listeners
from rotator.issuers.acme.proving import Http01
from rotator.issuers.acme.solver import Desk, Proof
from rotator.lib import atomicfile

PATH = "/.well-known/acme-challenge/"
TOKEN = re.compile(r"[A-Za-z0-9_-]{1,128}")
_REQUEST_SECONDS = 5.0  # for one request of the CA, or of a stranger who says nothing

log = structlog.get_logger()

Responses = Mapping[str, str]
"""Token → key authorization."""


class Http01Solver:
    """Proves names and addresses over HTTP; no wildcards (Baseline Requirements, 3.2.2.4.19)."""

    kind: ClassVar[str] = "http-01"

    def __init__(self, settings: Http01, desk: Desk) -> None:
        self._settings = settings
        self._desk = desk

    def objection(self, name: str) -> str:
        return (
            "a wildcard cannot be proved over HTTP; configure dns01 for it, or name the hosts one by one"
            if name.startswith("*.")
            else ""
        )

    def showing(self, proofs: Sequence[Proof]) -> AbstractContextManager[None]:
        return showing(self._settings, {proof.token: proof.authorization for proof in proofs}, self._desk.issuer)

    def preflight(self, names: Sequence[str]) -> tuple[Check, ...]:
        """Whether the place of the challenges can be used: the address is free, the folder can be written to."""
        try:
            with self.showing([Proof(names[0], "preflight", "")]):
                pass
        except IssueError as error:
            return (Check(self.kind, str(error)),)
        return (
            Check(self.kind, detail=f"challenges can be shown at {self._settings.webroot or self._settings.listen}"),
        )


def showing(settings: Http01, responses: Responses, issuer: str) -> AbstractContextManager[None]:
    """Show these responses as long as the context lasts.

    Raises:
        IssueError: the address cannot be listened on, or the folder not be written to.
    """
    odd = [token for token in responses if not TOKEN.fullmatch(token)]
    if odd:
        raise IssueError(f"{issuer}: the CA sent a challenge token that is no token", permanent=True)
    if settings.webroot is not None:
        return _in_webroot(settings.webroot, responses, issuer)
    return LISTENERS.showing(settings.listen, responses, issuer)


# ---------------------------------------------------------------- files below another server's root


@contextmanager
def _in_webroot(webroot: Path, responses: Responses, issuer: str) -> Iterator[None]:
    folder = webroot / PATH.strip("/")
    with ExitStack() as stack:
        try:
            # The root itself is the other server's: a typing error must not make a new one.
            (webroot / ".well-known").mkdir(exist_ok=True)
            folder.mkdir(exist_ok=True)
            for token, authorization in responses.items():
                stack.callback(_remove, folder / token)
                atomicfile.write(folder / token, authorization.encode(), mode=0o644)
        except OSError as error:
            raise IssueError(
                f"{issuer}: the challenge cannot be put into {folder}: {error.strerror}; let rotator write there"
            ) from error
        yield


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        # Litter, no danger: it proves nothing once the challenge is over.
        log.warning("a challenge file could not be removed", path=str(path), error=error.strerror)


# ---------------------------------------------------------------- a listener of our own


class _Requests(BaseHTTPRequestHandler):
    """Answers GET and HEAD for the tokens of the moment, and 404 for all else."""

    server: Listener[str]
    timeout = _REQUEST_SECONDS
    server_version = "rotator"
    sys_version = ""

    def do_GET(self) -> None:
        self._show()

    def do_HEAD(self) -> None:
        self._show()

    def _show(self) -> None:
        token = self.path.partition("?")[0].removeprefix(PATH)
        found = self.server.shown.get(token)
        body = (found or "not found\n").encode()
        self.send_response(HTTPStatus.NOT_FOUND if found is None else HTTPStatus.OK)
        self.send_header("Content-Type", "text/plain" if found is None else "application/octet-stream")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: who scans port 80 is no business of ours."""


def _listener(host: str, port: int) -> Listener[str]:
    return Listener(host, port, _Requests, "http-01")


LISTENERS: Listeners[str] = Listeners("HTTP-01", _listener, "free the port, allow it to rotator, or use webroot")
"""One for the process, whichever issuers need it."""
