"""The dialogues that lead to TLS, against every server that says something odd. The real ones are in another module."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from rotator.core.model import Bundle, Endpoint, Sighting, SightingState
from rotator.lib.starttls import DIALOGUES, start_tls
from rotator.lib.tls import probe
from tests.fuzz.starttls_target import INJECTED, MAX_BYTES, Heard, converse, finish, outcome
from tests.lib.tls_peers import Talk, dialogue, peer, server_context, silent, tls
from tests.pki import self_signed

NOW = datetime.now(UTC)
SEEDS = sorted((Path(__file__).parents[1] / "fuzz" / "seeds" / "starttls").iterdir())
PROTOCOLS = sorted(DIALOGUES)
UNHURRIED = settings(deadline=None)
STREAM = (
    b"<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' version='1.0'>"
    b"<stream:features><starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/></stream:features>"
)
PROCEED = b"<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"
MYSQL = b"\x15\x00\x00\x00\x0a8\x00thresaltsalt\x00\x00\x08\x00\x00\x00"
MAIL = [(b"", b"220 hi\r\n"), (b"EHLO ", b"250-mail\r\n250 STARTTLS\r\n"), (b"STARTTLS\r\n", b"220 go\r\n")]
XMPP = [(b"<?xml version='1.0'?><stream:stream to=", STREAM), (b"<starttls", PROCEED)]

GOOD: dict[str, list[tuple[bytes, bytes]]] = {
    "ftp": [(b"", b"220 hi\r\n"), (b"AUTH TLS\r\n", b"234 go\r\n")],
    "imap": [(b"", b"* OK hi\r\n"), (b"a1 STARTTLS\r\n", b"* CAPABILITY\r\na1 OK begin\r\n")],
    "ldap": [(b"\x30", b"\x30\x0c\x02\x01\x01\x78\x07\x0a\x01\x00\x04\x00\x04\x00")],
    "lmtp": [MAIL[0], (b"LHLO ", MAIL[1][1]), MAIL[2]],
    "mysql": [(b"", MYSQL), (b"\x20\x00\x00\x01", b"")],
    "pop3": [(b"", b"+OK hi\r\n"), (b"STLS\r\n", b"+OK begin\r\n")],
    "postgres": [(b"\x00\x00\x00\x08\x04\xd2\x16\x2f", b"S")],
    "sieve": [(b"", b'"STARTTLS"\r\nOK\r\n'), (b"STARTTLS\r\n", b'OK "go"\r\n')],
    "smtp": MAIL,
    "submission": MAIL,
    "xmpp": XMPP,
    "xmpp-server": XMPP,
}
"""What each server waits for, and answers."""


def said(protocol: str) -> bytes:
    return b"".join(answer for _, answer in GOOD[protocol])


def look(protocol: str, port: int, **limits: float) -> Sighting:
    endpoint = Endpoint("127.0.0.1", port, "mail.example.com", protocol)
    (sighting,) = probe([endpoint], **limits)  # type: ignore[arg-type]  # all of them are numbers of seconds
    return sighting


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return self_signed(["mail.example.com"], not_before=NOW, not_after=NOW + timedelta(days=9))


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory, bundle: Bundle) -> ssl.SSLContext:
    return server_context(tmp_path_factory.mktemp("tls"), bundle)


class TestOverASocket:
    @pytest.mark.parametrize("protocol", PROTOCOLS)
    def test_the_dialogue_leads_to_the_handshake(self, protocol: str, bundle: Bundle, context: ssl.SSLContext) -> None:
        """After the consent the handshake begins at once, and shows the chain."""
        turns = GOOD[protocol] if "xmpp" not in protocol else [(b"<?xml", STREAM), XMPP[1]]
        with peer(dialogue(*turns, then=tls(context))) as port:
            assert bundle.chain == look(protocol, port).chain

    @pytest.mark.parametrize("protocol", PROTOCOLS)
    def test_plain_text_after_the_consent_is_never_part_of_the_session(self, protocol: str) -> None:
        """Bytes between the consent and the handshake end the look: they are not read as protected ones."""
        *turns, (wanted, consent) = GOOD[protocol] if "xmpp" not in protocol else [(b"<?xml", STREAM), XMPP[1]]
        if protocol == "mysql":  # its greeting is the last that the server says
            turns, wanted, consent = [], b"", MYSQL
        with peer(dialogue(*turns, (wanted, consent + b"250 injected\r\n"), then=silent)) as port:
            sighting = look(protocol, port, total_seconds=5)

        assert SightingState.NOT_TLS is sighting.state
        assert sighting.chain is None
        assert "plain text" in sighting.detail

    @pytest.mark.parametrize("protocol", PROTOCOLS)
    def test_a_server_that_says_nothing_costs_its_limit(self, protocol: str) -> None:
        """A peer that accepts and is silent is `timeout`, after the limit and not much later."""
        with peer(silent) as port:
            began = time.monotonic()
            sighting = look(protocol, port, total_seconds=0.3)

        assert SightingState.TIMEOUT is sighting.state
        assert time.monotonic() - began < 5

    @pytest.mark.parametrize("protocol", PROTOCOLS)
    def test_a_server_that_hangs_up_is_unreachable(self, protocol: str) -> None:
        """A peer that closes in the middle of its first answer is told apart from one that refuses."""
        with peer(_hangs_up(said(protocol)[:1] if protocol != "postgres" else b"")) as port:
            sighting = look(protocol, port, total_seconds=5)

        assert SightingState.UNREACHABLE is sighting.state
        assert "closed the connection" in sighting.detail

    @pytest.mark.parametrize("protocol", PROTOCOLS)
    @pytest.mark.parametrize(
        "text", [b"220-on and on\r\n", b"+", b"\x00", b"<a>"], ids=["lines", "line", "zeros", "xml"]
    )
    def test_a_server_that_never_ends_is_cut_off(self, protocol: str, text: bytes) -> None:
        """Whatever a peer sends for ever, the look ends by itself, long before its limit."""

        def for_ever(plain: socket.socket, over: threading.Event) -> None:
            while not over.is_set():
                plain.sendall(text * 1000)

        with peer(for_ever) as port:
            began = time.monotonic()
            sighting = look(protocol, port, total_seconds=60)

        assert SightingState.NOT_TLS is sighting.state
        assert time.monotonic() - began < 30


def _hangs_up(text: bytes) -> Talk:
    def talk(plain: socket.socket, _: threading.Event) -> None:
        plain.sendall(text)
        plain.shutdown(socket.SHUT_WR)
        while plain.recv(4096):  # closing with something unread would be a reset
            pass

    return talk


class TestEachProtocol:
    @pytest.mark.parametrize("protocol", PROTOCOLS)
    def test_it_consents_only_when_all_was_said(self, protocol: str) -> None:
        """A dialogue that is cut at any byte before its end is closed or refused, never taken for consent."""
        whole = said(protocol)
        assert outcome(protocol, Heard(whole)) == "consent"
        for length in range(len(whole)):
            assert outcome(protocol, Heard(whole[:length])) != "consent", whole[:length]

    @pytest.mark.parametrize("protocol", PROTOCOLS)
    def test_how_the_bytes_arrive_makes_no_difference(self, protocol: str) -> None:
        """One byte at a time or all at once, it is the same dialogue, and the same is sent."""
        at_once, in_bytes = Heard(said(protocol)), Heard(said(protocol), piece=1)
        assert outcome(protocol, at_once) == outcome(protocol, in_bytes) == "consent"
        assert at_once.sent == in_bytes.sent != b""

    @pytest.mark.parametrize("protocol", PROTOCOLS)
    def test_one_byte_behind_the_consent_is_refused(self, protocol: str) -> None:
        """A single byte that came with the consent is plain text in the session."""
        assert outcome(protocol, Heard(said(protocol) + b"x")) == INJECTED

    @pytest.mark.parametrize("protocol", PROTOCOLS)
    def test_nothing_is_asked_beyond_the_way_to_tls(self, protocol: str) -> None:
        """No name of a user, no password and no address of ours is sent in the clear."""
        wire = Heard(said(protocol))
        finish(start_tls(protocol, wire, "mail.example.com"))
        assert len(wire.sent) < 300
        if "xmpp" not in protocol:
            assert b"mail.example.com" not in wire.sent

    def test_xmpp_names_the_host(self) -> None:
        """The name goes into `to`; without one the attribute is left out; nothing in it can leave its quotes."""
        for name, wanted in [("a.example", b" to='a.example'"), ("", b""), ("a'><x", b" to='a&#x27;&gt;&lt;x'")]:
            wire = Heard(said("xmpp"))
            finish(start_tls("xmpp", wire, name))
            assert wire.sent.startswith(b"<?xml version='1.0'?><stream:stream" + wanted + b" xmlns='jabber:client'")

    def test_xmpp_servers_have_their_own_namespace(self) -> None:
        """Between servers the stream is one of `jabber:server`."""
        wire = Heard(said("xmpp-server"))
        finish(start_tls("xmpp-server", wire, "a.example"))
        assert b" xmlns='jabber:server'" in wire.sent

    def test_an_unknown_protocol_is_a_lookup_error(self) -> None:
        """A protocol that nobody speaks is the caller's mistake."""
        with pytest.raises(LookupError):
            finish(start_tls("gopher", Heard(b"")))


