"""`rotator scan` over thousands of endpoints, and how it ends when somebody ends it."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.cli.serving import serving
from tests.e2e.path import DAY, SECONDS, program
from tests.e2e.scan_network import Everywhere, written
from tests.e2e.scan_running import environment, scan, weighed
from tests.pki import Authority
from tests.servers.netns import network_namespace
from tests.servers.nginx import start_nginx
from tests.servers.ports import LOOPBACK
from tests.servers.service import has_ended

NOW = datetime.now(UTC).replace(microsecond=0)
MANY = 3000
IN_TEN = 10
"""Of so many endpoints one is refused."""

A_MOMENT = 10.0  # seconds, on a busy machine; far less than the limits of the endpoints that are waited for
OPEN, CLOSED = 8443, 8444
MOST_MIB = 200
"""What one process may have in memory; more than twice of what it has."""


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate and its key."""
    ca = Authority("Services CA", not_before=NOW - 90 * DAY, not_after=NOW + 900 * DAY)
    bundle = ca.issue(["shop.example.com"], not_before=NOW - DAY, not_after=NOW + 80 * DAY)
    return written(tmp_path_factory.mktemp("pair"), "shop", bundle)


def endpoints(count: int) -> list[str]:
    """So many addresses of 127.0.0.0/8, on a port that is served or, at every tenth, on one that is not."""
    ports = (CLOSED if number % IN_TEN == 0 else OPEN for number in range(count))
    return [f"127.1.{number // 250}.{number % 250 + 1}:{port}" for number, port in enumerate(ports)]


@pytest.mark.server
def test_thousands_of_endpoints(tmp_path: Path, pair: tuple[Path, Path]) -> None:
    """Each is told by exactly one line, seen or not, and the last line counts the same; memory does not grow."""
    wanted, listed = endpoints(MANY), tmp_path / "endpoints.txt"
    listed.write_text("\n".join(wanted))
    with network_namespace(1) as network:
        nginx = Everywhere(OPEN, *pair, address=network.addresses[0])
        with start_nginx(tmp_path, [nginx], inside=network.inside):
            # fewer at once than that nginx takes
            before = (*network.inside, *weighed(tmp_path / "memory"))
            ended = scan(f"@{listed}", "-o", "jsonl", "--concurrency", "128", before=before)
    told = Counter(one.get("where") or one["place"] for one in ended.lines if one["type"] in {"place", "unseen"})
    assert told == Counter(wanted)
    kinds = Counter(one["type"] for one in ended.lines)
    refused = MANY // IN_TEN
    assert (kinds["place"], kinds["unseen"], kinds["summary"]) == (MANY - refused, refused, 1)
    summary = ended.lines[-1]
    assert (summary["places"], summary["unseen"], summary["warning"]) == (MANY - refused, refused, kinds["finding"])
    assert ended.code == 3
    assert int((tmp_path / "memory").read_text()) >> 10 < MOST_MIB


@dataclass(frozen=True, slots=True)
class Begun:
    """A scan that has told its first endpoint and waits for thousands that say nothing.

    Attributes:
        first: the line that it has told.
        others: the processes that it has started.
    """

    process: subprocess.Popen[str]
    first: str
    others: frozenset[int]


@contextmanager
def begun(pair: tuple[Path, Path], folder: Path, processes: int, limit: str = "60s") -> Iterator[Begun]:
    """Begin one in a session of its own, as a terminal does; `limit` is what each endpoint may take."""
    listed, address = folder / "endpoints.txt", "127.2.3.4"
    with serving(*pair) as port, socket.create_server((address, 0), backlog=4096) as mute:
        waiting = (f"n{number}.example.com@{address}:{mute.getsockname()[1]}" for number in range(3000))
        listed.write_text("\n".join((f"{LOOPBACK}:{port}", *waiting)))
        limits = ("--timeout", limit, "--handshake-timeout", limit, "--processes", str(processes))
        command = program("scan", f"@{listed}", "-o", "jsonl", *limits)
        pipe = subprocess.PIPE
        with subprocess.Popen(
            command, stdout=pipe, stderr=pipe, text=True, env=environment(), start_new_session=True
        ) as process:
            try:
                assert process.stdout is not None
                first = process.stdout.readline()
                yield Begun(process, first, session(process.pid) - {process.pid})
            finally:
                process.kill()


