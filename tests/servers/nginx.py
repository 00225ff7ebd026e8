"""A real nginx in the foreground, one per test, for deploying to and looking at."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import ssl
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from tests.servers.ports import LOOPBACK, free_port
from tests.servers.run import need
from tests.servers.service import Service, running, service, wait_until

TIMEOUT = 5.0


@dataclass(frozen=True, slots=True)
class VirtualServer:
    """One TLS listener and the files that it serves."""

    port: int
    certificate: Path
    key: Path
    address: str = LOOPBACK
    name: str = "_"
    """Its server name; `_` for any. Several listeners may share a port: then SNI chooses."""

    def text(self) -> str:
        """Return its part of the configuration."""
        return (
            f"server {{ listen {self.address}:{self.port} ssl; server_name {self.name};"
            f" ssl_certificate {self.certificate}; ssl_certificate_key {self.key};"
            f' location / {{ return 200 "{self.name}\\n"; }} }}'
        )


@dataclass(frozen=True, slots=True)
class Nginx:
    """A running nginx."""

    process: Service
    servers: tuple[VirtualServer, ...]
    reload_command: tuple[str, ...]
    """What an operator would configure: tests the configuration, exits 1 when nginx would refuse it."""

    @property
    def port(self) -> int:
        """Return the port of the first server."""
        return self.servers[0].port

    @property
    def pid(self) -> int:
        """Return the process id of the master."""
        return self.process.pid

    def workers(self) -> frozenset[int]:
        """Return the process ids of the workers; a reload replaces them."""
        try:
            return frozenset(map(int, Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()))
        except FileNotFoundError:
            return frozenset()

    def reload(self) -> None:
        """Tell the master to reload, as SIGHUP does: at once, without any word on how it went."""
        os.kill(self.pid, signal.SIGHUP)

    def reload_and_wait(self, seconds: float = TIMEOUT) -> None:
        """Reload and wait until new workers answer and the old ones are gone; raise `ServerError` if that fails."""
        before = self.workers()
        self.reload()
        wait_until(
            lambda: bool(self.workers()) and not self.workers() & before, "nginx has new workers", seconds=seconds
        )

    def errors(self) -> str:
        """Return the error log."""
        return self.process.log.read_text(errors="replace")

    def stop(self) -> None:
        """End it, as an outage does."""
        self.process.stop()

    def start(self) -> None:
        """Start it, again, and wait until it answers."""
        self.process.start()
        self.process.wait_ready(lambda: all(_listens(each.address, each.port) for each in self.servers))

    def fingerprint(self, server_name: str = "localhost", *, server: int = 0) -> str:
        """Return the SHA-256 of the certificate that a fresh handshake shows."""
        where = self.servers[server]
        return served_fingerprint(where.address, where.port, server_name)


def served_fingerprint(address: str, port: int, server_name: str) -> str:
    """Return the SHA-256 of the certificate that a fresh, unverified handshake shows."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with (
        socket.create_connection((address, port), timeout=TIMEOUT) as plain,
        context.wrap_socket(plain, server_hostname=server_name) as secure,
    ):
        shown = secure.getpeercert(binary_form=True)
    assert shown is not None
    return sha256(shown).hexdigest()


def _listens(address: str, port: int) -> bool:
    try:
        with socket.create_connection((address, port), timeout=TIMEOUT):
            return True
    except OSError:
        return False


def _configuration(folder: Path, servers: Sequence[VirtualServer]) -> str:
    spools = "".join(
        f"{kind}_temp_path {folder}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    # As root the workers would change to a user that may not enter pytest's folders.
    user = "user root;" if os.geteuid() == 0 else ""
    return "\n".join(
        [
            f"{user} daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log stderr notice;",
            "worker_shutdown_timeout 1s;",  # so that a client's idle connection does not keep old workers alive
            "events { worker_connections 256; }",
            f"http {{ access_log off; {spools}",
            *(server.text() for server in servers),
            "}",
            "",
        ]
    )


@contextlib.contextmanager
def start_nginx(
    folder: Path, servers: Sequence[VirtualServer], *, name: str = "nginx", inside: Sequence[str] = ()
) -> Iterator[Nginx]:
    """Run an nginx that serves these files; `name` tells several in one folder apart.

    `inside` is the beginning of a command that starts it elsewhere, as `Network.inside`.
    """
    program = need("nginx")
    home = folder / name
    home.mkdir(parents=True, exist_ok=True)
    configuration = home / "nginx.conf"
    configuration.write_text(_configuration(home, servers))
    # `-e` because otherwise a log in a system folder is opened before the configuration is read.
    base = (str(program), "-p", str(home), "-e", "stderr", "-c", str(configuration))
    process = service(name, home, (*inside, *base))
    nginx = Nginx(process, tuple(servers), (*base, "-s", "reload"))
    with running(process):
        nginx.start()
        yield nginx


def virtual_server(certificate: Path, key: Path, *, name: str = "_") -> VirtualServer:
    """Describe a listener on a free port of loopback."""
    return VirtualServer(free_port(), certificate, key, name=name)
