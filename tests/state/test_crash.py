"""Kill -9 in the middle of a transaction, and a disk that is full: what was committed stands."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from rotator.errors import StateError
from tests.state.opening import NOW, reader, small_disk, writer

IN_THE_MIDDLE = """
import sys
from pathlib import Path
from tests.state.opening import NOW, writer
from rotator.conformance.stores.examples import accept, bundle, outcome
from rotator.state import recording

store = writer(Path(sys.argv[1]))
store.audit("before", "checkout", "", NOW)
with store._database.writing() as connection:
    for number in range(2000):  # more than fits into the page cache, so that it lies in the log already
        recording.write_audit(connection, "half", "checkout", "x" * 2000, NOW)
    recording.record(connection, outcome())
    print("in the middle", flush=True)
    sys.stdin.read()
"""

IN_A_STEP = """
import sys
from pathlib import Path
from rotator.state.database import Database
from rotator.state.migrate import migrate

path = Path(sys.argv[1])
path.touch()
with Database(path).writing() as connection:
    migrate(connection, "the state")
    print("in the middle", flush=True)
    sys.stdin.read()
"""


def _kill_in_the_middle(program: str, path: Path) -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", program, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    )
    assert child.stdout is not None
    assert child.stdout.readline() == b"in the middle\n"
    child.send_signal(signal.SIGKILL)
    child.communicate()
    assert child.returncode == -signal.SIGKILL


def test_a_kill_in_a_transaction_leaves_what_was_committed(tmp_path: Path) -> None:
    """The state opens again with all that was committed and nothing of the transaction that was cut off."""
    path = tmp_path / "state.db"
    _kill_in_the_middle(IN_THE_MIDDLE, path)
    with reader(path) as store:
        assert [entry.event for entry in store.audited()] == ["before"]
    with writer(path) as store:
        assert [entry.event for entry in store.audited()] == ["before"]
        assert store.outcomes() == ()


def test_a_kill_while_the_tables_are_made_leaves_none(tmp_path: Path) -> None:
    """A new state whose making was cut off is made at the next start, with its key."""
    path = tmp_path / "state.db"
    _kill_in_the_middle(IN_A_STEP, path)
    with writer(path) as store:
        store.put("account", b"secret")
        assert store.is_empty()


def _fill(folder: Path) -> None:
    with pytest.raises(OSError, match="No space left"), (folder / "ballast").open("wb", buffering=0) as ballast:
        while True:
            ballast.write(b"\0" * 4096)


def _until_full(write: Callable[[int], None]) -> str:
    for number in range(10_000):
        try:
            write(number)
        except StateError as error:
            return str(error)
    pytest.fail("the disk did not fill")


def test_a_full_disk_leaves_the_old_state(tmp_path: Path) -> None:
    """Where a commit finds no space it changes nothing and says so; what was there is read, and written to later."""
    path = tmp_path / "state.db"
    with small_disk(tmp_path, kilobytes=3072), writer(path) as store:
        store.audit("before", "checkout", "", NOW)
        _fill(tmp_path)
        said = _until_full(lambda number: store.audit("more", "search", "x" * 4000, NOW))
        assert "no space left" in said
        assert str(path) in said
        assert [entry.event for entry in store.audited(subject="checkout")] == ["before"]
        (tmp_path / "ballast").unlink()
        store.audit("after", "checkout", "", NOW)
        assert [entry.event for entry in store.audited(subject="checkout")] == ["after", "before"]


def test_a_state_is_not_begun_on_a_full_disk(tmp_path: Path) -> None:
    """On a disk that is full from the beginning opening fails in one sentence, and works when there is space."""
    path = tmp_path / "state.db"
    with small_disk(tmp_path, kilobytes=1024):
        _fill(tmp_path)
        with pytest.raises(StateError, match=r"(?i)no space left"):
            writer(path)
        (tmp_path / "ballast").unlink()
        writer(path).close()
