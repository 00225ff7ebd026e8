"""What `rotator scan` can be pointed at."""

from __future__ import annotations

import os
from io import StringIO
from pathlib import Path

import pytest

from rotator.cli.ending import Mistake
from rotator.cli.scantargets import read_targets

PEM = b"-----BEGIN CERTIFICATE-----\nanything\n"


def test_endpoints_in_every_form() -> None:
    """Hosts, ports, schemes and addresses are endpoints."""
    words = [
        "shop.example.com",
        "shop.example.com:8443",
        "smtp://mail.example.com:25",
        "[2001:db8::1]:443",
        "192.0.2.1",
    ]
    assert read_targets(words).endpoints == words


def test_what_exists_is_a_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that is called like a host is a file."""
    (tmp_path / "shop.example.com").write_bytes(PEM)
    monkeypatch.chdir(tmp_path)
    found = read_targets(["shop.example.com"])
    assert (found.endpoints, found.files) == ([], [str(tmp_path / "shop.example.com")])


def test_folder_is_searched_by_content(tmp_path: Path) -> None:
    """In a folder every file with a PEM certificate counts, however it is called and however deep; no other does."""
    for name, content in {
        "a.crt": PEM,
        "deep/er/odd-name": PEM,
        "notes.txt": b"BEGIN",
        "key.pem": b"-----BEGIN X",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(content)
    (tmp_path / "loop").symlink_to(tmp_path)
    assert read_targets([str(tmp_path)]).files == [str(tmp_path / "a.crt"), str(tmp_path / "deep/er/odd-name")]


def test_pipes_are_not_read(tmp_path: Path) -> None:
    """A pipe in a folder would never end, and is left alone."""
    os.mkfifo(tmp_path / "pipe.crt")
    assert read_targets([str(tmp_path)]).files == []


def test_names_with_glob_signs_are_taken_literally(tmp_path: Path) -> None:
    """A folder called `[a]` is that folder, not a pattern."""
    (tmp_path / "[a]").mkdir()
    (tmp_path / "[a]" / "tls.crt").write_bytes(PEM)
    (found,) = read_targets([str(tmp_path / "[a]")]).files
    assert found.endswith("/[[]a]/tls.crt")


def test_globs_and_missing_files() -> None:
    """A pattern is kept for the source; a path that is not there could not be looked at."""
    found = read_targets(["/etc/ssl/*.crt", "/nowhere/at/all.crt"])
    assert found.files == ["/etc/ssl/*.crt"]
    assert [(one.where, one.message) for one in found.unseen] == [("/nowhere/at/all.crt", "No such file or directory")]


def test_lists(tmp_path: Path) -> None:
    """`@file` and `-` stand for their lines; comments and empty lines mean nothing."""
    listed = tmp_path / "list"
    listed.write_text("# ours\n\nshop.example.com   # the shop\n")
    found = read_targets([f"@{listed}", "-"], StringIO("mail.example.com:465\n"))
    assert found.endpoints == ["shop.example.com", "mail.example.com:465"]


@pytest.mark.parametrize(
    "words", [["not a host"], ["gopher://shop.example.com"], ["shop.example.com:0"], ["@/nowhere"]]
)
def test_what_is_neither_is_a_mistake(words: list[str]) -> None:
    """A word that can be nothing is refused before anything is looked at."""
    with pytest.raises(Mistake):
        read_targets(words)


def test_folder_shows_what_only_looks_like_a_certificate(tmp_path: Path) -> None:
    """An empty `.crt`, an error page or a dangling link is what an audit is for; DER and pipes are left alone."""
    (tmp_path / "empty.crt").touch()
    (tmp_path / "page.crt").write_text("<html>503</html>")
    (tmp_path / "der.crt").write_bytes(b"\x30\x82\x01\x00")
    (tmp_path / "gone.crt").symlink_to("nowhere")
    os.mkfifo(tmp_path / "pipe.crt")
    assert [Path(file).name for file in read_targets([str(tmp_path)]).files] == ["empty.crt", "gone.crt", "page.crt"]


def test_a_list_that_is_missing_is_said_once(tmp_path: Path) -> None:
    """The path stands in the sentence once, without the system's error number."""
    with pytest.raises(Mistake) as raised:
        read_targets([f"@{tmp_path}/none"])
    assert str(raised.value) == f"the list {tmp_path}/none cannot be read: No such file or directory"
