"""The daemon as a process: what SIGTERM, SIGKILL and SIGSTOP do to it, and that it is heard from meanwhile."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import requests

from rotator.core.model import Pause, Result
from rotator.daemon import Daemon
from rotator.executor import LocalExecutor
from rotator.state.open import open_store
from tests.builders import decision, outcome, settings, spec
from tests.cli.fleet import Fleet, call, make_fleet, program
from tests.flow.services import Manner
from tests.flow.site import DAY, Site, Time
from tests.servers.ports import free_port

SECONDS = 120
"""How long anything here may take on a busy machine."""

SLOW = """\
import pathlib, sys, time
folder = pathlib.Path(sys.argv[1])
with (folder / "reloads").open("a") as reloads:
    reloads.write("reload\\n")
while not (folder / "go").exists():
    time.sleep(0.05)
"""
"""A reload command that takes as long as the test wants it to."""

CONFIG = """\
mode: rotate
first_look: act
check_every: {every}
shortest_tick: 1s
state: {folder}/state/state.db
limits: {{at_once: 1}}
sources:
  disk: {{files: ["{folder}/services/*/tls.crt"]}}
issuers:
  ca:
    local_ca: {{ca_certificate: {folder}/ca/ca.crt, ca_key: {folder}/ca/ca.key, lifetime: 90d}}
    trust: issuer
adopt:
  - {{from: disk, match: {{}}, issuer: ca{reload}}}
web: {{listen: "127.0.0.1:{port}"}}
alerts: none
"""


class Running:
    """A daemon on a fleet, and what is heard from it."""

    def __init__(self, fleet: Fleet, process: subprocess.Popen[str], port: int, said: Path) -> None:
        self.fleet = fleet
        self.process = process
        self.port = port
        self._said = said

    @property
    def log(self) -> list[dict[str, Any]]:
        """Its log so far, line by line."""
        return [json.loads(line) for line in self._said.read_text().splitlines() if line.endswith("}")]

    def says(self, event: str) -> int:
        """How often it has logged an event."""
        return sum(line.get("event") == event for line in self.log)

    def get(self, path: str) -> requests.Response:
        return requests.get(f"http://127.0.0.1:{self.port}{path}", timeout=SECONDS)

    def until(self, condition: Callable[[], bool]) -> None:
        """Wait for something to become true while the daemon lives."""
        pause, end = threading.Event(), time.monotonic() + SECONDS
        while not condition():
            assert self.process.poll() is None, self._said.read_text()
            assert time.monotonic() < end, self._said.read_text()
            pause.wait(0.05)

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal and wait for the end; the exit code."""
        self.process.send_signal(number)
        return self.process.wait(SECONDS)


@pytest.fixture
def fleet(tmp_path: Path) -> Fleet:
    return make_fleet(tmp_path)


@contextmanager
def running(fleet: Fleet, *, every: str = "1h", slow: bool = False) -> Iterator[Running]:
    """A daemon whose web server answers, ended if the test has not done so; `slow` reloads wait for a file `go`."""
    script, port, said = fleet.folder / "slow.py", free_port(), fleet.folder / "said"
    script.write_text(SLOW)
    reload = f', reload: ["{sys.executable}", "-I", "{script}", "{fleet.folder}"]' if slow else ""
    fleet.config.write_text(CONFIG.format(folder=fleet.folder, every=every, reload=reload, port=port))
    with (
        said.open("w") as err,
        subprocess.Popen(
            [program(), "run", "--config", str(fleet.config)], stdout=subprocess.PIPE, stderr=err, text=True
        ) as process,
    ):
        daemon = Running(fleet, process, port, said)
        try:
            daemon.until(lambda: _answers(port))
            yield daemon
        finally:
            (fleet.folder / "go").touch()
            if process.poll() is None:
                process.send_signal(signal.SIGCONT)
                daemon.end()


def _answers(port: int) -> bool:
    try:
        return requests.get(f"http://127.0.0.1:{port}/healthz", timeout=SECONDS).ok
    except requests.ConnectionError:
        return False


def reloads(fleet: Fleet) -> int:
    path = fleet.folder / "reloads"
    return path.read_text().count("reload") if path.exists() else 0


def outcomes(fleet: Fleet) -> list[tuple[str, Result]]:
    with open_store(str(fleet.folder / "state" / "state.db"), None, Time().clock, writer=False) as store:
        return [(one.decision.spec.name, one.result) for one in store.outcomes()]


