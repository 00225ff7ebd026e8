"""A real `openssl s_server`: a TLS server of any version, key, cipher and habit, one per test."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from rotator.core.model import Bundle, Chain
from rotator.core.pem import chain_pem
from tests.servers.ports import LOOPBACK, free_port
from tests.servers.run import need
from tests.servers.service import running, service
from tests.servers.upgrading import listens


@contextlib.contextmanager
def s_server(folder: Path, bundle: Bundle | None, *options: str | Path) -> Iterator[int]:
    """Run one with this chain, or without a certificate; gives its port.

    Its settings are its options alone: what the distribution forbids (old versions, small keys) it may do here.
    """
    port = free_port()
    given: list[str | Path] = ["-nocert"]
    if bundle is not None:
        leaf, above, key = (folder / f"s_server-{port}.{ending}" for ending in ("crt", "chain", "key"))
        own, *others = bundle.chain.certificates
        leaf.write_bytes(chain_pem(Chain((own,))))
        key.write_bytes(bundle.key)
        given = ["-cert", leaf, "-key", key]
        if others:
            above.write_bytes(chain_pem(Chain(tuple(others))))
            given += ["-cert_chain", above]
    command = [need("openssl"), "s_server", "-accept", f"{LOOPBACK}:{port}", "-quiet", "-www", *given, *options]
    process = service(f"s_server-{port}", folder, command, environment={"OPENSSL_CONF": "/dev/null"})
    with running(process):
        process.start()
        process.wait_ready(lambda: listens(port))
        yield port
