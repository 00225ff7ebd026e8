"""The prober against real TLS servers of every age and against peers that are none."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import ClassVar

import pytest

from rotator.core.model import Bundle, Endpoint, Sighting, SightingState
from rotator.core.pem import chain_pem
from rotator.lib.tls import probe, verified_handshake
from rotator.lib.tls.names import RESOLVED_AT_ONCE, Addresses, NotResolved, Resolver
from tests.lib.tls_peers import dialogue, endless, once, only_for, peer, says, server_context, silent, tls
from tests.pki import Authority, self_signed
from tests.servers.netns import Network, network_namespace

NOW = datetime.now(UTC)
YEAR = timedelta(days=365)
NAME = "shop.example.com"
V = ssl.TLSVersion


@pytest.fixture(scope="module")
def root() -> Authority:
    return Authority("Root", not_before=NOW - YEAR, not_after=NOW + YEAR)


@pytest.fixture(scope="module")
def issuing(root: Authority) -> Authority:
    return Authority("Issuing", not_before=NOW - YEAR, not_after=NOW + YEAR, parent=root)


def issued(by: Authority, *names: str, key: str = "ecdsa-256", ends_in: timedelta = timedelta(days=30)) -> Bundle:
    return by.issue(names or (NAME,), not_before=NOW - timedelta(days=60), not_after=NOW + ends_in, key=key)


def at(port: int, *, starttls: str = "", server_name: str = NAME) -> Endpoint:
    return Endpoint("127.0.0.1", port, server_name, starttls)


def look(endpoint: Endpoint, **limits: float) -> Sighting:
    (sighting,) = probe([endpoint], **limits)  # type: ignore[arg-type]  # all of them are numbers of seconds
    return sighting


class TestWhatIsServed:
    @pytest.mark.parametrize(
        ("version", "key"),
        [
            pytest.param(version, key, id=f"{version.name}-{key}")
            for version in (V.TLSv1, V.TLSv1_1, V.TLSv1_2, V.TLSv1_3)
            for key in ("rsa-2048", "ecdsa-256", "rsa-1024", "ed25519")
            if key != "ed25519" or version >= V.TLSv1_2  # RFC 8422
        ],
    )
    def test_every_version_and_key_shows_the_whole_chain(
        self, tmp_path: Path, issuing: Authority, version: ssl.TLSVersion, key: str
    ) -> None:
        """TLS 1.0 to 1.3, strong and weak keys: the leaf and its intermediate are read as they are served."""
        bundle = issued(issuing, key=key)
        with peer(tls(server_context(tmp_path, bundle, lowest=version, highest=version))) as port:
            sighting = look(at(port))

        assert (sighting.state, sighting.address) == (SightingState.SERVED, "127.0.0.1")
        assert bundle.chain == sighting.chain
        assert bundle.chain.fingerprint == sighting.fingerprint
        assert sighting.handshake is not None
        assert version.name.replace("_", ".") == sighting.handshake.version.replace("TLSv1.0", "TLSv1")
        assert not sighting.handshake.client_certificate_wanted

    @pytest.mark.parametrize("version", [V.TLSv1_2, V.TLSv1_3], ids=lambda v: v.name)
    def test_a_demanded_client_certificate_hides_nothing(
        self, tmp_path: Path, root: Authority, issuing: Authority, version: ssl.TLSVersion
    ) -> None:
        """A server that refuses us for want of a client certificate has shown its chain; we say what it wanted."""
        bundle = issued(issuing)
        context = server_context(tmp_path, bundle, lowest=version, highest=version, clients=root.certificate)
        with peer(tls(context)) as port:
            sighting = look(at(port))

        assert (SightingState.SERVED, bundle.chain) == (sighting.state, sighting.chain)
        assert sighting.handshake is not None
        assert sighting.handshake.client_certificate_wanted

    def test_expired_certificates_are_shown(self, tmp_path: Path, issuing: Authority) -> None:
        """Reading is not judging: an expired certificate is served, and said to be."""
        bundle = issued(issuing, ends_in=timedelta(days=-3))
        with peer(tls(server_context(tmp_path, bundle))) as port:
            assert bundle.chain == look(at(port)).chain

    def test_nothing_is_resumed(self, tmp_path: Path, issuing: Authority) -> None:
        """Each look is a full handshake: after an exchange without a restart the next look shows the new one."""
        old, new = issued(issuing), issued(issuing)
        context = server_context(tmp_path, old)
        with peer(tls(context)) as port:
            first = look(at(port))
            context.load_cert_chain(_pair(tmp_path, new))

            assert [old.chain.fingerprint, new.chain.fingerprint] == [first.fingerprint, look(at(port)).fingerprint]

    def test_the_server_name_chooses(self, tmp_path: Path, issuing: Authority) -> None:
        """The name that is sent is the endpoint's, never an address; a server that knows no other says so."""
        one, other = issued(issuing, "one.example.com"), issued(issuing, "other.example.com")
        names = {"one.example.com": server_context(tmp_path, one), "other.example.com": server_context(tmp_path, other)}
        with peer(tls(only_for(names, server_context(tmp_path, one)))) as port:
            endpoints = [at(port, server_name=name) for name in ("one.example.com", "other.example.com.", "")]
            seen = {sighting.endpoint.server_name: sighting for sighting in probe(endpoints)}

        assert one.chain == seen["one.example.com"].chain
        assert other.chain == seen["other.example.com."].chain
        assert SightingState.ALERT is seen[""].state
        assert "unrecognized_name" in seen[""].detail

    def test_two_certificates_of_one_server_can_be_asked_for(self, tmp_path: Path, issuing: Authority) -> None:
        """Where a server has an RSA and an ECDSA certificate, each is shown when its key is asked for."""
        rsa, ecdsa = issued(issuing, key="rsa-2048"), issued(issuing, key="ecdsa-256")
        with peer(tls(server_context(tmp_path, rsa, also=ecdsa))) as port:
            asked = {key: next(probe([at(port)], key_algorithm=key)) for key in ("rsa", "ecdsa")}

        assert (rsa.chain, ecdsa.chain) == (asked["rsa"].chain, asked["ecdsa"].chain)

    @pytest.mark.parametrize("processes", [0, 1])
    def test_both_certificates_of_one_server_are_shown(
        self, tmp_path: Path, issuing: Authority, processes: int
    ) -> None:
        """A good ECDSA certificate hides no expired RSA one: where every key is asked for, each is a sighting."""
        ecdsa = issued(issuing, key="ecdsa-256")
        rsa = issued(issuing, key="rsa-2048", ends_in=timedelta(days=-3))
        with peer(tls(server_context(tmp_path, rsa, also=ecdsa))) as port:
            once, both = (
                list(probe(iter([at(port)]), every_key=every, processes=processes)) for every in (False, True)
            )

        assert [(sighting.chain, sighting.key) for sighting in once] == [(ecdsa.chain, "")]
        assert [(sighting.chain, sighting.key) for sighting in both] == [(ecdsa.chain, ""), (rsa.chain, "rsa")]
        assert {sighting.address for sighting in both} == {"127.0.0.1"}

    @pytest.mark.parametrize("version", [V.TLSv1_2, V.TLSv1_3], ids=lambda v: v.name)
    @pytest.mark.parametrize("key", ["rsa-2048", "ecdsa-256", "ed25519"])
    def test_one_certificate_is_one_sighting(
        self, tmp_path: Path, issuing: Authority, version: ssl.TLSVersion, key: str
    ) -> None:
        """A server that refuses the second question has no other certificate, or speaks TLS 1.3 only."""
        bundle = issued(issuing, key=key)
        with peer(tls(server_context(tmp_path, bundle, lowest=version, highest=version))) as port:
            (sighting,) = probe([at(port)], every_key=True)

        assert (sighting.chain, sighting.key) == (bundle.chain, "")

    def test_a_second_question_without_an_answer_is_told(self, tmp_path: Path, issuing: Authority) -> None:
        """A server that falls silent when it is asked for RSA may have such a certificate: that is not passed over."""
        bundle = issued(issuing)
        with peer(once(tls(server_context(tmp_path, bundle)), then=silent)) as port:
            first, second = probe([at(port)], every_key=True, total_seconds=4)

        assert first.chain == bundle.chain
        assert (second.state, second.key) == (SightingState.TIMEOUT, "rsa")
        assert second.detail.startswith("asked for a certificate with a key of kind rsa: ")

    @pytest.mark.parametrize("version", [V.TLSv1_2, V.TLSv1_3], ids=lambda v: v.name)
    def test_asking_for_a_key_that_is_not_there_shows_what_is(
        self, tmp_path: Path, issuing: Authority, version: ssl.TLSVersion
    ) -> None:
        """A server without such a certificate, or with TLS 1.3 only, is asked again without: it is not down."""
        bundle = issued(issuing, key="ecdsa-256")
        with peer(tls(server_context(tmp_path, bundle, lowest=version, highest=version))) as port:
            (sighting,) = probe([at(port)], key_algorithm="rsa")

        assert bundle.chain == sighting.chain

    def test_a_huge_certificate_is_refused_in_words(self, tmp_path: Path, issuing: Authority) -> None:
        """Ten thousand names make a certificate of 250 kB: more than is read, and said in words, not a crash."""
        bundle = issued(issuing, *(f"host-{number}.example.com" for number in range(10_000)))
        with peer(tls(server_context(tmp_path, bundle))) as port:
            sighting = look(at(port))

        assert SightingState.ALERT is sighting.state
        assert "excessive message size" in sighting.detail


