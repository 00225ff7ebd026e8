"""Aliases, zones, servers of a zone and what each shows, asked of real BINDs; updates by TSIG."""

from __future__ import annotations

import base64
import errno
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from dns import flags, message
from hypothesis import given
from hypothesis import strategies as st

from rotator.lib.dns import DnsError, Lookups, Nameserver
from rotator.lib.dns.resolving import resolver_of, server_address
from rotator.lib.dns.updates import SharedKey, TextRecord, add, remove
from rotator.lib.dns.watching import Shown, lagging, text_at
from rotator.lib.reach import has_no_way, own_address
from tests.servers.bind import BROKEN, Bind, Extras, start_bind
from tests.servers.ports import LOOPBACK, free_port

SECRET = base64.b64encode(b"a key of these tests alone, 32 o").decode()
ZONES = {
    "shop.test": "www A 127.0.0.1\nwww AAAA ::1\nalias CNAME www.far.test.\ndeep.er TXT x\n",
    "sub.shop.test": '@ TXT "one" "two"\n',
    "far.test": "www A 127.0.0.2\n",
    "many.test": "@ NS two\n@ NS gone.far.test.\ntwo A 127.0.0.3\ntwo AAAA ::3\n",
    "broken.test": BROKEN,
}


@pytest.fixture(scope="module")
def bind(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bind]:
    """A BIND with all zones of this module, which resolves and takes updates for one."""
    extras = Extras(keys={"rotator": SECRET}, policies={"shop.test": "grant rotator. subdomain ok.shop.test. TXT;"})
    with start_bind(tmp_path_factory.mktemp("dns"), ZONES, resolver=True, extras=extras) as server:
        yield server


@pytest.fixture
def lookups(bind: Bind) -> Lookups:
    """Questions to that BIND."""
    return Lookups([bind.server], seconds=3)


@contextmanager
def hanging_up(said: bytes) -> Iterator[Nameserver]:
    """A server that hears one question by TCP, and hangs up after this much of an answer."""
    with socket.create_server((LOOPBACK, 0)) as listener:

        def hang_up() -> None:
            peer, _ = listener.accept()
            with peer:
                peer.recv(4096)
                peer.sendall(said)

        thread = threading.Thread(target=hang_up)
        thread.start()
        yield Nameserver("ns1.shop.test", LOOPBACK, int(listener.getsockname()[1]))
        thread.join()


