"""The server that is scanned: one nginx worker on every loopback address, ECDSA P-256, TLS 1.3."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterator
from pathlib import Path

from benchmarks.measuring import BenchmarkError
from tests.servers.catalogue import find
from tests.servers.certificates import authority
from tests.servers.ports import free_port
from tests.servers.service import running, service

NAME = "shop.example.com"

_CONFIGURATION = """\
{user} daemon off; worker_processes 1; worker_rlimit_nofile 8192;
pid {home}/nginx.pid; error_log stderr crit;
events {{ worker_connections 4096; }}
http {{
  access_log off;
  client_body_temp_path {home}/body; proxy_temp_path {home}/proxy; fastcgi_temp_path {home}/fastcgi;
  uwsgi_temp_path {home}/uwsgi; scgi_temp_path {home}/scgi;
  server {{
    listen 0.0.0.0:{port} ssl backlog=4096; server_name _;
    ssl_protocols TLSv1.3; ssl_certificate {home}/chain.pem; ssl_certificate_key {home}/shop.key;
    location / {{ return 200 "ok\\n"; }}
  }}
}}
"""


@contextlib.contextmanager
def tls_server(home: Path) -> Iterator[int]:
    """Run nginx in that folder; gives its port.

    Raises:
        BenchmarkError: there is no nginx.
    """
    program = find("nginx")
    if program is None:
        raise BenchmarkError("nginx is missing; run: make servers")
    ca = authority(home)
    pair = ca.issue("shop", NAME)
    (home / "chain.pem").write_bytes(pair.certificate.read_bytes() + ca.ca_file.read_bytes())
    port = free_port()
    user = "user root;" if os.geteuid() == 0 else ""  # else its workers may not enter the folder
    (home / "nginx.conf").write_text(_CONFIGURATION.format(user=user, home=home, port=port))
    nginx = service("nginx", home, (program, "-p", home, "-e", "stderr", "-c", home / "nginx.conf"))
    with running(nginx):
        nginx.start()
        nginx.wait_ready(lambda: _listens(port))
        yield port


def _listens(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5):
            return True
    except OSError:
        return False


def loopback_addresses(count: int) -> Iterator[str]:
    """Yield so many addresses of 127.0.0.0/8, from 127.1.0.1 on."""
    for number in range(count):
        high, low = divmod(number, 250)
        second, third = divmod(high, 250)
        yield f"127.{second + 1}.{third}.{low + 1}"
