"""Whether port 443 of a name leads a CA to our proof: asked as a CA asks, though only from where we are."""

from __future__ import annotations

import socket
import ssl

from cryptography import x509

from rotator.core.csr import is_address
from rotator.lib.dns import DnsError, Lookups
from rotator.lib.reach import has_no_way

PROTOCOL = "acme-tls/1"
ACME_IDENTIFIER = x509.ObjectIdentifier("1.3.6.1.5.5.7.1.31")
_SECONDS = 10.0
_PORT = 443


def unseen(name: str, server_name: str, digest: bytes, lookups: Lookups) -> str:
    """A clause why a CA would not find the proof at some address of a name; empty when it would at all of them."""
    try:
        addresses = (name,) if is_address(name) else lookups.addresses_of(name)
    except DnsError as error:
        return str(error)
    if not addresses:
        return f"{name} has no address"
    seen = [_look(address, server_name, digest) for address in addresses]
    if all(each is None for each in seen):
        return f"this machine has no way to {', '.join(addresses)} ({name})"
    return next((f"{name} at {address} {why}" for address, why in zip(addresses, seen, strict=True) if why), "")


def _look(address: str, server_name: str, digest: bytes) -> str | None:
    """What is wrong there; empty where the proof is, None where this machine has no way to."""
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname, client.verify_mode = False, ssl.CERT_NONE  # the certificate is the proof, nobody vouches
    client.set_alpn_protocols([PROTOCOL])
    try:
        with (
            socket.create_connection((address, _PORT), timeout=_SECONDS) as raw,
            client.wrap_socket(raw, server_hostname=server_name) as tls,
        ):
            protocol, der = tls.selected_alpn_protocol(), tls.getpeercert(binary_form=True)
    except ssl.SSLError as error:
        return f"refuses a handshake for {PROTOCOL}: {error.reason or 'no reason given'}"
    except OSError as error:
        return None if has_no_way(error) else f"cannot be connected to at port {_PORT}: {error.strerror or error}"
    if protocol != PROTOCOL or der is None:
        return f"does not speak {PROTOCOL} at port {_PORT}; something else ends TLS there"
    return "" if _is_proof(der, digest) else "shows another certificate than ours"


def _is_proof(der: bytes, digest: bytes) -> bool:
    try:
        extension = x509.load_der_x509_certificate(der).extensions.get_extension_for_oid(ACME_IDENTIFIER)
    except (ValueError, x509.ExtensionNotFound):
        return False
    found = extension.value
    return isinstance(found, x509.UnrecognizedExtension) and found.value.endswith(digest)
