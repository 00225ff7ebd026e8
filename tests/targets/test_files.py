"""Target `files`: its settings, whom it adopts, what it keeps of the files that are there and how it makes new ones."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import ValidationError

from rotator.conformance.bundles import make_bundle
from rotator.core.model import Bundle, Location, Observation
from rotator.core.pem import chain_pem, read_chain
from rotator.targets.files import FilesSettings, FilesTarget
from tests.targets.pairs import LAYOUTS, Pair, fingerprint, own_umask, pair_fingerprint, target


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


class TestWhatIsKept:
    def test_modes_of_both_files(self, pair: Pair, new: Bundle) -> None:
        """An existing mode wins over the settings: whoever could read the key can still, and nobody else."""
        pair.certificate.chmod(0o604)
        pair.key.chmod(0o640)
        target(**pair.settings).deploy(new, replacing=pair_fingerprint(pair))

        assert [stat.S_IMODE(path.stat().st_mode) for path in (pair.certificate, pair.key)] == [0o604, 0o640]

    def test_links_to_both_files(self, pair: Pair, tmp_path: Path, new: Bundle) -> None:
        """Links stay links; the place keeps the name that the operator gave it."""
        links = {"certificate": tmp_path / "live.crt", "key": tmp_path / "live.key"}
        links["certificate"].symlink_to(pair.certificate)
        links["key"].symlink_to(pair.key)
        linked = target(**{role: str(path) for role, path in links.items()})
        linked.deploy(new, replacing=pair_fingerprint(pair))

        assert pair.holds(new)
        assert all(path.is_symlink() for path in links.values())
        assert linked.location.address == str(links["certificate"])

    def test_dh_parameters_in_a_combined_file(self, tmp_path: Path, old: Bundle, new: Bundle) -> None:
        """What HAProxy's file holds beside certificate and key is not ours, and stays."""
        path = tmp_path / "shop.pem"
        extra = b"-----BEGIN DH PARAMETERS-----\nMAYCAQcCAQI=\n-----END DH PARAMETERS-----\n"
        path.write_bytes(chain_pem(old.chain) + old.key + extra)
        combined = target(path=str(path))
        before = combined.snapshot()
        combined.deploy(new, replacing=fingerprint(old))
        written = path.read_bytes()
        combined.restore(before, replacing=fingerprint(new))

        assert written == chain_pem(new.chain) + new.key + extra
        assert path.read_bytes() == chain_pem(old.chain) + old.key + extra

    def test_hand_made_files_of_the_same_pair(self, pair: Pair, old: Bundle) -> None:
        """The same pair written differently (comments, line ends) is this very bundle: not a byte changes."""
        pair.certificate.write_bytes(b"subject=/CN=shop\r\n" + chain_pem(old.chain).replace(b"\n", b"\r\n"))
        before = pair.certificate.read_bytes()
        target(**pair.settings).deploy(old, replacing=None)

        assert pair.certificate.read_bytes() == before


