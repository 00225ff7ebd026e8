"""Run one command of the operator: no shell, a time limit, bounded output, and no private key in what it printed.

Needs Linux 5.3 (`pidfd_open`): the end of the process is awaited like any other input, so nothing polls, and a
grandchild that keeps the pipe open (a server that the reload started) holds nobody up.
"""

from __future__ import annotations

import contextlib
import os
import re
import selectors
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import IO

KEPT_BYTES = 64 * 1024
"""Of the output for people: the first and the last half are kept."""

KEPT_STDOUT = (1 << 20) + 1
"""Of standard output as data: a byte more than the largest PEM that is read, so that what was cut is seen to be."""

_DRAIN_SECONDS = 1.0
_REAP_SECONDS = 5.0
_CHUNK = 65536
_LINES_SHOWN = 3
_CHARACTERS_SHOWN = 400
_INHERITED = ("PATH", "LANG", "HOME")
_KEY_BLOCK = re.compile(
    rb"-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----.*?(?:-----END [A-Z0-9 ]*PRIVATE KEY-----|\Z)", re.DOTALL
)
_HEADLESS_KEY = re.compile(rb"\A[A-Za-z0-9+/=\\\s]*-----END [A-Z0-9 ]*PRIVATE KEY-----")
_CUT_BASE64 = re.compile(rb"\A[A-Za-z0-9+/=\\\s]{16,16384}")  # the rest of a key of 16384 bits has 12 kB


class ProcessError(Exception):
    """The command could not be started, or was ended at its limit; `output` is what it printed until then."""

    def __init__(self, message: str, output: str = "") -> None:
        super().__init__(message)
        self.output = output


@dataclass(frozen=True, slots=True)
class Ran:
    """How a command ended.

    Attributes:
        code: its exit status, negative for the signal that ended it.
        output: standard output and error as they came, for people; bounded, private keys taken out.
        stdout: standard output alone, as data: it may hold secrets.
    """

    code: int
    output: str
    stdout: bytes = field(repr=False, default=b"")


def run(
    argv: Sequence[str], *, seconds: float, stdin: bytes | None = None, env: Mapping[str, str] | None = None
) -> Ran:
    """Run a command in a process group of its own, and kill the whole group at the limit.

    The command sees PATH, LANG and HOME of this process and what `env` adds, nothing else.

    Raises:
        ProcessError: it could not be started, or did not end within the limit.
    """
    inherited = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    try:
        process = subprocess.Popen(
            list(argv),
            stdin=subprocess.DEVNULL if stdin is None else subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**inherited, **(env or {})},
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise ProcessError(f"`{argv[0] if argv else ''}` could not be started: {reason}") from error
    conversation = _Conversation(process, stdin or b"")
    ended = False
    try:
        ended = conversation.until_end(time.monotonic() + seconds)
    finally:
        if not ended:
            _kill_group(process)
        with contextlib.suppress(subprocess.TimeoutExpired):  # not even a kill ends a process that a dead disk holds
            process.wait(_REAP_SECONDS)
        conversation.close()
    if not ended:
        raise ProcessError(f"`{argv[0]}` did not end within {seconds:g} s and was killed", conversation.output.text())
    return Ran(process.returncode, conversation.output.text(), bytes(conversation.stdout))


def last_words(output: str) -> str:
    """The end of what a command said, in one line: there the reason of a failure is. Empty when it was silent."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    return " / ".join(lines[-_LINES_SHOWN:])[-_CHARACTERS_SHOWN:]


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    """Kill the command and all it started that stayed in its group; it is not reaped yet, so the number is its own."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


