"""Look at many endpoints at once: one fresh, full, unverified handshake with every address of each.

One event loop in one private thread per call; OpenSSL does the work, so a call uses one processor.
"""

from __future__ import annotations

import asyncio
import contextlib
import resource
import socket
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import sha256

from OpenSSL import SSL

from rotator.core.model import Certificate, Chain, Endpoint, Handshake, Sighting, SightingState
from rotator.core.pem import PemError, parse_certificate
from rotator.lib.starttls import DIALOGUES, StartTlsRefused, start_tls
from rotator.lib.tls.handshake import HandshakeFailed, Shown, shake
from rotator.lib.tls.hello import reading_context, sni
from rotator.lib.tls.loop import stream
from rotator.lib.tls.names import RESOLVED_AT_ONCE, NotResolved, Resolver
from rotator.lib.tls.wire import TooMuch, Wire, WireClosed

_SPARE_DESCRIPTORS = 64
_WAITING_PER_WORKER = 4
_WORKERS_PER_ENDPOINT = 16  # a name may have many addresses
_PARSED_KEPT = 4096  # certificates; intermediates and wildcards repeat

Emit = Callable[[Sighting], None]


@dataclass(frozen=True, slots=True)
class Limits:
    """How long one address may take: to connect, and for everything with it (seconds)."""

    connect_seconds: float = 5.0
    total_seconds: float = 10.0


def probe(
    endpoints: Sequence[Endpoint],
    *,
    connect_seconds: float = 5.0,
    total_seconds: float = 10.0,
    concurrency: int = 256,
    key_algorithm: str | None = None,
) -> Iterator[Sighting]:
    """Yield one sighting per address of every endpoint as they come in, in no particular order.

    An endpoint whose name does not resolve has one sighting, without an address. Works from any thread; a generator
    that is closed early closes its connections.

    Args:
        connect_seconds: until the TCP connection stands.
        total_seconds: for one address, connecting and STARTTLS included; and for resolving one name.
        concurrency: connections at once, less where the process may not open so many files.
        key_algorithm: `rsa`, `ecdsa`, `ed25519`: a server with several certificates is asked for the one with such a
            key, over TLS 1.2. A server that refuses that (it has none, or speaks TLS 1.3 only) is asked again
            without.
    """
    limits = Limits(min(connect_seconds, total_seconds), total_seconds)
    wide = reading_context()
    contexts = (reading_context(key_algorithm), wide) if key_algorithm else (wide,)
    wanted = tuple(dict.fromkeys(endpoints))
    workers = _allowed(min(concurrency, len(wanted) * _WORKERS_PER_ENDPOINT))
    return stream(lambda emit: _Prober(limits, workers, contexts, emit).look(wanted))


def _allowed(concurrency: int) -> int:
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    room = concurrency if files == resource.RLIM_INFINITY else files - _SPARE_DESCRIPTORS
    return max(1, min(concurrency, room))


Place = tuple[Endpoint, str]


