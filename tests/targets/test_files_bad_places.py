"""Target `files` where it cannot write: no file, a mount, another writer, a disk that is full at any write."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from rotator.conformance.bundles import make_bundle
from rotator.core.model import Bundle, TargetSpec
from rotator.errors import TargetError
from rotator.targets.files import FilesSettings, FilesTarget
from tests.issuers.asking import clock_at
from tests.lib.small_disk import fill, small_disk
from tests.servers.run import give_up
from tests.targets.pairs import LAYOUTS, Pair, fingerprint, names_in, own_umask, target


@pytest.fixture(scope="module")
def old() -> Bundle:
    return make_bundle("old.example.com")


@pytest.fixture(scope="module")
def new() -> Bundle:
    return make_bundle("new.example.com")


@pytest.fixture
def pair(tmp_path: Path, old: Bundle) -> Pair:
    pair = Pair(tmp_path / "ssl")
    pair.folder.mkdir()
    pair.put(old)
    return pair


@pytest.fixture(autouse=True)
def _own_umask() -> Iterator[None]:
    with own_umask():
        yield


class TestBadPlaces:
    def test_a_missing_folder(self, tmp_path: Path, new: Bundle) -> None:
        """One sentence with the path; the folder is not made."""
        pair = Pair(tmp_path)
        with pytest.raises(TargetError, match=r"certs: No such file or directory; what was there before still is"):
            target(**pair.settings).deploy(new, replacing=None)

        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize("kind", ["folder", "circle", "huge", "pipe"])
    def test_what_is_no_file(self, pair: Pair, new: Bundle, kind: str) -> None:
        """A folder, links in a circle, a file of 5 MiB, a pipe: said, and left alone."""
        pair.certificate.unlink()
        if kind == "folder":
            pair.certificate.mkdir()
        elif kind == "circle":
            pair.certificate.symlink_to(pair.certificate)
        elif kind == "pipe":
            os.mkfifo(pair.certificate)
        else:
            pair.certificate.write_bytes(b"x" * (5 << 20))
        with pytest.raises(TargetError):
            target(**pair.settings).deploy(new, replacing=None)

        assert pair.left_over() == []

    def test_a_certificate_that_cannot_be_renamed_over(
        self, pair: Pair, tmp_path: Path, old: Bundle, new: Bundle
    ) -> None:
        """The key was renamed already when the certificate refuses (a mount of its own): the old key is put back."""
        if os.geteuid() != 0:
            give_up("mounting needs root; run the tests as root")
        single = tmp_path / "single.crt"
        shutil.copy(pair.certificate, single)
        subprocess.run(["mount", "--bind", single, pair.certificate], check=True)
        try:
            with pytest.raises(TargetError, match="busy; what was there before still is"):
                target(**pair.settings).deploy(new, replacing=fingerprint(old))
            assert pair.holds(old)
            assert pair.left_over() == []
        finally:
            subprocess.run(["umount", pair.certificate], check=True)

    def test_a_read_only_disk_can_be_looked_at(self, tmp_path: Path, old: Bundle) -> None:
        """Looking writes nothing, so it works where writing would not."""
        with small_disk(tmp_path / "disk") as disk:
            pair = Pair(disk)
            pair.put(old)
            subprocess.run(["mount", "-o", "remount,ro", disk], check=True)

            assert target(**pair.settings).snapshot().chain == old.chain

    def test_another_writer_is_waited_for_and_then_named(self, pair: Pair, new: Bundle) -> None:
        """A process that holds the folder for too long is an error, not an endless wait."""
        holder = os.open(pair.certificate.parent, os.O_RDONLY)
        fcntl.flock(holder, fcntl.LOCK_EX)
        try:
            settings = FilesSettings.model_validate(pair.settings)
            impatient = FilesTarget("shop", TargetSpec("files"), settings, clock_at(datetime.now(UTC)))
            with pytest.raises(TargetError, match=r"another process has been writing in .*/certs for 15 s"):
                impatient.deploy(new, replacing=None)
        finally:
            os.close(holder)


class TestFullDisk:
    @pytest.mark.parametrize("layout", sorted(LAYOUTS))
    def test_at_any_write_the_old_one_stands(self, tmp_path: Path, old: Bundle, new: Bundle, layout: str) -> None:
        """With 0, 1, 2 … pages left the deploy fails at one write after the other: the old pair is whole each time."""
        with small_disk(tmp_path / "disk") as disk:
            place = target(**LAYOUTS[layout](disk))
            place.deploy(old, replacing=None)
            before, names = place.snapshot(), names_in(disk)
            for pages in range(16):
                filler = fill(disk, leave=pages)
                try:
                    place.deploy(new, replacing=fingerprint(old))
                except TargetError as error:
                    assert "No space left on device" in str(error)
                    assert place.snapshot() == before
                    filler.unlink()
                    assert names_in(disk) == names
                else:
                    assert pages > 0, "a full disk must have failed"
                    assert place.snapshot().chain == new.chain
                    return
            pytest.fail("it fails although there is room")
