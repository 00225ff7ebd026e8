"""Looks in processes of their own, which are killed at a call of a port, and what must be true when all is over.

The processes are forked from a server that has imported everything once and has one thread: a look costs little more
than what it does. What outlives them is on the disk, and in the services, which live in the test's own process.
"""

from __future__ import annotations

import atexit
import multiprocessing
import os
import shutil
import signal
import sqlite3
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cache
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path

from rotator.app import once
from rotator.core.model import Action, CertificateSpec, Decision, Mode, Outcome, TrustKind, TrustSpec
from rotator.log import configure
from rotator.ports import Clock, Issuer, Store
from rotator.state.open import open_store
from tests.builders import DAY, HOUR, NOW, settings
from tests.flow.calls import Hook, traced_world
from tests.flow.issuers import LedgerIssuer, orders_in
from tests.flow.services import Manner, Service, serving
from tests.flow.site import CA, LIVES, Inbox, Place, Time, make_wiring, make_world
from tests.pki import Authority

LEDGER = "ledger"
SECONDS = 120
"""How long one look may take on a busy machine."""


@dataclass(frozen=True, slots=True)
class Kill:
    """Where a process is to die: before or after the n-th call of a method of a port, counted from 1."""

    method: str
    nth: int
    after: bool

    def __str__(self) -> str:
        return f"{'after' if self.after else 'before'} call {self.nth} of {self.method}"


def kills(events: list[str]) -> list[Kill]:
    """Every moment between two events of an undisturbed look: `begin method` and `end method`, in their order.

    The end of a call and the beginning of the next one have nothing but pure code between them, so they are one moment,
    unless both are calls that an issuer makes while it works.
    """
    found: list[Kill] = []
    count: Counter[str] = Counter()
    depth = 0
    for event, following in zip(events, [*events[1:], "over"], strict=True):
        kind, method = event.split()
        depth += 1 if kind == "begin" else -1
        count[event] += 1
        if kind == "begin" or depth > 0 or not following.startswith("begin"):
            found.append(Kill(method, count[event], after=kind == "end"))
    return found


@dataclass(frozen=True, slots=True)
class Scene:
    """All that a process needs to look: the site, what it looks after, and who signs.

    Attributes:
        issuer: `internal` (a CA on this machine, without orders) or `ledger`.
    """

    place: Place
    specs: tuple[CertificateSpec, ...]
    issuer: str

    @property
    def notes(self) -> Path:
        """What the processes write down for the test: logs, events, and the ledger."""
        return self.place.folder / "notes"

    @property
    def ledger(self) -> Path:
        return self.notes / "ledger.json"

    @property
    def events(self) -> Path:
        return self.notes / "events"

    @property
    def issued(self) -> Path:
        return self.notes / "issued"


# ---------------------------------------------------------------- in the process that dies


class Inline:
    """An executor without threads, so that the calls of a look have one order."""

    def __init__(self) -> None:
        self._ended: list[Outcome] = []

    in_flight: tuple[str, ...] = ()

    def submit(self, certificate: str, job: Callable[[], Outcome | None]) -> bool:
        outcome = job()
        self._ended += [outcome] if outcome else []
        return True

    def collect(self) -> tuple[Outcome, ...]:
        ended, self._ended = tuple(self._ended), []
        return ended

    def listen(self, on_end: Callable[[str, Outcome | None], None]) -> None:
        """Nobody waits for the end of a job that is over when it was submitted."""

    def drain(self) -> None:
        """There is nothing in flight."""

    def close(self) -> None:
        """There is nothing to close."""


def look(scene: Scene, now: datetime, kill: Kill | None) -> None:
    """One look of a rotator that dies where it is told to."""
    with (scene.notes / "log").open("a") as log:
        configure(stream=log)
        clock = Time(now).clock
        with scene.place.open(clock) as store:
            policy = settings(first_look_acts=True)
            world = make_world(clock, store, policy, {scene.issuer: _issuer(scene, clock, store)})
            world = replace(world, specs=scene.specs)
            once(make_wiring(traced_world(world, _hook(scene, kill)), Inline(), [Inbox()]))