class _Conversation:
    """What goes to and comes from a running command, without ever waiting for only one of the pipes."""

    def __init__(self, process: subprocess.Popen[bytes], unsent: bytes) -> None:
        self.output = _Kept()
        self.stdout = bytearray()
        self._unsent = memoryview(unsent)
        self._process = process

    def until_end(self, deadline: float) -> bool:
        """Send and collect until the process has ended or the deadline is there; says whether it has ended."""
        exited = os.pidfd_open(self._process.pid)
        try:
            with selectors.DefaultSelector() as selector:
                selector.register(exited, selectors.EVENT_READ, "exit")
                self._register_pipes(selector)
                ended = self._turns(selector, deadline)
                if ended:
                    # What it wrote before its end is in the pipes; what others still write is not ours to wait for.
                    selector.unregister(exited)
                    self._turns(selector, time.monotonic() + _DRAIN_SECONDS, patient=False)
                return ended
        finally:
            os.close(exited)

    def close(self) -> None:
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            if pipe is not None:
                _close(pipe)

    def _register_pipes(self, selector: selectors.BaseSelector) -> None:
        process = self._process
        for pipe, name in ((process.stdout, "stdout"), (process.stderr, "stderr")):
            assert pipe is not None
            os.set_blocking(pipe.fileno(), False)
            selector.register(pipe, selectors.EVENT_READ, name)
        if process.stdin is not None:
            os.set_blocking(process.stdin.fileno(), False)
            selector.register(process.stdin, selectors.EVENT_WRITE, "stdin")

    def _turns(self, selector: selectors.BaseSelector, deadline: float, *, patient: bool = True) -> bool:
        """Serve the pipes until the process ends (True), the deadline, or, if not patient, until they are silent."""
        while selector.get_map():
            left = deadline - time.monotonic()
            ready = selector.select(left if patient else 0) if left > 0 else []
            if left <= 0 or (not ready and not patient):
                return False
            for key, _ in ready:
                if key.data == "exit":
                    return True
                self._serve(selector, key)
        return False

    def _serve(self, selector: selectors.BaseSelector, ready: selectors.SelectorKey) -> None:
        finished = self._sent(ready.fd) if ready.data == "stdin" else self._collected(ready.fd, ready.data == "stdout")
        if finished:
            selector.unregister(ready.fileobj)
            if ready.data == "stdin":
                assert self._process.stdin is not None
                _close(self._process.stdin)

    def _sent(self, descriptor: int) -> bool:
        try:
            self._unsent = self._unsent[os.write(descriptor, self._unsent[:_CHUNK]) :]
        except BrokenPipeError:
            return True  # it does not want the rest
        return not self._unsent

    def _collected(self, descriptor: int, is_stdout: bool) -> bool:
        chunk = os.read(descriptor, _CHUNK)
        self.output.add(chunk)
        if is_stdout:
            self.stdout += chunk[: KEPT_STDOUT - len(self.stdout)]
        return not chunk


class _Kept:
    """The head and the tail of an output of any length."""

    def __init__(self) -> None:
        self._head = bytearray()
        self._tail = bytearray()
        self._dropped = 0

    def add(self, chunk: bytes) -> None:
        room = KEPT_BYTES // 2 - len(self._head)
        self._head += chunk[:room]
        self._tail += chunk[room:]
        over = len(self._tail) - KEPT_BYTES // 2
        if over > 0:
            del self._tail[:over]
            self._dropped += over

    def text(self) -> str:
        if not self._dropped:
            return _without_keys(bytes(self._head + self._tail)).decode(errors="replace")
        # The cut may run through a key: what could be the rest of one behind it is dropped.
        tail = _CUT_BASE64.sub(b"", _HEADLESS_KEY.sub(b"", bytes(self._tail)))
        cut = f"\n[{self._dropped} bytes left out]\n".encode()
        return (_without_keys(bytes(self._head)) + cut + _without_keys(tail)).decode(errors="replace")


def _close(pipe: IO[bytes]) -> None:
    with contextlib.suppress(OSError):  # unsent input of a command that did not read it
        pipe.close()


def _without_keys(text: bytes) -> bytes:
    return _KEY_BLOCK.sub(b"[private key]", text)
