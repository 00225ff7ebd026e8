"""Forty TLS services in one process, each on its own port, reloading when their `reload` file is touched."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from rotator.core.model import Bundle
from rotator.core.pem import chain_pem, read_chain
from rotator.demo.fleet import HOST, Service
from rotator.errors import RotatorError
from rotator.log import logger

log = logger(__name__)

_LOOK_EVERY = 0.1
_PAGE = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\nok\n"


class PortTaken(RotatorError):  # noqa: N818 - reads as what happened
    """One of the demo's ports is in use by another program."""


class Fleet:
    """The servers of the fleet, on an event loop of their own thread; used as a context."""

    def __init__(self, services: Sequence[Service]) -> None:
        self._services = services
        self._thread = threading.Thread(target=self._run, name="demo-fleet", daemon=True)
        self._ready = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._sockets: list[socket.socket] = []

    def __enter__(self) -> Self:
        for service in self._services:
            self._sockets.append(_listen(service.port))
        self._thread.start()
        self._ready.wait()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()
        self._loop.close()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._serve())

    async def _serve(self) -> None:
        servers = [
            _Server(service, listening) for service, listening in zip(self._services, self._sockets, strict=True)
        ]
        tasks = [asyncio.ensure_future(job) for server in servers for job in (server.accept(), server.watch())]
        self._ready.set()
        await self._stop.wait()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for listening in self._sockets:
            listening.close()


def _listen(port: int) -> socket.socket:
    listening = socket.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((HOST, port))
    except OSError as error:
        listening.close()
        raise PortTaken(f"port {port} on {HOST} is taken ({error.strerror}); end the other program, or demo") from error
    listening.listen(128)
    listening.setblocking(False)
    return listening


class _Server:
    """One service: the context it serves with now, None when it is down."""

    def __init__(self, service: Service, listening: socket.socket) -> None:
        self._service = service
        self._listening = listening
        self._context: ssl.SSLContext | None = _context(service.running)
        self._touched = service.reload.stat().st_mtime_ns
        self._open: set[asyncio.Task[None]] = set()

    async def accept(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            connection, _ = await loop.sock_accept(self._listening)
            task = asyncio.ensure_future(self._answer(connection))
            self._open.add(task)
            task.add_done_callback(self._open.discard)

    async def _answer(self, connection: socket.socket) -> None:
        if self._context is None:
            connection.close()  # down: the connection ends before a byte
            return
        with contextlib.suppress(OSError, ssl.SSLError, asyncio.IncompleteReadError, TimeoutError):
            reader, writer = await asyncio.wait_for(_wrapped(connection, self._context), 5)
            try:
                await asyncio.wait_for(reader.read(1024), 2)
                writer.write(_PAGE)
                await writer.drain()
            finally:
                writer.transport.abort()

    async def watch(self) -> None:
        """Read the files again whenever `reload` is touched; unusable files leave the old ones served."""
        while True:
            await asyncio.sleep(_LOOK_EVERY)
            touched = self._service.reload.stat().st_mtime_ns
            if touched != self._touched:
                self._touched = touched
                self._reload()

    def _reload(self) -> None:
        service = self._service
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.set_ciphers("DEFAULT:@SECLEVEL=0")
        try:
            context.load_cert_chain(service.certificate, service.key)
        except (OSError, ssl.SSLError) as error:
            log.warning("the service keeps its old certificate", service=service.name, error=str(error))
            return
        if service.only and _fingerprint(service.certificate) != service.only:
            self._context = None  # the stubborn one crashes on any other certificate than its own
            return
        self._context = context


async def _wrapped(
    connection: socket.socket, context: ssl.SSLContext
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """The server's side of a handshake on an accepted connection."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    protocol = asyncio.StreamReaderProtocol(reader)
    transport, _ = await loop.connect_accepted_socket(lambda: protocol, connection, ssl=context)
    return reader, asyncio.StreamWriter(transport, protocol, reader, loop)


def _fingerprint(path: Path) -> str:
    return read_chain(path.read_bytes()).fingerprint


def _context(bundle: Bundle) -> ssl.SSLContext:
    """A server context for a pair that is in memory; weak keys are served, since fleets have them."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    with tempfile.TemporaryDirectory() as directory:
        pair = Path(directory) / "pair.pem"
        pair.touch(mode=0o600)
        pair.write_bytes(bundle.key + chain_pem(bundle.chain))
        context.load_cert_chain(pair)
    return context
