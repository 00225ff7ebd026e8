"""Target `files` on real disks: what it keeps, what a crash at any moment leaves, and a real nginx that reloads."""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import signal
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import ValidationError

from rotator.conformance.bundles import make_bundle
from rotator.core.model import Bundle, Location, Observation, TargetSpec
from rotator.core.pem import chain_pem, key_matches, read_chain, read_key
from rotator.errors import Conflict, TargetError
from rotator.targets.files import FilesSettings, FilesTarget
from tests.issuers.asking import clock_at, real_clock
from tests.lib.small_disk import fill, small_disk
from tests.servers.nginx import start_nginx, virtual_server
from tests.servers.run import give_up
from tests.servers.service import wait_until

CHANGES = "write,fsync,fchmod,fchown,fsetxattr,rename,renameat,renameat2,unlink,unlinkat,mkdir,symlink,symlinkat,rmdir"
"""The system calls that change the world."""


@pytest.fixture(scope="module")
def old() -> Bundle:
    return make_bundle("old.example.com")


@pytest.fixture(scope="module")
def new() -> Bundle:
    return make_bundle("new.example.com")


def target(**settings: object) -> FilesTarget:
    return FilesTarget("shop", TargetSpec("files"), FilesSettings.model_validate(settings), real_clock())


@dataclass(frozen=True)
class Pair:
    """Two plain files, in two folders as Debian has them."""

    folder: Path

    @property
    def certificate(self) -> Path:
        return self.folder / "certs" / "shop.crt"

    @property
    def key(self) -> Path:
        return self.folder / "private" / "shop.key"

    @property
    def settings(self) -> dict[str, str]:
        return {"certificate": str(self.certificate), "key": str(self.key)}

    def put(self, bundle: Bundle) -> None:
        for path, content in ((self.certificate, chain_pem(bundle.chain)), (self.key, bundle.key)):
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(content)
        self.key.chmod(0o600)

    def holds(self, bundle: Bundle) -> bool:
        chain = read_chain(self.certificate.read_bytes())
        return chain == bundle.chain and key_matches(chain, read_key(self.key.read_bytes()))

    def left_over(self) -> list[str]:
        """Everything beside the two files."""
        known = {self.certificate, self.key}
        return [str(path) for path in self.folder.rglob("*") if path.is_file() and path not in known]


@pytest.fixture
def pair(tmp_path: Path, old: Bundle) -> Pair:
    pair = Pair(tmp_path / "ssl")
    pair.folder.mkdir()
    pair.put(old)
    return pair


def fingerprint(bundle: Bundle) -> str:
    return bundle.chain.fingerprint


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


LAYOUTS: Mapping[str, Callable[[Path], dict[str, str]]] = {
    "separate": lambda disk: {"certificate": f"{disk}/shop.crt", "key": f"{disk}/shop.key"},
    "combined": lambda disk: {"path": f"{disk}/shop.pem"},
    "generations": lambda disk: {"directory": f"{disk}/shop"},
}


class TestFullDisk:
    @pytest.mark.parametrize("layout", sorted(LAYOUTS))
    def test_at_any_write_the_old_one_stands(self, tmp_path: Path, old: Bundle, new: Bundle, layout: str) -> None:
        """With 0, 1, 2 … pages left the deploy fails at one write after the other: the old pair is whole each time."""
        with small_disk(tmp_path / "disk") as disk:
            place = target(**LAYOUTS[layout](disk))
            place.deploy(old, replacing=None)
            before, names = place.snapshot(), _names(disk)
            for pages in range(16):
                filler = fill(disk, leave=pages)
                try:
                    place.deploy(new, replacing=fingerprint(old))
                except TargetError as error:
                    assert "No space left on device" in str(error)
                    assert place.snapshot() == before
                    filler.unlink()
                    assert _names(disk) == names
                else:
                    assert pages > 0, "a full disk must have failed"
                    assert place.snapshot().chain == new.chain
                    return
            pytest.fail("it fails although there is room")


def _names(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


Call = tuple[str, int]
"""A system call and which of its kind: strace counts each kind by itself."""


@dataclass(frozen=True)
class Killer:
    """Deploys in a process of its own, which is killed when it enters a given system call."""

    strace: str
    deployer: subprocess.Popen[str]
    folder: Path
    old: Bundle
    new: Bundle

    def calls(self, settings: Mapping[str, str]) -> list[Call]:
        """Every call of one whole deploy that changes the world, in order."""
        trace = self._deploy(settings, "whole", f"trace={CHANGES}")
        names = re.findall(r"^(\w+)\(", trace, re.MULTILINE)
        return [(name, names[: at + 1].count(name)) for at, name in enumerate(names)]

    def deploy(self, settings: Mapping[str, str], call: Call) -> None:
        """Deploy up to this call."""
        name, nth = call
        trace = self._deploy(settings, f"{name}-{nth}", f"inject={name}:signal=KILL:when={nth}")
        assert "killed by SIGKILL" in trace, f"{name} was not called {nth} times"

    def _deploy(self, settings: Mapping[str, str], run: str, expression: str) -> str:
        home = self.folder / run
        home.mkdir()
        contents = {
            "settings.json": json.dumps(dict(settings)).encode(),
            "chain.pem": chain_pem(self.new.chain),
            "key.pem": self.new.key,
        }
        for name, content in contents.items():
            (home / name).write_bytes(content)
        assert self.deployer.stdin is not None
        assert self.deployer.stdout is not None
        self.deployer.stdin.write(" ".join([*(str(home / name) for name in contents), fingerprint(self.old)]) + "\n")
        self.deployer.stdin.flush()
        child = int(self.deployer.stdout.readline())
        wait_until(lambda: _is_stopped(child), "the deploy waits", seconds=30)
        command = [self.strace, "-o", str(home / "trace"), "-e", expression, "-p", str(child)]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as tracer:
            assert tracer.stderr is not None
            assert "attached" in tracer.stderr.readline()
            os.kill(child, signal.SIGCONT)
            self.deployer.stdout.readline()
        return (home / "trace").read_text()


def _is_stopped(process: int) -> bool:
    return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] == "T"


