"""One TLS handshake over a wire: what was shown, or how it failed, in the words of `SightingState`."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass

from OpenSSL import SSL, crypto

from rotator.core.model import SightingState
from rotator.lib.tls.alerts import alert_of, reason_of
from rotator.lib.tls.wire import MAX_BYTES, TooMuch, Wire, WireClosed

_BIO_BYTES = 16384

# Records and messages of TLS (RFC 8446, 4 and 5).
_HANDSHAKE, _APPLICATION_DATA = 22, 23
_CERTIFICATE = 11
_HEADER = 5
_AEAD_MOST = 17  # the content's type and the longest tag of a cipher suite


@dataclass(frozen=True, slots=True)
class Shown:
    """What a server showed: the chain as it came (DER), and what the handshake told beside it."""

    chain: tuple[bytes, ...]
    version: str
    cipher: str
    client_certificate_wanted: bool


class HandshakeFailed(Exception):  # noqa: N818 - reads as what happened
    """The handshake was not completed: in which state it ended, why in one clause, and the chain if one came (DER)."""

    def __init__(self, state: SightingState, detail: str, chain: tuple[bytes, ...] = ()) -> None:
        super().__init__(detail)
        self.state = state
        self.detail = detail
        self.chain = chain


async def shake(wire: Wire, context: SSL.Context, name: bytes | None) -> Shown:
    """Shake hands in full, never resumed, and say goodbye.

    A server that ends the handshake because it got no client certificate has shown its chain, and with it (in all but
    static RSA) that it holds the key: that is an answer, not a failure.

    Raises:
        HandshakeFailed: the server ended it, or what came is no TLS.
        LimitPassed: it took too long.
        OSError: the connection broke.
    """
    connection = SSL.Connection(context, None)
    connection.set_connect_state()
    if name:
        connection.set_tlsext_host_name(name)
    course = _Course(connection, wire)
    refused = None
    try:
        await course.run()
    except (SSL.Error, WireClosed, TooMuch, ConnectionResetError, BrokenPipeError) as error:
        refused = error
    shown = course.shown()
    if refused is not None and not (course.wanted_ours(refused) and shown.chain):
        raise HandshakeFailed(*course.failure(refused), shown.chain) from refused
    if not shown.chain:
        raise HandshakeFailed(SightingState.ALERT, "it completed the handshake without a certificate")
    return shown


class _Course:
    """One handshake as it goes on.

    What has to be known beside the chain is read from the records on the wire, not from OpenSSL's info callback: that
    one calls into Python at each of its steps.
    """

    def __init__(self, connection: SSL.Connection, wire: Wire) -> None:
        self._connection = connection
        self._wire = wire
        self._certificate_wanted = False

    async def run(self) -> None:
        done = False
        while not done:
            try:
                self._connection.do_handshake()
                done = True
            except SSL.WantReadError:
                pass
            except SSL.Error:
                with contextlib.suppress(OSError):
                    await self._wire.send(self._outgoing())  # our alert, which its log will thank us for
                raise
            flight = self._outgoing()
            if self._wire.received:
                self._certificate_wanted |= brings_certificate(flight, self._connection.get_cipher_name() or "")
            if done:
                await self._finish(flight)
            else:
                await self._wire.send(flight)
                self._connection.bio_write(await self._wire.receive())

    async def _finish(self, flight: bytes) -> None:
        """Send our last flight and, in the same packet, the goodbye (close_notify), so that the server logs nothing."""
        with contextlib.suppress(SSL.Error):
            self._connection.shutdown()
        goodbye = self._outgoing()
        if flight:
            await self._wire.send(flight + goodbye)
            return
        with contextlib.suppress(OSError):  # all was said; what goes wrong now does not matter
            await self._wire.send(goodbye)

    def _outgoing(self) -> bytes:
        outgoing = b""
        try:
            while len(part := self._connection.bio_read(_BIO_BYTES)) == _BIO_BYTES:
                outgoing += part
        except SSL.WantReadError:
            return outgoing  # nothing (more) to send
        return outgoing + part

    def shown(self) -> Shown:
        certificates = self._connection.get_peer_cert_chain() or []
        return Shown(
            chain=tuple(crypto.dump_certificate(crypto.FILETYPE_ASN1, certificate) for certificate in certificates),
            version=self._connection.get_protocol_version_name(),
            cipher=self._connection.get_cipher_name() or "",
            client_certificate_wanted=self._certificate_wanted,
        )

    def wanted_ours(self, error: Exception) -> bool:
        """Whether the peer (not we) ended the handshake after it had asked for a client certificate."""
        peer_ended = _is_hanging_up(error) or alert_of(error, self._wire.tail) is not None
        return self._certificate_wanted and peer_ended

    def failure(self, error: Exception) -> tuple[SightingState, str]:
        alert = alert_of(error, self._wire.tail)
        if alert is not None:
            return SightingState.ALERT, alert
        if _is_hanging_up(error):
            if not self._wire.received:
                return SightingState.UNREACHABLE, "it closed the connection before it sent a byte"
            return SightingState.ALERT, "it closed the connection during the handshake"
        reason = f"it sent more than {MAX_BYTES} bytes" if isinstance(error, TooMuch) else reason_of(error)
        if self._connection.get_cipher_name() is None:  # no ServerHello was read
            return SightingState.NOT_TLS, f"what it sent is no TLS ({reason})"
        return SightingState.ALERT, f"the handshake failed on this side: {reason}"


def brings_certificate(flight: bytes, cipher: str) -> bool:
    """Whether what a client sends after the ServerHello has a Certificate message in it.

    A client sends one, be it an empty one, if and only if the server asked for it (RFC 5246, 7.4.6; RFC 8446, 4.4.2).
    Up to TLS 1.2 it stands in the clear, first of all. In TLS 1.3 it is encrypted, beside the Finished message, whose
    size is known: then there is more than that.
    """
    encrypted = 0
    start = 0
    while start + _HEADER < len(flight):
        kind, length = flight[start], int.from_bytes(flight[start + 3 : start + _HEADER], "big")
        if kind == _HANDSHAKE and start == 0 and flight[_HEADER] == _CERTIFICATE:
            return True
        if kind == _APPLICATION_DATA:
            encrypted += length
        start += _HEADER + length
    finished = 4 + (48 if cipher.endswith("SHA384") else 32)  # RFC 8446, 4.4.4: as long as the hash
    return encrypted > finished + _AEAD_MOST


def _is_hanging_up(error: Exception) -> bool:
    return not isinstance(error, SSL.Error | TooMuch)
