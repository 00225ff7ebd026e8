"""One TLS handshake over a wire: what was shown, or how it failed, in the words of `SightingState`."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType

from OpenSSL import SSL, crypto

from rotator.core.model import SightingState
from rotator.lib.tls.wire import MAX_BYTES, TooMuch, Wire, WireClosed

_READ_ALERT = SSL.SSL_CB_READ_ALERT
_BIO_BYTES = 65536

# RFC 8446, 6 and the IANA registry; those that a person may meet.
_ALERTS = MappingProxyType(
    {
        0: "close_notify",
        10: "unexpected_message",
        20: "bad_record_mac",
        22: "record_overflow",
        40: "handshake_failure",
        42: "bad_certificate",
        43: "unsupported_certificate",
        46: "certificate_unknown",
        47: "illegal_parameter",
        48: "unknown_ca",
        49: "access_denied",
        50: "decode_error",
        51: "decrypt_error",
        70: "protocol_version",
        71: "insufficient_security",
        80: "internal_error",
        86: "inappropriate_fallback",
        90: "user_canceled",
        109: "missing_extension",
        112: "unrecognized_name",
        116: "certificate_required",
        120: "no_application_protocol",
    }
)


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


class _Course:
    """What OpenSSL tells while it shakes hands: how far it came, and the peer's alert."""

    def __init__(self) -> None:
        self.server_hello = False
        self.certificate_wanted = False
        self.alert: int | None = None

    def hear(self, connection: SSL.Connection, where: int, code: int) -> None:
        if where == _READ_ALERT:
            self.alert = code & 0xFF
            return
        if where != SSL.SSL_CB_CONNECT_LOOP:
            return
        state = connection.get_state_string()
        self.server_hello |= state.endswith(b"read server hello")
        self.certificate_wanted |= state.endswith(b"read server certificate request")


async def shake(wire: Wire, context: SSL.Context, name: bytes | None) -> Shown:
    """Shake hands in full, never resumed, then say goodbye.

    A server that ends the handshake because it got no client certificate has shown its chain, and with it (in all but
    static RSA) that it holds the key: that is an answer, not a failure.

    Raises:
        HandshakeFailed: the server ended it, or what came is no TLS.
        OSError: the connection broke; TimeoutError is the caller's own.
    """
    connection = SSL.Connection(context, None)
    course = _Course()
    connection.set_info_callback(course.hear)
    connection.set_connect_state()
    if name:
        connection.set_tlsext_host_name(name)
    refused = None
    try:
        await _complete(connection, wire)
    except (SSL.Error, WireClosed, TooMuch, ConnectionResetError, BrokenPipeError) as error:
        refused = error
    shown = _shown(connection, course)
    if refused is not None and not (_wanted_ours(course, refused) and shown.chain):
        failed = _failure(refused, course, wire)
        raise HandshakeFailed(*failed, shown.chain) from refused
    if not shown.chain:
        raise HandshakeFailed(SightingState.ALERT, "it completed the handshake without a certificate")
    if refused is None:
        await _say_goodbye(connection, wire)
    return shown


async def _complete(connection: SSL.Connection, wire: Wire) -> None:
    while True:
        try:
            connection.do_handshake()
        except SSL.WantReadError:
            await _flush(connection, wire)
        except SSL.Error:
            await _flush(connection, wire)  # our alert, which its log will thank us for
            raise
        else:
            await _flush(connection, wire)
            return
        connection.bio_write(await wire.receive())


async def _flush(connection: SSL.Connection, wire: Wire) -> None:
    try:
        outgoing = connection.bio_read(_BIO_BYTES)
    except SSL.WantReadError:
        return  # nothing to send
    await wire.send(outgoing)


async def _say_goodbye(connection: SSL.Connection, wire: Wire) -> None:
    """Close as a client does (close_notify), so that the server logs nothing; what goes wrong now does not matter."""
    try:
        connection.shutdown()
        await _flush(connection, wire)
    except (SSL.Error, OSError):
        return


def _shown(connection: SSL.Connection, course: _Course) -> Shown:
    certificates = connection.get_peer_cert_chain() or []
    return Shown(
        chain=tuple(crypto.dump_certificate(crypto.FILETYPE_ASN1, certificate) for certificate in certificates),
        version=connection.get_protocol_version_name(),
        cipher=connection.get_cipher_name() or "",
        client_certificate_wanted=course.certificate_wanted,
    )


def _wanted_ours(course: _Course, error: Exception) -> bool:
    """Whether the peer (not we) ended the handshake after it had asked for a client certificate."""
    peer_ended = course.alert is not None or isinstance(error, WireClosed | ConnectionResetError | BrokenPipeError)
    return course.certificate_wanted and peer_ended


def _failure(error: Exception, course: _Course, wire: Wire) -> tuple[SightingState, str]:
    if course.alert is not None:
        name = _ALERTS.get(course.alert, "of an unknown kind")
        return SightingState.ALERT, f"it ended the handshake with alert {course.alert} ({name})"
    if not isinstance(error, SSL.Error | TooMuch):
        if not wire.received:
            return SightingState.UNREACHABLE, "it closed the connection before it sent a byte"
        return SightingState.ALERT, "it closed the connection during the handshake"
    reason = f"it sent more than {MAX_BYTES} bytes" if isinstance(error, TooMuch) else _reason(error)
    if not course.server_hello:
        return SightingState.NOT_TLS, f"what it sent is no TLS ({reason})"
    return SightingState.ALERT, f"the handshake failed on this side: {reason}"


def _reason(error: Exception) -> str:
    """OpenSSL's own words, without its library names."""
    queue = error.args[0] if error.args and isinstance(error.args[0], list) else []
    return "; ".join(dict.fromkeys(entry[2] for entry in queue if entry[2])) or "no reason given"
