"""uvicorn on a thread of its own, its signal handlers off: the main thread decides when the process ends."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread

import uvicorn

from rotator.errors import RotatorError
from rotator.web.api import create
from rotator.web.view import View


class AddressTaken(RotatorError):  # noqa: N818 - reads as what happened
    """The address to listen on is in use, or not of this machine."""


class _Quiet(uvicorn.Server):
    def install_signal_handlers(self) -> None:
        """Leave signals to the daemon."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to the daemon."""
        yield


@contextmanager
def served(listen: str, view: View) -> Iterator[str]:
    """Serve while the context is open; gives the address, with the port that was chosen where 0 was asked for.

    Raises:
        AddressTaken: it cannot be listened on.
    """
    listening = _listen(listen)
    config = uvicorn.Config(
        create(view),
        log_config=None,
        log_level="warning",
        access_log=False,
        lifespan="off",
        timeout_graceful_shutdown=3,
    )
    server = _Quiet(config)
    thread = Thread(target=server.run, kwargs={"sockets": [listening]}, name="web", daemon=True)
    thread.start()
    try:
        host, port = listening.getsockname()[:2]
        yield f"{host}:{port}"
    finally:
        server.should_exit = True
        thread.join()
        listening.close()


def _listen(listen: str) -> socket.socket:
    host, _, port = listen.rpartition(":")
    host = host.strip("[]")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, int(port)))
    except OSError as error:
        listening.close()
        raise AddressTaken(f"cannot listen on {listen}: {error.strerror}; set web.listen to another address") from error
    listening.listen(64)
    return listening


def free_address(host: str, wanted: int) -> str:
    """`host:wanted` where that port is free, else any other free port."""
    for port in (wanted, 0):
        with socket.socket() as trial:
            try:
                trial.bind((host, port))
            except OSError:
                continue
            return f"{host}:{trial.getsockname()[1]}"
    raise AddressTaken(f"no port is free on {host}")
