"""One look at one address of an endpoint, and the sighting that comes of it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from hashlib import sha256

from OpenSSL import SSL

from rotator.core.model import Certificate, Chain, Endpoint, Handshake, Sighting, SightingState
from rotator.core.pem import PemError, parse_certificate
from rotator.lib.starttls import DIALOGUES, StartTlsRefused, start_tls
from rotator.lib.tls.handshake import HandshakeFailed, Shown, shake
from rotator.lib.tls.hello import sni
from rotator.lib.tls.limits import Limit, Limits
from rotator.lib.tls.order import Order
from rotator.lib.tls.wire import LimitPassed, TooMuch, Wire, WireClosed

_PASSING = {SightingState.TIMEOUT, SightingState.UNREACHABLE}
"""What may be otherwise a moment later."""

_OTHER_KEY = {"rsa": "ecdsa", "ecdsa": "rsa", "ed25519": "rsa", "ed448": "rsa"}

# Intermediates and wildcards repeat; a million leaves do not, so only the latest are kept.
_parsed = lru_cache(maxsize=2048)(parse_certificate)


async def look_at(endpoint: Endpoint, address: str, context: SSL.Context, limits: Limits) -> Shown:
    """One connection to one address: TCP, STARTTLS where it is asked for, handshake, goodbye.

    Raises:
        HandshakeFailed: nothing was shown; says why.
    """
    if endpoint.starttls and endpoint.starttls not in DIALOGUES:
        raise HandshakeFailed(SightingState.NOT_TLS, f"rotator does not know STARTTLS for {endpoint.starttls}")
    try:
        name = sni(endpoint)
    except UnicodeError as error:
        raise HandshakeFailed(SightingState.DNS, f"its name cannot be sent as server name: {error}") from error
    now = asyncio.get_running_loop().time
    try:
        wire = Wire(address)
    except OSError as error:
        raise HandshakeFailed(SightingState.UNREACHABLE, f"no connection: {error.strerror or error}") from error
    try:
        until = now() + limits.total_seconds
        wire.allow(*_sooner(now() + limits.connect_seconds, Limit.CONNECT, until))
        await _connect(wire, address, endpoint.port)
        if endpoint.starttls:
            wire.allow(until, Limit.TOTAL)
            await _start_tls(endpoint, wire)
        wire.allow(*_sooner(now() + limits.handshake_seconds, Limit.HANDSHAKE, until))
        return await shake(wire, context, name)
    except LimitPassed as passed:
        raise HandshakeFailed(SightingState.TIMEOUT, limits.told(passed.limit)) from passed
    except OSError as error:
        raise HandshakeFailed(SightingState.UNREACHABLE, f"the connection broke: {error.strerror or error}") from error
    finally:
        wire.close()


def _sooner(moment: float, limit: Limit, until: float) -> tuple[float, Limit]:
    """The limit of one step, or that of all where it comes first."""
    return (moment, limit) if moment < until else (until, Limit.TOTAL)


async def _connect(wire: Wire, address: str, port: int) -> None:
    try:
        await wire.connect(address, port)
    except ConnectionRefusedError as error:
        raise HandshakeFailed(SightingState.REFUSED, "it refused the connection") from error
    except OSError as error:
        raise HandshakeFailed(SightingState.UNREACHABLE, f"no connection: {error.strerror or error}") from error


async def _start_tls(endpoint: Endpoint, wire: Wire) -> None:
    try:
        await start_tls(endpoint.starttls, wire, endpoint.server_name or endpoint.host)
    except StartTlsRefused as error:
        raise HandshakeFailed(SightingState.NOT_TLS, f"{endpoint.starttls}: {error}") from error
    except TooMuch as error:
        raise HandshakeFailed(SightingState.NOT_TLS, f"{endpoint.starttls}: it sent more than was asked") from error
    except WireClosed as error:
        detail = f"{endpoint.starttls}: it closed the connection before TLS began"
        raise HandshakeFailed(SightingState.UNREACHABLE, detail) from error


class Looker:
    """Looks at one address after the other in the way that was ordered, and says what it showed."""

    def __init__(self, order: Order) -> None:
        self._contexts = order.contexts()
        self._other_keys = order.other_keys()
        self._limits = order.limits
        self._tries = 1 + order.pace.retries

    async def __call__(self, endpoint: Endpoint, address: str) -> tuple[Sighting, ...]:
        """What it showed; and where every key was ordered, what it has beside."""
        first = await self._tried(endpoint, address, self._contexts)
        key = _OTHER_KEY.get(first.chain.leaf.key_algorithm, "") if first.chain else ""
        if key not in self._other_keys:
            return (first,)
        second = await self._tried(endpoint, address, (self._other_keys[key],))
        if second.state is SightingState.TIMEOUT:
            detail = f"asked for a certificate with a key of kind {key}: {second.detail}"
            return first, replace(second, detail=detail, key=key)
        # Whatever else it does when asked for a key that it has not, be it hanging up, says that there is none.
        return (first, replace(second, key=key)) if second.fingerprint not in {"", first.fingerprint} else (first,)

    async def _tried(self, endpoint: Endpoint, address: str, contexts: Sequence[SSL.Context]) -> Sighting:
        for left in reversed(range(self._tries)):
            sighting = await self._once(endpoint, address, contexts)
            if sighting.state not in _PASSING or not left:
                break
        return sighting

    async def _once(self, endpoint: Endpoint, address: str, contexts: Sequence[SSL.Context]) -> Sighting:
        for context in contexts:
            try:
                shown = await look_at(endpoint, address, context, self._limits)
            except HandshakeFailed as failure:
                failed = Sighting(endpoint, address, failure.state, detail=failure.detail)
                if failure.state is not SightingState.ALERT:
                    break
            else:
                return _served(endpoint, address, shown)
        return failed


def _served(endpoint: Endpoint, address: str, shown: Shown) -> Sighting:
    chain, unreadable = _chain(shown)
    return Sighting(
        endpoint=endpoint,
        address=address,
        state=SightingState.SERVED,
        fingerprint=chain.fingerprint if chain else sha256(shown.chain[0]).hexdigest(),
        chain=chain,
        handshake=Handshake(shown.version, shown.cipher, shown.client_certificate_wanted),
        detail=unreadable,
    )


def _chain(shown: Shown) -> tuple[Chain | None, str]:
    """The chain as far as it can be read, and what is wrong with the rest; each certificate is parsed once."""
    certificates: list[Certificate] = []
    for position, der in enumerate(shown.chain, 1):
        try:
            certificates.append(_parsed(der))
        except PemError as error:
            return _readable(certificates), f"certificate {position} of the chain: {error}"
    return _readable(certificates), ""


def _readable(certificates: Sequence[Certificate]) -> Chain | None:
    return Chain(tuple(certificates)) if certificates else None
