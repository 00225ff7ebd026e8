"""A real MariaDB without tables: enough to shake hands, and up in a moment."""

from __future__ import annotations

from pathlib import Path

from tests.servers.certificates import Pair
from tests.servers.ports import LOOPBACK, free_port
from tests.servers.run import need
from tests.servers.upgrading import Kind, Prepared


def _prepare(folder: Path, pair: Pair | None) -> Prepared:
    port, tables = free_port(), folder / "tables"
    tables.mkdir()
    options = [
        "--no-defaults",
        f"--datadir={tables}",
        "--skip-grant-tables",
        "--innodb=OFF",
        "--default-storage-engine=MyISAM",
        f"--bind-address={LOOPBACK}",
        f"--port={port}",
        f"--socket={tables}/socket",
        f"--pid-file={folder}/pid",
    ]
    if pair is not None:
        options += [f"--ssl-cert={pair.certificate}", f"--ssl-key={pair.key}"]
    return Prepared((need("mariadbd"), *options), {"mysql": port})


MARIADB = Kind("mariadb", ("mariadbd",), ("mysql",), _prepare)