class TestLookups:
    """What a resolver is asked."""

    @pytest.mark.parametrize(
        ("name", "zone"),
        [
            ("_acme-challenge.www.shop.test", "shop.test"),
            ("shop.test", "shop.test"),
            ("a.b.c.Sub.Shop.test.", "sub.shop.test"),
            ("deep.er.shop.test", "shop.test"),
            ("alias.shop.test", "shop.test"),
        ],
    )
    def test_the_zone_of_a_name(self, lookups: Lookups, name: str, zone: str) -> None:
        """The nearest SOA record at or above it; that of an alias's end is not the alias's own."""
        assert lookups.zone_of(name) == zone

    def test_no_zone_is_an_error_that_stays(self, lookups: Lookups) -> None:
        """The root is nobody's zone to write to."""
        with pytest.raises(DnsError, match="no zone was found") as refused:
            lookups.zone_of("www.nowhere.example")

        assert refused.value.permanent

    def test_aliases(self, lookups: Lookups) -> None:
        """To their end, whether or not that exists; a name that is none is its own end."""
        assert lookups.target_of("alias.shop.test") == "www.far.test"
        assert lookups.target_of("WWW.shop.test.") == "www.shop.test"
        assert lookups.target_of("none.shop.test") == "none.shop.test"

    def test_servers_and_addresses(self, lookups: Lookups) -> None:
        """Every address of every server; one without any is said, because a CA may be sent there."""
        assert lookups.nameservers_of("shop.test") == (Nameserver("ns.shop.test", "127.0.0.1"),)
        assert lookups.addresses_of("www.shop.test") == ("127.0.0.1", "::1")
        assert lookups.addresses_of("alias.shop.test") == ("127.0.0.2",)
        assert lookups.addresses_of("none.shop.test") == ()
        assert lookups.primary_of("shop.test") == "ns.shop.test"
        with pytest.raises(DnsError, match=r"gone\.far\.test, which should serve many\.test, has no address"):
            lookups.nameservers_of("many.test")

    @pytest.mark.parametrize("name", ["a..b", "x" * 64 + ".test", ".".join("a" * 200)])
    def test_what_is_no_name_is_said(self, lookups: Lookups, name: str) -> None:
        """Nothing is asked for it."""
        with pytest.raises(DnsError, match="is no name of the DNS"):
            lookups.target_of(name)

    def test_a_resolver_that_fails_is_no_empty_answer(self, lookups: Lookups) -> None:
        """SERVFAIL is told, and may pass."""
        with pytest.raises(DnsError, match=r"answered SERVFAIL for NS of broken\.test") as failed:
            lookups.nameservers_of("broken.test")

        assert not failed.value.permanent

    def test_a_resolver_that_is_silent_is_told(self) -> None:
        """After the time that it was given."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
            silent.bind((LOOPBACK, 0))
            lookups = Lookups([f"{LOOPBACK}:{silent.getsockname()[1]}"], seconds=0.5)

            with pytest.raises(
                DnsError, match=r"^the DNS server 127\.0\.0\.1:\d+ gave no answer for SOA of shop\.test in time"
            ):
                lookups.zone_of("shop.test")


class TestWatching:
    """What each server shows by itself."""

    def test_what_is_there(self, bind: Bind) -> None:
        """Pieces of one value are put together; a name that does not exist shows nothing."""
        server = Nameserver("", bind.address, bind.port)

        (shown,), (nothing,) = text_at("sub.shop.test", [server]), text_at("none.shop.test", [server])

        assert (set(shown.values), set(nothing.values), nothing.problem) == ({"onetwo"}, set(), "")
        assert lagging([shown], ["onetwo"]) == []
        assert lagging([shown], ["onetwo", "x"]) == [f"{LOOPBACK} port {bind.port} shows 1 of 2 values"]
        assert lagging([nothing], ["x"]) == [f"{LOOPBACK} port {bind.port} shows nothing yet"]

    def test_servers_that_are_no_good(self, bind: Bind, tmp_path: Path) -> None:
        """Silent, refusing, broken, or not authoritative: each in words of its own."""
        with start_bind(tmp_path, {}, resolver=False) as other:
            (refusing,) = text_at("www.shop.test", [Nameserver("other", other.address, other.port)])
            other.process.send(signal.SIGSTOP)
            (silent,) = text_at("www.shop.test", [Nameserver("other", other.address, other.port)], seconds=0.5)
            other.process.send(signal.SIGCONT)
        (broken,) = text_at("broken.test", [Nameserver("", bind.address, bind.port)])
        (nobody,) = text_at("shop.test", [Nameserver("gone", LOOPBACK, free_port())])

        assert (refusing.problem, broken.problem) == ("answers REFUSED", "answers SERVFAIL")
        assert silent.problem == "does not answer"
        assert nobody.problem

    def test_a_server_that_hangs_up_does_not_count(self) -> None:
        """It has more to say than fits into a datagram, and closes the connection on which it would say it."""
        with hanging_up(b"") as server, socket.socket(type=socket.SOCK_DGRAM) as datagrams:
            datagrams.bind((LOOPBACK, server.port))

            def cut_short() -> None:
                asked, peer = datagrams.recvfrom(4096)
                answer = message.make_response(message.from_wire(asked))
                answer.flags |= flags.TC
                datagrams.sendto(answer.to_wire(), peer)

            thread = threading.Thread(target=cut_short)
            thread.start()
            (shown,) = text_at("ok.shop.test", [server])
            thread.join()

        assert shown.problem == "hung up before its answer was whole"

    def test_a_server_that_only_resolves_does_not_count(self, bind: Bind, tmp_path: Path) -> None:
        """An answer out of a cache says nothing about the zone's own servers."""
        with start_bind(tmp_path, {}, resolver=True, elsewhere={"shop.test": bind.port}) as cache:
            Lookups([cache.server]).addresses_of("www.shop.test")
            (shown,) = text_at("www.shop.test", [Nameserver("cache", cache.address, cache.port)])

        assert shown.problem == "is not authoritative there, though the zone names it"

    @given(st.lists(st.tuples(st.sampled_from("ab"), st.booleans(), st.booleans()), min_size=1))
    def test_a_way_that_is_missing_excuses_only_beside_one_that_is_there(
        self, addresses: list[tuple[str, bool, bool]]
    ) -> None:
        """IPv6 addresses do not count on a machine without it, as long as the same server answers over IPv4."""
        shown = [
            Shown(Nameserver(name, "192.0.2.1"), frozenset("v" if good else ""), "" if reach else "no way", not reach)
            for name, reach, good in addresses
        ]

        late = {clause[0] for clause in lagging(shown, ["v"])}

        for name in {name for name, *_ in addresses}:
            reached = [good for each, reach, good in addresses if each == name and reach]
            assert (name in late) is (not reached or not all(reached))