# ---------------------------------------------------------------- signals


def test_sigterm_finishes_what_is_in_flight_and_begins_nothing(fleet: Fleet) -> None:
    """The rotation under way is finished and recorded; the one that waits its turn is left for the next start."""
    for name in ("one", "two"):
        fleet.put(name, left=20 * DAY)
    before = {name: fleet.stored(name) for name in ("one", "two")}
    with running(fleet, slow=True) as daemon:
        daemon.until(lambda: reloads(fleet) == 1)
        daemon.process.terminate()
        daemon.until(lambda: daemon.says("stopping") == 1)
        (stopping,) = [line for line in daemon.log if line["event"] == "stopping"]
        assert len(stopping["in_flight"]) == 2
        (fleet.folder / "go").touch()
        assert daemon.process.wait(SECONDS) == 0
    assert reloads(fleet) == 1
    (ended,) = outcomes(fleet)
    assert ended[1] is Result.UNPROVED
    changed = {name for name in before if fleet.stored(name) != before[name]}
    assert changed == {ended[0]}
    again = call("run", "--once", "--config", str(fleet.config))
    assert again.exit_code == 0, again.stderr
    assert len(outcomes(fleet)) == 2


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["term", "int"])
def test_a_stop_in_the_middle_of_anything_ends(fleet: Fleet, number: signal.Signals) -> None:
    """Sent several times, at any moment of a busy start, it ends with 0, and the state can be taken at once."""
    for count in range(12):
        fleet.put(f"shop{count}", left=20 * DAY)
    with running(fleet, every="1s") as daemon:
        for _ in range(3):
            daemon.process.send_signal(number)
        assert daemon.process.wait(SECONDS) == 0
        assert daemon.process.stdout is not None
        assert daemon.process.stdout.read() == ""
    assert all(line["level"] != "error" for line in daemon.log), daemon.log
    assert call("status", "--config", str(fleet.config)).exit_code == 0


def test_a_killed_daemon_is_followed_by_another(fleet: Fleet) -> None:
    """SIGKILL in a rotation leaves no lock that holds: the next daemon takes over and finishes what was begun."""
    fleet.put("shop", left=20 * DAY)
    before = fleet.stored("shop")
    with running(fleet, slow=True) as daemon:
        daemon.until(lambda: reloads(fleet) == 1)
        assert daemon.end(signal.SIGKILL) == -signal.SIGKILL
    with running(fleet, every="2s") as daemon:
        daemon.until(lambda: outcomes(fleet) == [("shop", Result.UNPROVED)])
        assert daemon.end() == 0
    assert fleet.stored("shop") != before


