"""Take stock: ask sources, targets, store and issuers once, and join what is stored with what is served.

The result is facts, not opinions: `core.policy` decides. One bad item or source hides nothing else. What endpoints show
is in `rotator.endpoints`, what clients trust in `trust`, and what CAs say in `revocations` and `suggestions`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime

from rotator.core.adopt import Adoption, Look, adopt
from rotator.core.current import Current, current
from rotator.core.keys import unfit
from rotator.core.model import (
    CertificateSpec,
    Chain,
    Endpoint,
    Evidence,
    Facts,
    History,
    Inventory,
    Location,
    Observation,
    PeerClock,
    Problem,
    ProblemKind,
    SourceProblem,
    TlsaMode,
    TlsaSet,
)
from rotator.core.pins import tlsa_names
from rotator.core.trust import verify_path
from rotator.endpoints import Served, served
from rotator.errors import RequestError, SourceError, StateError, TargetError
from rotator.log import logger
from rotator.ports import HasPeers, Source
from rotator.revocations import with_revocation
from rotator.suggestions import suggestion_for
from rotator.trust import IssuerRoots, trust_of
from rotator.world import World

log = logger(__name__)


@dataclass(frozen=True, slots=True)
class Found:
    """What one source gave in one look; `problem` is empty when the look was complete."""

    source: str
    observations: tuple[Observation, ...]
    problem: str = ""


def take_stock(world: World, now: datetime) -> Inventory:
    """Look at everything once, adopt what rules say, and gather the facts of every certificate."""
    first = world.store.is_empty()
    found = _ask_sources(world)
    observations = tuple(o for one in found for o in one.observations)
    adoption = _adopt(found, world, now)
    specs = (*world.specs, *adoption.specs)
    seen = {o.location: o for o in observations}
    installed = _installed_everywhere(specs, world, seen)
    shown = served(specs, installed, observations, world)
    histories = world.store.histories([spec.name for spec in specs], now)
    roots = IssuerRoots(world)
    facts: list[Facts] = []
    faults: list[SourceProblem] = []
    for spec in specs:
        history = histories.get(spec.name, History())
        try:
            about = _facts(spec, installed[spec.name], shown[spec.name], history, world, now, roots, ask=True)
            facts.append(about)
        except StateError:
            raise
        except Exception as error:  # one certificate that cannot be judged must not hide the others
            log.exception("certificate not judged", certificate=spec.name)
            faults.append(SourceProblem(f"certificate {spec.name}", _fault(error)))
    return Inventory(
        at=now,
        facts=world.revocations.look(facts) if world.revocations else tuple(facts),
        unmanaged=_unmanaged(observations, facts),
        observations=observations,
        problems=(*(SourceProblem(one.source, one.problem) for one in found if one.problem), *faults),
        held=adoption.held,
        retired=tuple(spec.name for spec in adoption.retired),
        first=first,
        clocks=_clocks(world),
    )


def _clocks(world: World) -> tuple[PeerClock, ...]:
    """What the clocks of issuers say of ours; of whoever else answered where no issuer has."""
    if world.clocks is None:
        return ()
    issuers = set(world.issuers)
    for issuer in world.issuers.values():
        issuers |= {f"{peer.host}:{peer.port}" for peer in (issuer.peers if isinstance(issuer, HasPeers) else ())}
    return world.clocks.readings(issuers)


def look_again(spec: CertificateSpec, world: World, now: datetime) -> Facts:
    """The facts of one certificate, read fresh from its own places: what a rotation decides by after locking."""
    installed = _installed(spec, world, {})
    shown = served((spec,), {spec.name: installed}, (), world)[spec.name]
    history = world.store.histories([spec.name], now).get(spec.name, History())
    return _facts(spec, installed, shown, history, world, now, IssuerRoots(world))


# ---------------------------------------------------------------- sources


def _ask_sources(world: World) -> tuple[Found, ...]:
    """All sources at once, each on its own thread, so that a slow one delays only itself."""
    if not world.sources:
        return ()
    with ThreadPoolExecutor(max_workers=min(8, len(world.sources)), thread_name_prefix="source") as pool:
        return tuple(pool.map(_ask, world.sources.values()))


def _ask(source: Source) -> Found:
    observations: list[Observation] = []
    try:
        for observation in source.observe():
            observations.append(observation)
    except SourceError as error:
        log.warning("source unreadable", source=source.name, error=str(error))
        return Found(source.name, tuple(observations), str(error))
    except Exception as error:  # a fault in one source must not take the whole look with it
        log.exception("source failed", source=source.name)
        return Found(source.name, tuple(observations), _fault(error))
    return Found(source.name, tuple(observations))


def _fault(error: Exception) -> str:
    return f"a fault in rotator itself ({type(error).__name__}); the log has it in full, please report it"


# ---------------------------------------------------------------- adoption


def _adopt(found: Sequence[Found], world: World, now: datetime) -> Adoption:
    known = world.store.adopted()
    look = Look(
        found={one.source: one.observations for one in found},
        complete={one.source for one in found if not one.problem},
        claimed={place for spec in world.specs for place in places_of(spec, world)},
        places={spec.name: places_of(spec, world) for spec in known},
        ours=_ours(known, world, now),
    )
    adoption = adopt(look, world.rules, known, world.adopt_target)
    for spec in adoption.new:
        world.store.keep_adopted(spec, now)
    for spec in adoption.retired:
        world.store.retire(spec.name, now)
    return adoption


def _ours(known: Sequence[CertificateSpec], world: World, now: datetime) -> frozenset[str]:
    histories = world.store.histories([spec.name for spec in known], now)
    return frozenset().union(*(history.ours for history in histories.values()))


def places_of(spec: CertificateSpec, world: World) -> tuple[Location, ...]:
    """The places of a certificate's targets."""
    return tuple(world.target(spec.name, target).location for target in spec.targets)


