"""One run of the prober in one event loop: endpoints become places, places become sightings."""

from __future__ import annotations

import asyncio
import contextlib
import resource
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace
from typing import TypeAlias

from rotator.core.model import Endpoint, Sighting, SightingState
from rotator.lib.tls.feed import feed_of
from rotator.lib.tls.hello import is_address
from rotator.lib.tls.limits import Pace
from rotator.lib.tls.look import Looker
from rotator.lib.tls.loop import Outlet, Work
from rotator.lib.tls.names import NO_ROUTE, RESOLVED_AT_ONCE, NotResolved, Resolver
from rotator.lib.tls.order import Order
from rotator.lib.tls.schedule import Place, Schedule

Look: TypeAlias = Callable[[Endpoint, str], Awaitable[Iterable[Sighting]]]
"""Looks at one address of an endpoint."""

_ASIDE = 8
"""So many times as many places may wait for a busy address: a stretch of one address must not hold up all others."""

_SPARE_DESCRIPTORS = 64


def work_of(endpoints: Iterable[Endpoint], order: Order) -> Work[Sighting]:
    """The whole of an order as work for a loop of its own.

    Raises:
        ClientCertificateUnfit: at once.
    """
    look = Looker(order)
    pace = replace(order.pace, concurrency=allowed(order.pace.concurrency))

    async def work(outlet: Outlet[Sighting]) -> None:
        run = Run(look, outlet, pace, resolve_seconds=order.limits.total_seconds, unrouted=order.unrouted)
        await run.through(endpoints)

    return work


def allowed(concurrency: int) -> int:
    """How many connections this process may have; its soft limit of open files is raised where the hard one allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = concurrency + _SPARE_DESCRIPTORS
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return concurrency if soft == resource.RLIM_INFINITY else max(1, min(concurrency, soft - _SPARE_DESCRIPTORS))


class Run:
    """Looks at everything it is fed, as many at once as the pace allows and the reader takes.

    There are no idle workers: one is begun when there is a place for it, goes on while there is a next, and ends.
    Made and used within one event loop.

    Args:
        resolve_seconds: how long one name may take.
        unrouted: whether to tell of addresses that this machine has no route to.
    """

    def __init__(
        self, look: Look, outlet: Outlet[Sighting], pace: Pace, *, resolve_seconds: float, unrouted: bool
    ) -> None:
        self._look = look
        self._outlet = outlet
        self._pace = pace
        self._unrouted = unrouted
        self._schedule = Schedule(pace.per_address)
        self._resolver = Resolver(resolve_seconds)
        self._names: deque[Endpoint] = deque()
        self._looking = self._resolving = 0
        self._over = asyncio.Event()

    async def through(self, endpoints: Iterable[Endpoint]) -> None:
        """Emit one sighting per address of every endpoint; raises what the iterator raises, after what it gave."""
        loop = asyncio.get_running_loop()

        def arrived() -> None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody reads on
                loop.call_soon_threadsafe(self._go_on)

        self._feed = feed_of(endpoints, arrived, self._pace.ahead)
        self._outlet.on_room = self._go_on
        with contextlib.closing(self._feed), contextlib.closing(self._resolver):
            async with asyncio.TaskGroup() as self._group:
                self._go_on()
                await self._over.wait()
        self._feed.check()

    # ---------------------------------------------------------------- what is next

    def _go_on(self) -> None:
        """Begin as much as there is to do and room for."""
        while self._looking < self._pace.concurrency and (place := self._next()) is not None:
            self._looking += 1
            self._group.create_task(self._work(place))
        if not (self._looking or self._resolving or self._schedule.waiting or self._names) and self._feed.ended:
            self._over.set()

    def _next(self) -> Place | None:
        if self._outlet.full:
            return None
        place = self._schedule.next()
        while place is None and self._refill():
            place = self._schedule.next()
        return place

    def _refill(self) -> bool:
        """Read on, unless enough waits already; says whether something came that may be looked at now."""
        room = self._pace.ahead - max(self._schedule.waiting // _ASIDE, len(self._names))
        came = False
        for endpoint in self._feed.take(room) if room > 0 else ():
            if is_address(endpoint.host):
                self._schedule.add((endpoint, endpoint.host))
                came = True
            else:
                self._names.append(endpoint)
        while self._resolving < RESOLVED_AT_ONCE and self._names:
            self._resolving += 1
            self._group.create_task(self._resolve())
        return came

    # ---------------------------------------------------------------- work

    async def _work(self, place: Place) -> None:
        following: Place | None = place
        while following is not None:
            for sighting in await self._look(*following):
                self._outlet.emit(sighting)
            self._schedule.done(following)
            following = self._next()
        self._looking -= 1
        self._go_on()

    async def _resolve(self) -> None:
        while self._names:
            endpoint = self._names.popleft()
            try:
                found = await self._resolver.addresses(endpoint.host)
            except NotResolved as error:
                self._outlet.emit(Sighting(endpoint, "", SightingState.DNS, detail=str(error)))
                continue
            for address in found.routed:
                self._schedule.add((endpoint, address))
            for address in found.first_unrouted if self._unrouted else ():
                self._outlet.emit(Sighting(endpoint, address, SightingState.UNROUTED, detail=NO_ROUTE))
            self._go_on()
        self._resolving -= 1
        self._go_on()