def test_a_second_daemon_is_refused_in_a_sentence(fleet: Fleet) -> None:
    """It says who holds the state and ends; the first one goes on."""
    fleet.put("shop", left=60 * DAY)
    with running(fleet) as daemon:
        second = subprocess.run(
            [program(), "run", "--config", str(fleet.config)],
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        assert second.returncode == 1
        assert f"another rotator (pid {daemon.process.pid}) holds the state" in second.stderr
        assert "Traceback" not in second.stderr
        assert daemon.get("/healthz").ok


def test_what_was_slept_through_is_made_up_for_once(fleet: Fleet) -> None:
    """A machine that was suspended over many looks looks once when it wakes, not once for each."""
    fleet.put("shop", left=60 * DAY)
    with running(fleet, every="1s") as daemon:
        daemon.until(lambda: daemon.says("looked") >= 2)
        daemon.process.send_signal(signal.SIGSTOP)
        threading.Event().wait(6)
        slept = daemon.says("looked")
        daemon.process.send_signal(signal.SIGCONT)
        woke = time.monotonic()
        daemon.until(lambda: daemon.says("looked") >= slept + 2)
        assert daemon.says("looked") - slept <= 2 + (time.monotonic() - woke), (
            "it looked for every second that it slept"
        )
        assert daemon.get("/healthz").ok


# ---------------------------------------------------------------- heard from


def test_it_is_healthy_and_ready_and_measured(fleet: Fleet) -> None:
    """Health, readiness after the first look, metrics with absolute moments, the API and the page."""
    path = fleet.put("shop", left=60 * DAY)
    with running(fleet) as daemon:
        assert daemon.get("/healthz").text == "ok\n"
        daemon.until(lambda: daemon.get("/readyz").ok)
        metrics = daemon.get("/metrics").text
        assert "rotator_scan_last_success_timestamp_seconds " in metrics
        (line,) = [one for one in metrics.splitlines() if one.startswith("rotator_certificate_not_after_timestamp_")]
        end = fleet.now + 60 * DAY
        assert float(line.rpartition(" ")[2]) == pytest.approx(end.timestamp(), abs=2)
        (row,) = daemon.get("/api/v1/status").json()["look"]["certificates"]
        assert (row["name"], row["state"]) == ("shop", "ok")
        page = daemon.get("/")
        assert page.headers["content-type"].startswith("text/html")
        assert "shop" in page.text
        assert str(path.parent) not in page.text or "PRIVATE KEY" not in page.text


def test_what_people_ask_is_done_while_a_rotation_goes_on(fleet: Fleet) -> None:
    """A pause that is asked for in the middle of a rotation holds everything that has not begun."""
    for name in ("one", "two"):
        fleet.put(name, left=20 * DAY)
    with running(fleet, every="1s", slow=True) as daemon:
        daemon.until(lambda: reloads(fleet) == 1)
        asked = call("pause", "--reason", "audit", "--config", str(fleet.config))
        assert asked.exit_code == 0, asked.stdout
        assert "paused until somebody resumes it" in asked.stdout
        (fleet.folder / "go").touch()
        daemon.until(lambda: len(outcomes(fleet)) >= 1)
        looked = daemon.says("looked")
        daemon.until(lambda: daemon.says("looked") >= looked + 2)
        assert len(outcomes(fleet)) == 1, "what had not begun was held"
        assert call("resume", "--config", str(fleet.config)).exit_code == 0
        daemon.until(lambda: len(outcomes(fleet)) == 2)


# ---------------------------------------------------------------- in this process


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """A site whose clock is the machine's, as APScheduler's is."""
    with Site(tmp_path / "site") as opened:
        opened.time.goes_by(datetime.now(UTC) - opened.time.now)
        yield opened


def _ends(name: str) -> Callable[[], Any]:
    return lambda: outcome(decision(spec(name)), result=Result.ROLLED_BACK)


def test_ending_does_not_wait_for_what_waits_for_it(site: Site) -> None:
    """Rotations that end while the daemon does want to schedule a word about it: nobody waits for anybody for ever."""
    site.policy = settings()
    for _ in range(10):
        executor = LocalExecutor(4)
        daemon = Daemon(replace(site.wiring, executor=executor))
        daemon.start()
        for number in range(40):
            executor.submit(f"job {number}", _ends(f"job {number}"))
        ending = threading.Thread(target=daemon.finish, daemon=True)
        ending.start()
        ending.join(SECONDS)
        assert not ending.is_alive(), "the daemon hangs in its end"


def test_a_rotation_that_ended_is_told_of_at_once(site: Site) -> None:
    """People hear of harm when it has happened, not at the next look an hour later."""
    site.policy = replace(settings(), first_look_acts=False)
    site.look()
    shop = site.cared_for("shop", manner=Manner.FALLS)
    daemon = Daemon(site.wiring)
    daemon.start()
    try:
        end, pause = time.monotonic() + SECONDS, threading.Event()
        while "rolled-back" not in {notice.kind for notice in site.inbox.notices}:
            assert time.monotonic() < end
            pause.wait(0.05)
    finally:
        daemon.finish()
    assert shop.serves == shop.held
    assert daemon.last is not None
    (told,) = daemon.last.plan.decisions
    assert told.reason == "quarantined", "what is shown is what is true after the rotation"


def test_a_pause_holds_what_a_look_would_begin(site: Site) -> None:
    """With everything paused the daemon looks and begins nothing."""
    site.policy = settings()
    site.look()
    shop = site.cared_for("shop")
    before = shop.serves
    site.store.pause("*", Pause("audit", site.time.now))
    daemon = Daemon(site.wiring)
    daemon.start()
    try:
        end, pause = time.monotonic() + SECONDS, threading.Event()
        while daemon.last is None:
            assert time.monotonic() < end
            pause.wait(0.05)
    finally:
        daemon.finish()
    assert shop.serves == before
