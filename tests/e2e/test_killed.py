"""`kill -9` in the middle of an ACME order: the next run goes on with that very order."""

from __future__ import annotations

import json
import signal
import subprocess
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from rotator.core.model import Bundle, Result
from rotator.core.pem import key_matches, read_chain
from tests.e2e.cas import acme_settings, minted
from tests.e2e.leaks import leaks
from tests.e2e.path import DAY, SECONDS, Later, config, environment, look, program, run_once, wired
from tests.e2e.places import Fleet, Place, files
from tests.issuers.acme.proxied import (
    AUTHORIZATION,
    CERTIFICATE,
    CHALLENGE,
    FINALIZE,
    Front,
    fronted,
)
from tests.servers.loopback import Drop, Request, Response
from tests.servers.pebble import Pebble
from tests.servers.service import has_ended

pytestmark = pytest.mark.server


class Killer:
    """Kills a process at one call to the CA: before the CA gets it, or after the CA has acted, before it answers."""

    def __init__(self, path: str, *, after: bool) -> None:
        self._path = path
        self._after = after
        self._guard = threading.Lock()
        self.process: subprocess.Popen[str] | None = None
        self.acted = False

    def before(self, request: Request) -> Response | None:
        """As the proxy calls it with what was asked."""
        if not self._after and self._path in request.path:
            self._kill()
        return None

    def change(self, request: Request, response: Response) -> Response:
        """As the proxy calls it with what the CA answered; a refused nonce is no answer to wait for."""
        if self._after and self._path in request.path and response.status < 400:
            self._kill()
        return response

    def _kill(self) -> None:
        with self._guard:
            if self.process is None or self.acted:
                return
            self.acted = True
        self.process.send_signal(signal.SIGKILL)
        assert has_ended(self.process.pid, seconds=10)
        raise Drop


MOMENTS: Mapping[str, Callable[[], Killer]] = {
    "the order stands, nothing is proved": lambda: Killer(AUTHORIZATION, after=False),
    "the proof is shown, the CA does not know it": lambda: Killer(CHALLENGE, after=False),
    "the request is about to be sent": lambda: Killer(FINALIZE, after=False),
    "the CA has signed, nobody heard it": lambda: Killer(FINALIZE, after=True),
    "the certificate was on its way": lambda: Killer(CERTIFICATE, after=True),
}


@dataclass(frozen=True, slots=True)
class Killed:
    """What there is after a run was killed in the middle of its order."""

    name: str
    old: Bundle
    file: Path
    front: Front
    fleet: Fleet
    signed_before: int

    @property
    def place(self) -> Place:
        """Where the certificate is to go."""
        return self.fleet.places["shop"]

    @property
    def signed(self) -> int:
        """How many certificates the CA has signed since."""
        return self.front.pebble.issued() - self.signed_before


@contextmanager
def killed(killer: Killer, pebble: Pebble, folder: Path) -> Iterator[Killed]:
    """Start a run on a certificate with 29 days left, and have it killed: nothing was touched."""
    name = f"{uuid.uuid4().hex[:12]}.example.com"
    old = minted(pebble, name, 29 * DAY)
    with fronted(pebble, folder / "front") as front, files("separate")(_none, folder, {"shop": old}) as fleet:
        found = Killed(name, old, _config_file(front, fleet, folder), front, fleet, pebble.issued())
        before = found.place.trace()
        front.instead, front.change = killer.before, killer.change
        process = _killed_by(killer, found.file, folder)
        assert (process.returncode, killer.acted) == (-signal.SIGKILL, True)
        assert found.place.trace() == before
        yield found


@pytest.mark.parametrize("moment", MOMENTS)
def test_one_order_survives_a_kill(moment: str, pebble_plain: Pebble, tmp_path: Path) -> None:
    """Killed at any of these moments, nothing has been touched; the next run renews with the order that the CA has, so
    that it has seen one order and has signed one certificate, and no key is left behind."""
    with killed(MOMENTS[moment](), pebble_plain, tmp_path) as found:
        ran = run_once(found.file, tmp_path / "tmp")

        assert ran.returncode == 0, ran.stdout + ran.stderr
        (outcome,) = json.loads(ran.stdout)["outcomes"]
        assert (outcome["certificate"], outcome["result"]) == ("shop", "done")
        chain, key = found.place.held()
        new = read_chain(chain)
        assert new.fingerprint != found.old.chain.fingerprint
        assert key_matches(new, key)
        assert found.place.shows(new.fingerprint, found.name, pebble_plain.roots().encode())
        assert (found.front.orders, found.signed) == (1, 1)
        (folder,) = found.fleet.keys_in
        assert sorted(each.name for each in (folder / "shop").iterdir()) == ["README", "tls.crt", "tls.key"]
        assert leaks([key, found.old.key], [tmp_path], beside=[folder]) == []


def test_an_order_whose_proof_died_with_us_is_given_up(pebble_plain: Pebble, tmp_path: Path) -> None:
    """Killed while the CA looks for the proof at our own listener: where the CA came too late it fails that order for
    good, the next look says so, and one more order leads to one certificate; where it had seen the proof, none does."""
    later = Later()
    with killed(Killer(CHALLENGE, after=True), pebble_plain, tmp_path) as found:
        with wired(found.file.read_text(), later.clock) as wiring:
            results: list[Result] = []
            while Result.DONE not in results and len(results) < 4:
                _, outcomes = look(wiring)
                results += [outcome.result for outcome in outcomes.values()]
                later.skip(timedelta(minutes=10))
        too_late = ([Result.FAILED, Result.DONE], 2)
        in_time = ([Result.DONE], 1)
        assert (results, found.front.orders) in (too_late, in_time)
        assert found.signed == 1
        assert read_chain(found.place.held()[0]).fingerprint != found.old.chain.fingerprint


def _none(_: str) -> None:
    """No fixture is needed for files."""


def _config_file(front: Front, fleet: Fleet, folder: Path) -> Path:
    (folder / "roots.pem").write_text(front.pebble.roots())
    ca = acme_settings(front.pebble, front.directory_url, front.ca_file)
    trust = {"file": str(folder / "roots.pem")}
    file = folder / "rotator.yaml"
    file.write_text(config(folder, issuers={"ca": {"acme": ca, "trust": trust}}, **fleet.config))
    return file


def _killed_by(killer: Killer, file: Path, folder: Path) -> subprocess.Popen[str]:
    """Start a run and wait for its end."""
    process = subprocess.Popen(
        program("run", "--once", "--config", str(file)),
        env=environment(folder / "tmp"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        killer.process = process
        process.communicate(timeout=SECONDS)
    return process
