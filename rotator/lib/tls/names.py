"""From a host to the addresses that this machine can look at."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from rotator.lib.tls.hello import is_address

RESOLVED_AT_ONCE = 32
"""Names; the resolver of the C library blocks a thread for each."""


REMEMBERED = 4096
"""Names whose addresses are kept; many endpoints of one name mostly come together."""


class NotResolved(Exception):  # noqa: N818 - reads as what happened
    """A name leads to no address; one clause."""


class Resolver:
    """Resolves each name once (again where thousands of others came between), within one event loop.

    Args:
        seconds: how long one name may take.
        lookup: asks for the addresses of a name, in a thread; raises NotResolved.
    """

    def __init__(self, seconds: float, lookup: Callable[[str], tuple[str, ...]] | None = None) -> None:
        self._seconds = seconds
        self._lookup = lookup or system_lookup
        self._pool = ThreadPoolExecutor(RESOLVED_AT_ONCE, thread_name_prefix="rotator-dns")
        self._asked: OrderedDict[str, asyncio.Future[tuple[str, ...]]] = OrderedDict()

    def close(self) -> None:
        """Give up what is still asked; a resolver that hangs is left to its own limit."""
        for asked in self._asked.values():
            asked.cancel()
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def addresses(self, host: str) -> tuple[str, ...]:
        """Every address, A and AAAA, in the resolver's order.

        Raises:
            NotResolved: there is none, or no answer within the limit.
        """
        if is_address(host):
            return (host,)
        if host not in self._asked:
            if len(self._asked) >= REMEMBERED:
                self._asked.popitem(last=False)
            loop = asyncio.get_running_loop()
            self._asked[host] = loop.run_in_executor(self._pool, self._lookup, host)
        try:
            async with asyncio.timeout(self._seconds):
                return await asyncio.shield(self._asked[host])  # others may wait for the same answer
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
    return with_route(tuple(dict.fromkeys(str(answer[4][0]) for answer in answers)))


def with_route(addresses: Sequence[str]) -> tuple[str, ...]:
    """Leave out addresses that this machine has no route to, if it has one to another of them.

    A machine without IPv6 learns nothing about a service from its AAAA record; that is no outage.
    """
    routed = tuple(address for address in addresses if _has_route(address))
    return routed or tuple(addresses)


def _has_route(address: str) -> bool:
    """Ask the kernel only: connecting a datagram socket sends nothing."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with contextlib.suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as probe:
        return probe.connect_ex((address, 9)) not in {errno.ENETUNREACH, errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT}
    return False
