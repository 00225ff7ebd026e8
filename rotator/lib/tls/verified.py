"""One more handshake, verified the way a client would: the proof that follows a deployment."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from OpenSSL import crypto

from rotator.core.model import Certificate, Chain, Endpoint
from rotator.core.pem import PemError, parse_certificate
from rotator.core.trust import verify_path
from rotator.lib.tls.handshake import HandshakeFailed, Shown
from rotator.lib.tls.hello import root_store, verifying_context
from rotator.lib.tls.limits import Limits
from rotator.lib.tls.look import look_at
from rotator.lib.tls.loop import Outlet, stream


def verified_handshake(
    endpoint: Endpoint,
    address: str,
    roots: Sequence[Certificate],
    *,
    at: datetime,
    fingerprint: str = "",
    connect_seconds: float = 5.0,
    total_seconds: float = 10.0,
) -> str | None:
    """Shake hands once more as a client that trusts only these roots; None when it would be content, else why not.

    Two judges have to agree, each on exactly what was served: OpenSSL inside the handshake, as most clients do it,
    and the strict path building of `rotator.core.trust`, because OpenSSL lets many a chain pass (one without
    names, say). With a `fingerprint` exactly that leaf has to be shown: just after a reload an old worker may answer.
    """
    if not roots:
        return "there is no trusted root to hold it against"
    context = verifying_context(roots, at)
    limits = Limits(min(connect_seconds, total_seconds), total_seconds)

    async def work(outlet: Outlet[Shown]) -> None:
        outlet.emit(await look_at(endpoint, address, context, limits))

    try:
        (shown,) = stream(work)
        chain = Chain(tuple(parse_certificate(der) for der in shown.chain))
    except HandshakeFailed as failure:
        return _refusal(failure.chain, roots, at) or failure.detail
    except PemError as error:
        return str(error)
    if fingerprint and chain.fingerprint != fingerprint:
        return f"this connection was shown another certificate, {chain.fingerprint[:16]}…"
    return verify_path(chain, roots, at, (endpoint.server_name or endpoint.host,))


def _refusal(chain: Sequence[bytes], roots: Sequence[Certificate], at: datetime) -> str | None:
    """OpenSSL's reason in words; the handshake itself only says that there is one."""
    if not chain:
        return None
    leaf, *others = (crypto.load_certificate(crypto.FILETYPE_ASN1, der) for der in chain)
    try:
        crypto.X509StoreContext(root_store(roots, at), leaf, others).verify_certificate()
    except crypto.X509StoreContextError as error:
        return str(error)
    return None
