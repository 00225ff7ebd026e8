"""The prober on streams: read as it is needed, held back by a slow reader, spread over processes, always closed."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import count, islice
from pathlib import Path

import pytest

from rotator.core.model import Chain, Endpoint, Sighting, SightingState
from rotator.lib.tls import WorkerEnded, probe
from rotator.lib.tls.feed import ReadAhead
from rotator.lib.tls.parcel import Packer, Unpacker
from tests.lib.tls_peers import counted, dialogue, once, peer, server_context, silent, tls
from tests.pki import Authority
from tests.servers.service import has_ended, wait_until

NOW = datetime.now(UTC)
NAME = "shop.example.com"
AHEAD = 1024 + 1024 + 512 + 256 + 64  # read, made ready, not taken, under way, one batch


@pytest.fixture(scope="module")
def issuing() -> Authority:
    return Authority("Issuing", not_before=NOW - timedelta(days=90), not_after=NOW + timedelta(days=90))


@pytest.fixture
def served(tmp_path: Path, issuing: Authority) -> Iterator[tuple[int, Chain]]:
    """A good server on every loopback address: its port and chain."""
    bundle = issuing.issue([NAME], not_before=NOW - timedelta(days=1), not_after=NOW + timedelta(days=9))
    with peer(tls(server_context(tmp_path, bundle)), host="0.0.0.0") as port:
        yield port, bundle.chain


@pytest.fixture
def refused() -> int:
    """A port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


def addresses() -> Iterator[str]:
    """Endless, each one different."""
    return (f"127.{1 + n // 62500}.{n // 250 % 250}.{1 + n % 250}" for n in count())


def workers() -> set[int]:
    """The processes that look at endpoints for this one."""
    found: set[int] = set()
    for task in Path("/proc/self/task").iterdir():
        with contextlib.suppress(OSError):
            found |= {int(each) for each in (task / "children").read_text().split() if _is_worker(each)}
    return found


def _is_worker(process: str) -> bool:
    with contextlib.suppress(OSError):
        return b"rotator.lib.tls.worker" in Path(f"/proc/{process}/cmdline").read_bytes()
    return False


class TestReading:
    def test_an_endless_iterator_is_read_as_far_as_needed(self, refused: int) -> None:
        """Endpoints without end: what was asked for is shown, and only a bounded way ahead was read."""
        given = count()
        sightings = probe(Endpoint(address, refused) for address, _ in zip(addresses(), given, strict=False))
        seen = list(islice(sightings, 3000))
        sightings.close()

        assert {sighting.state for sighting in seen} == {SightingState.REFUSED}
        assert len({sighting.address for sighting in seen}) == 3000
        assert next(given) <= 3000 + AHEAD

    def test_a_slow_reader_holds_the_work_back(self, refused: int) -> None:
        """While nobody takes the sightings, reading and looking stop; they go on when somebody does."""
        too_far = threading.Event()

        def endpoints() -> Iterator[Endpoint]:
            for number, address in zip(range(3 * AHEAD), addresses(), strict=False):
                if number > AHEAD + 1:
                    too_far.set()
                yield Endpoint(address, refused)

        sightings = probe(endpoints())
        next(sightings)

        assert not too_far.wait(1)
        assert sum(1 for _ in sightings) == 3 * AHEAD - 1

    def test_an_iterator_that_waits_holds_no_sighting_back(self, served: tuple[int, Chain]) -> None:
        """Endpoints that trickle in through a pipe are shown as they come, not when the next one does."""
        port, chain = served
        more = threading.Event()

        def endpoints() -> Iterator[Endpoint]:
            yield Endpoint("127.0.0.1", port, NAME)
            assert more.wait(20)
            yield Endpoint("127.0.0.2", port, NAME)

        sightings = probe(endpoints())
        first = next(sightings)
        more.set()

        assert (first.address, first.chain) == ("127.0.0.1", chain)
        assert [sighting.address for sighting in sightings] == ["127.0.0.2"]

    @pytest.mark.parametrize("processes", [1, 2])
    def test_an_iterator_that_fails_is_told_after_what_it_gave(self, refused: int, processes: int) -> None:
        """A list that breaks off half-way: what came before is shown, then its error is raised."""

        def endpoints() -> Iterator[Endpoint]:
            yield from (Endpoint(address, refused) for address in islice(addresses(), 100))
            raise ValueError("line 101 is no endpoint")

        seen: list[Sighting] = []
        with pytest.raises(ValueError, match="line 101"):
            seen.extend(probe(endpoints(), processes=processes))

        assert not workers()

    def test_an_endpoint_that_comes_again_is_looked_at_once(self, refused: int) -> None:
        """The same endpoint twice in a stream is one sighting; another port is another endpoint."""
        twice = [Endpoint("127.0.0.1", refused), Endpoint("127.0.0.2", refused)] * 2

        assert len(list(probe(iter(twice)))) == 2

    def test_whoever_waits_for_more_gets_it(self) -> None:
        """However little is taken at a time, nothing is lost and nobody waits for what is there."""
        endpoints = [Endpoint("h", port) for port in range(1, 1001)]
        for most, ahead in ((4, 8), (8, 8), (1, 2), (3, 64)):
            feed = ReadAhead(iter(endpoints), lambda: None, ahead)
            taken: list[Endpoint] = []
            while not feed.ended:
                feed.wait()
                taken += feed.take(most)

            assert taken == endpoints

    def test_closing_early_stops_reading(self, refused: int) -> None:
        """A caller who has seen enough leaves no thread behind that reads on."""
        sightings = probe(Endpoint(address, refused) for address in addresses())
        next(sightings)
        sightings.close()

        wait_until(lambda: not _threads("rotator-tls"), "all threads of the prober have ended", seconds=20)


