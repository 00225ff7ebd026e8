"""A TLS server on loopback that reads two files anew at each connection, like one that reloads at once."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.lib.tls_peers import peer


@contextmanager
def serving(certificate: Path, key: Path) -> Iterator[int]:
    """Serve while the context is open; gives the port."""

    def talk(plain: socket.socket, _: threading.Event) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        with context.wrap_socket(plain, server_side=True) as secure:
            while secure.recv(4096):
                pass

    with peer(talk) as port:
        yield port
