"""Target `files` and whoever uses the files: commands that are run after a deploy, and a real nginx that reloads."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from rotator.conformance.bundles import make_bundle
from rotator.core.model import Bundle
from rotator.errors import TargetError
from tests.servers.nginx import start_nginx, virtual_server
from tests.servers.service import wait_until
from tests.targets.pairs import Pair, fingerprint, own_umask, pair_fingerprint, target


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


class TestReloading:
    def test_its_output_is_the_log(self, pair: Pair, old: Bundle) -> None:
        """What the command says on either output can be read in the outcome."""
        deployed = target(**pair.settings, reload=["/bin/sh", "-c", "echo ok; echo note >&2"]).deploy(
            old, replacing=None
        )

        assert sorted(deployed.log.split()) == ["note", "ok"]

    def test_a_failure_says_how_the_files_stand(self, pair: Pair, new: Bundle) -> None:
        """The new files are there, the command, its status and its last words are named."""
        failing = target(**pair.settings, reload=["/bin/sh", "-c", "echo emerg: no such file; exit 3"])
        with pytest.raises(TargetError, match=r"new files are in place, but the reload failed: .* ended with 3: emerg"):
            failing.deploy(new, replacing=pair_fingerprint(pair))

        assert pair.holds(new)

    def test_one_that_hangs_is_ended(self, pair: Pair, new: Bundle) -> None:
        """A reload has a time limit; the files stay in place."""
        hanging = target(**pair.settings, reload=["/bin/sleep", "600"], reload_seconds="300ms")
        with pytest.raises(TargetError, match=r"did not end within 0.3 s"):
            hanging.deploy(new, replacing=pair_fingerprint(pair))

    def test_a_missing_program(self, pair: Pair, new: Bundle) -> None:
        """Is named."""
        with pytest.raises(TargetError, match="`/no/such/program` could not be started"):
            target(**pair.settings, reload=["/no/such/program"]).deploy(new, replacing=pair_fingerprint(pair))

    def test_a_real_server_serves_the_new_one(self, pair: Pair, tmp_path: Path, old: Bundle, new: Bundle) -> None:
        """nginx reads both files on reload, and shows the old one again after the files were put back."""
        with start_nginx(tmp_path, [virtual_server(pair.certificate, pair.key)]) as nginx:
            place = target(**pair.settings, reload=list(nginx.reload_command))
            before = place.snapshot()
            place.deploy(new, replacing=fingerprint(old))
            wait_until(lambda: nginx.fingerprint() == fingerprint(new), "the new one is served", seconds=20)
            place.restore(before, replacing=fingerprint(new))
            wait_until(lambda: nginx.fingerprint() == fingerprint(old), "the old one is served again", seconds=20)

    def test_a_real_server_that_refuses_the_reload(self, pair: Pair, tmp_path: Path, old: Bundle, new: Bundle) -> None:
        """nginx tests its configuration first: its reason is in the error, and it goes on with the old pair."""
        with start_nginx(tmp_path, [virtual_server(pair.certificate, pair.key)]) as nginx:
            place = target(**pair.settings, reload=list(nginx.reload_command))
            with pytest.raises(TargetError, match="key values mismatch"):
                place.deploy(Bundle(new.chain, old.key), replacing=fingerprint(old))

            assert nginx.fingerprint() == fingerprint(old)