# ---------------------------------------------------------------- stored


def _installed_everywhere(
    specs: Sequence[CertificateSpec], world: World, seen: Mapping[Location, Observation]
) -> Mapping[str, Mapping[Location, Observation]]:
    """Places of several certificates side by side: one that answers slowly delays few others."""
    if not specs:
        return {}
    with ThreadPoolExecutor(max_workers=min(8, len(specs)), thread_name_prefix="target") as pool:
        found = pool.map(lambda spec: _installed(spec, world, seen), specs)
        return {spec.name: places for spec, places in zip(specs, found, strict=True)}


def _installed(
    spec: CertificateSpec, world: World, seen: Mapping[Location, Observation]
) -> Mapping[Location, Observation]:
    """What each target holds: as a source saw it in this look, else as the target itself reads it."""
    installed: dict[Location, Observation] = {}
    for target_spec in spec.targets:
        target = world.target(spec.name, target_spec)
        location = target.location
        if location in seen:
            installed[location] = seen[location]
            continue
        try:
            installed[location] = target.snapshot().observation
        except TargetError as error:
            installed[location] = Observation(location, problem=Problem(ProblemKind.UNSEEN, str(error)))
        except Exception as error:  # a fault in one target must not take the whole look with it
            log.exception("target not read", certificate=spec.name, place=str(location))
            installed[location] = Observation(location, problem=Problem(ProblemKind.UNSEEN, _fault(error)))
    return installed


# ---------------------------------------------------------------- facts


def _facts(
    spec: CertificateSpec,
    installed: Mapping[Location, Observation],
    shown: Served,
    history: History,
    world: World,
    now: datetime,
    roots: IssuerRoots,
    *,
    ask: bool = False,
) -> Facts:
    """The facts of one certificate.

    Args:
        ask: begin to ask its CA whether it has revoked it; without, only what is known already counts.
    """
    facts = Facts(spec=spec, now=now, installed=installed, served=shown, history=history)
    trust = trust_of(facts, world, roots)

    def good(chain: Chain) -> bool:
        covers = set(spec.names) <= set(chain.names) and chain.fingerprint not in history.revoked
        return covers and verify_path(chain, trust.roots, now, spec.names) is None

    stands = _current(facts, good)
    if stands.put_back is not None and not history.held_by_hand:
        why = f"an older certificate of ours ({stands.put_back.fingerprint[:16]}…) was put back by hand"
        world.store.hold_by_hand(spec.name, why, now)
        history = replace(history, held_by_hand=why)
    found = replace(
        facts,
        newest=stands.chain,
        history=history,
        evidence=_requested(
            spec,
            Evidence(
                revoked=_revoked(stands.chain, history),
                trusted=trust.trusts(stands.chain, now) if stands.chain else None,
                trust_unknown=trust.untold(stands.chain, now) if stands.chain else "",
                trust=trust.label,
                tlsa=_published(spec, shown, world),
            ),
            world,
        ),
        suggestion=suggestion_for(spec, stands.chain, history, world, now),
        replaced_by_hand=stands.by_hand,
    )
    if world.revocations is None:
        return found
    if ask:
        world.revocations.begin(found, trust.roots)
    return replace(found, evidence=with_revocation(found.evidence, world.revocations.said(found.newest)))


def _revoked(chain: Chain | None, history: History) -> bool | None:
    """What rotator itself had revoked is revoked, whatever a CRL says yet; of anything else it cannot be told."""
    return True if chain is not None and chain.fingerprint in history.revoked else None


def _published(spec: CertificateSpec, served: Iterable[Endpoint], world: World) -> tuple[TlsaSet, ...]:
    """What the DNS says of the keys at its endpoints, where the config wants that to be known."""
    if spec.tlsa is TlsaMode.OFF:
        return ()
    return tuple(world.published(name) for name in tlsa_names((*spec.endpoints, *served)))


def _requested(spec: CertificateSpec, evidence: Evidence, world: World) -> Evidence:
    """What a request that was made elsewhere asks for, read anew."""
    if not spec.csr:
        return evidence
    try:
        requested = world.read_request(spec.csr)
    except RequestError as error:
        return replace(evidence, request_problem=str(error))
    problem = unfit(requested, spec.names)
    return replace(evidence, requested=requested.spki, request_problem=f"{spec.csr}: {problem}" if problem else "")


def _current(facts: Facts, good: Callable[[Chain], bool]) -> Current:
    history = facts.history
    rolled_back = {
        o.chain.fingerprint
        for o in facts.installed.values()
        if o.chain and any(q.location == o.location and not q.by_hand for q in history.quarantines)
    }
    return current(facts.installed.values(), history, ours=history.ours, rolled_back=rolled_back, good=good)


def _unmanaged(observations: Iterable[Observation], facts: Iterable[Facts]) -> tuple[Observation, ...]:
    places = {place for one in facts for place in one.installed}
    endpoints = {endpoint for one in facts for endpoint in one.served}
    return tuple(o for o in observations if o.location not in places and o.endpoint not in endpoints)
