"""Opening the state: who may, with which key, in which version, and the sentence when not."""

from __future__ import annotations

import os
import signal
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from rotator.core.model import Ask
from rotator.errors import StateError, StateKeyMissing, StateLocked
from rotator.settings import SecretRef
from rotator.state.open import locate, open_copy, open_store
from tests.state.opening import CLOCK, NOW, reader, small_disk, writer


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the state lies."""
    return tmp_path / "state.db"


def _ruin(path: Path, statement: str) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(statement)


# ---------------------------------------------------------------- files


def test_everything_of_the_state_is_private(path: Path) -> None:
    """Database, log, key and lock are their owner's only, also where they were not before."""
    umask = os.umask(0)
    try:
        path.touch(mode=0o644)
        with writer(path) as store:
            store.put("a", b"b")
            modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}
    finally:
        os.umask(umask)
    assert set(modes) == {"state.db", "state.db-wal", "state.db-shm", "state.db.key", "state.db.lock"}
    assert set(modes.values()) == {0o600}


def test_a_missing_folder_is_said(tmp_path: Path) -> None:
    """A folder that does not exist is not made: a mistyped path must not begin a new, empty state."""
    with pytest.raises(StateError, match="does not exist"):
        writer(tmp_path / "nowhere" / "state.db")
    assert list(tmp_path.iterdir()) == []


def test_an_unwritable_folder_is_said(path: Path) -> None:
    """A disk that is mounted read only is one sentence with the path, for root too."""
    with small_disk(path.parent, kilobytes=2048):
        subprocess.run(["mount", "-o", "remount,ro", str(path.parent)], check=True)
        with pytest.raises(StateError, match=r"state\.db.*Read-only file system"):
            writer(path)


@pytest.mark.parametrize(
    "content", [b"no database at all" * 500, b"SQLite format 3\x00" + b"\xff" * 8000], ids=["text", "torn"]
)
def test_a_damaged_file_is_said(path: Path, content: bytes) -> None:
    """A file that is no database is left as it is and said to be damaged, with what to do."""
    path.write_bytes(content)
    for how in (writer, reader):
        with pytest.raises(StateError, match=r"damaged.*restore it from a backup"):
            how(path)
    assert path.read_bytes() == content


def test_a_flipped_page_is_said(path: Path) -> None:
    """A page in the middle that contradicts the others is found when the daemon opens the state, not weeks later."""
    with writer(path) as store:
        for number in range(200):
            store.audit("event", f"subject-{number}", "x" * 200, NOW)
    torn = bytearray(path.read_bytes())
    torn[len(torn) // 2 : len(torn) // 2 + 4096] = b"\xff" * 4096
    path.write_bytes(torn)
    with pytest.raises(StateError, match="damaged"):
        writer(path)


def test_the_database_of_another_program_is_left_alone(path: Path) -> None:
    """A path that names some other program's database is refused, and nothing is written into it."""
    _ruin(path, "CREATE TABLE bookmarks (url TEXT)")
    before = path.read_bytes()
    with pytest.raises(StateError, match="another program"):
        writer(path)
    assert path.stat().st_size == len(before)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("/var/lib/rotator/state.db", "/var/lib/rotator/state.db"),
        ("sqlite:////var/lib/rotator/state.db", "/var/lib/rotator/state.db"),
    ],
)
def test_a_state_is_named_by_path_or_url(text: str, place: str) -> None:
    """Both ways to write a state lead to the same file."""
    assert locate(text) == Path(place)


@pytest.mark.parametrize("text", ["postgresql://rotator:secret@db/rotator", "sqlite://", "sqlite:///:memory:", "x://"])
def test_other_states_are_refused(text: str) -> None:
    """A URL that is not of a SQLite file is refused, and a password in it is not repeated."""
    with pytest.raises(StateError) as caught:
        open_store(text, None, CLOCK, writer=True)
    assert "secret" not in str(caught.value)


# ---------------------------------------------------------------- one writer, many readers


def test_a_second_writer_is_refused(path: Path) -> None:
    """While one rotator holds the state a second one is refused with the pid of the first; afterwards it is not."""
    with writer(path), pytest.raises(StateLocked, match=rf"another rotator \(pid {os.getpid()}\) holds"):
        writer(path)
    writer(path).close()