def _threads(name: str) -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith(name)]


class TestLimits:
    def test_the_handshake_has_its_own(self) -> None:
        """A server that accepts and is silent costs the handshake limit, and the sighting says that it was this one."""
        with peer(silent) as port:
            (sighting,) = probe([Endpoint("127.0.0.1", port)], handshake_seconds=0.2)

        assert sighting.state is SightingState.TIMEOUT
        assert sighting.detail.endswith("within 0.2 s (handshake limit)")

    def test_the_total_covers_what_comes_before_tls(self) -> None:
        """A mail server that does not greet is no matter of the handshake: the total limit ends it."""
        with peer(silent) as port:
            endpoint = Endpoint("127.0.0.1", port, starttls="smtp")
            (sighting,) = probe([endpoint], handshake_seconds=0.1, total_seconds=0.4)

        assert sighting.state is SightingState.TIMEOUT
        assert sighting.detail == "it was not done within 0.4 s (total limit)"

    def test_starttls_does_not_count_as_handshake(self, tmp_path: Path, issuing: Authority) -> None:
        """The handshake limit begins when TLS does."""
        bundle = issuing.issue([NAME], not_before=NOW - timedelta(days=1), not_after=NOW + timedelta(days=9))
        greeting = dialogue((b"", b"+OK\r\n"), (b"STLS", b"+OK\r\n"), then=tls(server_context(tmp_path, bundle)))
        with peer(greeting) as port:
            (sighting,) = probe([Endpoint("127.0.0.1", port, NAME, "pop3")], handshake_seconds=5)

        assert sighting.chain == bundle.chain

    def test_one_address_has_only_so_many_connections(self, tmp_path: Path, issuing: Authority) -> None:
        """Forty endpoints at one address, three at once: it never sees a fourth, and all are shown."""
        bundle = issuing.issue([NAME], not_before=NOW - timedelta(days=1), not_after=NOW + timedelta(days=9))
        talk, most = counted(tls(server_context(tmp_path, bundle)))
        with peer(talk) as port:
            endpoints = [Endpoint("127.0.0.1", port, f"{number}.example.com") for number in range(40)]
            seen = list(probe(endpoints, per_address=3))

        assert {sighting.state for sighting in seen} == {SightingState.SERVED}
        assert len(seen) == 40
        # A connection is closed here a moment before the server's thread has seen its end.
        assert most() <= 3 + 3

    def test_a_busy_address_holds_no_other_up(self, served: tuple[int, Chain]) -> None:
        """Many silent endpoints at one address come first; one at another address is shown long before they end."""
        port, _ = served
        with peer(silent) as quiet:
            slow = [Endpoint("127.0.0.1", quiet, f"{number}.example.com") for number in range(300)]
            sightings = probe([*slow, Endpoint("127.0.0.9", port, NAME)], per_address=2, total_seconds=20)
            first = next(sightings)
            sightings.close()

        assert (first.address, first.state) == ("127.0.0.9", SightingState.SERVED)

    @pytest.mark.parametrize(("retries", "state"), [(0, SightingState.UNREACHABLE), (1, SightingState.SERVED)])
    def test_what_may_pass_is_tried_again_when_asked(
        self, tmp_path: Path, issuing: Authority, retries: int, state: SightingState
    ) -> None:
        """A server that hangs up once is unreachable; with one retry it is served."""
        bundle = issuing.issue([NAME], not_before=NOW - timedelta(days=1), not_after=NOW + timedelta(days=9))
        with peer(once(lambda plain, over: None, then=tls(server_context(tmp_path, bundle)))) as port:
            (sighting,) = probe([Endpoint("127.0.0.1", port, NAME)], retries=retries)

        assert sighting.state is state

    def test_the_soft_limit_of_open_files_is_raised(self) -> None:
        """With few files allowed and more permitted the limit is raised; where the hard one forbids, less is done."""
        program = (
            "import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (128, {hard}));"
            "from rotator.lib.tls.run import allowed; print(allowed(256))"
        )
        told = [
            subprocess.run([sys.executable, "-c", program.format(hard=hard)], capture_output=True, check=True).stdout
            for hard in (1024, 128)
        ]

        assert told == [b"256\n", b"64\n"]


def _lost(error: WorkerEnded) -> int:
    """How many endpoints it says that nobody looked at."""
    found = re.search(r"at least (\d+) endpoint", str(error))
    return int(found[1]) if found else 0


