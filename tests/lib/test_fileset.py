"""Several files replaced together. What crashes and refusing disks do to them is shown with the target `files`."""

from __future__ import annotations

from pathlib import Path

import pytest

from rotator.lib import fileset
from rotator.lib.fileset import Wanted


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_files_are_made_replaced_and_removed_together(tmp_path: Path) -> None:
    """One that is new, one that exists, one that has to go; nothing else is left."""
    (tmp_path / "changed").write_bytes(b"old")
    (tmp_path / "gone").write_bytes(b"old")
    wanted = [
        Wanted(tmp_path / "made", b"new"),
        Wanted(tmp_path / "changed", b"new"),
        Wanted(tmp_path / "gone", None),
    ]
    fileset.replace(wanted, fileset.journal_beside(tmp_path / "made"))

    assert contents(tmp_path) == {"made": b"new", "changed": b"new"}


def test_one_that_cannot_be_staged_changes_none(tmp_path: Path) -> None:
    """The second file lies in a folder that does not exist: the first keeps its content."""
    (tmp_path / "first").write_bytes(b"old")
    wanted = [Wanted(tmp_path / "first", b"new"), Wanted(tmp_path / "no" / "second", b"new")]
    with pytest.raises(FileNotFoundError):
        fileset.replace(wanted, fileset.journal_beside(tmp_path / "first"))

    assert contents(tmp_path) == {"first": b"old"}


def test_a_journal_that_cannot_be_written_changes_none(tmp_path: Path) -> None:
    """Without a journal a crash could not be mended, so nothing is begun."""
    (tmp_path / "first").write_bytes(b"old")
    journal = tmp_path / "no" / "journal"
    with pytest.raises(FileNotFoundError):
        fileset.replace([Wanted(tmp_path / "first", b"new")], journal)

    assert contents(tmp_path) == {"first": b"old"}


def test_nothing_to_mend(tmp_path: Path) -> None:
    """Without a journal nothing was cut off, also where there is no folder yet."""
    assert not fileset.mend(tmp_path / "no" / "journal", [tmp_path / "no" / "file"])
