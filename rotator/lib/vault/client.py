"""One Vault or OpenBao as one client of it, and what its answers mean.

HTTP goes through hvac's adapter on our bounded session. The answers are judged here, by status, because hvac's errors
lose the headers, and because which failures pass by themselves is the caller's first question.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any
from urllib.parse import quote, urljoin, urlsplit

import requests

from rotator.errors import SecretMissing
from rotator.lib.http import explain, session
from rotator.lib.jsonobject import read_object
from rotator.lib.retryafter import parse_retry_after
from rotator.lib.vault.errors import VaultError
from rotator.lib.vault.login import Login, client_certificate, login_of
from rotator.lib.vault.settings import VaultSettings

MOST_BYTES = 1 << 20
"""Of one answer, where nothing else is said."""

_COUNTED = re.compile(r"^\d+ errors? occurred: \* ")
_MOST_SHOWN = 400  # characters of what Vault says
_NEVER = datetime.max.replace(tzinfo=UTC)
_USED = 0.9  # of the life of a login, before the next one is made: none ends between two requests
_MOST_SECONDS = 10**10  # three hundred years, a little more than Vault itself can say
_SEALED_WAIT = timedelta(minutes=1)
_REDIRECTS = {HTTPStatus.TEMPORARY_REDIRECT, HTTPStatus.PERMANENT_REDIRECT}
# What passes by itself: a store that is behind (412), a quota (429), a standby (472, 473), and anything above 500.
_PASSING = {HTTPStatus.PRECONDITION_FAILED, HTTPStatus.TOO_MANY_REQUESTS, 472, 473}

Answer = Mapping[str, Any]


# ---------------------------------------------------------------- the server


@dataclass(frozen=True, slots=True)
class _Question:
    """One request: a path below `/v1/`, not escaped, and what goes with it."""

    method: str
    path: str
    body: Answer | None = None
    query: Mapping[str, str] = field(default_factory=dict)


class Vault:
    """One server, as one client of it. Safe to use from several threads: no two requests share a session at a time.

    Args:
        most_bytes: of one answer; a list of many thousand names is larger than anything else.
    """

    def __init__(self, settings: VaultSettings, now: Callable[[], datetime], *, most_bytes: int = MOST_BYTES) -> None:
        self._settings = settings
        self._now = now
        self._most_bytes = most_bytes
        self._login_token = ""
        self._login_ends = _NEVER
        self._logging_in = threading.Lock()
        self._idle: list[requests.Session] | None = None

    @contextmanager
    def connected(self) -> Iterator[None]:
        """Keep connections between requests while this is open, one for each thread that asks at the same time."""
        idle: list[requests.Session] = []
        self._idle = idle
        try:
            yield
        finally:
            self._idle = None
            for http in idle:
                http.close()

    def read(self, path: str, *, public: bool = False) -> Answer:
        """GET a path below `/v1/`; `public` paths are asked without a token.

        Raises:
            VaultError: see there.
        """
        return self._request(_Question("get", path), public=public)

    def names(self, path: str, *, after: str = "", most: int = 0, public: bool = False) -> Answer:
        """List what is right below a path. `after` and `most` ask for a page, which only OpenBao knows how to give.

        Raises:
            VaultError: see there; status 404 where there is nothing.
        """
        page = {"after": after, "limit": str(most) if most else ""}
        query = {"list": "true", **{name: value for name, value in page.items() if value}}
        return self._request(_Question("get", path, query=query), public=public)

    def write(self, path: str, body: Answer) -> Answer:
        """POST to a path below `/v1/`.

        Raises:
            VaultError: see there.
        """
        return self._request(_Question("post", path, body), public=False)

    def renew_token(self) -> None:
        """Prolong a token that was given to us once half of its life is over; one that may not ask that stays as it is.

        Raises:
            VaultError: the server could not be asked.
        """
        token = self._given_token()
        life, left = token.get("creation_ttl"), token.get("ttl")
        if isinstance(life, int) and isinstance(left, int) and token.get("renewable") and left < life / 2:
            try:
                self.write("auth/token/renew-self", {})
            except VaultError as error:
                if error.status != HTTPStatus.FORBIDDEN:
                    raise

    def token_left(self) -> timedelta | None:
        """How long a token that was given to us lives at most; None where it need not end, or that is not known.

        Raises:
            VaultError: the server could not be asked.
        """
        token = self._given_token()
        left, most, made = (_seconds(token.get(field)) for field in ("ttl", "explicit_max_ttl", "creation_time"))
        if left and not token.get("renewable"):
            return timedelta(seconds=left)
        if left and most and made:
            return datetime.fromtimestamp(made + most, UTC) - self._now()
        return None

    def _given_token(self) -> Answer:
        """What Vault says of a token that was given to us; nothing of others, or where the token may not ask.

        Whether it is good for what it is meant for, the next request says better.
        """
        if self._settings.auth.token is None:
            return {}
        try:
            return data_of(self.read("auth/token/lookup-self"))
        except VaultError as error:
            if error.status != HTTPStatus.FORBIDDEN:
                raise
            return {}

    def _request(self, asked: _Question, *, public: bool) -> Answer:
        fresh = not self._login_token
        token = "" if public else self._token()
        answer = self._send(asked, token=token)
        if answer.status_code == HTTPStatus.FORBIDDEN and not (self._settings.auth.token or fresh or public):
            # It may have expired or been revoked: log in again, once.
            answer = self._send(asked, token=self._token(instead_of=token))
        return self._judged(answer, asked.path)

    def _token(self, *, instead_of: str = "") -> str:
        if self._settings.auth.token is not None:
            try:
                return self._settings.auth.token.reveal()
            except SecretMissing as error:
                raise VaultError(str(error), permanent=True) from error
        with self._logging_in:
            if self._login_token in {"", instead_of} or self._now() >= self._login_ends:
                self._login_token, self._login_ends = self._logged_in(login_of(self._settings.auth))
            return self._login_token

    def _logged_in(self, login: Login) -> tuple[str, datetime]:
        """A new token, and when it is to be replaced; one that never ends is kept until it is refused."""
        asked = self._now()
        answer = self._judged(self._send(_Question("post", login.path, login.body), token=""), login.path)
        auth = answer.get("auth")
        auth = auth if isinstance(auth, dict) else {}
        token, seconds = auth.get("client_token"), _seconds(auth.get("lease_duration"))
        if not isinstance(token, str) or not token:
            raise VaultError(f"{self._where} answered the login without a token")
        return token, asked + timedelta(seconds=seconds) * _USED if seconds else _NEVER

    def _send(self, asked: _Question, *, token: str) -> requests.Response:
        """Send one request; a standby's redirect is followed once, as Vault's own client does, never out of TLS."""
        try:
            with self._session() as http:
                answer = self._exchange(http, self._settings.url, asked, token)
                if answer.status_code not in _REDIRECTS:
                    return answer
                active = urlsplit(urljoin(answer.url, answer.headers.get("Location", "")))
                if active.scheme != "https" and self._settings.url.startswith("https:"):
                    raise VaultError(f"{self._where} redirects out of TLS; not followed", permanent=True)
                return self._exchange(http, f"{active.scheme}://{active.netloc}", asked, token)
        except requests.exceptions.InvalidHeader as error:
            raise VaultError(f"{self._where} cannot be asked: {explain(error)}", permanent=True) from error
        except requests.RequestException as error:
            raise VaultError(explain(error)) from error
        except OSError as error:  # requests' way to say that the CA file, or our own certificate, is not there
            raise VaultError(f"{self._where} cannot be asked: {error}", permanent=True) from error

    @contextmanager
    def _session(self) -> Iterator[requests.Session]:
        """A session that nobody else uses meanwhile; one that is idle, where they are kept."""
        idle = self._idle
        try:
            http = idle.pop() if idle else self._new_session()
        except IndexError:  # another thread was quicker
            http = self._new_session()
        try:
            yield http
        finally:
            if idle is not None and self._idle is idle:
                idle.append(http)
            else:
                http.close()

    def _new_session(self) -> requests.Session:
        verify = str(self._settings.ca_file) if self._settings.ca_file else True
        seconds = self._settings.timeout.total_seconds()
        http = session(total_seconds=seconds, max_bytes=self._most_bytes, verify=verify)
        http.cert = client_certificate(self._settings.auth)
        return http

    def _exchange(self, http: requests.Session, base: str, asked: _Question, token: str) -> requests.Response:
        try:
            from hvac.adapters import RawAdapter  # an extra, and slow to load
        except ImportError as error:
            raise VaultError("hvac is not installed; install rotator[vault]", permanent=True) from error
        adapter = RawAdapter(
            base_uri=base,
            token=token or None,
            namespace=self._settings.namespace or None,
            session=http,
            timeout=self._settings.timeout.total_seconds(),
            allow_redirects=False,
        )
        answer: requests.Response = adapter.request(
            asked.method,
            f"/v1/{quote(asked.path, safe='/:')}",
            params=asked.query or None,
            json=asked.body,
            raise_exception=False,
        )
        return answer

    def _judged(self, answer: requests.Response, path: str) -> Answer:
        """The body of a success.

        Raises:
            VaultError: anything else.
        """
        status = answer.status_code
        found = read_object(answer.content)
        if status == HTTPStatus.NO_CONTENT:
            return {}
        if status == HTTPStatus.OK and found is not None:
            return found
        if status == HTTPStatus.OK:
            raise VaultError(f"{self._where} answered {path} with something that is not Vault's JSON")
        said = _errors(found) or answer.reason or "nothing"
        passing = status >= HTTPStatus.INTERNAL_SERVER_ERROR or status in _PASSING
        wait = parse_retry_after(answer.headers.get("Retry-After"), self._now())
        if wait is None and status == HTTPStatus.SERVICE_UNAVAILABLE:
            wait = _SEALED_WAIT
        hint = _hint(path) if status == HTTPStatus.FORBIDDEN else ""
        message = f"{self._where} refuses {path}: {said} (status {status}){hint}"
        raise VaultError(message, status=status, permanent=not passing, retry_after=wait)

    @property
    def _where(self) -> str:
        return urlsplit(self._settings.url).hostname or "Vault"


def _hint(path: str) -> str:
    """Why a path may be forbidden; Vault itself tells nobody."""
    if path.startswith("auth/") and path.endswith("/login"):
        return "; the mount, the role, or what proves who we are may be another"
    return "; the token may have expired, or its policy does not allow this"


def _seconds(value: object) -> int:
    """A number of seconds that a clock can count to; 0 for anything else, which is what Vault says where none end."""
    return value if isinstance(value, int) and 0 < value <= _MOST_SECONDS else 0


def _errors(found: Answer | None) -> str:
    """What Vault says is wrong, in one line of a sensible length."""
    errors = (found or {}).get("errors")
    said = [" ".join(str(error).split()) for error in errors] if isinstance(errors, list) else []
    return "; ".join(_COUNTED.sub("", each) for each in said)[:_MOST_SHOWN]


def data_of(answer: Answer) -> Answer:
    """What an answer carries; empty where it carries nothing, or something of another shape."""
    found = answer.get("data")
    return found if isinstance(found, dict) else {}