def _issuer(scene: Scene, clock: Clock, store: Store) -> Issuer:
    signer = scene.place.local_ca(clock, store)
    return signer if scene.issuer == CA else LedgerIssuer(LEDGER, signer, scene.ledger)


def _hook(scene: Scene, kill: Kill | None) -> Hook:
    count: Counter[str] = Counter()

    def hook(name: str, ended: bool) -> None:
        event = f"{'end' if ended else 'begin'} {name}"
        count[event] += 1
        if kill is None:
            with scene.events.open("a") as events:
                events.write(f"{event}\n")
        elif (name, count[event], ended) == (kill.method, kill.nth, kill.after):
            os.kill(os.getpid(), signal.SIGKILL)
        if name == "issuer.issue" and not ended:
            with scene.issued.open("a") as issued:
                issued.write("asked\n")

    return hook


# ---------------------------------------------------------------- in the test


def _context() -> ForkServerContext:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["alembic.context", "alembic.command", "tests.flow.crashing"])
    return context


@dataclass
class Ground:
    """A site whose rotator lives in other processes, and the services that outlive it."""

    scene: Scene
    services: tuple[Service, ...]
    before: str
    now: datetime = NOW
    seen: list[Decision] = field(default_factory=list)

    # ------------------------------------------------------------ looking

    def begin(self, kill: Kill | None = None) -> ForkServerProcess:
        """Begin a look in a process of its own."""
        process = _context().Process(target=look, args=(self.scene, self.now, kill))
        process.start()
        return process

    def look(self, kill: Kill | None = None) -> bool:
        """One look; whether it died where it was told to."""
        process = self.begin(kill)
        return self.end(process)

    def end(self, process: ForkServerProcess) -> bool:
        """Wait for the end of a look; whether it was killed."""
        process.join(SECONDS)
        code = process.exitcode
        process.close()
        assert code in {0, -signal.SIGKILL}, f"the look ended with {code}\n{self.log}"
        return code != 0

    @property
    def log(self) -> str:
        return (self.scene.notes / "log").read_text()

    @property
    def events(self) -> list[str]:
        """Every call of a port that was to live, begun and ended, so far."""
        return self.scene.events.read_text().splitlines()

    def converges(self, to: Action) -> None:
        """Look again until a look finds nothing left to do, at the fourth at the latest."""
        for _ in range(4):
            self.now += 6 * HOUR
            assert not self.look()
            with self.state() as store:
                plan = store.plan()
                assert plan is not None
                (decision,) = plan.decisions
                if decision.action is to and store.progress(decision.spec.name) is None:
                    return
        raise AssertionError(f"still {decision.action} ({decision.reason}): {decision.message}\n{self.log}")

    @contextmanager
    def state(self) -> Iterator[Store]:
        """The state, to read."""
        with open_store(str(self.scene.place.state), None, Time(self.now).clock, writer=False) as store:
            yield store

    # ------------------------------------------------------------ what must be true

    def is_renewed(self) -> None:
        """The new one is stored and served everywhere, proved, recorded, and nothing is left over."""
        (fingerprint,) = {service.serves for service in self.services}
        assert fingerprint != self.before
        for service in self.services:
            assert service.held == fingerprint
            assert service.loaded == [self.before, fingerprint]
        name = self.scene.specs[0].name
        with self.state() as store:
            assert [bundle.status for bundle in store.bundles(name)] == ["accepted"]
            proved = [o for o in store.outcomes(name) if o.result == "done"]
            assert proved, "nobody would know that it was done"
            assert {outcome.after.fingerprint for outcome in proved if outcome.after} == {fingerprint}
        self._is_clean()

    def is_rolled_back(self) -> None:
        """The old one is stored and served everywhere, the new one is quarantined, and was deployed once."""
        name = self.scene.specs[0].name
        for service in self.services:
            assert service.held == service.serves == self.before
            assert service.loaded.count("down") <= 1, "the harmful one was deployed a second time"
        with self.state() as store:
            assert store.histories([name], self.now)[name].quarantines
            assert "rolled-back" in [outcome.result for outcome in store.outcomes(name)]
        self._is_clean()

    def _is_clean(self) -> None:
        self._ordered_once()
        name = self.scene.specs[0].name
        with self.state() as store:
            assert store.pending(name) is None
            assert store.progress(name) is None
        with sqlite3.connect(self.scene.place.state) as database:
            assert database.execute("SELECT count(*) FROM locks").fetchone() == (0,)
        database.close()
        self._leaves_no_files()
        self._leaves_no_keys()

    def _ordered_once(self) -> None:
        """An issuer with orders has one; one without was asked at most once more, and every time is counted."""
        name = self.scene.specs[0].name
        with self.state() as store:
            rows = store.histories([name], self.now)[name].orders
        asked = self.scene.issued.read_text().count("asked")
        if self.scene.issuer == LEDGER:
            assert len(orders_in(self.scene.ledger)) == 1
            assert len(rows) <= 2
        else:
            assert asked <= 2
            assert len(rows) >= asked

    def _leaves_no_files(self) -> None:
        for service in self.services:
            assert {path.name for path in service.folder.iterdir()} == {"fullchain.pem", "privkey.pem", "reload"}
        state = {path.name.removeprefix("state.db") for path in self.scene.place.state.parent.iterdir()}
        assert state <= {"", "-wal", "-shm", ".lock", ".key"}, state

    def _leaves_no_keys(self) -> None:
        """No key in clear anywhere but where it belongs."""
        places = {service.key for service in self.services} | {self.scene.place.folder / "ca" / "ca.key"}
        secrets = [line for key in places for line in key.read_bytes().splitlines()[1:-1] if len(line) > 20]
        for path in self.scene.place.folder.rglob("*"):
            if path.is_file() and path not in places:
                content = path.read_bytes()
                assert b"PRIVATE KEY" not in content, path
                assert not any(secret in content for secret in secrets), path


