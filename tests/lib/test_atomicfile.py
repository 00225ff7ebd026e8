"""One file replaced at once, whatever is in its place and whatever goes wrong."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
from pathlib import Path

import pytest

from rotator.lib import atomicfile
from tests.lib.small_disk import small_disk


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


class TestWriting:
    def test_a_new_file_has_the_mode_asked_for(self, tmp_path: Path) -> None:
        """Whatever the umask."""
        before = os.umask(0o077)
        try:
            atomicfile.write(tmp_path / "new", b"content", mode=0o644)
        finally:
            os.umask(before)

        assert (tmp_path / "new").read_bytes() == b"content"
        assert mode_of(tmp_path / "new") == 0o644

    def test_an_existing_file_keeps_mode_and_owner(self, tmp_path: Path) -> None:
        """Whoever could read it before can read it afterwards, and nobody else."""
        path = tmp_path / "kept"
        path.write_bytes(b"old")
        path.chmod(0o640)
        if os.geteuid() == 0:
            os.chown(path, 12345, 54321)
        before = path.stat()
        atomicfile.write(path, b"new", mode=0o600)
        after = path.stat()

        assert path.read_bytes() == b"new"
        assert (after.st_mode, after.st_uid, after.st_gid) == (before.st_mode, before.st_uid, before.st_gid)
        assert after.st_ino != before.st_ino, "written in place, a reader could see half of it"

    def test_an_access_list_is_kept(self, tmp_path: Path) -> None:
        """A POSIX ACL on the file moves to its successor."""
        path = tmp_path / "kept"
        path.write_bytes(b"old")
        # version 2, then entries (tag, permissions, id): owner rw-, user 12345 r--, group r--, mask r--, other ---
        acl = bytes.fromhex(
            "02000000 01000600ffffffff 0200040039300000 04000400ffffffff 10000400ffffffff 20000000ffffffff"
        )
        os.setxattr(path, "system.posix_acl_access", acl)
        before = os.getxattr(path, "system.posix_acl_access")
        atomicfile.write(path, b"new", mode=0o600)

        assert os.getxattr(path, "system.posix_acl_access") == before

    def test_a_new_file_can_have_an_owner(self, tmp_path: Path) -> None:
        """By number or by name; one that does not exist is an error before anything is written."""
        own = f"{os.geteuid()}:{os.getegid()}"
        atomicfile.write(tmp_path / "new", b"content", mode=0o640, owner=own)
        with pytest.raises(OSError, match="no user or group `no-such-user`"):
            atomicfile.write(tmp_path / "other", b"content", mode=0o640, owner="no-such-user")

        assert [path.name for path in tmp_path.iterdir()] == ["new"]

    def test_a_link_is_followed_and_stays(self, tmp_path: Path) -> None:
        """The file that a chain of links leads to is replaced; the links stay links."""
        (tmp_path / "real").mkdir()
        (tmp_path / "real" / "file").write_bytes(b"old")
        (tmp_path / "middle").symlink_to("real/file")
        (tmp_path / "link").symlink_to(tmp_path / "middle")
        atomicfile.write(tmp_path / "link", b"new", mode=0o600)

        assert (tmp_path / "link").is_symlink()
        assert (tmp_path / "middle").is_symlink()
        assert (tmp_path / "real" / "file").read_bytes() == b"new"

    def test_a_link_to_nothing_yet_makes_its_file(self, tmp_path: Path) -> None:
        """Where a link leads is where the file is made."""
        (tmp_path / "link").symlink_to("later")
        atomicfile.write(tmp_path / "link", b"new", mode=0o600)

        assert (tmp_path / "later").read_bytes() == b"new"

    def test_links_in_a_circle_are_refused(self, tmp_path: Path) -> None:
        """With the system's own words."""
        (tmp_path / "one").symlink_to("two")
        (tmp_path / "two").symlink_to("one")
        with pytest.raises(OSError) as refused:
            atomicfile.write(tmp_path / "one", b"new", mode=0o600)

        assert refused.value.errno == errno.ELOOP

    @pytest.mark.parametrize("kind", ["folder", "pipe"])
    def test_what_is_no_file_is_left_alone(self, tmp_path: Path, kind: str) -> None:
        """A folder or a pipe is not replaced by a file."""
        path = tmp_path / "there"
        path.mkdir() if kind == "folder" else os.mkfifo(path)
        with pytest.raises(OSError, match="not a regular file"):
            atomicfile.write(path, b"new", mode=0o600)

        assert [each.name for each in tmp_path.iterdir()] == ["there"]

    def test_a_missing_folder_is_an_error(self, tmp_path: Path) -> None:
        """It is not made: a typing mistake must not look like success."""
        with pytest.raises(FileNotFoundError):
            atomicfile.write(tmp_path / "no" / "file", b"new", mode=0o600)

    def test_a_single_file_mounted_in_place_is_an_error(self, tmp_path: Path) -> None:
        """A file that is a mount point of its own (containers do that) cannot be renamed over; the old one stands."""
        if os.geteuid() != 0:
            pytest.skip("mounting needs root")
        path, source = tmp_path / "mounted", tmp_path / "source"
        path.touch()
        source.write_bytes(b"old")
        subprocess.run(["mount", "--bind", source, path], check=True)
        try:
            with pytest.raises(OSError) as refused:
                atomicfile.write(path, b"new", mode=0o600)
            assert refused.value.errno == errno.EBUSY
            assert path.read_bytes() == b"old"
        finally:
            subprocess.run(["umount", path], check=True)
        assert sorted(each.name for each in tmp_path.iterdir()) == ["mounted", "source"]