def test_a_link_to_the_state_is_the_state(path: Path) -> None:
    """A second writer that comes by a symbolic link is refused too."""
    with writer(path):
        (path.parent / "elsewhere").mkdir()
        link = path.parent / "elsewhere" / "link.db"
        link.symlink_to(path)
        with pytest.raises(StateLocked):
            writer(link)


def test_a_closed_state_is_closed(path: Path) -> None:
    """After its end, when the file may be another's, a store reads and writes nothing; closing again does nothing."""
    store = writer(path)
    store.close()
    store.close()
    acts: tuple[Callable[[], object], ...] = (store.is_empty, lambda: store.audit("late", "", "", NOW))
    for act in acts:
        with pytest.raises(StateError, match="closed already"):
            act()


def test_a_dead_writer_holds_nothing(path: Path) -> None:
    """The state of a rotator that was killed may be opened at once, and the locks it held are gone."""
    program = f"""
from pathlib import Path
from tests.state.opening import writer
store = writer(Path({str(path)!r}))
with store.lock("checkout"):
    print("held", flush=True)
    input()
"""
    child = subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=Path(__file__).parents[2]
    )
    assert child.stdout is not None
    assert child.stdout.readline() == b"held\n"
    with pytest.raises(StateLocked, match=f"pid {child.pid}"):
        writer(path)
    child.send_signal(signal.SIGKILL)
    child.communicate()
    with writer(path) as store, store.lock("checkout"):
        pass


def test_a_reader_reads_while_a_writer_runs(path: Path) -> None:
    """A reader sees what the daemon has committed, may enqueue a request, and may change nothing else."""
    with writer(path) as daemon, reader(path) as status:
        daemon.audit("start", "", "", NOW)
        assert len(status.audited()) == 1
        number = status.enqueue("rotate", {"name": "checkout"}, "ada", NOW)
        assert [one.id for one in daemon.requests()] == [number]
        changes: tuple[Callable[[], object], ...] = (
            lambda: status.audit("start", "", "", NOW),
            lambda: status.keep_ask("checkout", Ask(NOW, force=True)),
            lambda: status.lock("checkout").__enter__(),
            lambda: status.put("a", b"b"),
        )
        for change in changes:
            with pytest.raises(StateError, match="reading only"):
                change()


def test_a_reader_waits_for_no_writer(path: Path) -> None:
    """Reading goes on in the middle of a writer's transaction, and sees what was there before it."""
    with writer(path) as daemon, reader(path) as status, daemon._database.writing() as connection:
        connection.exec_driver_sql("DELETE FROM plans")
        assert status.is_empty()


def test_a_reader_makes_nothing(path: Path) -> None:
    """Where there is no state a reader says so and makes none."""
    with pytest.raises(StateError, match="no state at"):
        reader(path)
    assert list(path.parent.iterdir()) == []


# ---------------------------------------------------------------- versions


def test_a_newer_state_is_refused(path: Path) -> None:
    """Tables of a version that this rotator does not know are neither read nor changed."""
    writer(path).close()
    _ruin(path, "UPDATE alembic_version SET version_num = '9999'")
    for how in (writer, reader):
        with pytest.raises(StateError, match=r"newer rotator \(tables 9999"):
            how(path)


def test_an_older_state_is_not_changed_by_a_reader(path: Path) -> None:
    """A state that is not of this version yet is brought up to date by a writer; a reader only says so."""
    path.touch()
    with pytest.raises(StateError, match="rotator run"):
        reader(path)
    assert path.stat().st_size == 0


# ---------------------------------------------------------------- keys


def test_a_key_is_made_beside_a_new_state(path: Path) -> None:
    """Without a key in the config one is made beside the database, once, and used again."""
    with writer(path) as store:
        store.put("account", b"secret")
    key = (path.parent / "state.db.key").read_bytes()
    with writer(path) as store:
        assert store.get("account") == b"secret"
    assert (path.parent / "state.db.key").read_bytes() == key
    assert sorted(file.name for file in path.parent.iterdir()) == ["state.db", "state.db.key", "state.db.lock"]


