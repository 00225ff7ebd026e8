"""Run one server for as long as the processes that want it live: `watch.py OWNER[,OWNER] LOG COMMAND…`.

A server of a test run must not outlive the run, also when the run is killed, and must outlive the xdist worker that
happened to start it. So neither is its parent: this small process is. It prints `watcher server` (two process ids) once
the server has been started, goes to the background, and ends the server when an owner has ended or when it is told to.

Standard library only and run as a file: it starts in a few milliseconds.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import signal
import subprocess
import sys

GRACE = 5.0
PR_SET_PDEATHSIG = 1


def die_with_parent() -> None:
    """Let the kernel kill the server when this watcher is killed; the watcher has one thread, which is what counts."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def wait_for_any(descriptors: list[int], seconds: float | None = None) -> list[int]:
    """Wait until one of the processes behind these descriptors has ended."""
    poll = select.poll()
    for descriptor in descriptors:
        poll.register(descriptor, select.POLLIN)
    return [ready for ready, _ in poll.poll(None if seconds is None else int(seconds * 1000))]


def end(server: subprocess.Popen[bytes], descriptor: int) -> None:
    """End the server and whatever it started: politely, then by force."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(server.pid, signal.SIGTERM)
        os.kill(server.pid, signal.SIGCONT)  # a test may have stopped it, and a stopped process hears nothing
        wait_for_any([descriptor], GRACE)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(server.pid, signal.SIGKILL)
    server.wait()


def go_to_background(log: str) -> None:
    """Leave the caller's session and its pipes."""
    os.setsid()
    nothing = os.open(os.devnull, os.O_RDONLY)
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(nothing, 0)
    os.dup2(output, 1)
    os.dup2(output, 2)


def watch(owners: list[int], command: list[str], report: int) -> None:
    """Start the server, report both process ids, and stay until an owner or the server has ended."""
    told, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: None)
    of_owners = [os.pidfd_open(owner) for owner in owners]
    server = subprocess.Popen(command, start_new_session=True, preexec_fn=die_with_parent)
    of_server = os.pidfd_open(server.pid)
    os.write(report, f"{os.getpid()} {server.pid}\n".encode())
    os.close(report)
    wait_for_any([*of_owners, of_server, told])
    end(server, of_server)


def main() -> int:
    """Fork the watcher; return once the server runs, with what it reported."""
    owners, log, *command = sys.argv[1:]
    reading, writing = os.pipe()
    if os.fork() == 0:
        os.close(reading)
        go_to_background(log)
        watch([int(owner) for owner in owners.split(",")], command, writing)
        return 0
    os.close(writing)
    with os.fdopen(reading) as report:
        started = report.read()
    sys.stdout.write(started)
    return 0 if started else 1


if __name__ == "__main__":
    sys.exit(main())
