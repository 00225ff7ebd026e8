"""The least that Python and pyOpenSSL can do: full handshakes over memory BIOs on an asyncio loop, chain read as DER.

No limits, no errors, no STARTTLS, no results but a count; what a scanner adds is measured against it.
"""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import Iterator

from OpenSSL import SSL, crypto

from benchmarks.scan.server import NAME, loopback_addresses

IN_FLIGHT = 100


async def handshake(context: SSL.Context, address: str, port: int) -> int:
    """Shake hands once; gives how many certificates were shown."""
    loop = asyncio.get_running_loop()
    with socket.socket() as plain:
        plain.setblocking(False)
        await loop.sock_connect(plain, (address, port))
        connection = SSL.Connection(context, None)
        connection.set_tlsext_host_name(NAME.encode())
        connection.set_connect_state()
        while True:
            try:
                connection.do_handshake()
            except SSL.WantReadError:
                await loop.sock_sendall(plain, connection.bio_read(65536))
                connection.bio_write(await loop.sock_recv(plain, 16384))
            else:
                break
        await loop.sock_sendall(plain, connection.bio_read(65536))
        chain = connection.get_peer_cert_chain() or []
        return len([crypto.dump_certificate(crypto.FILETYPE_ASN1, certificate) for certificate in chain])


async def work(addresses: Iterator[str], port: int) -> int:
    """Shake hands with every address; gives how many showed a chain."""
    context = SSL.Context(SSL.TLS_CLIENT_METHOD)
    shown = 0

    async def one_after_the_other() -> None:
        nonlocal shown
        for address in addresses:
            certificates = await handshake(context, address, port)
            shown += bool(certificates)

    await asyncio.gather(*(one_after_the_other() for _ in range(IN_FLIGHT)))
    return shown


if __name__ == "__main__":
    print(asyncio.run(work(loopback_addresses(int(sys.argv[2])), int(sys.argv[1]))))
