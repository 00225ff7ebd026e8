"""Reading files that anybody may have put there."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from rotator.lib.plainfile import Unfit, content, read, read_if


def test_content_mode_and_identity(tmp_path: Path) -> None:
    """The bytes, the permission bits, and which file it is, whatever leads to it."""
    path = tmp_path / "a"
    path.write_bytes(b"x" * 300_000)
    path.chmod(0o640)
    (tmp_path / "link").symlink_to("a")
    text = read(path, most=1 << 20)

    assert (len(text.content), text.mode, text.whole) == (300_000, 0o640, True)
    assert text.identity == read(tmp_path / "link", most=1 << 20).identity
    assert "xxx" not in repr(text)


def test_the_rest_is_read_only_if_it_is_wanted(tmp_path: Path) -> None:
    """The first bytes decide, and how much more."""
    path = tmp_path / "a"
    path.write_bytes(b"head" + b"rest" * 100)
    heads: list[bytes] = []

    def nothing(head: bytes) -> None:
        heads.append(head)

    assert read_if(path, nothing, head=4) is None
    assert heads == [b"head"]
    whole = read_if(path, lambda head: 1000, head=4)
    assert whole is not None
    assert whole.content == path.read_bytes()


def test_larger_than_wanted(tmp_path: Path) -> None:
    """It is refused, or, where that is enough, cut and said to be."""
    path = tmp_path / "a"
    path.write_bytes(bytes((1 << 20) + 1))

    with pytest.raises(Unfit, match="larger than 1 MiB"):
        read(path, most=1 << 20)
    text = read_if(path, lambda head: 1 << 20, head=64, cut=True)
    assert text is not None
    assert not text.whole


@pytest.mark.parametrize("path", ["/dev/null", "/"])
def test_devices_and_folders(path: str) -> None:
    """They are refused before they are opened."""
    with pytest.raises(Unfit, match="no regular file"):
        read(path, most=1)


def test_pipe(tmp_path: Path) -> None:
    """It is refused, and waits for no writer."""
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(Unfit, match="no regular file"):
        read(tmp_path / "pipe", most=1)


def test_what_a_setting_names_is_a_file_or_an_error_of_the_system(tmp_path: Path) -> None:
    """A pipe is not waited for; it is told like anything else that cannot be read, with its place."""
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="it is no regular file") as caught:
        content(tmp_path / "pipe")
    assert (caught.value.strerror, caught.value.filename) == ("it is no regular file", str(tmp_path / "pipe"))
    (tmp_path / "there").write_bytes(b"x")
    assert content(tmp_path / "there") == b"x"