@contextmanager
def ground(folder: Path, issuer: str, *manners: Manner, left: timedelta = 20 * DAY) -> Iterator[Ground]:
    """Services that share one certificate, which is due, each with its manner."""
    place = Place(folder)
    start, end = NOW - 1000 * DAY, NOW + 3000 * DAY
    root = Authority("Ground Root", not_before=start, not_after=end)
    issuing = Authority("Ground Issuing", not_before=start, not_after=end, parent=root)
    place.make(issuing)
    shutil.copytree(_empty_state(), place.state.parent, dirs_exist_ok=True)
    (folder / "notes").mkdir()
    hosts = [f"shop{number}.example.com" for number in range(len(manners))]
    bundle = issuing.issue(hosts, not_before=NOW + left - LIVES, not_after=NOW + left)
    services = [
        Service(host, folder / "services" / host, bundle, manner) for host, manner in zip(hosts, manners, strict=True)
    ]
    with _serving(services):
        spec = CertificateSpec(
            name="shop",
            names=tuple(hosts),
            issuers=(issuer,),
            targets=tuple(service.target() for service in services),
            endpoints=tuple(service.endpoint for service in services),
            trust=TrustSpec(TrustKind.ISSUER),
            mode=Mode.ROTATE,
        )
        yield Ground(Scene(place, (spec,), issuer), tuple(services), bundle.chain.fingerprint)


@cache
def _empty_state() -> Path:
    """A state with tables and a key and nothing else: making one anew for each kill would take most of the time."""
    folder = tempfile.TemporaryDirectory(prefix="rotator-test-")
    atexit.register(folder.cleanup)
    place = Place(Path(folder.name))
    place.state.parent.mkdir()
    place.open(Time().clock).close()
    return place.state.parent


@contextmanager
def _serving(services: list[Service]) -> Iterator[None]:
    if not services:
        yield
        return
    with serving(services[0]), _serving(services[1:]):
        yield
