"""HTTP-01 (RFC 8555, 8.3): show the CA what only the account's holder can know, and take it away afterwards."""

from __future__ import annotations

import re
import secrets
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import partial
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any, ClassVar

from rotator.core.model import Check
from rotator.errors import IssueError, Pending, RotatorError
from rotator.issuers.acme.entrance import PATH, Entrance, Unseen
from rotator.issuers.acme.kubernetes_routes import Routes
from rotator.issuers.acme.listening import Listener, Listeners
from rotator.issuers.acme.proving import Http01, split_listen
from rotator.issuers.acme.solver import Desk, Proof, Undoing
from rotator.issuers.acme.traces import Trace
from rotator.lib import atomicfile

TOKEN = re.compile(r"[A-Za-z0-9_-]{1,128}")
_REQUEST_SECONDS = 5.0  # for one request of the CA, or of a stranger who says nothing

Responses = Mapping[str, str]
"""Token → key authorization."""


class Http01Solver:
    """Proves names and addresses over HTTP; no wildcards (Baseline Requirements, 3.2.2.4.19)."""

    kind: ClassVar[str] = "http-01"

    def __init__(self, settings: Http01, desk: Desk) -> None:
        self._settings = settings
        self._desk = desk
        self._routes = Routes(settings.kubernetes, desk) if settings.kubernetes else None
        self._seen = Entrance(settings, desk)

    @contextmanager
    def showing(self, proofs: Sequence[Proof], left: list[str] | None = None) -> Iterator[None]:
        with ExitStack() as stack:
            pod = self._routes.address() if self._routes is not None else ""
            place = self._settings.listening(pod)
            responses = {proof.token: proof.authorization for proof in proofs}
            stack.enter_context(showing(self._settings, place, responses, self._desk, left))
            if self._routes is not None:
                stack.enter_context(self._routes.to(pod, split_listen(place)[1], proofs, left))
            if self._settings.is_checked:
                self._seen.wait_for(proofs)
            yield

    def preflight(self, names: Sequence[str]) -> tuple[Check, ...]:
        """A proof of our own, shown at the very place; with `check` also fetched as a CA would fetch it."""
        probe = secrets.token_urlsafe(16)
        proofs = [Proof(name, f"rotator-preflight-{probe}", f"rotator-preflight-{probe}") for name in names]
        left: list[str] = []
        try:
            with self.showing(proofs, left):
                pass
        except (IssueError, Pending) as error:
            return (Check(self.kind, str(error), self._remedy(error)),)
        if left:
            return (Check(self.kind, left[0], "let rotator remove there what it has made"),)
        where = self._place()
        seen = f"shown by {where}, and fetched through port 80 of each name"
        untold = f"can be shown by {where}; whether port 80 of each name leads there is not looked at without `check`"
        return (Check(self.kind, detail=f"a challenge {seen if self._settings.is_checked else untold}"),)

    def _remedy(self, error: RotatorError) -> str:
        """What a person mends: the way of the names to us, or what shows the proofs."""
        if isinstance(error, Unseen):
            return f"lead port 80 of the names to {self._place()}: their DNS, a firewall, or whatever answers there now"
        if self._routes is not None:
            return "see that the cluster can be reached, and that rotator may make and remove what leads to it there"
        if self._settings.webroot is not None:
            return "name the folder that the web server serves, and let rotator write there"
        return "free the port, allow it to rotator, or use webroot"

    def _place(self) -> str:
        return str(self._settings.webroot or (self._settings.kubernetes and "the cluster") or self._settings.listen)


def showing(
    settings: Http01, place: str, responses: Responses, desk: Desk, left: list[str] | None = None
) -> AbstractContextManager[None]:
    """Show these responses as long as the context lasts.

    Args:
        left: is told of what could not be taken away.

    Raises:
        IssueError: the address cannot be listened on, or the folder not be written to.
    """
    odd = [token for token in responses if not TOKEN.fullmatch(token)]
    if odd:
        raise IssueError(f"{desk.issuer}: the CA sent a challenge token that is no token", permanent=True)
    if settings.webroot is not None:
        return _in_webroot(settings.webroot, responses, desk, left)
    return LISTENERS.showing(place, responses, desk.issuer)


# ---------------------------------------------------------------- files below another server's root


@contextmanager
def _in_webroot(webroot: Path, responses: Responses, desk: Desk, left: list[str] | None) -> Iterator[None]:
    folder = webroot / PATH.strip("/")
    with Undoing(desk.issuer, left) as undoing:
        try:
            # The root itself is the other server's: a typing error must not make a new one.
            (webroot / ".well-known").mkdir(exist_ok=True)
            folder.mkdir(exist_ok=True)
            with Undoing(desk.issuer) as sweeping:  # a dead file that cannot be removed costs no order
                with _WRITING:  # what another order is taking away at this moment is not left
                    traces = desk.traces.left(str(folder))
                for dead in traces:
                    if dead.value not in responses:
                        sweeping.later(str(folder / dead.value), partial(_hide, folder, dead, desk))
            for token, authorization in responses.items():
                with _WRITING:
                    mine = desk.traces.note(str(folder), token)
                    undoing.later(str(folder / token), partial(_hide, folder, mine, desk))
                    atomicfile.write(folder / token, authorization.encode(), mode=0o644)
        except OSError as error:
            missing = isinstance(error, FileNotFoundError | NotADirectoryError)
            todo = "make the folder that is served, or mend `webroot`" if missing else "let rotator write there"
            raise IssueError(
                f"{desk.issuer}: the challenge cannot be put into {folder}: {error.strerror}; {todo}"
            ) from error
        yield


def _hide(folder: Path, mine: Trace, desk: Desk) -> None:
    """Remove the file, unless another order shows the same: then it stays until that is done."""
    path = folder / mine.value
    with _WRITING:
        try:
            if desk.traces.leave(mine):
                path.unlink(missing_ok=True)
        except OSError as error:
            raise IssueError(f"{desk.issuer}: {path} cannot be removed: {error.strerror}") from error
        desk.traces.forget(mine)


_WRITING = threading.Lock()
"""Nobody may begin to show what another is about to remove."""


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