class TestWhatIsNot:
    def test_a_refused_connection(self) -> None:
        """A closed port is `refused`."""
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]

        assert SightingState.REFUSED is look(at(port)).state

    def test_a_name_that_does_not_resolve(self) -> None:
        """One sighting without an address, and the resolver's words."""
        sighting = look(Endpoint("no-such-host.invalid", 443))

        assert (sighting.state, sighting.address) == (SightingState.DNS, "")
        assert "not resolved" in sighting.detail

    def test_a_name_that_cannot_be(self) -> None:
        """A label of 70 letters is no name; said, not raised."""
        assert SightingState.DNS is look(Endpoint(f"{'a' * 70}.example.com", 443)).state

    @pytest.mark.parametrize(
        "text",
        [b"SSH-2.0-OpenSSH_9.2\r\n", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x00" * 64],
        ids=["ssh", "http", "zeros"],
    )
    def test_another_protocol(self, text: bytes) -> None:
        """What is no TLS is `not-tls`."""
        with peer(says(text)) as port:
            assert SightingState.NOT_TLS is look(at(port)).state

    def test_a_silent_peer_costs_its_limit(self) -> None:
        """A peer that accepts and says nothing is `timeout`, after the limit and not much later."""
        with peer(silent) as port:
            began = time.monotonic()
            sighting = look(at(port), total_seconds=0.4)

        assert SightingState.TIMEOUT is sighting.state
        assert time.monotonic() - began < 3

    def test_an_endless_peer_is_cut_off(self) -> None:
        """A peer that sends for ever costs a bounded number of bytes."""
        with peer(endless) as port:
            assert look(at(port), total_seconds=8).state in {SightingState.NOT_TLS, SightingState.ALERT}

    def test_a_peer_that_hangs_up(self) -> None:
        """Closing before the first byte is `unreachable`: nothing was said."""
        with peer(lambda plain, over: None) as port:
            assert SightingState.UNREACHABLE is look(at(port)).state

    def test_a_full_backlog_is_a_connect_timeout(self) -> None:
        """No answer to the connection itself is told apart from a silent server."""
        with contextlib.ExitStack() as stack:
            listener = stack.enter_context(socket.socket())
            listener.bind(("127.0.0.1", 0))
            listener.listen(0)
            port = listener.getsockname()[1]
            for _ in range(3):  # two fill the queue; the kernel drops what comes then
                waiting = stack.enter_context(socket.socket())
                waiting.setblocking(False)
                waiting.connect_ex(("127.0.0.1", port))
            sighting = look(at(port), connect_seconds=0.3)

        assert SightingState.TIMEOUT is sighting.state
        assert "no connection" in sighting.detail


class TestManyAtOnce:
    def test_slow_ones_hold_nobody_up(self, tmp_path: Path, issuing: Authority) -> None:
        """Fifty good and fifty silent endpoints: the good ones are shown, all in about one limit."""
        bundle = issued(issuing)
        with peer(tls(server_context(tmp_path, bundle))) as good, peer(silent) as bad:
            endpoints = [at(port, server_name=f"{n}.example.com") for n in range(50) for port in (good, bad)]
            began = time.monotonic()
            seen = list(probe(endpoints, total_seconds=4.0, per_address=100))

        assert {50} == {sum(s.state is state for s in seen) for state in (SightingState.SERVED, SightingState.TIMEOUT)}
        assert time.monotonic() - began < 12

    def test_one_sighting_per_endpoint_and_address(self, tmp_path: Path, issuing: Authority) -> None:
        """Endpoints named twice are looked at once; a name with several addresses has a sighting for each."""
        bundle = issued(issuing)
        context = server_context(tmp_path, bundle)
        with peer(tls(context)) as port:
            local = Endpoint("localhost", port)
            seen = list(probe([local, local]))

        addresses = [sighting.address for sighting in seen]
        assert "127.0.0.1" in addresses
        assert len(set(addresses)) == len(addresses)
        assert all(s.state in {SightingState.SERVED, SightingState.REFUSED} for s in seen)

    def test_ipv6(self, tmp_path: Path, issuing: Authority) -> None:
        """An IPv6 address is looked at like any other."""
        if not _has_ipv6():
            pytest.skip("this machine has no IPv6 loopback")
        bundle = issued(issuing)
        with peer(tls(server_context(tmp_path, bundle)), host="::1") as port:
            assert bundle.chain == look(Endpoint("::1", port, NAME)).chain

    def test_closing_early_ends_the_work(self) -> None:
        """A caller who has seen enough leaves no thread and no connection behind."""
        with peer(silent) as port:
            closed = socket.create_server(("127.0.0.1", 0))
            refused = closed.getsockname()[1]
            closed.close()
            sightings = probe([at(refused), *(at(port, server_name=f"{n}.example.com") for n in range(20))])
            next(sightings)
            sightings.close()

        assert not [thread for thread in threading.enumerate() if thread.name == "rotator-tls"]

    def test_nothing_to_look_at(self) -> None:
        """No endpoints, no sightings."""
        assert list(probe([])) == []

    def test_it_works_inside_a_running_loop(self, tmp_path: Path, issuing: Authority) -> None:
        """The web thread has an event loop of its own; probing from it works all the same."""
        with peer(tls(server_context(tmp_path, bundle := issued(issuing)))) as port:

            async def inside() -> Sighting:
                return look(at(port))

            assert bundle.chain == asyncio.run(inside()).chain

    def test_addresses_without_a_route_are_left_out(self) -> None:
        """A machine without a route to one address still looks at the other; with none to any, it says so of each."""
        question = "from rotator.lib.tls.names import by_route; print(by_route({}))"
        with network_namespace(1) as network:

            def inside(*addresses: str) -> str:
                command = [*network.inside, sys.executable, "-c", question.format(addresses)]
                return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

            near, far = network.addresses[0], "192.0.2.7"
            assert str(Addresses((near,), (far,))) == inside(far, near)
            assert str(Addresses((far, "2001:db8::7"))) == inside(far, "2001:db8::7")

    def test_addresses_that_were_left_out_are_told(self) -> None:
        """Where it is asked for, each endpoint says once a family that it has addresses which were not looked at."""
        program = (
            "from rotator.lib.tls import probe; from rotator.core.model import Endpoint\n"
            "for told in (False, True):\n"
            "    print(sorted((s.endpoint.port, s.address, str(s.state))"
            " for s in probe([Endpoint('both.test', 1), Endpoint('both.test', 2)], unrouted=told)))"
        )
        with network_namespace(1) as network, _hosts(network, ["127.0.0.1", "2001:db8::7", "2001:db8::8"]):
            command = [*network.inside, sys.executable, "-c", program]
            said = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()

        looked = [(port, "127.0.0.1", "refused") for port in (1, 2)]
        left_out = [(port, "2001:db8::7", "unrouted") for port in (1, 2)]
        assert said == [str(looked), str(sorted([*looked, *left_out]))]

    def test_a_resolver_that_hangs_costs_its_limit(self, caplog: pytest.LogCaptureFixture) -> None:
        """A name that is never answered is given up in time, and its late answer disturbs nobody."""
        answered = threading.Event()

        def late(host: str) -> tuple[str, ...]:
            answered.wait(30)
            return ("127.0.0.1",)

        async def ask() -> str:
            with contextlib.closing(Resolver(0.2, late)) as resolver:
                try:
                    return str(await resolver.addresses("slow.example.com"))
                except NotResolved as error:
                    return str(error)

        said = asyncio.run(ask())
        answered.set()
        for thread in threading.enumerate():
            if thread.name.startswith("rotator-dns"):
                thread.join(30)

        assert said == "the name was not resolved within 0.2 s"
        assert caplog.records == []

    def test_dead_names_cost_the_live_ones_nothing(self) -> None:
        """However many names hang, the time of another begins with its own lookup: it is found, if later."""
        over = threading.Event()
        pace = {"dead": 3.0, "live": 0.0}

        def lookup(host: str) -> tuple[str, ...]:
            over.wait(pace[host.partition("-")[0]])
            return ("127.0.0.1",)

        names = [*(f"dead-{n}" for n in range(RESOLVED_AT_ONCE)), *(f"live-{n}" for n in range(40))]
        found = asyncio.run(_resolved(names, 0.2, lookup))

        assert [found[name] for name in names if name.startswith("live")] == [Addresses(("127.0.0.1",))] * 40
        assert {str(found[name]) for name in names if name.startswith("dead")} == {
            "the name was not resolved within 0.2 s"
        }

    def test_some_dead_names_hold_nobody_up(self) -> None:
        """Thirty-two names that hang leave threads for the others, which are found while they still hang."""
        over = threading.Event()

        def lookup(host: str) -> tuple[str, ...]:
            if host.startswith("dead"):
                over.wait(30)
            return ("127.0.0.1",)

        names = [*(f"dead-{n}" for n in range(32)), *(f"live-{n}" for n in range(40))]
        try:
            found = asyncio.run(_resolved(names, 1.0, lookup))
        finally:
            over.set()

        assert sum(found[name] == Addresses(("127.0.0.1",)) for name in names) == 40

    def test_a_thread_is_started_for_a_name_that_needs_one(self) -> None:
        """One endpoint is no reason to start many threads."""
        before = set(threading.enumerate())
        count: list[int] = []

        def lookup(host: str) -> tuple[str, ...]:
            count.append(len({each for each in threading.enumerate() if each.name.startswith("rotator-dns")} - before))
            return ("127.0.0.1",)

        asyncio.run(_resolved(["one"], 1.0, lookup))

        assert count == [1]


@contextlib.contextmanager
def _hosts(network: Network, addresses: list[str]) -> Iterator[None]:
    """Let `both.test` have these addresses for what runs in a namespace (ip-netns(8): /etc/netns)."""
    folder = Path("/etc/netns", network.name)
    folder.mkdir(parents=True)
    try:
        (folder / "hosts").write_text("".join(f"{address} both.test\n" for address in addresses))
        yield
    finally:
        shutil.rmtree(folder)


async def _resolved(
    names: list[str], seconds: float, lookup: Callable[[str], tuple[str, ...]]
) -> dict[str, Addresses | BaseException]:
    """What comes of each name, all asked for at once."""
    with contextlib.closing(Resolver(seconds, lookup)) as resolver:
        answers = await asyncio.gather(*map(resolver.addresses, names), return_exceptions=True)
    return dict(zip(names, answers, strict=True))


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


class TestVerifiedHandshake:
    @pytest.fixture
    def good(self, tmp_path: Path, issuing: Authority) -> Iterator[int]:
        with peer(tls(server_context(tmp_path, issued(issuing)))) as port:
            yield port

    def test_a_good_chain_verifies(self, good: int, root: Authority) -> None:
        """Right name, right root, right time: nothing to object."""
        assert verified_handshake(at(good), "127.0.0.1", [root.certificate], at=NOW) is None

    def test_a_trusted_intermediate_is_enough(self, good: int, issuing: Authority) -> None:
        """Clients may trust an intermediate; OpenSSL alone would want the root."""
        assert verified_handshake(at(good), "127.0.0.1", [issuing.certificate], at=NOW) is None

    def test_another_root(self, good: int) -> None:
        """A chain that leads elsewhere is refused, with OpenSSL's reason."""
        other = Authority("Other", not_before=NOW - YEAR, not_after=NOW + YEAR)
        said = verified_handshake(at(good), "127.0.0.1", [other.certificate], at=NOW)

        assert said is not None
        assert "issuer certificate" in said

    def test_after_its_end(self, good: int, root: Authority) -> None:
        """The time is given, not read from a clock."""
        said = verified_handshake(at(good), "127.0.0.1", [root.certificate], at=NOW + timedelta(days=31))

        assert said is not None
        assert "expired" in said

    def test_another_name(self, good: int, root: Authority) -> None:
        """A certificate for another name is refused, although OpenSSL alone would not mind."""
        endpoint = at(good, server_name="other.example.com")

        assert verified_handshake(endpoint, "127.0.0.1", [root.certificate], at=NOW) is not None

    def test_a_missing_intermediate(self, tmp_path: Path, root: Authority, issuing: Authority) -> None:
        """What counts is what is served: a chain without its intermediate fails, though we know the intermediate."""
        whole = issued(issuing)
        leaf = Bundle(type(whole.chain)(whole.chain.certificates[:1]), whole.key)
        with peer(tls(server_context(tmp_path, leaf))) as port:
            assert verified_handshake(at(port), "127.0.0.1", [root.certificate], at=NOW) is not None

    def test_self_signed(self, tmp_path: Path, root: Authority) -> None:
        """A certificate that vouches for itself is refused."""
        alone = self_signed([NAME], not_before=NOW - YEAR, not_after=NOW + YEAR)
        with peer(tls(server_context(tmp_path, alone))) as port:
            said = verified_handshake(at(port), "127.0.0.1", [root.certificate], at=NOW)

        assert said is not None
        assert "self-signed" in said

    def test_a_client_certificate_is_not_needed_for_proof(
        self, tmp_path: Path, root: Authority, issuing: Authority
    ) -> None:
        """A server that wants a client certificate proves its own all the same."""
        for version in (V.TLSv1_2, V.TLSv1_3):
            context = server_context(
                tmp_path, issued(issuing), lowest=version, highest=version, clients=root.certificate
            )
            with peer(tls(context)) as port:
                assert verified_handshake(at(port), "127.0.0.1", [root.certificate], at=NOW) is None

    def test_nobody_there(self, root: Authority) -> None:
        """A refused connection is the reason."""
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]

        assert verified_handshake(at(port), "127.0.0.1", [root.certificate], at=NOW) == "it refused the connection"

    def test_no_roots(self, good: int) -> None:
        """Without a root nothing is proved."""
        assert verified_handshake(at(good), "127.0.0.1", [], at=NOW) is not None


def _pair(folder: Path, bundle: Bundle) -> Path:
    path = folder / f"{bundle.chain.fingerprint[:16]}.pem"
    path.write_bytes(chain_pem(bundle.chain) + bundle.key)
    return path


def _has_ipv6() -> bool:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True