@pytest.fixture(scope="module")
def deployer() -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-B", "-m", "tests.targets.deployer"]
    root = Path(__file__).parents[2]
    with subprocess.Popen(command, cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield process


@pytest.fixture
def killer(deployer: subprocess.Popen[str], tmp_path: Path, old: Bundle, new: Bundle) -> Killer:
    strace = shutil.which("strace")
    if strace is None:
        give_up("strace is missing; install the Debian package strace")
    folder = tmp_path / "runs"
    folder.mkdir()
    return Killer(strace, deployer, folder, old, new)


AT_THE_CERTIFICATE: Call = ("rename", 3)
"""The journal's rename is the first, the key's the second: between key and certificate."""


class TestCrashes:
    @pytest.mark.parametrize("layout", sorted(LAYOUTS))
    def test_a_kill_before_any_change_leaves_a_whole_pair(
        self, tmp_path: Path, killer: Killer, old: Bundle, new: Bundle, layout: str
    ) -> None:
        """Killed before each change in turn: the next look sees the old pair or the new one, and no key lies about."""
        whole = tmp_path / "whole"
        whole.mkdir()
        target(**LAYOUTS[layout](whole)).deploy(old, replacing=None)
        calls = killer.calls(LAYOUTS[layout](whole))
        assert ("rename", 1) in calls
        seen = []
        for number, call in enumerate(calls):
            disk = tmp_path / f"disk-{number}"
            disk.mkdir()
            place = target(**LAYOUTS[layout](disk))
            place.deploy(old, replacing=None)
            killer.deploy(LAYOUTS[layout](disk), call)
            snapshot = place.snapshot()
            key = snapshot.observation.key
            assert key is not None
            assert key.matches, f"half of each after a kill at {call}"
            assert not [name for name in _names(disk) if "rotator-" in name and not name.endswith("-generations")]
            seen.append(snapshot.fingerprint)
            place.deploy(new, replacing=snapshot.fingerprint)  # and the next look converges
            assert place.snapshot().chain == new.chain
        # The old one up to some call and the new one from there on: never back, and nothing else.
        turn = seen.index(fingerprint(new))
        assert seen == [fingerprint(old)] * turn + [fingerprint(new)] * (len(calls) - turn)

    def test_what_a_person_did_after_the_crash_stands(self, killer: Killer, pair: Pair) -> None:
        """Between crash and mending somebody put a pair of their own there: theirs stays, ours is thrown away."""
        theirs = make_bundle("theirs.example.com")
        killer.deploy(pair.settings, AT_THE_CERTIFICATE)
        assert not pair.holds(killer.old)
        assert not pair.holds(killer.new)
        pair.put(theirs)
        snapshot = target(**pair.settings).snapshot()

        assert snapshot.chain == theirs.chain
        assert pair.holds(theirs)
        assert pair.left_over() == []

    def test_a_deploy_after_the_crash_compares_with_what_was_finished(self, killer: Killer, pair: Pair) -> None:
        """The rotation that crashed is repeated with what it saw before: finished meanwhile, it is no conflict."""
        killer.deploy(pair.settings, AT_THE_CERTIFICATE)
        target(**pair.settings).deploy(killer.new, replacing=fingerprint(killer.old))

        assert pair.holds(killer.new)

    def test_another_bundle_after_the_crash_is_a_conflict(self, killer: Killer, pair: Pair) -> None:
        """Who has not seen the finished pair does not overwrite it."""
        killer.deploy(pair.settings, AT_THE_CERTIFICATE)
        with pytest.raises(Conflict):
            target(**pair.settings).deploy(make_bundle("third.example.com"), replacing=fingerprint(killer.old))

        assert pair.holds(killer.new)

    def test_a_broken_journal_is_for_a_person(self, pair: Pair) -> None:
        """A journal that is none stops everything at this place: guessing could pair the wrong files."""
        journal = pair.certificate.with_name(".shop.crt.rotator-journal")
        journal.write_bytes(b"{}]")
        with pytest.raises(TargetError, match="cut off and can be neither finished nor undone"):
            target(**pair.settings).snapshot()

        assert journal.exists()


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


def pair_fingerprint(pair: Pair) -> str:
    return read_chain(pair.certificate.read_bytes()).fingerprint


@pytest.fixture(autouse=True)
def _own_umask() -> Iterator[None]:
    """Whatever the umask of the machine, modes are ours."""
    before = os.umask(0o077)
    yield
    os.umask(before)


def test_a_place_takes_its_time() -> None:
    """How long consumers may take is the operator's to say."""
    assert target(path="/a.pem", settle="90s").settle == timedelta(seconds=90)