def test_no_key_is_made_beside_sealed_rows(path: Path) -> None:
    """A key that is lost is not replaced: what needs it fails in one sentence, what needs none goes on."""
    with writer(path) as store:
        store.put("account", b"secret")
    (path.parent / "state.db.key").unlink()
    with writer(path) as store:
        assert "put the right key back" in store.key_problem
        acts: tuple[Callable[[], object], ...] = (
            lambda: store.get("account"),
            lambda: store.put("account", b"new"),
        )
        for act in acts:
            with pytest.raises(StateKeyMissing, match=r"state\.db\.key is gone"):
                act()
        store.audit("start", "", "", NOW)
        assert store.histories(["checkout"], NOW)["checkout"].accepted is None
    assert not (path.parent / "state.db.key").exists()


def test_a_wrong_key_is_said(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With another key in the config nothing is opened and nothing sealed, until the right one is back."""
    monkeypatch.setenv("STATE_KEY", "11" * 32)
    key = SecretRef("${env:STATE_KEY}")
    with writer(path, key) as store:
        store.put("account", b"secret")
        assert not (path.parent / "state.db.key").exists()
    monkeypatch.setenv("STATE_KEY", "22" * 32)
    with writer(path, key) as store, pytest.raises(StateKeyMissing, match="is not the one that sealed"):
        store.put("other", b"secret")
    monkeypatch.setenv("STATE_KEY", "11" * 32)
    with writer(path, key) as store:
        assert (store.get("account"), store.get("other"), store.key_problem) == (b"secret", None, "")


def test_an_existing_key_file_is_never_overwritten(path: Path) -> None:
    """A key file that is no key stays as it is, and is said to be none."""
    (path.parent / "state.db.key").write_text("not yet filled in by the configuration tool\n")
    with writer(path) as store, pytest.raises(StateKeyMissing, match="is no state key"):
        store.put("account", b"secret")
    assert (path.parent / "state.db.key").read_text() == "not yet filled in by the configuration tool\n"


# ---------------------------------------------------------------- copies


def test_a_copy_may_be_changed_freely(path: Path) -> None:
    """A plan runs on a copy, also while the daemon runs: it reads what is there, and leaves no trace."""
    with writer(path) as daemon:
        daemon.put("account", b"secret")
        with open_copy(str(path), None, CLOCK) as copy:
            assert copy.get("account") == b"secret"
            folder = copy._database.path.parent
            copy.put("account", b"changed")
            copy.hold_by_hand("checkout", "…", NOW)
        assert not folder.exists()
        assert daemon.get("account") == b"secret"
        assert daemon.histories(["checkout"], NOW)["checkout"].held_by_hand == ""


def test_a_copy_of_nothing_is_empty(path: Path) -> None:
    """Where there is no state yet, a plan runs on an empty one and makes none."""
    with open_copy(str(path), None, CLOCK) as copy:
        assert copy.is_empty()
        copy.put("suggestion", b"what a look keeps")
        assert copy.get("suggestion") == b"what a look keeps"
    assert list(path.parent.iterdir()) == []


def test_a_folder_that_may_not_be_entered_is_said(path: Path) -> None:
    """Whoever is not the state's user gets one sentence from every way to open it, on every Python."""
    with writer(path):
        pass
    script = f"""
import os
import tempfile
from rotator.errors import StateError
from rotator.state.open import open_copy, open_store
from tests.state.opening import CLOCK
os.setuid(65534)
for how in (lambda p: open_copy(p, None, CLOCK), lambda p: open_store(p, None, CLOCK, writer=False)):
    try:
        how({str(path)!r})
    except StateError as error:
        print(error)
"""
    if os.geteuid() != 0:
        pytest.skip("another user is needed; run as root")
    path.parent.chmod(0o700)
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=60)
    assert ended.stdout.count(f"the state {path} cannot be read: Permission denied; run this as") == 2, ended.stderr


def test_a_damaged_state_is_named_also_where_a_copy_was_opened(path: Path) -> None:
    """`plan` works on a copy; the sentence names the state that is damaged, on one line."""
    with writer(path) as store:
        store.put("a", b"b")
    content = bytearray(path.read_bytes())
    content[4096:20000] = os.urandom(20000 - 4096)
    path.write_bytes(content)
    with pytest.raises(StateError) as raised:
        open_copy(str(path), None, CLOCK)
    assert str(raised.value).startswith(f"the state {path} is damaged (")
    assert "\n" not in str(raised.value)
