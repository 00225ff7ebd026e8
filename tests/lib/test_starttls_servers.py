"""STARTTLS with the real server of every protocol that Debian has one for, with TLS and without."""

from __future__ import annotations

import time

import pytest

from rotator.core.model import Sighting, SightingState
from rotator.lib.endpoint import parse_endpoint
from rotator.lib.starttls import DIALOGUES
from rotator.lib.tls import probe
from tests.servers.dovecot import DOVECOT
from tests.servers.mariadb import MARIADB
from tests.servers.postfix import POSTFIX
from tests.servers.postgresql import POSTGRESQL
from tests.servers.prosody import HOST, PROSODY
from tests.servers.slapd import SLAPD
from tests.servers.upgrading import Kind, upgrading
from tests.servers.vsftpd import VSFTPD

pytestmark = pytest.mark.server

KINDS = (POSTFIX, DOVECOT, VSFTPD, SLAPD, POSTGRESQL, MARIADB, PROSODY)
SPOKEN = [pytest.param(kind, protocol, id=f"{protocol}-{kind.name}") for kind in KINDS for protocol in kind.protocols]
REFUSALS = {
    "smtp": "does not offer STARTTLS",
    "submission": "does not offer STARTTLS",
    "lmtp": "does not offer STARTTLS",
    "sieve": "does not offer STARTTLS",
    "imap": "a1 BAD TLS",
    "pop3": "-ERR TLS",
    "ftp": "530 Please login",
    "ldap": "LDAP result 2 (protocolError): `unsupported extended operation`",
    "postgres": "ssl = off",
    "mysql": "TLS switched off",
    "xmpp": "No stream features to",
    "xmpp-server": "No stream features to",
}


def look(word: str) -> Sighting:
    (sighting,) = probe([parse_endpoint(word)], connect_seconds=10, total_seconds=20)
    return sighting


@pytest.mark.parametrize(("kind", "protocol"), SPOKEN)
def test_the_servers_own_certificate_is_shown(kind: Kind, protocol: str) -> None:
    """Each real server, asked in its own protocol, shows exactly the certificate that it was given."""
    server = upgrading(kind)
    sighting = look(f"{protocol}://127.0.0.1:{server.ports[protocol]}")

    assert (SightingState.SERVED, server.fingerprint) == (sighting.state, sighting.fingerprint), sighting.detail
    assert sighting.handshake is not None
    assert sighting.handshake.version in {"TLSv1.2", "TLSv1.3"}


@pytest.mark.parametrize(("kind", "protocol"), SPOKEN)
def test_a_server_with_tls_switched_off_says_so(kind: Kind, protocol: str) -> None:
    """The same server without TLS is a named refusal in its own words, at once."""
    port = upgrading(kind, tls=False).ports[protocol]
    began = time.monotonic()
    sighting = look(f"{protocol}://127.0.0.1:{port}")

    assert SightingState.NOT_TLS is sighting.state
    assert REFUSALS[protocol] in sighting.detail
    assert time.monotonic() - began < 10


@pytest.mark.parametrize("protocol", PROSODY.protocols)
def test_xmpp_is_asked_for_the_server_name(protocol: str) -> None:
    """XMPP names the host before TLS: the one that it serves is answered, another is named in its refusal."""
    server = upgrading(PROSODY)
    port = server.ports[protocol]

    assert server.fingerprint == look(f"{protocol}://{HOST}@127.0.0.1:{port}").fingerprint
    assert "host-unknown" in look(f"{protocol}://other.example.net@127.0.0.1:{port}").detail


def test_every_protocol_has_its_real_server() -> None:
    """No dialogue is held by scripted peers alone."""
    assert {protocol for kind in KINDS for protocol in kind.protocols} == set(DIALOGUES)
