"""A network namespace with addresses of its own, for replicas that an EndpointSlice can name.

The API refuses loopback addresses there, so replicas listen on 10.203.x.2 and up, at the far end of a veth pair whose
near end is 10.203.x.1 on this machine. No packet leaves it. Needs root.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.servers.run import give_up, need
from tests.servers.service import ServerError, has_ended, wait_until

PREFIX = "rotator"
NETWORKS = range(1, 255)


@dataclass(frozen=True, slots=True)
class Network:
    """A namespace that is up."""

    name: str
    addresses: tuple[str, ...]
    """Where replicas may listen; reachable from this process."""
    inside: tuple[str, ...]
    """The beginning of a command that runs in it: `start_nginx(…, inside=network.inside)`."""


def _ip(*arguments: str, check: bool = True) -> str:
    done = subprocess.run([need("ip"), *arguments], capture_output=True, text=True, check=False)
    if check and done.returncode != 0:
        raise ServerError(f"ip {' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout


@contextlib.contextmanager
def _lock() -> Iterator[None]:
    """Hold the machine's lock for making namespaces: two runs must not choose the same numbers."""
    with Path(tempfile.gettempdir(), "rotator-netns.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _ours() -> dict[int, tuple[str, int]]:
    """Return the namespaces that tests have made: number → name, process."""
    found = {}
    for line in _ip("netns", "list").splitlines():
        parts = line.split()[0].split("-")
        if len(parts) == 3 and parts[0] == PREFIX and parts[1].isdigit() and parts[2].isdigit():
            found[int(parts[1])] = (line.split()[0], int(parts[2]))
    return found


def _remove(number: int, name: str) -> None:
    """Take a namespace away; its end of the veth pair goes with it, and so does the other."""
    _ip("netns", "delete", name, check=False)
    _ip("link", "delete", f"{PREFIX}{number}h", check=False)


def _make(number: int, name: str, count: int) -> tuple[str, ...]:
    """Make the namespace, the veth pair and the addresses."""
    near, far = f"{PREFIX}{number}h", f"{PREFIX}{number}n"
    network = f"10.203.{number}"
    addresses = tuple(f"{network}.{host}" for host in range(2, 2 + count))
    _ip("netns", "add", name)
    _ip("link", "add", near, "type", "veth", "peer", "name", far, "netns", name)
    _ip("address", "add", f"{network}.1/24", "dev", near)
    _ip("link", "set", near, "up")
    _ip("-n", name, "link", "set", "lo", "up")
    for address in addresses:
        _ip("-n", name, "address", "add", f"{address}/24", "dev", far)
    _ip("-n", name, "link", "set", far, "up")
    # Linux reports the pair as up a moment after both ends are.
    wait_until(lambda: "LOWER_UP" in _ip("link", "show", near), f"{near} is up", seconds=10)
    return addresses


@contextlib.contextmanager
def network_namespace(count: int = 3) -> Iterator[Network]:
    """Make a namespace with so many addresses; it is always removed, at the latest by the next one to be made.

    Start servers in it with `network.inside`; end them before this ends.
    """
    if os.geteuid() != 0:
        give_up("a network namespace needs root; run the tests as root")
    program = need("ip")
    with _lock():
        taken = _ours()
        for number, (name, process) in list(taken.items()):
            if has_ended(process):  # a run that was killed could not clean up
                _remove(number, name)
                del taken[number]
        number = next(number for number in NETWORKS if number not in taken)
        name = f"{PREFIX}-{number}-{os.getpid()}"
        try:
            addresses = _make(number, name, count)
        except BaseException:
            _remove(number, name)
            raise
    try:
        yield Network(name, addresses, (str(program), "netns", "exec", name))
    finally:
        with _lock():
            _remove(number, name)
