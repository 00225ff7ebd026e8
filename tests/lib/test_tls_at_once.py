"""The prober on many endpoints and names at once: slow ones, dead ones, and addresses without a route."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from rotator.core.model import Endpoint, Sighting, SightingState
from rotator.lib.tls import probe
from rotator.lib.tls.names import RESOLVED_AT_ONCE, Addresses, NotResolved, Resolver
from tests.lib.probing import NAME, NOW, YEAR, at, issued, look
from tests.lib.tls_peers import peer, server_context, silent, tls
from tests.pki import Authority
from tests.servers.netns import Network, network_namespace


@pytest.fixture(scope="module")
def root() -> Authority:
    return Authority("Root", not_before=NOW - YEAR, not_after=NOW + YEAR)


@pytest.fixture(scope="module")
def issuing(root: Authority) -> Authority:
    return Authority("Issuing", not_before=NOW - YEAR, not_after=NOW + YEAR, parent=root)


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


def _has_ipv6() -> bool:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True
