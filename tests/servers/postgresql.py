"""A real PostgreSQL with an empty cluster of its own."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.servers.certificates import Pair
from tests.servers.ports import LOOPBACK, free_port
from tests.servers.run import need
from tests.servers.service import ServerError
from tests.servers.upgrading import Kind, Prepared, give_to_nobody, unprivileged


def _prepare(folder: Path, pair: Pair | None) -> Prepared:
    initdb = need("initdb").resolve()
    cluster, port = folder / "cluster", free_port()
    cluster.mkdir(mode=0o700)
    give_to_nobody(folder)
    making = unprivileged(initdb, "--pgdata", cluster, "--auth", "trust", "--username", "postgres", "--no-sync")
    done = subprocess.run(making, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise ServerError(f"initdb: {done.stderr}")
    settings = {
        "listen_addresses": LOOPBACK,
        "port": port,
        "unix_socket_directories": "",
        "fsync": "off",
        "ssl": "on" if pair else "off",
        **({"ssl_cert_file": pair.certificate, "ssl_key_file": pair.key} if pair else {}),
    }
    options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    return Prepared((initdb.with_name("postgres"), "-D", cluster, *options), {"postgres": port})


POSTGRESQL = Kind("postgresql", ("initdb",), ("postgres",), _prepare)