def session(leader: int) -> frozenset[int]:
    """The processes of a session that have not ended."""
    found = set()
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # it has ended meanwhile
            state, _, _, of, *_ = stat.read_text().rpartition(")")[2].split()
            if int(of) == leader and state not in "ZX":
                found.add(int(stat.parent.name))
    return frozenset(found)


class TestEnds:
    """How it ends when somebody ends it."""

    @pytest.mark.parametrize("processes", [1, 3])
    def test_interrupted(self, tmp_path: Path, pair: tuple[Path, Path], processes: int) -> None:
        """Ctrl-C in the middle: at once, with the code of a signal, without a traceback, and no worker is left."""
        with begun(pair, tmp_path, processes) as scanning:
            began = time.monotonic()
            os.killpg(scanning.process.pid, signal.SIGINT)
            _, err = scanning.process.communicate(timeout=SECONDS)
            took = time.monotonic() - began
        assert '"type":"place"' in scanning.first
        assert (scanning.process.returncode, err) == (130, "")
        assert took < A_MOMENT
        assert processes == 1 or len(scanning.others) >= processes
        assert all(has_ended(each, seconds=A_MOMENT) for each in scanning.others)

    def test_one_of_three_is_told_to_stop(self, tmp_path: Path, pair: tuple[Path, Path]) -> None:
        """A signal to the scan alone, as `timeout` and service managers send it, takes its workers along."""
        with begun(pair, tmp_path, 3) as scanning:
            scanning.process.terminate()
            _, err = scanning.process.communicate(timeout=SECONDS)
        assert "Traceback" not in err
        assert scanning.process.returncode not in {0, 1, 2, 3}
        assert all(has_ended(each, seconds=A_MOMENT) for each in scanning.others)

    def test_killed_outright(self, tmp_path: Path, pair: tuple[Path, Path]) -> None:
        """Its workers see that nobody reads their answers any more, whatever they are waiting for."""
        with begun(pair, tmp_path, 3) as scanning:
            scanning.process.kill()
            scanning.process.wait(timeout=SECONDS)
            assert all(has_ended(each, seconds=A_MOMENT) for each in scanning.others)

    def test_whoever_reads_goes_away(self, tmp_path: Path, pair: tuple[Path, Path]) -> None:
        """`| head -1`: the scan ends as by the signal, without a word."""
        listed = tmp_path / "endpoints.txt"
        with serving(*pair) as port:
            listed.write_text("".join(f"n{number}.example.com@{LOOPBACK}:{port}\n" for number in range(1000)))
            shell = f"{program('scan')[0]} scan @{listed} -o jsonl | head -1; exit ${{PIPESTATUS[0]}}"
            ended = subprocess.run(
                ["bash", "-c", shell], capture_output=True, text=True, timeout=SECONDS, check=False, env=environment()
            )
        assert (ended.returncode, ended.stderr, ended.stdout.count("\n")) == (141, "", 1)

    @pytest.mark.parametrize("form", ["table", "jsonl"])
    def test_nowhere_to_write(self, pair: tuple[Path, Path], form: str) -> None:
        """A full disk behind standard output is one sentence, and no success."""
        with Path("/dev/full").open("w") as full:
            command = program("scan", str(pair[0]), "-o", form)
            ended = subprocess.run(
                command, stdout=full, stderr=subprocess.PIPE, text=True, timeout=SECONDS, check=False, env=environment()
            )
        assert ended.returncode == 3
        assert ended.stderr == "rotator: standard output cannot be written: No space left on device\n"