class TestUpdates:
    """Records by dynamic update."""

    def test_a_value_beside_others(self, bind: Bind) -> None:
        """Added twice it is there once; removed twice it is gone once; the others stay; signs are kept."""
        server, key = Nameserver("", bind.address, bind.port), SharedKey("rotator", SECRET)
        one, two = (TextRecord("x.ok.shop.test", "shop.test", value) for value in ('a "b\\c', "two"))

        for record in (one, one, two):
            add(record, 60, server, key)
        assert bind.texts(one.name) == {'a "b\\c', "two"}
        remove(one, server, key)
        remove(one, server, key)
        assert bind.texts(one.name) == {"two"}
        remove(two, server, key)
        assert bind.texts(one.name) == set()

    @pytest.mark.parametrize(
        ("record", "said"),
        [
            (TextRecord("x.shop.test", "shop.test", "v"), "answers REFUSED"),
            (TextRecord("x.ok.shop.test", "sub.shop.test", "v"), "answers (REFUSED|NOTZONE|FORMERR|NOTAUTH)"),
            (TextRecord("x.elsewhere.test", "elsewhere.test", "v"), "answers NOTAUTH .*; it does not hold the zone"),
        ],
    )
    def test_what_the_policy_does_not_allow(self, bind: Bind, record: TextRecord, said: str) -> None:
        """The server's own code, and what a person does about it."""
        with pytest.raises(DnsError, match=said):
            add(record, 60, Nameserver("", bind.address, bind.port), SharedKey("rotator", SECRET))

    @pytest.mark.parametrize("said", [b"", b"\x00\x20half"], ids=["nothing", "half"])
    def test_a_server_that_hangs_up_is_an_outage(self, said: bytes) -> None:
        """It restarts, or something before it closes connections: an error as any other, which passes by itself."""
        with hanging_up(said) as server, pytest.raises(DnsError, match="hung up before") as cut:
            add(TextRecord("ok.shop.test", "shop.test", "x"), 60, server, None)

        assert not cut.value.permanent

    def test_a_key_is_never_shown(self) -> None:
        """Its secret is in no repr."""
        assert SECRET not in repr(SharedKey("rotator", SECRET))

    @pytest.mark.parametrize("name", ["a..b", "k" * 64])
    def test_a_key_whose_name_is_none(self, name: str) -> None:
        """It is a mistake in the config, told as one before anything is sent."""
        with pytest.raises(DnsError, match="no name that a TSIG key can have") as refused:
            add(TextRecord("a.b.test", "b.test", "value"), 60, Nameserver("", "127.0.0.1", 1), SharedKey(name, SECRET))

        assert refused.value.permanent


class TestAddresses:
    """What operators write, and the ways that there are."""

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("192.0.2.1", ("192.0.2.1", 53)),
            ("192.0.2.1:5353", ("192.0.2.1", 5353)),
            ("2001:DB8::1", ("2001:db8::1", 53)),
            ("[2001:db8::1]:5353", ("2001:db8::1", 5353)),
            ("[2001:db8::1]", ("2001:db8::1", 53)),
        ],
    )
    def test_a_server_is_an_address_with_or_without_a_port(self, text: str, expected: tuple[str, int]) -> None:
        """Of both families."""
        assert server_address(text) == expected

    @given(st.text(max_size=30))
    def test_anything_else_is_a_sentence(self, text: str) -> None:
        """Whatever is written: an address and a port, or a ValueError."""
        try:
            address, port = server_address(text)
        except ValueError as error:
            assert repr(text) in str(error)
        else:
            assert address
            assert 0 < port < 65536

    def test_a_resolver_has_the_servers_it_was_given(self) -> None:
        """Each with its own port."""
        resolver = resolver_of(["192.0.2.1", "192.0.2.2:5353"])

        assert resolver is not None
        assert [str(each) for each in resolver.nameservers] == ["Do53:192.0.2.1@53", "Do53:192.0.2.2@5353"]

    def test_the_way_to_loopback_is_loopback(self) -> None:
        """Nothing is sent for it; a family that is not there is no way."""
        assert own_address("127.0.0.9") == "127.0.0.1"
        assert has_no_way(OSError(errno.ENETUNREACH, "x"))
        assert not has_no_way(OSError(errno.ECONNREFUSED, "x"))
        assert not has_no_way(None)
