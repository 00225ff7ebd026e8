"""Getting what a certificate names over HTTP: bounded, and not from inside unless the operator allows it.

The host is resolved once, internal addresses are left out, and what was judged is what is connected to, so that a name
that answers otherwise a moment later gains nothing; each redirect is judged anew (`rotator.lib.http`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from threading import Lock

import requests

from rotator.lib import http
from rotator.lib.allowance import host_of
from rotator.lib.reach import Reach
from rotator.lib.revocation.limits import Limits


class NoAnswer(Exception):  # noqa: N818 - reads as what happened
    """An address gave nothing that could be used; the message is a clause that names the host."""


class Fetching:
    """Asks addresses, and leaves hosts alone that could not be reached."""

    def __init__(self, now: Callable[[], datetime], allow_internal: Sequence[str], limits: Limits) -> None:
        """Prepare to ask.

        Raises:
            ValueError: `allow_internal` has an entry that is no host, address or network.
        """
        Reach.of(allow_internal)
        self._now, self._allowed, self._limits = now, tuple(allow_internal), limits
        self._lock = Lock()
        self._failures: dict[str, tuple[int, datetime]] = {}

    def get(self, url: str, *, max_bytes: int) -> bytes:
        """The body at an address.

        Raises:
            NoAnswer: there is none that could be had.
        """
        return self._ask(url, max_bytes, lambda session: session.get(url))

    def post(self, url: str, body: bytes, kind: str, *, max_bytes: int) -> bytes:
        """What an address answers to a body of a MIME type.

        Raises:
            NoAnswer: nothing that could be used.
        """
        return self._ask(url, max_bytes, lambda session: session.post(url, body, headers={"Content-Type": kind}))

    def _ask(self, url: str, max_bytes: int, ask: Callable[[requests.Session], requests.Response]) -> bytes:
        host = host_of(url)
        if self._is_given_up(host):
            raise NoAnswer(f"{host} could not be reached {self._limits.failures} times and is left alone for now")
        # A session of its own: those of requests are not made for many threads.
        session = http.session(total_seconds=self._limits.seconds, max_bytes=max_bytes, allow_internal=self._allowed)
        try:
            with session, ask(session) as answer:
                if answer.status_code != requests.codes.ok:
                    raise NoAnswer(f"{host} answers with status {answer.status_code}")
                body = answer.content
        except requests.RequestException as error:
            if isinstance(error, requests.ConnectionError | requests.Timeout):
                self._note_failure(host)
            raise NoAnswer(http.explain(error)) from error
        except (ValueError, UnicodeError) as error:  # an address that only looks like one
            raise NoAnswer(f"{host} cannot be asked: it is no host name") from error
        self._note_success(host)
        return body

    def _is_given_up(self, host: str) -> bool:
        with self._lock:
            count, at = self._failures.get(host, (0, self._now()))
            if self._now() - at >= self._limits.forget:
                self._failures.pop(host, None)
                return False
            return count >= self._limits.failures

    def _note_failure(self, host: str) -> None:
        with self._lock:
            self._failures[host] = self._failures.get(host, (0, self._now()))[0] + 1, self._now()

    def _note_success(self, host: str) -> None:
        with self._lock:
            self._failures.pop(host, None)
