"""Everything that `app.tick` uses, built from the config: sources, issuers, targets, alerters, state, executor."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from threading import Event
from typing import Any, Protocol

from rotator.audit.auditor import Auditor
from rotator.audit.trusting import trusted_in
from rotator.audit.whole import audit_of
from rotator.config.build import Config
from rotator.config.entries import PluginEntry
from rotator.core.adopt import AdoptTarget
from rotator.core.csr import is_address
from rotator.core.model import Certificate, Finding, Inventory, Observation, Outcome, Plan, Sighting, TargetSpec
from rotator.core.notices import NoticeSettings
from rotator.core.places import SELF
from rotator.core.rules.judgement import Judgement
from rotator.core.trust import covers
from rotator.delivery import Route
from rotator.executor import LocalExecutor
from rotator.lib.caa import CaaRecords
from rotator.lib.clock import stoppable
from rotator.lib.clockwatch import ClockWatch
from rotator.lib.http import listening
from rotator.lib.tls import probe, verified_handshake
from rotator.lib.trust import file_roots, system_roots
from rotator.metrics import Metrics
from rotator.notify import Heartbeat, heartbeat
from rotator.plugins import Group, find, kinds
from rotator.ports import Clock, Source, Store, Target, TargetFactory
from rotator.revocations import RevocationWatch, asking
from rotator.sources.self_ import SelfSource, dependencies
from rotator.state.open import open_copy, open_store
from rotator.world import Verifier, World


class Executor(Protocol):
    """Where rotations run; see `rotator.executor`."""

    def submit(self, certificate: str, job: Callable[[], Outcome | None]) -> bool: ...

    def collect(self) -> tuple[Outcome, ...]: ...

    def listen(self, on_end: Callable[[str, Outcome | None], None]) -> None: ...

    def drain(self) -> None: ...

    def close(self) -> None: ...

    @property
    def in_flight(self) -> tuple[str, ...]: ...


@dataclass(frozen=True, slots=True)
class Wiring:
    """Everything `tick` uses, built once.

    Attributes:
        ping: tells the outside watcher that a complete look has ended (`alerts.heartbeat`).
        audit: what the rules of the audit say of a look.
        preflight: whether it is asked beforehand, day by day, if the next renewals would work.
    """

    world: World
    executor: Executor
    routes: tuple[Route, ...]
    metrics: Metrics
    notice_settings: NoticeSettings
    ping: Callable[[], bool]
    audit: Callable[[Inventory, Plan], tuple[Finding, ...]]
    preflight: bool = True


@contextmanager
def build(config: Config, clock: Clock, *, writer: bool = True) -> Iterator[Wiring]:
    """Build everything, and close it again.

    Args:
        writer: False works on a private copy of the state: the whole path may run and nothing of it is kept.

    Raises:
        StateError: the state cannot be opened, or somebody else holds it.
        PluginError: a plugin cannot be loaded.
        ConfigError: the baseline of the audit has mistakes.
    """
    judgement = config.judgement()
    with _state(config, clock, writer=writer) as store:
        executor = LocalExecutor(config.file.limits.at_once)
        url = config.heartbeat
        watch = ClockWatch(clock)
        world = replace(world_of(config, store, clock), clocks=watch)
        try:
            with listening(watch.heard):
                yield Wiring(
                    world=world,
                    executor=executor,
                    routes=tuple(_route(entry, clock) for entry in config.alerters),
                    metrics=Metrics(sources=tuple(world.sources), policy=config.policy()),
                    notice_settings=NoticeSettings(),
                    ping=(lambda: heartbeat(url)) if url else (lambda: True),
                    audit=lambda inventory, plan: audited(
                        inventory, plan, world, judgement, (*config.file.scan.ca, *config.peer_roots)
                    ),
                    preflight=config.file.preflight,
                )
        finally:
            world.stop.set()  # also where a person has interrupted it: what is in flight then ends soon
            executor.close()


def audited(
    inventory: Inventory, plan: Plan, world: World, judgement: Judgement, roots: Sequence[str]
) -> tuple[Finding, ...]:
    """By the same rules as `rotator scan`; without asking CAs and DNS, which is for a person to say."""
    with closing(Auditor(inventory.at, trusted_in(world, roots), judgement, plan=True)) as auditor:
        return audit_of(inventory, auditor, plan).findings


def _state(config: Config, clock: Clock, *, writer: bool) -> Store:
    state = config.file.state
    if writer:
        return open_store(state.url, state.key, clock, writer=True)
    return open_copy(state.url, state.key, clock)


def world_of(config: Config, store: Store, clock: Clock) -> World:
    """The world as the config describes it."""
    sources: dict[str, Source] = {entry.name: _plugin("sources", entry, clock) for entry in config.sources}
    stop = Event()
    leaving_off = stoppable(clock, stop.is_set)  # an order that was begun is resumed by the next start
    issuers = {entry.name: _plugin("issuers", entry, leaving_off, store) for entry in config.issuers}
    target = target_factory(clock)
    if config.file.self_:
        parts = tuple(_parts(config, clock, dict(sources), issuers))
        sources[SELF] = SelfSource(lambda: dependencies([*parts, *_targets(config, target)]), probe, clock)
    return World(
        clock=clock,
        policy=config.policy(),
        store=store,
        sources=sources,
        issuers=issuers,
        target=target,
        adopt_target=adopt_target(),
        probe=probe,
        verify=verifier(clock),
        system_roots=system_roots,
        file_roots=file_roots,
        specs=config.specs(),
        rules=config.rules(),
        issuer_trust=config.issuer_trust,
        revocations=_revocations(config, store, clock),
        caa=lambda names: CaaRecords(clock_monotonic=clock.monotonic).of(names),
        keep_keys=config.file.keep_keys,
        stop=stop,
    )


def _revocations(config: Config, store: Store, clock: Clock) -> RevocationWatch | None:
    said = config.file.revocation
    if said.watch == "none":
        return None
    ask = asking(clock.now, said.allow_internal, said.every)
    return RevocationWatch(ask, clock.now, store, observed=said.watch == "managed", every=said.every)


def _parts(
    config: Config, clock: Clock, sources: Mapping[str, object], issuers: Mapping[str, object]
) -> Iterator[tuple[str, object]]:
    """Everything of the config that may connect somewhere, with what it is called."""
    for kind, parts in (("issuer", issuers), ("source", sources)):
        yield from ((f"the {kind} {name}", part) for name, part in parts.items())
    yield from ((f"the alerter {entry.name}", _plugin("alerters", entry, clock)) for entry in config.alerters)
    if config.heartbeat:
        yield "the heartbeat", Heartbeat(config.heartbeat)


def _targets(config: Config, target: TargetFactory) -> Iterator[tuple[str, object]]:
    """The targets of declared certificates; found places have a source that reaches the same server."""
    for spec in config.specs():
        for one in spec.targets:
            yield f"the target {one.kind} of {spec.name}", target(spec.name, one)


def _plugin(group: Group, entry: PluginEntry, *parts: object) -> Any:
    return find(group, entry.kind)(entry.name, entry.settings, *parts)


def _route(entry: PluginEntry, clock: Clock) -> Route:
    shared: Mapping[str, Any] = entry.shared
    return Route(
        entry.name,
        _plugin("alerters", entry, clock),
        at_least=shared["at_least"],
        owners=frozenset(shared["owners"]),
        repeat_every=shared["repeat_every"],
    )


def target_factory(clock: Clock) -> TargetFactory:
    """Builds targets; the same certificate and spec give the same object, so that connections are kept."""

    @lru_cache(maxsize=20_000)
    def build_target(certificate: str, spec: TargetSpec) -> Target:
        kind = find("targets", spec.kind)
        settings = kind.Settings.model_validate(dict(spec.settings))  # type: ignore[attr-defined]  # `find` saw to it
        target: Target = kind(certificate, spec, settings, clock)
        return target

    return build_target


def adopt_target() -> AdoptTarget:
    """Asks every kind of target in turn whether it can write a place that was observed."""

    def ask(observation: Observation, rule: Mapping[str, object]) -> TargetSpec | None:
        for kind in kinds("targets"):
            found: TargetSpec | None = find("targets", kind).adopt(observation, rule)  # type: ignore[attr-defined]  # a port's method
            if found is not None:
                return found
        return None

    return ask


def verifier(clock: Clock) -> Verifier:
    """A handshake as a client would make it, now."""

    def verify(sighting: Sighting, roots: Sequence[Certificate]) -> str | None:
        endpoint, chain = sighting.endpoint, sighting.chain
        nameless = is_address(endpoint.host) and not endpoint.server_name
        if nameless and chain and chain.leaf.hosts and not covers(chain.leaf.hosts, endpoint.host):
            # Nobody calls the service by this address; a client would ask for the name that it came for.
            endpoint = replace(endpoint, server_name=chain.leaf.hosts[0])
        return verified_handshake(endpoint, sighting.address, roots, at=clock.now(), fingerprint=sighting.fingerprint)

    return verify
