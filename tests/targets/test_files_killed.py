"""Target `files` killed at any system call of a deploy: what that leaves, and what comes of it at the next look."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from rotator.conformance.bundles import make_bundle
from rotator.core.model import Bundle
from rotator.core.pem import chain_pem
from rotator.errors import Conflict, TargetError
from tests.servers.run import give_up
from tests.servers.service import wait_until
from tests.targets.pairs import LAYOUTS, Pair, fingerprint, names_in, own_umask, target

CHANGES = "write,fsync,fchmod,fchown,fsetxattr,rename,renameat,renameat2,unlink,unlinkat,mkdir,symlink,symlinkat,rmdir"
"""The system calls that change the world."""

Call = tuple[str, int]
"""A system call and which of its kind: strace counts each kind by itself."""

AT_THE_CERTIFICATE: Call = ("rename", 3)
"""The journal's rename is the first, the key's the second: between key and certificate."""


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
            assert not [name for name in names_in(disk) if "rotator-" in name and not name.endswith("-generations")]
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
