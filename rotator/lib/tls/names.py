"""From a host to the addresses that this machine can look at."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from rotator.lib.tls.hello import is_address

RESOLVED_AT_ONCE = 128
"""Names; the resolver of the C library blocks a thread for each, which is started when it is needed."""

REMEMBERED = 4096
"""Names whose addresses are kept; many endpoints of one name mostly come together."""


NO_ROUTE = "this machine has no route to it"


@dataclass(frozen=True, slots=True)
class Addresses:
    """The addresses of a name, in the resolver's order.

    Attributes:
        routed: those that can be looked at; all of them where this machine has a route to none.
        unrouted: the others.
    """

    routed: tuple[str, ...]
    unrouted: tuple[str, ...] = ()

    @property
    def first_unrouted(self) -> tuple[str, ...]:
        """The first of each family, IPv4 and IPv6, that is left out."""
        return tuple({":" in address: address for address in reversed(self.unrouted)}.values())


class NotResolved(Exception):  # noqa: N818 - reads as what happened
    """A name leads to no address; one clause."""


class _Asked:
    """One name that is looked up. Its time begins when a thread takes it, however long others kept all threads."""

    def __init__(self, lookup: Callable[[str], tuple[str, ...]], host: str, pool: ThreadPoolExecutor) -> None:
        self._loop = asyncio.get_running_loop()
        self._began: asyncio.Future[float] = self._loop.create_future()
        self._lookup = lookup
        self.answer = self._loop.run_in_executor(pool, self._look_up, host)

    def _look_up(self, host: str) -> Addresses:
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            self._loop.call_soon_threadsafe(self._begin, self._loop.time())
        return by_route(self._lookup(host))

    def _begin(self, at: float) -> None:
        if not self._began.done():
            self._began.set_result(at)

    async def within(self, seconds: float) -> Addresses:
        """The answer; raises TimeoutError, and what the lookup raises."""
        began = await asyncio.shield(self._began)  # others may wait for the same
        async with asyncio.timeout_at(began + seconds):
            return await asyncio.shield(self.answer)


class Resolver:
    """Resolves each name once (again where thousands of others came between), within one event loop.

    Args:
        seconds: how long one lookup may take, once it has begun.
        lookup: asks for the addresses of a name, in a thread; raises NotResolved.
    """

    def __init__(self, seconds: float, lookup: Callable[[str], tuple[str, ...]] | None = None) -> None:
        self._seconds = seconds
        self._lookup = lookup or system_lookup
        self._pool = ThreadPoolExecutor(RESOLVED_AT_ONCE, thread_name_prefix="rotator-dns")
        self._asked: OrderedDict[str, _Asked] = OrderedDict()

    def close(self) -> None:
        """Give up what is still asked; a resolver that hangs is left to its own limit."""
        for asked in self._asked.values():
            asked.answer.cancel()
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def addresses(self, host: str) -> Addresses:
        """Every address, A and AAAA.

        Raises:
            NotResolved: there is none, or no answer within the limit.
        """
        if is_address(host):
            return Addresses((host,))
        if host not in self._asked:
            if len(self._asked) >= REMEMBERED:
                self._asked.popitem(last=False)
            self._asked[host] = _Asked(self._lookup, host, self._pool)
        try:
            return await self._asked[host].within(self._seconds)
        except TimeoutError:
            raise NotResolved(f"the name was not resolved within {self._seconds:g} s") from None


def system_lookup(host: str) -> tuple[str, ...]:
    """Ask as any program of this machine does (hosts file, DNS); raises NotResolved."""
    try:
        answers = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except socket.gaierror as error:
        raise NotResolved(f"the name was not resolved: {error.strerror}") from error
    except (UnicodeError, ValueError, OSError) as error:
        raise NotResolved(f"it is no name that DNS could have: {error}") from error
    return tuple(dict.fromkeys(str(answer[4][0]) for answer in answers))


def by_route(addresses: Sequence[str]) -> Addresses:
    """Tell apart the addresses that this machine has no route to, if it has one to another of them.

    A machine without IPv6 learns nothing about a service from its AAAA record; that is no outage.
    """
    routed = tuple(address for address in addresses if _has_route(address))
    if not routed:
        return Addresses(tuple(addresses))
    return Addresses(routed, tuple(address for address in addresses if address not in routed))


def _has_route(address: str) -> bool:
    """Ask the kernel only: connecting a datagram socket sends nothing."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with contextlib.suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as probe:
        return probe.connect_ex((address, 9)) not in {errno.ENETUNREACH, errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT}
    return False
