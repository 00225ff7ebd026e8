"""The API of a step-ca: what is asked, and what its answers mean."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Any
from urllib.parse import quote, urlsplit

import requests

from rotator.core.model import Certificate
from rotator.core.pem import PemError, certificate_pem, read_certificates
from rotator.errors import IssueError
from rotator.issuers.step_ca.settings import StepCaSettings
from rotator.lib.http import explain, session
from rotator.lib.jsonobject import read_object
from rotator.lib.retryafter import parse_retry_after

MOST_BYTES = 1 << 20
_MOST_SHOWN = 400  # characters of what the CA says
_MOST_PAGES = 50
_PAGE = 100
_HINTS = {
    HTTPStatus.UNAUTHORIZED: "the provisioner's key may be another one, or a clock is wrong",
    HTTPStatus.NOT_FOUND: "check the address",
}

Answer = Mapping[str, Any]


class StepCa:
    """One CA, as one client of it. Safe to use from several threads: each request has its own session."""

    def __init__(self, name: str, settings: StepCaSettings, now: Callable[[], datetime]) -> None:
        self._name = name
        self._settings = settings
        self._now = now
        self._pinned: Certificate | None = None

    @property
    def where(self) -> str:
        return urlsplit(self._settings.url).hostname or "the CA"

    def get(self, path: str, **query: str) -> Answer:
        """GET a path of the API.

        Raises:
            IssueError: refused, or not reached.
        """
        return self._judged("GET", path, query, None)

    def post(self, path: str, body: Answer) -> Answer:
        """POST to a path of the API.

        Raises:
            IssueError: refused, or not reached.
        """
        return self._judged("POST", path, {}, body)

    def provisioners(self) -> Iterator[Answer]:
        """Every provisioner, page by page.

        Raises:
            IssueError: they cannot be had.
        """
        cursor = ""
        for _ in range(_MOST_PAGES):
            page = self.get("/provisioners", limit=str(_PAGE), **({"cursor": cursor} if cursor else {}))
            listed = page.get("provisioners")
            yield from (each for each in (listed if isinstance(listed, list) else ()) if isinstance(each, dict))
            cursor = str(page.get("nextCursor") or "")
            if not cursor:
                return

    def certificates(self, path: str) -> tuple[Certificate, ...]:
        """What `/roots` or `/intermediates` hold.

        Raises:
            IssueError: they cannot be had.
        """
        found = self.get(path).get("crts")
        try:
            return read_certificates("\n".join(map(str, found if isinstance(found, list) else ())).encode())
        except PemError as error:
            raise self.error(f"{self.where} answers {path} with no certificate: {error}") from error

    def root(self) -> Certificate | None:
        """The root that the fingerprint names; None where none is pinned.

        Raises:
            IssueError: the CA does not give it, or gives another.
        """
        wanted = self._settings.fingerprint
        if not wanted:
            return None
        if self._pinned is None:
            self._pinned = self._bootstrapped(wanted)
        return self._pinned

    def error(self, message: str, *, permanent: bool = False, retry_after: timedelta | None = None) -> IssueError:
        return IssueError(f"{self._name}: {message}", permanent=permanent, retry_after=retry_after)

    def _bootstrapped(self, wanted: str) -> Certificate:
        """Ask for the root without trusting whoever answers: what counts is the fingerprint of the answer."""
        answer = self._sent("GET", f"/root/{wanted}", {}, None, verify=False)
        text = (read_object(answer.content) or {}).get("ca")
        try:
            root, *more = read_certificates(str(text).encode())
        except PemError as error:
            raise self.error(
                f"{self.where} does not give the root with the fingerprint {wanted[:16]}…; check it with "
                f"`step certificate fingerprint` (status {answer.status_code})",
                permanent=answer.status_code == HTTPStatus.NOT_FOUND,
            ) from error
        if more or hashlib.sha256(root.der).hexdigest() != wanted:
            raise self.error(
                f"{self.where} gives a root with the fingerprint {root.fingerprint[:16]}…, not {wanted[:16]}…; it is "
                "another CA, or somebody stands between",
                permanent=True,
            )
        return root

    def _judged(self, method: str, path: str, query: Mapping[str, str], body: Answer | None) -> Answer:
        with self._verifying() as verify:
            answer = self._sent(method, path, query, body, verify=verify)
        found, status = read_object(answer.content), answer.status_code
        if status in {HTTPStatus.OK, HTTPStatus.CREATED}:
            if found is None:
                raise self.error(f"{self.where} answered {path} with something that is not a step-ca's JSON")
            return found
        said = " ".join(str((found or {}).get("message") or answer.reason or "nothing").split())[:_MOST_SHOWN]
        hint = f"; {_HINTS[HTTPStatus(status)]}" if status in _HINTS else ""
        raise self.error(
            f"{self.where} refuses {path}: {said.rstrip('.')} (status {status}){hint}",
            permanent=status < HTTPStatus.INTERNAL_SERVER_ERROR and status != HTTPStatus.TOO_MANY_REQUESTS,
            retry_after=parse_retry_after(answer.headers.get("Retry-After"), self._now()),
        )

    @contextmanager
    def _verifying(self) -> Iterator[bool | str]:
        """What the CA's own TLS is verified with; a pinned root lies in a file for as long as it is used."""
        if self._settings.ca_file:
            yield str(self._settings.ca_file)
            return
        root = self.root()
        if root is None:
            yield True
            return
        try:
            with tempfile.NamedTemporaryFile(suffix=".pem") as file:
                file.write(certificate_pem(root))
                file.flush()
                yield file.name
        except OSError as error:
            raise self.error(f"the CA's root cannot be kept while it is asked: {error}") from error

    def _sent(
        self, method: str, path: str, query: Mapping[str, str], body: Answer | None, *, verify: bool | str
    ) -> requests.Response:
        seconds = self._settings.timeout.total_seconds()
        url = f"{self._settings.url}/1.0{quote(path)}"
        try:
            with session(total_seconds=seconds, max_bytes=MOST_BYTES, verify=verify) as http:
                return http.request(method, url, params=dict(query), json=body, allow_redirects=False)
        except requests.RequestException as error:
            raise self.error(explain(error)) from error
        except OSError as error:  # requests' way to say that the CA file is not there
            raise self.error(f"{self.where} cannot be asked: {error}", permanent=True) from error
