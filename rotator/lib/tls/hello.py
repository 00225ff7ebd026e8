"""What rotator offers a server: everything for reading what is there, and only given roots for verifying it.

pyOpenSSL rather than `ssl`: its memory BIO, the whole served chain, the server's wish for a client certificate and the
time of verification are public on every Python, and a handshake costs about the same.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from datetime import datetime

from OpenSSL import SSL, crypto

from rotator.core.model import Certificate, Endpoint
from rotator.core.pem import load

# TLS 1.0 up, weak keys and hashes too: an audit has to see what is served, however old. Anonymous suites show nothing.
_READ_ALL = b"ALL:COMPLEMENTOFALL:!aNULL:@SECLEVEL=0"
# OpenSSL leaves the CCM suites out, which are all that some devices speak (RFC 8446, B.4).
_READ_ALL_13 = (
    b"TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256:TLS_AES_128_CCM_SHA256:"
    b"TLS_AES_128_CCM_8_SHA256"
)
_LEGACY_SERVER_CONNECT = 0x4  # SSL_OP_LEGACY_SERVER_CONNECT: servers that lack secure renegotiation (RFC 5746)
_SIGNED_BY = {
    "rsa": b"aRSA:@SECLEVEL=0",
    "ecdsa": b"aECDSA:@SECLEVEL=0",
    "ed25519": b"aECDSA:@SECLEVEL=0",  # RFC 8422, 5.1: EdDSA is used with the ECDSA suites
    "ed448": b"aECDSA:@SECLEVEL=0",
}


def reading_context(key_algorithm: str | None = None) -> SSL.Context:
    """A context that shows what is served without judging it.

    Args:
        key_algorithm: asks for a certificate with such a key, by the authentication of the cipher suites. That exists
            up to TLS 1.2; the suites of TLS 1.3 say nothing of the key, and its `signature_algorithms` cannot be set
            through the public API, so a server of TLS 1.3 only has to be asked without.
    """
    context = SSL.Context(SSL.TLS_CLIENT_METHOD)
    context.set_min_proto_version(SSL.TLS1_VERSION)
    context.set_cipher_list(_SIGNED_BY[key_algorithm] if key_algorithm else _READ_ALL)
    context.set_tls13_ciphersuites(_READ_ALL_13)
    if key_algorithm:
        context.set_max_proto_version(SSL.TLS1_2_VERSION)
    context.set_options(_LEGACY_SERVER_CONNECT)
    context.set_session_cache_mode(SSL.SESS_CACHE_OFF)  # a resumed session shows no certificate
    context.set_verify(SSL.VERIFY_NONE)
    return context


def verifying_context(roots: Sequence[Certificate], at: datetime) -> SSL.Context:
    """A context that ends the handshake unless the served chain leads to one of the roots at that time.

    The protocol stays as wide as for reading: this is about the certificate, and a server that only speaks TLS 1.0 is
    a finding of its own.
    """
    context = reading_context()
    _fill(context.get_cert_store(), roots, at)
    context.set_verify(SSL.VERIFY_PEER)
    return context


def root_store(roots: Sequence[Certificate], at: datetime) -> crypto.X509Store:
    """The same trust as a store of its own, which can say in words why a chain fails."""
    store = crypto.X509Store()
    _fill(store, roots, at)
    return store


def _fill(store: crypto.X509Store | None, roots: Sequence[Certificate], at: datetime) -> None:
    assert store is not None
    for root in roots:
        store.add_cert(crypto.X509.from_cryptography(load(root)))
    store.set_time(at)
    # A root that is not self-signed (a trusted intermediate) is the end of the path all the same.
    store.set_flags(crypto.X509StoreFlags.PARTIAL_CHAIN)


def sni(endpoint: Endpoint) -> bytes | None:
    """The name to ask for: never an address, never with the trailing dot (RFC 6066, 3).

    Raises:
        UnicodeError: it is no name that DNS could have.
    """
    name = endpoint.server_name or endpoint.host
    if is_address(name):
        return None
    name = name.rstrip(".")
    return name.encode("ascii") if name.isascii() else name.encode("idna")


def is_address(host: str) -> bool:
    """Whether a host is an IP address (a zone such as `%eth0` may follow)."""
    if ":" not in host and not host[-1:].isdigit():
        return False  # told apart a thousand times a second; most names end in a letter
    try:
        ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True
