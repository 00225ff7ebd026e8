"""Commands of the operator: what they print, how they end, and what they cannot do to us."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

import pytest

from rotator.core.csr import new_key
from rotator.core.model import KeySpec
from rotator.lib.process import KEPT_BYTES, KEPT_STDOUT, ProcessError, last_words, run
from tests.servers.service import has_ended

SHELL = ("/bin/sh", "-c")
PYTHON = (sys.executable, "-IS", "-c")


def sh(script: str, *, seconds: float = 20, stdin: bytes | None = None) -> tuple[int, str]:
    ran = run([*SHELL, script], seconds=seconds, stdin=stdin)
    return ran.code, ran.output


class TestEnding:
    def test_status_and_both_outputs(self) -> None:
        """The status, standard output alone as data, and both together for people."""
        ran = run([*SHELL, "echo out; echo err >&2; exit 7"], seconds=20)

        assert (ran.code, ran.stdout) == (7, b"out\n")
        assert sorted(ran.output.split()) == ["err", "out"]

    def test_a_signal_is_a_negative_status(self) -> None:
        """A command that was killed by a signal says which."""
        assert sh("kill -TERM $$")[0] == -signal.SIGTERM

    def test_input_is_sent_whole(self) -> None:
        """More than a pipe holds, to a command that answers while it reads."""
        text = b"x" * 500_000

        assert sh("wc -c", stdin=text)[1].strip() == str(len(text))

    def test_a_command_that_does_not_read_is_no_error(self) -> None:
        """Unread input breaks nothing."""
        assert sh("exit 0", stdin=b"x" * 500_000) == (0, "")

    def test_without_input_there_is_none(self) -> None:
        """A command that reads all the same gets the end at once, never our terminal."""
        assert sh("cat; echo done") == (0, "done\n")

    def test_no_shell_is_involved(self) -> None:
        """An argument is an argument, whatever signs are in it."""
        assert run(["/bin/echo", "$HOME; rm -rf *"], seconds=20).output == "$HOME; rm -rf *\n"

    def test_the_environment_is_small(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """PATH, LANG, HOME and what is given; nothing else of ours leaks into a command."""
        monkeypatch.setenv("SOME_TOKEN", "hidden")
        output = run(["/usr/bin/env"], seconds=20, env={"GIVEN": "yes"}).output

        assert {line.split("=")[0] for line in output.splitlines()} <= {"PATH", "LANG", "HOME", "GIVEN"}
        assert "GIVEN=yes" in output

    @pytest.mark.parametrize("program", ["/no/such/program", "/etc/passwd", "no-such-program-anywhere"])
    def test_what_cannot_be_started_is_said(self, program: str) -> None:
        """Missing or not executable: an error that names it."""
        with pytest.raises(ProcessError, match=f"`{program}` could not be started"):
            run([program], seconds=20)


class TestLimits:
    def test_the_limit_ends_it(self) -> None:
        """At the limit it is killed, and what it printed until then is in the error."""
        began = time.monotonic()
        with pytest.raises(ProcessError, match=r"did not end within 0.5 s and was killed") as failed:
            run([*SHELL, "echo begun; exec sleep 600"], seconds=0.5)

        assert failed.value.output == "begun\n"
        assert time.monotonic() - began < 10

    def test_the_limit_ends_what_it_started_too(self, tmp_path: Path) -> None:
        """Children of the command do not outlive the limit."""
        note = tmp_path / "child"
        with pytest.raises(ProcessError):
            run([*SHELL, f"sleep 600 & echo $! > {note}; wait"], seconds=4)

        assert has_ended(int(note.read_text()), seconds=10)

    def test_a_grandchild_with_the_pipe_holds_nobody_up(self, tmp_path: Path) -> None:
        """A server that the command leaves behind keeps the output open; the command has ended all the same."""
        note, began = tmp_path / "child", time.monotonic()
        code, output = sh(f"sleep 600 & echo $! > {note}; echo started")
        child = int(note.read_text())
        try:
            assert (code, output) == (0, "started\n")
            assert time.monotonic() - began < 10
            assert not has_ended(child), "what a reload leaves running must live on"
        finally:
            os.kill(child, signal.SIGKILL)

    def test_a_grandchild_that_never_stops_talking(self, tmp_path: Path) -> None:
        """Nor does one that writes for ever."""
        note = tmp_path / "child"
        code, _ = sh(f"yes > /dev/stdout & echo $! > {note}; exit 4")
        child = int(note.read_text())

        assert code == 4
        assert has_ended(child, seconds=10), "it has nobody to talk to any more"

    def test_endless_output_keeps_head_and_tail(self) -> None:
        """However much is printed, what is kept is bounded: the beginning and the end."""
        ran = run([*PYTHON, "print('first'); print('x' * 3_000_000); print('last')"], seconds=30)

        assert ran.output.startswith("first\n")
        assert ran.output.endswith("last\n")
        assert "bytes left out" in ran.output
        assert len(ran.output) < KEPT_BYTES + 100
        assert len(ran.stdout) == KEPT_STDOUT

    def test_bytes_that_are_no_text(self) -> None:
        """Output in no encoding is shown as well as it can be."""
        assert run([*PYTHON, r"import sys; sys.stdout.buffer.write(b'\xff\xfe ok')"], seconds=20).output.endswith(" ok")


@pytest.fixture(scope="module")
def key() -> bytes:
    return new_key(KeySpec("rsa", 2048))


class TestKeysInOutput:
    def leaked(self, key: bytes, output: str) -> bool:
        return any(line in output for line in key.decode().splitlines() if not line.startswith("-"))

    def test_a_key_is_taken_out(self, key: bytes) -> None:
        """A script that echoes its input (`set -x`, `tee`) does not put the key into our log."""
        _, output = sh("echo before; cat; echo after", stdin=key)

        assert output == "before\n[private key]\nafter\n"

    def test_a_key_inside_json_is_taken_out(self, key: bytes) -> None:
        """Escaped line ends change nothing."""
        text = b'{"key": "' + key.replace(b"\n", b"\\n") + b'", "a": 1}'
        _, output = sh("cat", stdin=text)

        assert not self.leaked(key, output)
        assert output.endswith('"a": 1}')

    @pytest.mark.parametrize("before", [KEPT_BYTES // 2 - 800, KEPT_BYTES // 2 - 30, 10_000])
    def test_a_key_at_the_cut_is_taken_out(self, key: bytes, before: int) -> None:
        """Where the middle of the output is dropped, no half of a key stays on either side."""
        after = KEPT_BYTES // 2 - 700
        ran = run(
            [*PYTHON, "import sys; k = sys.stdin.read(); a, b = map(int, sys.argv[1:]); "
             "print('-' * a); print(k); print('-' * 90000); print(k); print('-' * b)", str(before), str(after)],
            seconds=20,
            stdin=key,
        )  # fmt: skip

        assert "bytes left out" in ran.output
        assert not self.leaked(key, ran.output)


def test_last_words_are_one_line() -> None:
    """The last three lines that say something, on one line, never too long."""
    assert last_words("a\n\nb\nc\nd\n\n") == "b / c / d"
    assert last_words("  \n") == ""
    assert len(last_words("x" * 5000)) == 400