@dataclass(slots=True)
class _Prober:
    """One run: names are resolved ahead of the workers that shake hands."""

    limits: Limits
    concurrency: int
    contexts: tuple[SSL.Context, ...]
    emit: Emit
    parsed: dict[bytes, Certificate] = field(default_factory=dict)

    async def look(self, endpoints: Sequence[Endpoint]) -> None:
        places: asyncio.Queue[Place | None] = asyncio.Queue(self.concurrency * _WAITING_PER_WORKER)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._resolve_all(endpoints, places))
            for _ in range(self.concurrency):
                group.create_task(self._work(places))

    async def _resolve_all(self, endpoints: Sequence[Endpoint], places: asyncio.Queue[Place | None]) -> None:
        left = iter(endpoints)
        with contextlib.closing(Resolver(self.limits.total_seconds)) as resolver:
            async with asyncio.TaskGroup() as group:
                for _ in range(RESOLVED_AT_ONCE):
                    group.create_task(self._resolve_some(left, resolver, places))
        for _ in range(self.concurrency):
            await places.put(None)

    async def _resolve_some(
        self, left: Iterator[Endpoint], resolver: Resolver, places: asyncio.Queue[Place | None]
    ) -> None:
        for endpoint in left:  # shared by all who resolve: each takes the next one
            try:
                addresses = await resolver.addresses(endpoint.host)
            except NotResolved as error:
                self.emit(Sighting(endpoint, "", SightingState.DNS, detail=str(error)))
                continue
            for address in addresses:
                await places.put((endpoint, address))

    async def _work(self, places: asyncio.Queue[Place | None]) -> None:
        while (place := await places.get()) is not None:
            self.emit(await self._sighting(*place))

    async def _sighting(self, endpoint: Endpoint, address: str) -> Sighting:
        failed = None
        for context in self.contexts:
            try:
                shown = await look_at(endpoint, address, context, self.limits)
            except HandshakeFailed as failure:
                failed = failure
                if failure.state is not SightingState.ALERT:
                    break
            else:
                return self._served(endpoint, address, shown)
        assert failed is not None
        return Sighting(endpoint, address, failed.state, detail=failed.detail)

    def _served(self, endpoint: Endpoint, address: str, shown: Shown) -> Sighting:
        chain, unreadable = self._chain(shown)
        return Sighting(
            endpoint=endpoint,
            address=address,
            state=SightingState.SERVED,
            fingerprint=sha256(shown.chain[0]).hexdigest(),
            chain=chain,
            handshake=Handshake(shown.version, shown.cipher, shown.client_certificate_wanted),
            detail=unreadable,
        )

    def _chain(self, shown: Shown) -> tuple[Chain | None, str]:
        """The chain as far as it can be read, and what is wrong with the rest; each certificate is parsed once."""
        certificates: list[Certificate] = []
        for position, der in enumerate(shown.chain, 1):
            try:
                certificate = self.parsed.get(der) or parse_certificate(der)
            except PemError as error:
                return _readable(certificates), f"certificate {position} of the chain: {error}"
            if len(self.parsed) < _PARSED_KEPT:
                self.parsed[der] = certificate
            certificates.append(certificate)
        return _readable(certificates), ""


def _readable(certificates: Sequence[Certificate]) -> Chain | None:
    return Chain(tuple(certificates)) if certificates else None


async def look_at(endpoint: Endpoint, address: str, context: SSL.Context, limits: Limits) -> Shown:
    """One connection to one address: TCP, STARTTLS where it is asked for, handshake, goodbye.

    Raises:
        HandshakeFailed: nothing was shown; says why.
    """
    if endpoint.starttls and endpoint.starttls not in DIALOGUES:
        raise HandshakeFailed(SightingState.NOT_TLS, f"rotator does not know STARTTLS for {endpoint.starttls}")
    try:
        name = sni(endpoint)
    except UnicodeError as error:
        raise HandshakeFailed(SightingState.DNS, f"its name cannot be sent as server name: {error}") from error
    try:
        async with asyncio.timeout(limits.total_seconds), _connected(endpoint, address, limits) as wire:
            if endpoint.starttls:
                await _start_tls(endpoint, wire)
            return await shake(wire, context, name)
    except TimeoutError as error:
        raise HandshakeFailed(
            SightingState.TIMEOUT,
            f"it answered the connection, but not all of the handshake in {limits.total_seconds:g} s",
        ) from error
    except OSError as error:
        raise HandshakeFailed(SightingState.UNREACHABLE, f"the connection broke: {error.strerror or error}") from error


@contextlib.asynccontextmanager
async def _connected(endpoint: Endpoint, address: str, limits: Limits) -> AsyncIterator[Wire]:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as plain:
        plain.setblocking(False)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await _connect(plain, address, endpoint.port, limits)
        yield Wire(plain)


async def _connect(plain: socket.socket, address: str, port: int, limits: Limits) -> None:
    try:
        async with asyncio.timeout(limits.connect_seconds):
            await asyncio.get_running_loop().sock_connect(plain, (address, port))
    except TimeoutError as error:
        raise HandshakeFailed(SightingState.TIMEOUT, f"no connection within {limits.connect_seconds:g} s") from error
    except ConnectionRefusedError as error:
        raise HandshakeFailed(SightingState.REFUSED, "it refused the connection") from error
    except OSError as error:
        raise HandshakeFailed(SightingState.UNREACHABLE, f"no connection: {error.strerror or error}") from error


async def _start_tls(endpoint: Endpoint, wire: Wire) -> None:
    try:
        await start_tls(endpoint.starttls, wire)
    except StartTlsRefused as error:
        raise HandshakeFailed(SightingState.NOT_TLS, f"{endpoint.starttls}: {error}") from error
    except TooMuch as error:
        raise HandshakeFailed(SightingState.NOT_TLS, f"{endpoint.starttls}: it sent more than was asked") from error
    except WireClosed as error:
        detail = f"{endpoint.starttls}: it closed the connection before TLS began"
        raise HandshakeFailed(SightingState.UNREACHABLE, detail) from error
