"""The demo: as a user runs it, once, and its parts."""

from __future__ import annotations

import fcntl
import json
import signal
import socket
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from rotator.demo.fleet import FIRST_PORT, Ending, cases, found
from rotator.demo.pki import make_pki

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
PORTS = range(FIRST_PORT, FIRST_PORT + 40)


@pytest.fixture
def alone() -> Iterator[None]:
    """The demo's ports for this test alone: they are fixed, and tests run side by side."""
    with ports_held():
        yield


@contextmanager
def ports_held() -> Iterator[None]:
    with (Path(tempfile.gettempdir()) / "rotator-demo-ports.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def test_the_fleet_is_as_the_story_says() -> None:
    """Forty services: thirteen healthy, one never reloaded, twenty-six that need a new one, one of them stubborn."""
    endings = Counter(case.ending for case in cases())

    assert endings == {Ending.LEFT_ALONE: 13, Ending.RELOADED: 1, Ending.ROTATED: 25, Ending.WAITING: 1}
    assert len({case.name for case in cases()}) == 40


def test_everything_found_is_at_least_two_days_old(tmp_path: Path) -> None:
    """No certificate of the fleet is fresh: a fresh one would count as an order of ours."""
    for service in found(make_pki(NOW), tmp_path, NOW):
        assert service.running.chain.not_before <= NOW - timedelta(days=2)


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> tuple[subprocess.CompletedProcess[str], Path]:
    """One run of `rotator demo --once --output json` in an empty folder."""
    folder = tmp_path_factory.mktemp("demo")
    command = [str(Path(sys.executable).with_name("rotator")), "demo", "--once", "--output", "json"]
    with ports_held():
        return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=150, check=False), folder


def test_it_ends_as_scripted(ran: tuple[subprocess.CompletedProcess[str], Path]) -> None:
    """The demo ends with 0 and says what became of all forty."""
    process, _ = ran
    assert process.returncode == 0, process.stderr[-2000:]
    result = json.loads(process.stdout)

    assert {key: result[key] for key in ("services", "rotated", "redeployed", "rolled_back", "left_alone")} == {
        "services": 40,
        "rotated": 25,
        "redeployed": 1,
        "rolled_back": 1,
        "left_alone": 13,
    }
    assert result["served_ok"] == 40
    assert result["failed"] == 1
    assert [one["name"] for one in result["waiting"]] == ["warehouse"]
    assert Counter(one["result"] for one in result["outcomes"]) == {"done": 25, "rolled-back": 1}


def test_its_standard_output_is_the_result_alone(ran: tuple[subprocess.CompletedProcess[str], Path]) -> None:
    """Nothing but one JSON object stands on standard output."""
    process, _ = ran

    assert process.stdout.startswith("{")
    assert process.stdout.endswith("}\n")


def test_no_key_is_said(ran: tuple[subprocess.CompletedProcess[str], Path]) -> None:
    """No private key of the fleet stands in the output, or anywhere in the state as it is."""
    process, folder = ran
    base = folder / ".rotator-demo"
    state = b"".join(path.read_bytes() for path in base.glob("state.db*") if path.name != "state.db.key")
    said = process.stdout + process.stderr
    for key in base.glob("services/*/privkey.pem"):
        body = key.read_text().splitlines()[1]
        assert body not in said
        assert body.encode() not in state


@pytest.mark.usefixtures("alone")
def test_a_taken_port_is_one_sentence(tmp_path: Path) -> None:
    """Where another program has one of the ports, the demo says which and ends with an error."""
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", PORTS[7]))
        other.listen()
        command = [str(Path(sys.executable).with_name("rotator")), "demo", "--once"]
        process = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)

    assert process.returncode != 0
    assert str(PORTS[7]) in process.stderr
    assert "Traceback" not in process.stderr


@pytest.mark.usefixtures("alone")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_before_the_story_is_over(tmp_path: Path, number: signal.Signals) -> None:
    """Ctrl-C ends it soon, with the code of an interruption, without a traceback or a score that means nothing."""
    command = [str(Path(sys.executable).with_name("rotator")), "demo", "--once"]
    with subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, bufsize=1
    ) as process:
        assert process.stdout is not None
        while "What a scan finds" not in process.stdout.readline():
            assert process.poll() is None
        process.send_signal(number)
        said, complained = process.communicate(timeout=30)
    assert process.returncode == 130
    assert complained == "rotator: interrupted before the story was over; nothing is left running\n"
    assert "rotated without a hand" not in said
