"""How plain protocols are asked to go over to TLS: one short dialogue each, behind one registry.

A server that sends anything after its consent and before the handshake is refused: those bytes came in the clear, and
whoever put them there wants them taken for protected ones (command injection, RFC 3207, 6 and CVE-2011-0411).
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from rotator.lib.starttls import lines, messages, xmpp
from rotator.lib.starttls.wire import MAX_LINES, MAX_MESSAGE, Dialogue, StartTlsRefused, Wire

__all__ = ["DIALOGUES", "MAX_LINES", "MAX_MESSAGE", "Dialogue", "StartTlsRefused", "Wire", "start_tls"]

DIALOGUES: Mapping[str, Dialogue] = MappingProxyType(
    {
        "ftp": lines.ftp,
        "imap": lines.imap,
        "ldap": messages.ldap,
        "lmtp": lines.lmtp,
        "mysql": messages.mysql,
        "pop3": lines.pop3,
        "postgres": messages.postgres,
        "sieve": lines.sieve,
        "smtp": lines.smtp,
        "submission": lines.smtp,
        "xmpp": xmpp.client,
        "xmpp-server": xmpp.server,
    }
)
"""By the scheme of an endpoint: `submission://mail.example.com`."""


async def start_tls(protocol: str, wire: Wire, name: str = "") -> None:
    """Bring a fresh connection to where the TLS handshake begins.

    Every dialogue reads a bounded number of bytes; how long it may take is the caller's to limit.

    Args:
        name: what the server is to answer as, for protocols that say so before TLS (XMPP's `to`, RFC 6120, 4.7.2);
            left out where it is empty.

    Raises:
        StartTlsRefused: the server refused, or does not speak this protocol.
        LookupError: rotator does not know this protocol.
    """
    await DIALOGUES[protocol](wire, name)
    if wire.unread:
        raise StartTlsRefused("it sent plain text after its consent to TLS")