class TestNewFiles:
    def test_modes_and_owner(self, tmp_path: Path, new: Bundle) -> None:
        """New files are made as the settings say; by default the key is for its owner alone."""
        pair = Pair(tmp_path)
        pair.certificate.parent.mkdir()
        pair.key.parent.mkdir()
        target(**pair.settings, mode="0640", owner=f"{os.geteuid()}").deploy(new, replacing=None)

        assert [stat.S_IMODE(path.stat().st_mode) for path in (pair.certificate, pair.key)] == [0o640, 0o600]

    def test_a_chain_file_of_its_own(self, tmp_path: Path, old: Bundle, new: Bundle) -> None:
        """With `chain` the certificate file holds the leaf alone; both together are the chain that is seen."""
        names = {"certificate": "cert.pem", "chain": "chain.pem", "key": "key.pem"}
        three = target(**{role: str(tmp_path / name) for role, name in names.items()})
        three.deploy(old, replacing=None)
        before = three.snapshot()
        three.deploy(new, replacing=fingerprint(old))

        assert read_chain((tmp_path / "cert.pem").read_bytes()).certificates == new.chain.certificates[:1]
        assert read_chain((tmp_path / "chain.pem").read_bytes()).certificates == new.chain.certificates[1:]
        assert three.snapshot().chain == new.chain
        three.restore(before, replacing=fingerprint(new))
        assert three.snapshot().chain == old.chain

    def test_generations_begin_at_one_and_end_at_three(self, tmp_path: Path) -> None:
        """Each deploy is a new folder; the newest three stay for those who still read them."""
        folder = tmp_path / "shop"
        place = target(directory=str(folder))
        bundles = [make_bundle(f"{number}.example.com") for number in range(5)]
        for before, bundle in zip([None, *bundles], bundles, strict=False):
            place.deploy(bundle, replacing=fingerprint(before) if before else None)

        assert sorted(path.name for path in folder.iterdir()) == [".rotator-generations", "3", "4", "5", "current"]
        assert (folder / "current").readlink() == Path("5")
        assert stat.S_IMODE((folder / "current" / "privkey.pem").stat().st_mode) == 0o600

    def test_a_generation_that_is_still_there_is_only_switched_to(
        self, tmp_path: Path, old: Bundle, new: Bundle
    ) -> None:
        """Putting the last one back writes nothing: it needs no space."""
        folder = tmp_path / "shop"
        place = target(directory=str(folder))
        place.deploy(old, replacing=None)
        before = place.snapshot()
        place.deploy(new, replacing=fingerprint(old))
        place.restore(before, replacing=fingerprint(new))

        assert (folder / "current").readlink() == Path("1")
        assert sorted(path.name for path in folder.iterdir() if path.name.isdigit()) == ["1", "2"]

    def test_the_key_keeps_its_readers_from_one_generation_to_the_next(
        self, tmp_path: Path, old: Bundle, new: Bundle
    ) -> None:
        """A mode that somebody gave to the present key is given to the next."""
        folder = tmp_path / "shop"
        place = target(directory=str(folder))
        place.deploy(old, replacing=None)
        (folder / "current" / "privkey.pem").chmod(0o640)
        place.deploy(new, replacing=fingerprint(old))

        assert stat.S_IMODE((folder / "current" / "privkey.pem").stat().st_mode) == 0o640

    def test_a_file_to_touch(self, pair: Pair, tmp_path: Path, new: Bundle) -> None:
        """Servers that watch a file are told by its time."""
        mark = tmp_path / "changed"
        mark.touch()
        os.utime(mark, (0, 0))
        target(**pair.settings, touch=str(mark)).deploy(new, replacing=pair_fingerprint(pair))

        assert mark.stat().st_mtime > 1_000_000_000


class TestSettings:
    @pytest.mark.parametrize(
        ("settings", "why"),
        [
            ({}, "needs `certificate`"),
            ({"certificate": "a.crt", "key": "/a.key"}, "no absolute path"),
            ({"path": "/a.pem", "key": "/a.key"}, "belongs to the layout separate"),
            ({"directory": "/a", "chain": "/b"}, "belongs to the layout separate"),
            ({"layout": "combined", "certificate": "/a", "key": "/b"}, "needs `path`"),
            ({"path": "/a.pem", "mode": 644}, "as a text of octal digits"),
            ({"path": "/a.pem", "mode": "0o644"}, "as a text of octal digits"),
            ({"path": "/a.pem", "reload": ["x"], "touch": "/y"}, "either `reload` or `touch`"),
            ({"path": "/a.pem", "reload": "nginx -s reload"}, "tuple"),
            ({"path": "/a.pem", "certificat": "/x"}, "Extra inputs"),
        ],
    )
    def test_a_mistake_is_named(self, settings: dict[str, object], why: str) -> None:
        """What is missing, too much, or of the wrong kind."""
        with pytest.raises(ValidationError, match=why):
            FilesSettings.model_validate(settings)

    def test_the_layout_follows_from_what_is_given(self) -> None:
        """Nobody has to write it."""
        layouts = [FilesSettings.model_validate(LAYOUTS[name](Path("/x"))).layout for name in LAYOUTS]

        assert [layout.value for layout in layouts] == list(LAYOUTS)


class TestAdoption:
    def seen(self, **labels: str) -> Observation:
        return Observation(Location("host", labels.get("path", "")), labels=labels)

    def test_two_files(self) -> None:
        """A key of its own makes two files; the rule's settings come with it."""
        spec = FilesTarget.adopt(
            self.seen(path="/a.crt", key_path="/a.key"), {"reload": ["systemctl", "reload", "nginx"]}
        )

        assert spec is not None
        settings = FilesSettings.model_validate(dict(spec.settings))
        assert (settings.certificate, settings.key, settings.reload[-1]) == ("/a.crt", "/a.key", "nginx")

    def test_one_file(self) -> None:
        """A key in the same file makes it combined."""
        spec = FilesTarget.adopt(self.seen(path="/a.pem", key_path="/a.pem"), {})

        assert spec is not None
        assert FilesSettings.model_validate(dict(spec.settings)).path == "/a.pem"

    def test_without_a_key(self) -> None:
        """A certificate whose key is not known cannot be replaced in place."""
        assert FilesTarget.adopt(self.seen(path="/a.crt"), {}) is None


def test_a_place_takes_its_time() -> None:
    """How long consumers may take is the operator's to say."""
    assert target(path="/a.pem", settle="90s").settle == timedelta(seconds=90)