@pytest.mark.parametrize("seed", SEEDS, ids=lambda seed: seed.name)
def test_a_seed_ends_as_its_name_says(seed: Path) -> None:
    """Transcripts of real servers and of odd ones: each ends in what stands in its name, in no other dialogue worse."""
    protocol = max((each for each in PROTOCOLS if seed.name.startswith(f"{each}-")), key=len)
    wanted = seed.name.removeprefix(f"{protocol}-").partition("-")[0]
    ended = converse(seed.read_bytes())[protocol]
    word = "injected" if ended == INJECTED else ended.partition(":")[0].replace(" ", "")
    assert word == wanted, ended


def test_each_protocol_has_seeds_of_both_kinds() -> None:
    """For every dialogue but submission, which is SMTP's, there is a seed that consents and one that is refused."""
    for protocol in set(PROTOCOLS) - {"submission"}:
        for word in ("consent", "refused"):
            assert any(seed.name.startswith(f"{protocol}-{word}-") for seed in SEEDS), (protocol, word)


pieces = st.sampled_from(
    [part for protocol in PROTOCOLS for _, part in GOOD[protocol] if part]
    + [
        b"\r\n",
        b"220-",
        b"250 ",
        b"{3}\r\n",
        b"{0+}\r\n",
        b"\x30\x84",
        b"\xff",
        b"<!-- ",
        b"</stream:stream>",
        b"&amp;",
    ]
)
served = st.lists(st.one_of(pieces, st.binary(max_size=20)), max_size=12).map(b"".join)


