"""What one HTTP request may use of time, bytes and reach, and connections that draw on it.

Used by `rotator.lib.http`, which see. The allowance of the running request travels in a context variable, because
requests and urllib3 have no other way from a session to the socket it will open.
"""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextvars import ContextVar
from typing import Any, cast
from urllib.parse import urlsplit

import requests
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError
from urllib3.util.ssl_ import create_urllib3_context, resolve_cert_reqs

from rotator.lib.reach import Reach

_OVERHEAD = 256 << 10  # bytes granted to headers and framing on top of the body

_Address = tuple[Any, Any, int, str, Any]  # what getaddrinfo gives: family, kind, protocol, canonical name, address


class TooLarge(requests.RequestException):
    """The answer has more bytes than were allowed."""


class TooSlow(requests.Timeout):
    """The answer was not complete in the total time that was allowed."""


class InternalAddress(requests.RequestException):
    """The host leads to an address that is not public, and that was not allowed."""


def host_of(url: str | None) -> str:
    """The host of a URL, which may be said aloud; the rest of it may be a secret."""
    try:
        return urlsplit(url or "").hostname or "the server"
    except ValueError:
        return "the server"


class Allowance:
    """What one request of one session, its redirects included, may still use, and why it was stopped.

    `reach` says which addresses may be connected to; None is all of them.
    """

    __slots__ = ("_bytes", "_clock", "_deadline", "_stopped", "max_bytes", "owner", "reach", "total_seconds")

    def __init__(
        self, owner: object, *, seconds: float, max_bytes: int, reach: Reach | None, clock: Callable[[], float]
    ) -> None:
        self.owner = owner
        self.total_seconds, self.max_bytes, self.reach = seconds, max_bytes, reach
        self._stopped: tuple[type[requests.RequestException], str] | None = None
        self._clock = clock
        self._deadline = clock() + seconds
        self._bytes = max_bytes + _OVERHEAD

    def seconds(self, own: float | None) -> float:
        """The time the next operation may take: what is left, or its own limit when that is shorter.

        Raises:
            TimeoutError: nothing is left.
        """
        left = self._deadline - self._clock()
        if left <= 0:
            raise TimeoutError("the total time is used up")
        return left if own is None else min(own, left)

    def spend(self, count: int) -> None:
        """Note bytes that came in; an OSError, which urllib3 passes on, when they are too many."""
        self._bytes -= count
        if self._bytes < 0:
            self.stop_large()
            raise OSError("the answer is too large")

    def stop_large(self) -> None:
        self._stopped = TooLarge, f"answered with more than {self.max_bytes} bytes; not read any further"

    def stop_internal(self) -> None:
        self._stopped = InternalAddress, "leads to an internal address, which is not allowed here"

    def translate(self, error: Exception, url: str | None) -> Exception:
        """The error to raise for what requests and urllib3 made of it; `error` itself when it is the right one."""
        if isinstance(error, TooLarge | TooSlow | InternalAddress):
            return error
        request = getattr(error, "request", None)
        if self._stopped is not None:
            kind, clause = self._stopped
            return kind(f"{host_of(url)} {clause}", request=request)
        if self._clock() >= self._deadline - 0.01:  # a socket may time out a little before the deadline
            return TooSlow(f"{host_of(url)} did not finish within {self.total_seconds:g} s", request=request)
        if isinstance(error, requests.RequestException):
            return error
        return requests.ConnectionError(error, request=request)


current: ContextVar[Allowance | None] = ContextVar("allowance", default=None)


# ---------------------------------------------------------------- sockets


class _Bound:
    """Gives every receiving and sending call of a socket class what is left of the allowance."""

    allowance: Allowance | None = None
    _own: float | None = None

    def settimeout(self, value: float | None) -> None:
        self._own = value
        super().settimeout(value)  # type: ignore[misc]  # the next class in line is a socket

    def _draw(self) -> None:
        if self.allowance is not None:
            super().settimeout(self.allowance.seconds(self._own))  # type: ignore[misc]  # as above

    def recv_into(self, *args: Any, **named: Any) -> int:
        self._draw()
        count: int = super().recv_into(*args, **named)  # type: ignore[misc]  # as above
        if self.allowance is not None:
            self.allowance.spend(count)
        return count

    def send(self, *args: Any) -> int:
        self._draw()
        return cast("int", super().send(*args))  # type: ignore[misc]  # as above

    def sendall(self, *args: Any) -> None:
        self._draw()
        super().sendall(*args)  # type: ignore[misc]  # as above


class _Socket(_Bound, socket.socket):
    pass


class _TlsSocket(_Bound, ssl.SSLSocket):
    pass


def _resolve(host: str, port: int, allowance: Allowance) -> list[_Address]:
    """Resolve in a thread of its own: the C library knows no limit. A late answer is dropped."""
    found: Future[list[_Address]] = Future()

    def look_up() -> None:
        try:
            found.set_result(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except (OSError, UnicodeError) as error:
            found.set_exception(error)

    threading.Thread(target=look_up, name=f"resolve {host}", daemon=True).start()
    return found.result(timeout=allowance.seconds(None))


def _connect(host: str, port: int, own: float | None, allowance: Allowance) -> _Socket:
    """Connect to the first address that answers. What was judged is what is connected to: no second look-up."""
    addresses = _resolve(host, port, allowance)
    if allowance.reach is not None:
        addresses = [address for address in addresses if allowance.reach.allows(host, address[4][0])]
        if not addresses:
            allowance.stop_internal()
            raise OSError("an internal address")
    problem = OSError("the name has no address")
    for tried, (family, kind, protocol, _, address) in enumerate(addresses):
        sock = _Socket(family, kind, protocol)
        try:
            # A fair share each, so that one dead address does not use up the time of the others.
            share = allowance.seconds(None) / (len(addresses) - tried)
            sock.settimeout(min(own or share, share))
            sock.connect(address)
            sock.settimeout(allowance.seconds(own))
        except OSError as error:
            sock.close()
            problem = error
        else:
            sock.allowance = allowance
            return sock
    raise problem


class _Connection(HTTPConnection):
    def _new_conn(self) -> socket.socket:
        allowance = current.get()
        if allowance is None:
            return super()._new_conn()
        try:
            sock = _connect(self._dns_host, self.port, self.timeout, allowance)
        except socket.gaierror as error:
            raise NameResolutionError(self.host, self, error) from error
        except TimeoutError as error:
            raise ConnectTimeoutError(self, f"{self.host} did not answer in time") from error
        except (OSError, UnicodeError) as error:
            raise NewConnectionError(self, f"no connection: {error}") from error
        for option in self.socket_options or ():
            sock.setsockopt(*option)
        return sock

    def connect(self) -> None:
        super().connect()
        self._hand_over()

    def request(self, *args: Any, **named: Any) -> None:
        self._hand_over()  # a kept connection still has the allowance of the request before
        super().request(*args, **named)

    def _hand_over(self) -> None:
        if isinstance(self.sock, _Bound):
            self.sock.allowance = current.get()


class _TlsConnection(_Connection, HTTPSConnection):
    def connect(self) -> None:
        if self.ssl_context is None:
            self.ssl_context = create_urllib3_context(cert_reqs=resolve_cert_reqs(self.cert_reqs))
            self.ssl_context.sslsocket_class = _TlsSocket
        super().connect()
        # Who does not verify has said so, and judges the content; urllib3 would warn of each connection, and only that.
        self.is_verified = True


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _TlsConnection


POOLS: dict[str, type[HTTPConnectionPool]] = {"http": _Pool, "https": _TlsPool}
"""By scheme, for a pool manager of urllib3."""
