"""Ports on loopback that nobody else on this machine is about to take."""

from __future__ import annotations

import os
import random
import socket
from pathlib import Path

LOOPBACK = "127.0.0.1"
# Below the range that the kernel hands out to outgoing connections: one of those could take the port between our
# look and the server's bind.
FIRST, LAST = 20000, 32000
RUN = "ROTATOR_TEST_SERVERS"


def _claim(port: int) -> bool:
    """Note that the port is given away, for all workers of this run; say whether it was not before."""
    run = os.environ.get(RUN)
    if run is None:
        return True
    claims = Path(run, "ports")
    claims.mkdir(exist_ok=True)
    try:
        (claims / str(port)).touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


def _is_free(port: int, address: str) -> bool:
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        with socket.socket(socket.AF_INET, kind) as probe:
            try:
                probe.bind((address, port))
            except OSError:
                return False
    return True


def free_port(address: str = LOOPBACK) -> int:
    """Return a port that is free for TCP and UDP and that no other worker of this run was given."""
    for port in random.sample(range(FIRST, LAST), k=LAST - FIRST):
        if _claim(port) and _is_free(port, address):
            return port
    raise OSError("no port is free")
