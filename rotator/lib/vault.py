"""Vault and OpenBao: where it is, who we are to it, and what its answers mean. For every plugin that talks to one.

HTTP goes through hvac's adapter on our bounded session. The answers are judged here, by status, because hvac's errors
lose the headers, and because which failures pass by themselves is the caller's first question.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from http import HTTPStatus
from pathlib import Path
from typing import Any, Self
from urllib.parse import urljoin, urlsplit

import requests
from pydantic import Field, field_validator, model_validator

from rotator.errors import SecretMissing
from rotator.lib.http import explain, session
from rotator.lib.jsonobject import read_object
from rotator.lib.retryafter import parse_retry_after
from rotator.settings import Duration, PluginSettings, SecretRef

_SEGMENT = re.compile(r"[A-Za-z0-9_.-]+")
_COUNTED = re.compile(r"^\d+ errors? occurred: \* ")
_MOST_SHOWN = 400  # characters of what Vault says
_SEALED_WAIT = timedelta(minutes=1)
_REDIRECTS = {HTTPStatus.TEMPORARY_REDIRECT, HTTPStatus.PERMANENT_REDIRECT}
# What passes by itself: a store that is behind (412), a quota (429), a standby (472, 473), and anything above 500.
_PASSING = {HTTPStatus.PRECONDITION_FAILED, HTTPStatus.TOO_MANY_REQUESTS, 472, 473}

Answer = Mapping[str, Any]


class VaultError(Exception):
    """Vault refused or could not be reached; the message is one clause for people, with Vault's own words in it.

    Attributes:
        status: of the answer, None when there was none.
        permanent: trying again unchanged will not help.
        retry_after: the wait that Vault named, or one that makes sense (a sealed Vault).
    """

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        permanent: bool = False,
        retry_after: timedelta | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.permanent = permanent
        self.retry_after = retry_after


# ---------------------------------------------------------------- settings


def api_path(value: str) -> str:
    """A mount, role or other part of an API path as the operator writes it.

    Raises:
        ValueError: it is empty, or a segment could lead elsewhere (`..`) or needs escaping.
    """
    segments = value.split("/")
    if not all(_SEGMENT.fullmatch(segment) and segment.strip(".") for segment in segments):
        raise ValueError(f"{value!r} is no path in Vault; write it like pki or team/pki, without slashes at the ends")
    return value


class KubernetesAuth(PluginSettings):
    """Log in with the service account of the pod."""

    role: str
    mount: str = "kubernetes"
    token_file: Path = Path("/var/run/secrets/kubernetes.io/serviceaccount/token")

    _mount_is_a_path = field_validator("mount")(api_path)


class VaultAuth(PluginSettings):
    """How to log in: exactly one way."""

    token: SecretRef | None = None
    kubernetes: KubernetesAuth | None = None

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.token is None) == (self.kubernetes is None):
            raise ValueError("say how to log in: either token or kubernetes")
        return self


class VaultSettings(PluginSettings):
    """Where the server is, and how to log in.

    Attributes:
        ca_file: what its own TLS certificate is verified with; the system's store without it.
        timeout: for one request, everything included.
    """

    url: str
    auth: VaultAuth
    namespace: str = ""
    ca_file: Path | None = None
    timeout: Duration = Field(default=timedelta(seconds=30), gt=timedelta(0))

    @field_validator("url")
    @classmethod
    def _is_a_url(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme not in {"http", "https"} or not parts.hostname or parts.username or parts.query:
            raise ValueError(f"{value!r} is no address of a Vault; write it like https://vault.example.com:8200")
        return value.rstrip("/")


# ---------------------------------------------------------------- the server


class Vault:
    """One server, as one client of it. Safe to use from several threads: each request has a session of its own."""

    def __init__(self, settings: VaultSettings, now: Callable[[], datetime]) -> None:
        self._settings = settings
        self._now = now
        self._login_token = ""

    def read(self, path: str, *, public: bool = False) -> Answer:
        """GET a path below `/v1/`; `public` paths are asked without a token.

        Raises:
            VaultError: see there.
        """
        return self._request("get", path, None, public=public)

    def write(self, path: str, body: Answer) -> Answer:
        """POST to a path below `/v1/`.

        Raises:
            VaultError: see there.
        """
        return self._request("post", path, body, public=False)

    def renew_token(self) -> None:
        """Prolong a token that was given to us once half of its life is over; one that may not ask that stays as it is.

        Raises:
            VaultError: the server could not be asked.
        """
        if self._settings.auth.token is None:
            return
        try:
            token = data_of(self.read("auth/token/lookup-self"))
            life, left = token.get("creation_ttl"), token.get("ttl")
            if isinstance(life, int) and isinstance(left, int) and token.get("renewable") and left < life / 2:
                self.write("auth/token/renew-self", {})
        except VaultError as error:
            # Whether the token is good for what it is meant for, the next request says better.
            if error.status != HTTPStatus.FORBIDDEN:
                raise

    def _request(self, method: str, path: str, body: Answer | None, *, public: bool) -> Answer:
        fresh = not self._login_token
        answer = self._send(method, path, body, token="" if public else self._token())
        if answer.status_code == HTTPStatus.FORBIDDEN and self._settings.auth.kubernetes and not fresh and not public:
            self._login_token = ""  # it may have expired or been revoked: log in again, once
            answer = self._send(method, path, body, token=self._token())
        return self._judged(answer, path)

    def _token(self) -> str:
        if self._settings.auth.token is not None:
            try:
                return self._settings.auth.token.reveal()
            except SecretMissing as error:
                raise VaultError(str(error), permanent=True) from error
        if not self._login_token:
            self._login_token = self._log_in()
        return self._login_token

    def _log_in(self) -> str:
        login = self._settings.auth.kubernetes
        assert login is not None
        try:
            proof = login.token_file.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise VaultError(
                f"the service account token {login.token_file} cannot be read: {error}", permanent=True
            ) from error
        body = {"role": login.role, "jwt": proof}
        path = f"auth/{login.mount}/login"
        answer = self._judged(self._send("post", path, body, token=""), path)
        auth = answer.get("auth")
        token = auth.get("client_token") if isinstance(auth, dict) else None
        if not isinstance(token, str) or not token:
            raise VaultError(f"{self._where} answered the login without a token")
        return token

    def _send(self, method: str, path: str, body: Answer | None, *, token: str) -> requests.Response:
        """Send one request; a standby's redirect is followed once, as Vault's own client does, never out of TLS."""
        verify = str(self._settings.ca_file) if self._settings.ca_file else True
        try:
            with session(total_seconds=self._settings.timeout.total_seconds(), verify=verify) as http:
                answer = self._exchange(http, self._settings.url, method, path, body, token)
                if answer.status_code not in _REDIRECTS:
                    return answer
                active = urlsplit(urljoin(answer.url, answer.headers.get("Location", "")))
                if active.scheme != "https" and self._settings.url.startswith("https:"):
                    raise VaultError(f"{self._where} redirects out of TLS; not followed", permanent=True)
                return self._exchange(http, f"{active.scheme}://{active.netloc}", method, path, body, token)
        except requests.RequestException as error:
            raise VaultError(explain(error)) from error
        except OSError as error:  # requests' way to say that the CA file is not there
            raise VaultError(f"{self._where} cannot be asked: {error}", permanent=True) from error

    def _exchange(
        self, http: requests.Session, base: str, method: str, path: str, body: Answer | None, token: str
    ) -> requests.Response:
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
        answer: requests.Response = adapter.request(method, f"/v1/{path}", json=body, raise_exception=False)
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
        hint = (
            "; the token may have expired, or its policy does not allow this" if status == HTTPStatus.FORBIDDEN else ""
        )
        message = f"{self._where} refuses {path}: {said} (status {status}){hint}"
        raise VaultError(message, status=status, permanent=not passing, retry_after=wait)

    @property
    def _where(self) -> str:
        return urlsplit(self._settings.url).hostname or "Vault"


def _errors(found: Answer | None) -> str:
    """What Vault says is wrong, in one line of a sensible length."""
    errors = (found or {}).get("errors")
    said = [" ".join(str(error).split()) for error in errors] if isinstance(errors, list) else []
    return "; ".join(_COUNTED.sub("", each) for each in said)[:_MOST_SHOWN]


def data_of(answer: Answer) -> Answer:
    """What an answer carries; empty where it carries nothing, or something of another shape."""
    found = answer.get("data")
    return found if isinstance(found, dict) else {}
