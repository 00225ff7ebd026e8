"""A small internet for one scan: a network namespace with a BIND that knows its names, on the ports of the real one.

The program is run with that BIND as its only resolver, in a mount namespace of its own; nothing of the machine changes.
"""

from __future__ import annotations

import contextlib
import os
import random
import socket
import socketserver
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rotator.core.model import Bundle
from rotator.core.pem import chain_pem
from tests.servers.bind import HEAD, Bind
from tests.servers.netns import Network, network_namespace
from tests.servers.nginx import VirtualServer, start_nginx
from tests.servers.ports import LOOPBACK
from tests.servers.run import give_up, need
from tests.servers.service import running, service

_MOUNTED = 'mount --bind "$1" /etc/resolv.conf && mount --bind "$2" /etc/nsswitch.conf && shift 2 && exec "$@"'


@dataclass(frozen=True, slots=True)
class Internet:
    """What is up.

    Attributes:
        addresses: where servers may listen.
        asking: the beginning of a command that resolves names here alone.
    """

    network: Network
    addresses: tuple[str, ...]
    asking: tuple[str, ...]
    folder: Path

    @contextlib.contextmanager
    def serving(self, address: str, *served: tuple[str, Bundle]) -> Iterator[None]:
        """Have an nginx at an address show each name its certificate, on port 443."""
        listeners = [
            VirtualServer(443, *written(self.folder, f"{address}-{name}", bundle), address=address, name=name)
            for name, bundle in served
        ]
        with start_nginx(self.folder, listeners, name=address, inside=self.network.inside):
            yield


def written(folder: Path, stem: str, bundle: Bundle) -> tuple[Path, Path]:
    """A chain and its key in two files."""
    certificate, key = folder / f"{stem}.crt", folder / f"{stem}.key"
    certificate.write_bytes(chain_pem(bundle.chain))
    key.touch(mode=0o600)
    key.write_bytes(bundle.key)
    return certificate, key


class Everywhere(VirtualServer):
    """A listener on every address of its network namespace, 127.0.0.0/8 among them."""

    def text(self) -> str:
        """Return its part of the configuration."""
        return super().text().replace(f"listen {self.address}:", "listen ")


class _Relay(socketserver.ThreadingTCPServer):
    """Passes bytes on to another port of loopback."""

    daemon_threads = True
    to = 0


class _Passing(socketserver.BaseRequestHandler):
    server: _Relay

    def handle(self) -> None:
        with socket.create_connection((LOOPBACK, self.server.to)) as beyond:
            back = threading.Thread(target=_pass, args=(beyond, self.request), daemon=True)
            back.start()
            _pass(self.request, beyond)
            back.join()


def _pass(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while piece := source.recv(4096):
            sink.sendall(piece)
        sink.shutdown(socket.SHUT_WR)


@contextlib.contextmanager
def relayed(port: int, to: int) -> Iterator[str]:
    """The server of a port of loopback under a port that only root may take; gives its address, which is free."""
    if os.geteuid() != 0:
        give_up(f"port {port} needs root; run the tests as root")
    address = f"127.{random.randint(1, 250)}.{random.randint(1, 250)}.{random.randint(2, 250)}"
    with _Relay((address, port), _Passing) as relay:
        relay.to = to
        thread = threading.Thread(target=relay.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield address
        finally:
            relay.shutdown()
            thread.join()


@contextlib.contextmanager
def internet(folder: Path, records: Sequence[str], *, servers: int) -> Iterator[Internet]:
    """Make one with these records of `example.com`, in which `{0}`, `{1}` … stand for the addresses of its servers."""
    with network_namespace(servers + 1) as network:
        resolver, *addresses = network.addresses
        asking = _asking(folder, resolver)
        zone = "".join(f"{record.format(*addresses)}\n" for record in records)
        with _bind(folder, network, resolver, {".": "", "example.com": zone}):
            yield Internet(network, tuple(addresses), asking, folder)


def _asking(folder: Path, resolver: str) -> tuple[str, ...]:
    resolv, switch = folder / "resolv.conf", folder / "nsswitch.conf"
    resolv.write_text(f"nameserver {resolver}\noptions timeout:2 attempts:2\n")
    switch.write_text("hosts: dns\n")
    command = ("unshare", "--mount", "sh", "-c", _MOUNTED, "sh", str(resolv), str(switch))
    if subprocess.run([*command, "true"], capture_output=True, check=False).returncode != 0:
        give_up("a mount namespace needs root and CAP_SYS_ADMIN; run the tests as root")
    return command


@contextlib.contextmanager
def _bind(folder: Path, network: Network, address: str, zones: Mapping[str, str]) -> Iterator[None]:
    """Run a BIND that is authoritative for everything, on port 53."""
    home = folder / "bind"
    home.mkdir()
    entries = []
    for zone, records in zones.items():
        file = home / f"{zone.strip('.') or 'root'}.zone"
        file.write_text(f"{HEAD.format(address=LOOPBACK)}{records}")
        entries.append(f'zone "{zone}" {{ type primary; file "{file}"; }};')
    options = (
        f'directory "{home}"; pid-file "{home}/named.pid"; session-keyfile "{home}/session.key"; '
        f"listen-on port 53 {{ {address}; }}; listen-on-v6 {{ none; }}; recursion no; dnssec-validation no; "
        "allow-query { any; }; notify no; empty-zones-enable no;"
    )
    (home / "named.conf").write_text("\n".join([f"options {{ {options} }};", "controls { };", *entries, ""]))
    user = ["-u", "root"] if os.geteuid() == 0 else []
    named: list[str | Path] = [need("named"), "-g", "-4", "-n", "1", *user, "-c", home / "named.conf"]
    process = service("bind", home, [*network.inside, *named])
    with running(process):
        process.start()
        process.wait_ready(Bind(address, 53, process).is_ready)
        yield
