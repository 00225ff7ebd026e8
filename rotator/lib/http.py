"""The one way rotator speaks HTTP: requests, with bounds on size, on total time and, where wanted, on where it goes.

A `timeout` of requests bounds the wait for one byte, so a server that sends a byte a second holds its caller for ever.
Here every socket operation of one request (name resolution, connecting, TLS, headers, body, all redirects) draws on
one allowance of seconds and bytes, also while a body is streamed with `iter_content`.

Proxies and `.netrc` of the environment are obeyed (`trust_env`), except where internal addresses are refused: behind a
proxy nobody here could tell where a name leads. A proxy that itself speaks TLS is bounded per operation, not in total.
"""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import requests
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.exceptions import NameResolutionError

from rotator.lib.allowance import POOLS, Allowance, InternalAddress, TooLarge, TooSlow, current, host_of
from rotator.lib.reach import Reach, is_public

__all__ = [
    "MAX_REDIRECTS",
    "InternalAddress",
    "TooLarge",
    "TooSlow",
    "explain",
    "is_public",
    "listening",
    "session",
    "tell_date",
]

MAX_REDIRECTS = 3
_CHUNK = 64 << 10
_HTTPS = 443
_UNSENDABLE = (
    "the request cannot be sent: a header of it, as a token is, begins with a space, or holds a line break or a letter "
    "that HTTP does not carry"
)


def session(
    *,
    total_seconds: float,
    max_bytes: int = 1 << 20,
    verify: bool | str = True,
    allow_internal: bool | Sequence[str] = True,
    clock_monotonic: Callable[[], float] = time.monotonic,
) -> requests.Session:
    """Make a session whose every request ends within `total_seconds` and never yields more than `max_bytes`.

    Follows at most three redirects (`requests.TooManyRedirects` after that). A `timeout` given with a request still
    bounds each single operation. `verify` wins over REQUESTS_CA_BUNDLE when it names a file.

    Args:
        max_bytes: of the body, after decompression.
        allow_internal: whether addresses that are not public may be connected to. Say False where a certificate, a
            redirect or another stranger names the host, or which hosts, addresses and networks nevertheless (`Reach`).

    Raises:
        ValueError: `allow_internal` has an entry that is no host, address or network.

    Raises (each request, or the reading of its body):
        TooLarge, TooSlow, InternalAddress: see there; they name the host, never the path.
        requests.exceptions.InvalidHeader: without the header, which is a token as a rule.
        requests.RequestException: anything else that requests raises. Its text may hold the whole URL: use `explain`.
    """
    reach = None if allow_internal is True else Reach.of(allow_internal or ())
    return _BoundSession(total_seconds, max_bytes, verify, reach, clock_monotonic)


def explain(error: requests.RequestException) -> str:
    """Say in one clause why a request failed, without path or query, which may be secret (a webhook's are)."""
    if isinstance(error, TooLarge | TooSlow | InternalAddress):
        return str(error)
    if isinstance(error, requests.exceptions.InvalidHeader):
        return _UNSENDABLE
    where = host_of(error.request.url if error.request is not None else None)
    cause = _innermost(error)
    if isinstance(cause, ssl.SSLCertVerificationError):
        return f"{where} shows a certificate that does not verify: {cause.verify_message}"
    if isinstance(error, requests.exceptions.SSLError):
        return f"TLS with {where} failed: {getattr(cause, 'reason', '') or type(cause).__name__}"
    if isinstance(cause, NameResolutionError | socket.gaierror):
        return f"the name {where} does not resolve"
    if isinstance(cause, ConnectionRefusedError):
        return f"{where} refuses the connection"
    if isinstance(error, requests.TooManyRedirects):
        return f"{where} redirects more than {MAX_REDIRECTS} times"
    if isinstance(error, requests.Timeout) or isinstance(cause, TimeoutError):
        return f"{where} did not answer in time"
    if isinstance(error, requests.ConnectionError):
        return f"the connection to {where} failed: {getattr(cause, 'strerror', None) or type(cause).__name__}"
    return f"the request to {where} failed: {type(error).__name__}"


def _innermost(error: BaseException) -> BaseException:
    """The first cause below what requests and urllib3 wrap around it."""
    for _ in range(10):  # a chain of causes may loop
        inner = error.__cause__ or error.__context__ or getattr(error, "reason", None)
        if inner is None and error.args:
            inner = error.args[0]
        if not isinstance(inner, BaseException):
            return error
        error = inner
    return error


# ---------------------------------------------------------------- the time that servers tell