class TestProcesses:
    def test_several_see_what_one_sees(self, served: tuple[int, Chain], refused: int) -> None:
        """Two processes and one give the same sightings, whole chains, refusals and unknown names included."""
        port, chain = served
        endpoints = [Endpoint(address, port, NAME) for address in islice(addresses(), 150)]
        endpoints += [Endpoint("127.0.0.1", refused, "a.example.com"), Endpoint("no-such-host.invalid", 443)]
        alone, spread = set(probe(endpoints)), set(probe(iter(endpoints), processes=2))

        assert alone == spread
        assert sum(sighting.chain == chain for sighting in spread) == 150
        assert not workers()

    def test_a_few_endpoints_need_no_process(self, refused: int) -> None:
        """Where a process would take longer to start than to look, none is started."""
        sightings = probe([Endpoint(address, refused) for address in islice(addresses(), 20)], processes=2)
        next(sightings)

        assert not workers()
        assert len(list(sightings)) == 19

    def test_a_killed_process_costs_what_it_had_in_hand(self, refused: int) -> None:
        """A worker that dies: the others look at all the rest, and the error at the end counts what is missing."""
        total = 20_000
        seen: list[Sighting] = []
        sightings = probe((Endpoint(address, refused) for address in islice(addresses(), total)), processes=2)
        seen.append(next(sightings))
        os.kill(workers().pop(), signal.SIGKILL)
        with pytest.raises(WorkerEnded, match="was ended by SIGKILL; ") as told:
            seen.extend(sightings)

        assert _lost(told.value) < 3000
        assert len(seen) + _lost(told.value) == total
        assert not workers()

    def test_when_all_processes_are_killed_nobody_waits(self) -> None:
        """With no worker left the error comes at once, though the list of endpoints has no end."""
        with peer(silent, host="0.0.0.0") as port:
            sightings = probe((Endpoint(address, port) for address in addresses()), processes=2, total_seconds=0.5)
            next(sightings)
            for worker in workers():
                os.kill(worker, signal.SIGKILL)
            with pytest.raises(WorkerEnded, match=r"2 processes .* was ended by SIGKILL; ") as told:
                for _ in sightings:
                    pass

        assert _lost(told.value) > 0
        assert str(told.value).endswith("endpoints and all that was to come were not looked at, so scan again")
        assert not workers()

    def test_what_a_dead_process_could_not_take_goes_to_another(self, refused: int) -> None:
        """The last endpoints wait for a worker that dies; the one that lives looks at them."""
        seen: list[Sighting] = []
        more = threading.Event()

        def endpoints() -> Iterator[Endpoint]:
            given = addresses()
            yield Endpoint(next(given), refused)
            assert more.wait(20)
            yield from (Endpoint(address, refused) for address in islice(given, 99))

        sightings = probe(endpoints(), processes=2)
        seen.append(next(sightings))
        killed = workers().pop()
        os.kill(killed, signal.SIGKILL)
        assert has_ended(killed, seconds=20)
        more.set()
        with pytest.raises(WorkerEnded, match="was ended by SIGKILL") as told:
            seen.extend(sightings)

        assert (len(seen), _lost(told.value)) == (100, 0)

    def test_closing_early_ends_them(self, refused: int) -> None:
        """A caller who has seen enough leaves no process and no thread behind."""
        sightings = probe((Endpoint(address, refused) for address in addresses()), processes=2)
        next(sightings)
        running = workers()
        sightings.close()

        assert len(running) == 2
        assert not workers()
        assert not _threads("rotator-tls-feed")

    def test_they_do_not_outlive_who_started_them(self) -> None:
        """When the process that wants the sightings is killed, its workers end by themselves."""
        program = (
            "import sys, threading; from rotator.core.model import Endpoint; from rotator.lib.tls import probe\n"
            "from tests.lib.test_tls_many import workers\n"
            "def endpoints():\n"
            "    yield Endpoint('127.0.0.1', 1)\n"
            "    threading.Event().wait()\n"
            "sightings = probe(endpoints(), processes=2)\n"
            "next(sightings); print(*workers(), flush=True); threading.Event().wait()"
        )
        with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as parent:
            assert parent.stdout is not None
            running = [int(process) for process in parent.stdout.readline().split()]
            parent.kill()

        assert len(running) == 2
        assert all(has_ended(process, seconds=20) for process in running)

    def test_each_certificate_is_sent_once_and_forgotten_together(self, issuing: Authority) -> None:
        """Certificates travel once while they are remembered; when both sides forget, they travel again."""
        packer, unpacker = Packer(remembered=3), Unpacker()
        chains = [
            issuing.issue([f"{n}.example.com"], not_before=NOW, not_after=NOW + timedelta(days=1)).chain
            for n in range(4)
        ]
        sent = []
        for chain in (chains[0], chains[0], *chains):
            sighting = Sighting(Endpoint("h", 1), "192.0.2.1", SightingState.SERVED, chain.fingerprint, chain)
            parcel = packer.pack([sighting])
            sent.append((parcel.anew, len(parcel.certificates)))
            assert unpacker.unpack(parcel) == [sighting]

        assert sent == [(False, 1), (False, 0), (False, 0), (False, 1), (False, 1), (True, 1)]
