"""A small site for the flow: services on loopback, a CA, and a rotator on a state of its own, whose time a test moves.

    shop = site.service("shop", left=29 * DAY)
    _, (outcome,) = site.look()
    assert shop.serves == outcome.after.fingerprint

Everything is real but time: the store is SQLite, targets are files, the probes are handshakes, and `local_ca` signs.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import ClassVar

from rotator.app import Tick, once
from rotator.core.adopt import AdoptionRule
from rotator.core.lead import PolicySettings
from rotator.core.model import (
    Bundle,
    CertificateSpec,
    Decision,
    History,
    KeySpec,
    MaintenanceWindow,
    Mode,
    Notice,
    Outcome,
    TargetSpec,
    TrustKind,
    TrustSpec,
)
from rotator.core.notices import NoticeSettings
from rotator.core.pem import certificate_pem
from rotator.core.rules.judgement import Judgement
from rotator.delivery import Route
from rotator.executor import LocalExecutor
from rotator.issuers.local_ca import LocalCaIssuer, LocalCaSettings
from rotator.lib.tls import probe
from rotator.lib.trust import file_roots
from rotator.metrics import Metrics
from rotator.ports import Alerter, Clock, Issuer, Source, Store
from rotator.settings import PluginSettings
from rotator.state.open import open_store
from rotator.wiring import Executor, Wiring, adopt_target, audited, target_factory, verifier
from rotator.world import World
from tests.builders import DAY, HOUR, MINUTE, NOW, settings
from tests.flow.issuers import LyingIssuer
from tests.flow.services import Manner, Service, serving
from tests.pki import Authority

LIVES = 90 * DAY
CA = "internal"


class Time:
    """The time of a site: it goes by itself, and a test may have more of it pass at once."""

    def __init__(self, start: datetime = NOW) -> None:
        self._start = start
        self._began = time.monotonic()
        self._pause = threading.Event()

    @property
    def now(self) -> datetime:
        return self._start + timedelta(seconds=time.monotonic() - self._began)

    def goes_by(self, span: timedelta) -> None:
        self._start += span

    def _wait(self, seconds: float) -> None:
        self._pause.wait(max(0.0, seconds))

    @property
    def clock(self) -> Clock:
        return Clock(now=lambda: self.now, monotonic=time.monotonic, wait=self._wait)


@dataclass
class Inbox:
    """An alerter that keeps what it is given."""

    Settings: ClassVar[type[PluginSettings]] = PluginSettings
    name: str = "inbox"
    notices: list[Notice] = field(default_factory=list)

    def send(self, notice: Notice, *, receipt: str | None) -> str | None:
        self.notices.append(notice)
        return None


@dataclass(frozen=True, slots=True)
class Place:
    """Where a site lies and who signs for it: all that another process needs to look at the same site.

    Attributes:
        folder: holds the services, the CA, and rotator's state, each in a folder of its own.
    """

    folder: Path

    @property
    def state(self) -> Path:
        return self.folder / "state" / "state.db"

    @property
    def ca(self) -> LocalCaSettings:
        folder = self.folder / "ca"
        return LocalCaSettings(ca_certificate=folder / "ca.crt", ca_key=folder / "ca.key", lifetime=LIVES)

    def make(self, issuing: Authority) -> None:
        """Make the folders, and the CA's files."""
        for name in ("state", "services", "ca"):
            (self.folder / name).mkdir(parents=True)
        above = issuing.parent.certificate if issuing.parent else issuing.certificate
        (self.folder / "ca" / "ca.crt").write_bytes(certificate_pem(issuing.certificate) + certificate_pem(above))
        key = self.folder / "ca" / "ca.key"
        key.touch(mode=0o600)
        key.write_bytes(issuing.key)

    def open(self, clock: Clock) -> Store:
        return open_store(str(self.state), None, clock, writer=True)

    def local_ca(self, clock: Clock, store: Store) -> Issuer:
        return LocalCaIssuer(CA, self.ca, clock, store)


def make_world(clock: Clock, store: Store, policy: PolicySettings, issuers: Mapping[str, Issuer]) -> World:
    """A world without certificates or sources, in which the system trusts nothing."""
    return World(
        clock=clock,
        policy=policy,
        store=store,
        sources={},
        issuers=issuers,
        target=target_factory(clock),
        adopt_target=adopt_target(),
        probe=probe,
        verify=verifier(clock),
        system_roots=lambda: (),
        file_roots=file_roots,
    )


def make_wiring(world: World, executor: Executor, alerters: Iterable[Alerter] = ()) -> Wiring:
    return Wiring(
        world=world,
        executor=executor,
        routes=tuple(Route(alerter.name, alerter) for alerter in alerters),
        metrics=Metrics(sources=tuple(world.sources), policy=world.policy),
        notice_settings=NoticeSettings(),
        ping=lambda: True,
        audit=lambda inventory, plan: audited(inventory, plan, world, Judgement(), ()),
    )


