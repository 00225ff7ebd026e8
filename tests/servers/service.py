"""A server process that tests can start, stop and start again, from whichever xdist worker they run in."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

OWNER = "ROTATOR_TEST_OWNER"
WATCH = Path(__file__).with_name("watch.py")
RECORD = ".process.json"
START_LIMIT = 90.0  # two cores, several workers, a cold disk
STOP_LIMIT = 15.0
PAUSE = 0.05


class ServerError(Exception):
    """A server did not start, did not become ready, or ended on its own."""


def wait_until(condition: Callable[[], bool], what: str, *, seconds: float = START_LIMIT) -> None:
    """Look again and again until the condition holds; raise `ServerError` when it does not in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise ServerError(f"after {seconds:g} s still not so: {what}")
        time.sleep(PAUSE)


def has_ended(pid: int, *, seconds: float = 0.0) -> bool:
    """Say whether a process, not necessarily a child, has ended, or ends within so many seconds."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        return bool(poll.poll(int(seconds * 1000)))
    finally:
        os.close(descriptor)


def is_stopped(pid: int) -> bool:
    """Say whether every thread of a process is stopped, as SIGSTOP leaves it."""
    states = [stat.read_text().rpartition(")")[2].split()[0] for stat in Path(f"/proc/{pid}/task").glob("*/stat")]
    return bool(states) and set(states) <= {"T", "t"}


def end(watcher: int) -> None:
    """Have a watcher end its server, and wait for it; a watcher that does not obey is killed, its server with it."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(watcher, signal.SIGTERM)
        if not has_ended(watcher, seconds=STOP_LIMIT):
            os.kill(watcher, signal.SIGKILL)
            has_ended(watcher, seconds=STOP_LIMIT)


def end_all(folder: Path) -> None:
    """End every service whose record lies in or below a folder: all are told first, then all are waited for."""
    watchers = [int(json.loads(record.read_text())["watcher"]) for record in folder.rglob(f"*{RECORD}")]
    for watcher in watchers:
        with contextlib.suppress(ProcessLookupError):
            os.kill(watcher, signal.SIGTERM)
    for watcher in watchers:
        end(watcher)


@dataclass(frozen=True, slots=True)
class Service:
    """One server process. Its state lies in files beside its log, so every worker sees the same one.

    `owners` are the processes it must not outlive: the run's controller and, for a server of one worker, that one.
    """

    name: str
    folder: Path
    command: tuple[str, ...]
    owners: tuple[int, ...]
    environment: tuple[tuple[str, str], ...] = ()

    @property
    def log(self) -> Path:
        """Return the file that its output goes to."""
        return self.folder / f"{self.name}.log"

    @property
    def record(self) -> Path:
        """Return the file that says which processes they are."""
        return self.folder / f"{self.name}{RECORD}"

    @property
    def pid(self) -> int:
        """Return the process id of the server itself, for signals."""
        return int(json.loads(self.record.read_text())["server"])

    @property
    def is_running(self) -> bool:
        """Say whether the server runs now."""
        return self.record.exists() and not has_ended(self.pid)

    def start(self) -> None:
        """Start the process unless it runs; returns when it has been started, not when it is ready (`wait_ready`)."""
        if self.is_running:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        launch = [sys.executable, "-IS", str(WATCH), ",".join(map(str, self.owners)), str(self.log), *self.command]
        environment = {**os.environ, **dict(self.environment)}
        done = subprocess.run(
            launch, cwd=self.folder, env=environment, stdin=subprocess.DEVNULL, capture_output=True, check=False
        )
        if done.returncode != 0:
            raise ServerError(f"{self.name} could not be started\n{done.stderr.decode()}{self.tail()}")
        watcher, server = map(int, done.stdout.split())
        draft = self.record.with_suffix(".new")
        draft.write_text(json.dumps({"watcher": watcher, "server": server}))
        draft.replace(self.record)

    def wait_ready(self, condition: Callable[[], bool], *, seconds: float = START_LIMIT) -> None:
        """Wait until it is ready; raise `ServerError` with the end of its log when it ends or takes too long."""

        def ready_or_ended() -> bool:
            return condition() or not self.is_running

        try:
            wait_until(ready_or_ended, f"{self.name} is ready", seconds=seconds)
        except ServerError as error:
            raise ServerError(f"{error}\n{self.tail()}") from error
        if not self.is_running:
            raise ServerError(f"{self.name} ended while starting\n{self.tail()}")

    def stop(self) -> None:
        """End the server; no harm if it has ended already."""
        if self.record.exists():
            end(int(json.loads(self.record.read_text())["watcher"]))
            self.record.unlink(missing_ok=True)

    def send(self, number: signal.Signals) -> None:
        """Send the server a signal, as SIGSTOP and SIGCONT for a server that hangs, or SIGKILL for a crash.

        A stop reaches the threads of a process one after another: it is waited for, so that none still answers.
        """
        os.kill(self.pid, number)
        if number == signal.SIGSTOP:
            wait_until(lambda: is_stopped(self.pid), f"{self.name} is stopped")

    def tail(self, lines: int = 20) -> str:
        """Return the end of its log."""
        text = self.log.read_text(errors="replace") if self.log.exists() else ""
        return "\n".join(text.splitlines()[-lines:])


def service(
    name: str,
    folder: Path,
    command: Sequence[str | Path],
    *,
    owner: int | None = None,
    environment: Mapping[str, str] | None = None,
) -> Service:
    """Describe a service; without an owner it belongs to this process and to the run that this process is part of."""
    variables = tuple(sorted((environment or {}).items()))
    here = tuple(sorted({os.getpid(), int(os.environ.get(OWNER, os.getpid()))}))
    return Service(name, folder, tuple(map(str, command)), here if owner is None else (owner,), variables)


@contextlib.contextmanager
def running(*services: Service) -> Iterator[None]:
    """Stop these services at the end, the last first, whether or not they were started."""
    try:
        yield
    finally:
        for each in reversed(services):
            each.stop()