class TestLeftOvers:
    def test_those_of_the_dead_are_removed(self, tmp_path: Path) -> None:
        """A draft that a crashed writer left goes with the next write; other files with like names stay."""
        path = tmp_path / "file"
        (tmp_path / ".file.rotator-0a1b2c3d.tmp").write_bytes(b"a key")
        (tmp_path / ".file2.rotator-0a1b2c3d.tmp").write_bytes(b"not ours")
        atomicfile.write(path, b"new", mode=0o600)

        assert sorted(each.name for each in tmp_path.iterdir()) == [".file2.rotator-0a1b2c3d.tmp", "file"]

    def test_those_of_the_living_stay(self, tmp_path: Path) -> None:
        """A second writer does not take the first one's draft away under its hands."""
        path = tmp_path / "file"
        first = atomicfile.stage(path, b"first", mode=0o600)
        atomicfile.write(path, b"second", mode=0o600)
        first.commit()

        assert path.read_bytes() == b"first"
        assert atomicfile.drafts(path) == ()

    def test_a_discarded_draft_is_gone(self, tmp_path: Path) -> None:
        """Discarding twice does no harm."""
        staged = atomicfile.stage(tmp_path / "file", b"new", mode=0o600)
        assert mode_of(staged.draft) == 0o600
        staged.discard()
        staged.discard()

        assert list(tmp_path.iterdir()) == []


class TestFullDisk:
    def test_the_old_one_stands(self, tmp_path: Path) -> None:
        """No space for the new content: an error, the old content, and no draft."""
        with small_disk(tmp_path / "disk") as disk:
            path = disk / "file"
            path.write_bytes(b"old" * 5000)
            with pytest.raises(OSError) as full:
                atomicfile.write(path, b"new" * 20000, mode=0o600)

            assert full.value.errno == errno.ENOSPC
            assert path.read_bytes() == b"old" * 5000
            assert [each.name for each in disk.iterdir()] == ["file"]


class TestFolderLock:
    def test_the_second_waits(self, tmp_path: Path) -> None:
        """While one holds the folder the other is asked for patience, and gets it when it is free."""
        asked: list[Path] = []

        def impatient() -> None:
            asked.append(tmp_path)
            raise TimeoutError

        with atomicfile.folder_lock(tmp_path, impatient):
            second = atomicfile.folder_lock(tmp_path, impatient)
            with pytest.raises(TimeoutError), second:
                pass
        with atomicfile.folder_lock(tmp_path, impatient):
            pass

        assert asked == [tmp_path]