class Site:
    """Services, a CA, and a rotator; used as a context.

    Attributes:
        change: what is done to the world before each look, such as putting a double in place of a port.
    """

    def __init__(self, folder: Path) -> None:
        self.place = Place(folder)
        self.time = Time()
        start, end = NOW - 1000 * DAY, NOW + 3000 * DAY
        self.root = Authority("Site Root", not_before=start, not_after=end)
        self.issuing = Authority("Site Issuing", not_before=start, not_after=end, parent=self.root)
        self.policy = settings()
        self.inbox = Inbox()
        self.services: dict[str, Service] = {}
        self.specs: dict[str, CertificateSpec] = {}
        self.rules: tuple[AdoptionRule, ...] = ()
        self.sources: dict[str, Source] = {}
        self.issuers: dict[str, Issuer] = {}
        self.keep_keys = True
        self.change: Callable[[World], World] = lambda world: world
        self._open = ExitStack()
        self.place.make(self.issuing)

    def __enter__(self) -> Site:
        self.clock = self.time.clock
        self.store = self._open.enter_context(self.place.open(self.clock))
        self.issuers[CA] = self.place.local_ca(self.clock, self.store)
        self.executor = LocalExecutor(4)
        self._open.callback(self.executor.close)
        return self

    def __exit__(self, *exc: object) -> None:
        self._open.close()

    # ------------------------------------------------------------ what there is

    def bundle(
        self,
        *names: str,
        left: timedelta = 60 * DAY,
        lives: timedelta = LIVES,
        key: KeySpec | str = KeySpec(),  # noqa: B008 - frozen
        signer: Authority | None = None,
    ) -> Bundle:
        """A pair of this site's CA, or another's, with so much left from now on."""
        end = self.time.now.replace(microsecond=0) + left
        return (signer or self.issuing).issue(names, not_before=end - lives, not_after=end, key=key)

    def service(
        self,
        name: str,
        *,
        left: timedelta = 60 * DAY,
        lives: timedelta = LIVES,
        manner: Manner = Manner.OBEYS,
        bundle: Bundle | None = None,
        also: Bundle | None = None,
    ) -> Service:
        """Start a service that serves such a certificate from its files; nobody looks after it yet."""
        host = f"{name}.example.com"
        first = bundle or self.bundle(host, left=left, lives=lives)
        service = Service(host, self.place.folder / "services" / name, first, manner, also)
        self.services[name] = self._open.enter_context(serving(service))
        return service

    def declare(
        self,
        name: str,
        *services: Service,
        issuers: tuple[str, ...] = (CA,),
        targets: tuple[TargetSpec, ...] | None = None,
        key: KeySpec | None = None,
        mode: Mode = Mode.ROTATE,
        windows: tuple[MaintenanceWindow, ...] = (),
    ) -> CertificateSpec:
        """Have rotator look after the certificate of these services."""
        spec = CertificateSpec(
            name=name,
            names=tuple(service.name for service in services) or (f"{name}.example.com",),
            issuers=issuers,
            key=key or KeySpec(),
            targets=tuple(service.target() for service in services) if targets is None else targets,
            endpoints=tuple(service.endpoint for service in services),
            trust=TrustSpec(TrustKind.ISSUER),
            mode=mode,
            windows=windows,
        )
        self.specs[name] = spec
        return spec

    def cared_for(
        self,
        name: str,
        *,
        left: timedelta = 29 * DAY,
        lives: timedelta = LIVES,
        manner: Manner = Manner.OBEYS,
        issuers: tuple[str, ...] = (CA,),
    ) -> Service:
        """A service whose certificate rotator looks after."""
        service = self.service(name, left=left, lives=lives, manner=manner)
        self.declare(name, service, issuers=issuers)
        return service

    def lying(self, name: str = "double") -> LyingIssuer:
        """An issuer of this site's CA that a test may have lie."""
        issuer = LyingIssuer(name, self.issuing, self.clock)
        self.issuers[name] = issuer
        return issuer

    # ------------------------------------------------------------ looking

    @property
    def wiring(self) -> Wiring:
        """As of now."""
        world = replace(
            make_world(self.clock, self.store, self.policy, self.issuers),
            sources=self.sources,
            specs=tuple(self.specs.values()),
            rules=self.rules,
            keep_keys=self.keep_keys,
        )
        return make_wiring(self.change(world), self.executor, [self.inbox])

    def look(self) -> tuple[Tick, tuple[Outcome, ...]]:
        """One look, and the end of every rotation that it began."""
        return once(self.wiring)

    def outcome(self) -> Outcome:
        """The one outcome of the next look."""
        _, (outcome,) = self.look()
        return outcome

    def decision(self, name: str) -> Decision:
        """What the next look decides; what is due is carried out."""
        ticked, _ = self.look()
        (found,) = [decision for decision in ticked.plan.decisions if decision.spec.name == name]
        return found

    def looks(self, over: timedelta, every: timedelta) -> tuple[Outcome, ...]:
        """Look again and again until so much time has passed; everything that ended meanwhile."""
        ended: list[Outcome] = []
        for _ in range(int(over / every)):
            self.time.goes_by(every)
            ended += self.look()[1]
        return tuple(ended)

    def loses_its_state(self) -> None:
        """The database is gone with its key, and a new one is begun; the services know nothing of it."""
        self.store.close()
        for path in self.place.state.parent.iterdir():
            path.unlink()
        self.store = self._open.enter_context(self.place.open(self.clock))
        self.issuers[CA] = self.place.local_ca(self.clock, self.store)

    def soon(self, span: timedelta = 2 * MINUTE) -> Site:
        """The site a little later, when the first backoff is over."""
        self.time.goes_by(span)
        return self

    def history(self, name: str) -> History:
        return self.store.histories([name], self.time.now)[name]


__all__ = ["CA", "DAY", "HOUR", "LIVES", "MINUTE", "NOW", "Inbox", "Place", "Site", "Time"]