Listener = Callable[[str, str, float], None]
"""Is told of an answer: `host:port`, its `Date` as it came, and how many seconds ago the request was begun."""

_listeners: list[Listener] = []


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Have a listener told of the `Date` of every answer that comes over verified TLS, in any thread, meanwhile."""
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)


def tell_date(url: str, headers: Mapping[str, str], seconds: float) -> None:
    """Tell the listeners of an answer that came over verified TLS, by whatever client.

    Args:
        seconds: how long ago the request was begun.
    """
    parts, date = urlsplit(url), headers.get("Date")
    if date is None or parts.scheme != "https" or headers.get("Age", "0") != "0":
        return  # what a cache kept is as old as it says
    for listener in tuple(_listeners):
        listener(f"{parts.hostname}:{parts.port or _HTTPS}", date, seconds)


# ---------------------------------------------------------------- requests


class _BoundResponse(requests.Response):
    allowance: Allowance | None = None

    def iter_content(self, chunk_size: int | None = 1, decode_unicode: bool = False) -> Generator[Any, None, None]:
        """As in requests, but within the allowance and never with the whole body in one piece."""
        received = 0
        try:
            for piece in super().iter_content(min(chunk_size or _CHUNK, _CHUNK), decode_unicode):
                received += len(piece)
                if self.allowance is not None and received > self.allowance.max_bytes:
                    self.allowance.stop_large()
                    raise requests.exceptions.ContentDecodingError("too large")
                yield piece
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
            self.close()
            told = self.allowance.translate(error, self.url) if self.allowance is not None else error
            if told is error:
                raise
            raise told from error


class _BoundAdapter(HTTPAdapter):
    def init_poolmanager(self, *args: Any, **named: Any) -> None:
        super().init_poolmanager(*args, **named)
        self.poolmanager.pool_classes_by_scheme = POOLS

    def proxy_manager_for(self, proxy: str, **named: Any) -> Any:
        proxies = super().proxy_manager_for(proxy, **named)
        proxies.pool_classes_by_scheme = POOLS
        return proxies

    def build_response(self, req: requests.PreparedRequest, resp: Any) -> requests.Response:
        bound = _BoundResponse()
        bound.__dict__.update(super().build_response(req, resp).__dict__)
        bound.allowance = current.get()
        return bound


class _BoundSession(requests.Session):
    def __init__(
        self, seconds: float, max_bytes: int, verify: bool | str, reach: Reach | None, clock: Callable[[], float]
    ) -> None:
        super().__init__()
        self._allowance = partial(Allowance, self, seconds=seconds, max_bytes=max_bytes, reach=reach, clock=clock)
        self.verify = verify
        self.trust_env = reach is None
        self._clock = clock
        self.max_redirects = MAX_REDIRECTS
        self.mount("https://", _BoundAdapter())
        self.mount("http://", _BoundAdapter())

    def prepare_request(self, request: requests.Request) -> requests.PreparedRequest:
        try:
            return super().prepare_request(request)
        except requests.exceptions.InvalidHeader:
            raise requests.exceptions.InvalidHeader(_UNSENDABLE) from None  # requests shows the header itself

    def send(self, request: requests.PreparedRequest, **named: Any) -> requests.Response:
        allowance = current.get()
        if allowance is not None and allowance.owner is self:  # a redirect: it draws on what is left
            return self._send_within(allowance, request, named)
        allowance = self._allowance()
        token = current.set(allowance)
        began = self._clock()
        try:
            answer = self._send_within(allowance, request, named)
        finally:
            current.reset(token)
        if self.trust_env:  # what a stranger named says nothing that is to be believed
            tell_date(answer.url, answer.headers, self._clock() - began)
        return answer

    def _send_within(
        self, allowance: Allowance, request: requests.PreparedRequest, named: Mapping[str, Any]
    ) -> requests.Response:
        bounded = {**named, "timeout": named.get("timeout") or allowance.total_seconds}
        try:
            return super().send(request, **bounded)
        except UnicodeEncodeError:  # of a header; everything else is bytes by now
            raise requests.exceptions.InvalidHeader(_UNSENDABLE, request=request) from None
        except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
            told = allowance.translate(error, request.url)
            if told is error:
                raise
            raise told from error

    def merge_environment_settings(self, url: Any, proxies: Any, stream: Any, verify: Any, cert: Any) -> Any:
        settings = super().merge_environment_settings(url, proxies, stream, verify, cert)
        if verify is None and self.verify is not True:  # requests lets the environment win over the session
            settings["verify"] = self.verify
        return settings
