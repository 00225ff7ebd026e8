"""The prober where TLS begins after a dialogue: each protocol, refusals, and injected text."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import pytest

from rotator.core.model import SightingState
from tests.lib.probing import NOW, YEAR, at, issued, look
from tests.lib.tls_peers import dialogue, peer, server_context, silent, tls
from tests.pki import Authority


@pytest.fixture(scope="module")
def root() -> Authority:
    return Authority("Root", not_before=NOW - YEAR, not_after=NOW + YEAR)


@pytest.fixture(scope="module")
def issuing(root: Authority) -> Authority:
    return Authority("Issuing", not_before=NOW - YEAR, not_after=NOW + YEAR, parent=root)


class TestStartTls:
    GOOD: ClassVar = {
        "smtp": [
            (b"", b"220-mail.example.com\r\n220 ready\r\n"),
            (b"EHLO ", b"250-mail.example.com\r\n250-SIZE 1000\r\n250 STARTTLS\r\n"),
            (b"STARTTLS\r\n", b"220 go on\r\n"),
        ],
        "imap": [(b"", b"* OK IMAP4rev1\r\n"), (b"a1 STARTTLS\r\n", b"* CAPABILITY\r\na1 OK begin\r\n")],
        "pop3": [(b"", b"+OK POP3\r\n"), (b"STLS\r\n", b"+OK begin\r\n")],
        "postgres": [(b"\x00\x00\x00\x08\x04\xd2\x16\x2f", b"S")],
        "ldap": [(b"\x30", b"\x30\x0c\x02\x01\x01\x78\x07\x0a\x01\x00\x04\x00\x04\x00")],
    }

    @pytest.mark.parametrize("protocol", sorted(GOOD))
    def test_each_protocol_leads_to_tls(self, tmp_path: Path, issuing: Authority, protocol: str) -> None:
        """The dialogue of each protocol ends in a handshake that shows the chain."""
        bundle = issued(issuing)
        talk = dialogue(*self.GOOD[protocol], then=tls(server_context(tmp_path, bundle)))
        with peer(talk) as port:
            assert bundle.chain == look(at(port, starttls=protocol)).chain

    @pytest.mark.parametrize(
        ("protocol", "turns", "why"),
        [
            ("smtp", [(b"", b"554 go away\r\n")], "554 go away"),
            ("smtp", [(b"", b"220 hi\r\n"), (b"EHLO", b"250 SIZE\r\n")], "does not offer STARTTLS"),
            ("smtp", [(b"", b"220-more\r\n" * 200)], "more than 100 lines"),
            ("smtp", [(b"", b"x" * 9000)], "more than was asked"),
            ("imap", [(b"", b"* OK hi\r\n"), (b"a1", b"a1 NO not here\r\n")], "a1 NO not here"),
            ("pop3", [(b"", b"+OK hi\r\n"), (b"STLS", b"-ERR\r\n")], "-ERR"),
            ("postgres", [(b"\x00", b"N")], "ssl = off"),
            ("ldap", [(b"\x30", b"\x30\x0c\x02\x01\x01\x78\x07\x0a\x01\x34\x04\x00\x04\x00")], "LDAP result 52"),
            ("ldap", [(b"\x30", b"\x30\x84\xff\xff\xff\xff")], "longer than 64 KiB"),
            ("gopher", [], "does not know STARTTLS for gopher"),
        ],
    )
    def test_a_refusal_is_said_in_the_servers_words(
        self, protocol: str, turns: list[tuple[bytes, bytes]], why: str
    ) -> None:
        """A server without TLS is `not-tls`, with what it answered."""
        with peer(dialogue(*turns, then=silent)) as port:
            sighting = look(at(port, starttls=protocol), total_seconds=5)

        assert SightingState.NOT_TLS is sighting.state
        assert why in sighting.detail

    def test_plain_text_after_the_consent_is_an_injection(self) -> None:
        """Bytes between consent and handshake came in the clear: refused, not read as part of the session."""
        turns = [*self.GOOD["pop3"][:-1], (b"STLS\r\n", b"+OK begin\r\n+OK injected\r\n")]
        with peer(dialogue(*turns, then=silent)) as port:
            sighting = look(at(port, starttls="pop3"))

        assert SightingState.NOT_TLS is sighting.state
        assert "plain text" in sighting.detail
