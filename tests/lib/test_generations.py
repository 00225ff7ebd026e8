"""Folders of generations: which folder is one, and what is in use."""

from __future__ import annotations

from pathlib import Path

import pytest

from rotator.lib import generations
from rotator.lib.generations import NewFile


def add(folder: Path, content: bytes) -> None:
    generations.add(folder, {"fullchain.pem": NewFile(content, 0o644)}, keep=3)


def test_a_file_knows_its_folder_of_generations(tmp_path: Path) -> None:
    """By number and by link; other folders with a link `current` belong to somebody else."""
    add(tmp_path / "shop", b"one")
    (tmp_path / "release" / "7").mkdir(parents=True)
    (tmp_path / "release" / "current").symlink_to("7")

    assert generations.enclosing(tmp_path / "shop" / "1" / "fullchain.pem") == tmp_path / "shop"
    assert generations.enclosing(tmp_path / "shop" / "current" / "fullchain.pem") == tmp_path / "shop"
    assert generations.enclosing(tmp_path / "release" / "current" / "fullchain.pem") is None
    assert generations.enclosing(tmp_path / "fullchain.pem") is None


def test_the_current_one_is_resolved_once(tmp_path: Path) -> None:
    """A reader that holds the resolved folder reads on from the same generation after a switch."""
    assert generations.current(tmp_path / "shop") is None
    add(tmp_path / "shop", b"one")
    held = generations.current(tmp_path / "shop")
    add(tmp_path / "shop", b"two")

    assert held is not None
    assert (held / "fullchain.pem").read_bytes() == b"one"
    assert (tmp_path / "shop" / "current" / "fullchain.pem").read_bytes() == b"two"


def test_the_one_in_use_is_never_removed(tmp_path: Path) -> None:
    """After going back to the oldest, new ones push out others."""
    folder = tmp_path / "shop"
    for number in range(3):
        add(folder, b"%d" % number)
    generations.switch(folder, 1)
    assert generations.find(folder, {"fullchain.pem": b"1"}) == 2
    assert generations.find(folder, {"fullchain.pem": b"other"}) is None
    draft = folder / ".rotator-draft-dead"
    draft.mkdir()
    (draft / "privkey.pem").write_bytes(b"a key")
    generations.sweep(folder)

    assert not draft.exists()
    assert (folder / "current" / "fullchain.pem").read_bytes() == b"0"


def test_a_folder_above_has_to_exist(tmp_path: Path) -> None:
    """A typing mistake in the path must not look like success."""
    with pytest.raises(FileNotFoundError):
        add(tmp_path / "no" / "shop", b"one")
