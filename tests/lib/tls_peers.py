"""Peers for the prober on loopback: real TLS servers of every age, and peers that are none."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping
from itertools import count
from pathlib import Path
from typing import TypeAlias

from rotator.core.model import Bundle, Certificate
from rotator.core.pem import chain_pem

TIMEOUT = 20.0
Talk: TypeAlias = Callable[[socket.socket, threading.Event], None]
"""What a peer does with one plain connection; the event says that the test is over."""


@contextlib.contextmanager
def peer(talk: Talk, *, host: str = "127.0.0.1") -> Iterator[int]:
    """Accept connections on a free port and talk to each in a thread; gives the port. All threads end with it."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    over = threading.Event()
    open_now: set[socket.socket] = set()
    threads: list[threading.Thread] = []

    def serve(plain: socket.socket) -> None:
        with contextlib.suppress(OSError), plain:
            talk(plain, over)

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                plain, _ = listener.accept()
                plain.settimeout(TIMEOUT)
                open_now.add(plain)
                threads.append(threading.Thread(target=serve, args=(plain,)))
                threads[-1].start()

    with socket.create_server((host, 0), family=family, backlog=256) as listener:
        accepting = threading.Thread(target=accept)
        accepting.start()
        try:
            yield listener.getsockname()[1]
        finally:
            over.set()
            listener.shutdown(socket.SHUT_RDWR)
            accepting.join()
            for plain in open_now:
                with contextlib.suppress(OSError):
                    plain.shutdown(socket.SHUT_RDWR)
            for thread in threads:
                thread.join()


def server_context(
    folder: Path,
    bundle: Bundle,
    *,
    lowest: ssl.TLSVersion = ssl.TLSVersion.TLSv1_2,
    highest: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3,
    clients: Certificate | None = None,
    also: Bundle | None = None,
    ciphers: str = "ALL:@SECLEVEL=0",
) -> ssl.SSLContext:
    """A server's context; `clients` is the root that client certificates must have, `also` a second certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ciphers(ciphers)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # TLS 1.0 and 1.1 are what is tested
        context.minimum_version, context.maximum_version = lowest, highest
    for number, each in enumerate([bundle, also] if also else [bundle]):
        pair = folder / f"{each.chain.fingerprint[:12]}-{number}.pem"
        pair.write_bytes(chain_pem(each.chain) + each.key)
        context.load_cert_chain(pair)
    if clients is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(cadata=clients.der)
    return context


def only_for(names: Mapping[str, ssl.SSLContext], refusing: ssl.SSLContext) -> ssl.SSLContext:
    """A context that serves each name its own certificate, and a client without a known name an alert."""

    def choose(connection: ssl.SSLObject, name: str | None, _: ssl.SSLContext) -> int | None:
        if name is None or name not in names:
            return ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME
        connection.context = names[name]
        return None

    refusing.sni_callback = choose
    return refusing


def tls(context: ssl.SSLContext) -> Talk:
    """Shake hands, then read until the client is gone."""

    def talk(plain: socket.socket, _: threading.Event) -> None:
        with context.wrap_socket(plain, server_side=True) as secure:
            while secure.recv(4096):
                pass

    return talk


def says(text: bytes) -> Talk:
    """Send this at once and close when the client has spoken."""

    def talk(plain: socket.socket, _: threading.Event) -> None:
        plain.sendall(text)
        plain.recv(4096)

    return talk


def silent(plain: socket.socket, over: threading.Event) -> None:
    """Accept and never say a word."""
    over.wait(TIMEOUT)


def endless(plain: socket.socket, over: threading.Event) -> None:
    """Send one record header of TLS 1.2 after the other, for ever."""
    while not over.is_set():
        plain.sendall(b"\x16\x03\x03\x00\x04\x00\x00\x00\x00" * 1000)


def dialogue(*turns: tuple[bytes, bytes], then: Talk) -> Talk:
    """Wait for each beginning and answer it (an empty one is not waited for), then go on with `then`."""

    def talk(plain: socket.socket, over: threading.Event) -> None:
        for wanted, answer in turns:
            # Who gets no answer does not wait for one: behind MySQL's request (36 bytes) comes the ClientHello.
            heard = plain.recv(4096 if answer else 36) if wanted else b""
            if not heard.startswith(wanted):
                return
            plain.sendall(answer)
        then(plain, over)

    return talk


def once(first: Talk, *, then: Talk) -> Talk:
    """Talk to the first connection in one way and to all others in another."""
    numbers = count()

    def talk(plain: socket.socket, over: threading.Event) -> None:
        (then if next(numbers) else first)(plain, over)

    return talk


def counted(each: Talk) -> tuple[Talk, Callable[[], int]]:
    """Count connections; gives the talk, and how many there were at most at one time."""
    lock = threading.Lock()
    now, most = 0, 0

    def talk(plain: socket.socket, over: threading.Event) -> None:
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
        try:
            each(plain, over)
        finally:
            with lock:
                now -= 1

    return talk, lambda: most


def asking(context: ssl.SSLContext) -> tuple[Talk, Callable[[], list[bytes | None]]]:
    """Shake hands; gives the talk, and the certificates (DER) that clients showed, each once its client has gone."""
    shown: list[bytes | None] = []
    heard = threading.Event()

    def talk(plain: socket.socket, _: threading.Event) -> None:
        try:
            with context.wrap_socket(plain, server_side=True) as secure:
                shown.append(secure.getpeercert(binary_form=True))
        finally:
            heard.set()

    def all_shown() -> list[bytes | None]:
        assert heard.wait(TIMEOUT)
        return shown

    return talk, all_shown
