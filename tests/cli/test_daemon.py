"""Beside a running daemon: the verbs ask it, a second one is refused, SIGTERM ends it in peace."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from rotator.clock import system_clock
from tests.cli.fleet import DAY, SECONDS, Fleet


@contextmanager
def looking(fleet: Fleet) -> Iterator[subprocess.Popen[str]]:
    """A daemon whose first look has ended."""
    clock = system_clock()
    deadline = clock.monotonic() + SECONDS
    with fleet.daemon() as process:
        while fleet.call("status").exit_code != 0 or fleet.json("status")["looked_at"] is None:
            assert process.poll() is None, process.communicate()[1]
            assert clock.monotonic() < deadline
            clock.wait(0.2)
        yield process


def test_the_daemon_carries_out_what_is_asked(fleet: Fleet) -> None:
    """Rotate, rollback, approve, pause and resume go to the daemon, which answers each; rotate shows its outcome."""
    fleet.put("shop", left=60 * DAY)
    first = fleet.stored("shop")
    with looking(fleet) as process:
        (declined,) = fleet.json("rotate", "shop")["answers"]
        assert not declined["done"]
        assert "--force" in declined["answer"]
        (rotated,) = fleet.json("rotate", "--match", "sh*", "--force", "--reason", "key leaked")["answers"]
        assert rotated["done"]
        assert rotated["outcome"]["after"]["fingerprint"] == fleet.stored("shop") != first
        paused = fleet.call("pause", "--match", "shop", "--reason", "audit")
        assert paused.exit_code == 0
        assert "done: paused until somebody resumes it: shop" in paused.stdout
        held = fleet.call("rotate", "shop", "--force")
        assert held.exit_code == 1
        assert "paused" in held.stdout
        assert fleet.call("resume").exit_code == 0
        assert fleet.call("approve", "--surge").exit_code == 0
        assert process.poll() is None
    asked = [(entry["verb"], entry["subject"]) for entry in fleet.json("history")["asked"]]
    assert asked == [
        ("approve", "*"),
        ("resume", "*"),
        ("rotate", "shop"),
        ("pause", "shop"),
        ("rotate", "shop"),
        ("rotate", "shop"),
    ]


def test_a_second_daemon_is_refused(fleet: Fleet) -> None:
    """Two on one state would undo each other's work: the second is told who holds it; readers are not disturbed."""
    fleet.put("shop", left=60 * DAY)
    with looking(fleet) as process:
        for arguments in (["run"], ["run", "--once"]):
            second = fleet.call(*arguments)
            assert second.exit_code == 1
            assert f"another rotator (pid {process.pid}) holds the state" in second.stderr
        for verb in ("plan", "status", "history", "verify", "scan"):
            assert fleet.call(verb).exit_code == 0


def test_sigterm_ends_it_in_peace(fleet: Fleet) -> None:
    """The log is on stderr, stdout is empty, the exit code is 0, and the state can be taken again."""
    fleet.put("shop", left=60 * DAY)
    with looking(fleet) as process:
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=SECONDS)
        assert process.returncode == 0, err
    assert out == ""
    assert all(json.loads(line) for line in err.splitlines())
    assert fleet.call("run", "--once").exit_code == 0
