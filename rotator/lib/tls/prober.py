"""Look at many endpoints at once: one fresh, full, unverified handshake with every address of each.

One event loop in one private thread per call, or one in each of several processes; OpenSSL does the work, so a loop
uses one processor.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence

from rotator.core.model import Endpoint, Sighting
from rotator.lib.tls.client import ClientCertificate
from rotator.lib.tls.limits import Limits, Pace
from rotator.lib.tls.loop import stream
from rotator.lib.tls.order import Order
from rotator.lib.tls.run import work_of

FEW = 500
"""So many endpoints take less time than it takes to start a process."""


def probe(
    endpoints: Iterable[Endpoint],
    *,
    connect_seconds: float = 5.0,
    handshake_seconds: float = 10.0,
    total_seconds: float = 10.0,
    concurrency: int = 256,
    per_address: int = 10,
    retries: int = 0,
    key_algorithm: str | None = None,
    client: ClientCertificate | None = None,
    processes: int = 0,
    every_key: bool = False,
    unrouted: bool = False,
) -> Generator[Sighting]:
    """Yield one sighting per address of every endpoint as they come in, in no particular order.

    An endpoint whose name does not resolve has one sighting, without an address. Works from any thread; a generator
    that is closed early closes its connections. The endpoints may be millions and need not end: they are read as they
    are needed (an iterator in a thread of its own, since it may block) and held back while the sightings are not
    taken. An endpoint that is given again soon is looked at once: exactly so among the last 16,384.

    Args:
        connect_seconds: until the TCP connection stands.
        handshake_seconds: for the TLS handshake alone.
        total_seconds: for one address, connecting and STARTTLS included; and for resolving one name.
        concurrency: connections at once, less where the process may not open so many files.
        per_address: connections to one address at once; the others go on meanwhile.
        retries: how often a look is done again that ended in `timeout` or `unreachable`. 0 is none: what is shown is
            what the first connection met.
        key_algorithm: `rsa`, `ecdsa`, `ed25519`: a server with several certificates is asked for the one with such a
            key, over TLS 1.2. A server that refuses that (it has none, or speaks TLS 1.3 only) is asked again
            without.
        client: the certificate for servers that ask for one; without it they show theirs all the same.
        processes: how many beside this one shake hands, so that this one has its own processor for what it does with
            the sightings; concurrency and per_address are shared among them. 0 is a thread of this process. A few
            endpoints are not worth a process.
        every_key: asks each server once more, for a certificate with the other kind of key than it showed, RSA or
            ECDSA; where it has one there is a second sighting of the same address, with `key`. It costs a second
            connection, and finds nothing where a server speaks TLS 1.3 only (see `reading_context`).
        unrouted: yields a sighting `unrouted` for each endpoint and family of addresses (IPv4, IPv6) that were left
            out because this machine has no route to them; without it they are left out and not said.

    Raises:
        ClientCertificateUnfit: at once; the client certificate cannot be used.
        WorkerEnded: at the end; one of the processes died, and what it had in hand was not looked at.
    """
    order = Order(
        Limits(min(connect_seconds, total_seconds), total_seconds, min(handshake_seconds, total_seconds)),
        Pace(concurrency, per_address, retries),
        key_algorithm,
        client,
        every_key,
        unrouted,
    )
    spread = min(processes, per_address, concurrency)
    if spread and not (isinstance(endpoints, Sequence) and len(endpoints) < FEW):
        from rotator.lib.tls.workers import spread_over

        return spread_over(endpoints, order, spread)
    return stream(work_of(endpoints, order))
