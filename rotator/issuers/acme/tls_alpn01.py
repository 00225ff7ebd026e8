"""TLS-ALPN-01 (RFC 8737): a certificate of our own that carries the proof, shown to nobody but a CA that looks for it.

The `acme` package has given it up. The certificate proves nothing else: it is self-signed, made for one order, and its
key never leaves this process.
"""

from __future__ import annotations

import hashlib
import secrets
import socket
import socketserver
import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, ClassVar

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from rotator.core.csr import is_address
from rotator.core.model import Check
from rotator.errors import IssueError, Pending
from rotator.issuers.acme.listening import Listener, Listeners
from rotator.issuers.acme.proving import TlsAlpn01
from rotator.issuers.acme.solver import Desk, Proof
from rotator.issuers.acme.tls_entrance import ACME_IDENTIFIER, PROTOCOL, unseen
from rotator.lib.dns import Lookups

if TYPE_CHECKING:
    from OpenSSL import SSL

_HANDSHAKE_SECONDS = 5.0
_OCTET_STRING = 0x04


@dataclass(frozen=True, slots=True)
class Answer:
    """What is shown for one name; equal where the proof is."""

    digest: bytes
    certificate: x509.Certificate = field(compare=False)
    key: ec.EllipticCurvePrivateKey = field(compare=False, repr=False)


class TlsAlpn01Solver:
    """Proves names and addresses over TLS on port 443; no wildcards (RFC 8737, 3)."""

    kind: ClassVar[str] = "tls-alpn-01"

    def __init__(self, settings: TlsAlpn01, desk: Desk) -> None:
        self._settings = settings
        self._desk = desk

    @contextmanager
    def showing(self, proofs: Sequence[Proof]) -> Iterator[None]:
        now = self._desk.clock.now()
        answers = {asked_as(proof.name): answer_of(proof.name, proof.authorization, now) for proof in proofs}
        with LISTENERS.showing(self._settings.listen, answers, self._desk.issuer):
            yield

    def preflight(self, names: Sequence[str]) -> tuple[Check, ...]:
        """A probe of our own at the very address; with `check` also asked for as a CA would."""
        probe = secrets.token_urlsafe(16)
        problems: list[str] = []
        try:
            with self.showing([Proof(name, "", probe) for name in names]):
                if self._settings.check:
                    digest = hashlib.sha256(probe.encode()).digest()
                    lookups = Lookups(self._settings.resolvers)
                    problems = [clause for name in names if (clause := unseen(name, asked_as(name), digest, lookups))]
        except Pending as error:
            return (Check(self.kind, detail=str(error)),)  # in use for the same, so it works
        except IssueError as error:
            return (Check(self.kind, str(error), "free the port, or allow it to rotator"),)
        if problems:
            return (Check(self.kind, f"{self._desk.issuer}: {'; '.join(problems)}", _LEAD),)
        untold = "; whether port 443 of each name leads there is not looked at without `check`"
        detail = f"challenges can be shown at {self._settings.listen}"
        return (
            Check(self.kind, detail=f"{detail}, and port 443 leads there" if self._settings.check else detail + untold),
        )


_LEAD = "lead connections that offer acme-tls/1 from port 443 of the names to it: DNS, a firewall, or a proxy there"


def asked_as(name: str) -> str:
    """What a CA sends as SNI: the name; for an address its reverse name (RFC 8738, 6)."""
    return ip_address(name).reverse_pointer if is_address(name) else name.lower()


def answer_of(name: str, authorization: str, now: datetime) -> Answer:
    """The certificate for one proof (RFC 8737, 3): the name alone, and the critical acmeIdentifier."""
    key = ec.generate_private_key(ec.SECP256R1())
    digest = hashlib.sha256(authorization.encode()).digest()
    identity = x509.IPAddress(ip_address(name)) if is_address(name) else x509.DNSName(name.lower())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "ACME challenge")])
    extension = x509.UnrecognizedExtension(ACME_IDENTIFIER, bytes([_OCTET_STRING, len(digest)]) + digest)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now.astimezone(UTC) - timedelta(hours=1))
        .not_valid_after(now.astimezone(UTC) + timedelta(days=7))
        .add_extension(x509.SubjectAlternativeName([identity]), critical=False)
        .add_extension(extension, critical=True)
        .sign(key, hashes.SHA256())
    )
    return Answer(digest, certificate, key)


# ---------------------------------------------------------------- the listener


class _Handshake(socketserver.BaseRequestHandler):
    """Shakes hands and hangs up; who offers other protocols or asks for another name gets no further than a hello."""

    server: Listener[Answer]

    def handle(self) -> None:
        from OpenSSL import SSL

        self.request.setblocking(True)
        _bound(self.request)  # pyOpenSSL knows no timeouts
        connection = SSL.Connection(_context(self.server.shown), self.request)
        connection.set_accept_state()
        try:
            connection.do_handshake()
            connection.shutdown()
        except (SSL.Error, OSError, _NoOtherProtocol):
            pass  # a stranger, or a CA that has seen enough


def _bound(request: Any) -> None:
    """Let the kernel end a read or write that takes too long."""
    limit = struct.pack("ll", int(_HANDSHAKE_SECONDS), 0)
    request.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, limit)
    request.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, limit)


def _context(shown: dict[str, Answer]) -> SSL.Context:
    """A context without a certificate: the name that is asked for chooses one, and without that there is none."""

    def choose(connection: SSL.Connection) -> None:
        answer = shown.get((connection.get_servername() or b"").decode("latin-1").lower())
        if answer is None:
            return
        chosen = _bare()
        chosen.use_certificate(answer.certificate)
        chosen.use_privatekey(answer.key)
        connection.set_context(chosen)

    context = _bare()
    context.set_tlsext_servername_callback(choose)
    return context


def _bare() -> SSL.Context:
    from OpenSSL import SSL

    context = SSL.Context(SSL.TLS_SERVER_METHOD)
    context.set_min_proto_version(SSL.TLS1_2_VERSION)
    context.set_alpn_select_callback(_only_acme)
    return context


class _NoOtherProtocol(Exception):  # noqa: N818 - the alert that OpenSSL makes of it
    """The peer offers another protocol only: an end of the handshake, as RFC 7301, 3.2, wants it."""


def _only_acme(connection: SSL.Connection, offered: list[bytes]) -> bytes:
    if PROTOCOL.encode() not in offered:
        raise _NoOtherProtocol
    return PROTOCOL.encode()


def _listener(host: str, port: int) -> Listener[Answer]:
    return Listener(host, port, _Handshake, "tls-alpn-01")


LISTENERS: Listeners[Answer] = Listeners(
    "TLS-ALPN-01", _listener, "free the port, allow it to rotator, or listen where the proxy before it leads to"
)
"""One for the process, whichever issuers need it."""