@settings(UNHURRIED, max_examples=300)
@given(served)
@example(b"")
@example(b"\x30\x80")
@example(b"\x01\x00\x00\xff\x0a")
def test_any_server_ends_in_consent_refusal_or_the_wires_own_word(content: bytes) -> None:
    """Whatever a server sends, however it arrives, no dialogue raises anything else."""
    assert set(converse(content)) == set(PROTOCOLS)


@pytest.mark.parametrize("protocol", PROTOCOLS)
@UNHURRIED
@given(mutation=st.binary(min_size=1, max_size=8), data=st.data())
def test_a_damaged_dialogue_is_no_crash(protocol: str, mutation: bytes, data: st.DataObject) -> None:
    """A good dialogue with some bytes put in or overwritten at any place still ends in one of the three ways."""
    whole = said(protocol)
    at = data.draw(st.integers(0, len(whole)))
    over = data.draw(st.integers(0, len(mutation)))
    assert converse(whole[:at] + mutation + whole[at + over :])[protocol]


@pytest.mark.parametrize("protocol", PROTOCOLS)
@settings(UNHURRIED, max_examples=40)
@given(content=served)
def test_an_endless_server_is_bounded(protocol: str, content: bytes) -> None:
    """A server that says the same for ever is left within the bytes that a wire allows, and is told next to nothing."""
    wire = Heard(content, piece=4096, endless=True)
    ended = outcome(protocol, wire)
    assert wire.received <= MAX_BYTES + 4096
    assert (ended == "closed") == (content == b"")
    assert len(wire.sent) < 300
