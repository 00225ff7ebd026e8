"""Whether the holder of a lock still lives."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

from rotator.state.processes import process, this_process


def test_this_process_lives() -> None:
    """The process that asks is alive."""
    assert this_process().lives


def test_a_dead_process_does_not_live() -> None:
    """A child lives until it has ended, and not after."""
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    holder = process(child.pid)
    assert holder.lives
    child.communicate(b"\n")
    assert not holder.lives


def test_a_number_that_was_given_again_is_another_process() -> None:
    """A process with the number of a dead one, or of before the machine started, does not hold its lock."""
    assert not replace(this_process(), born="1").lives
    assert not replace(this_process(), boot_id="another boot").lives
