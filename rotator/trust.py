"""What the clients of a certificate trust, as far as rotator can know it.

`trust` in the config says it. Without it: the system store, if that verifies what is served today; else the root among
the issuer's and the `ca.crt` beside it that does; where nothing verifies, the issuer's roots.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from rotator.core.model import Certificate, CertificateSpec, Chain, Facts, TrustKind, TrustSpec
from rotator.core.trust import path_root
from rotator.errors import IssueError, RotatorError
from rotator.ports import Anchors
from rotator.world import World


@dataclass(frozen=True, slots=True)
class Trust:
    """The roots that count, and in words where they come from.

    Attributes:
        public: it is the system store, so the public web's rules (SCTs) apply.
        problem: why the roots could not be had; empty when they could.
    """

    label: str
    roots: tuple[Certificate, ...]
    public: bool = False
    problem: str = ""


def trust_of(facts: Facts, world: World) -> Trust:
    """The trust of one certificate, from its spec or from what verifies today."""
    spec = facts.spec
    stated = spec.trust or next((world.issuer_trust[name] for name in spec.issuers if name in world.issuer_trust), None)
    if stated is not None:
        return _stated(stated, spec, world)
    chains = _in_use(facts)
    system = world.system_roots()
    if any(verifies(chain, system, facts.now) for chain in chains):
        return Trust("system", system, public=True)
    anchors, problem = issuer_roots(spec.issuers, world)
    beside = tuple(anchor for o in facts.installed.values() for anchor in o.anchors)
    for chain in chains:
        root = path_root(chain, (*anchors, *beside), _inside(chain, facts.now))
        if root is not None and root not in anchors:
            return Trust("the ca.crt beside it", (root,))
    if not anchors and not problem:
        return Trust("system", system, public=True)  # an issuer without roots of its own is a public one
    return Trust(f"issuer {', '.join(spec.issuers)}", anchors, problem=problem)


def _stated(stated: TrustSpec, spec: CertificateSpec, world: World) -> Trust:
    if stated.kind is TrustKind.SYSTEM:
        return Trust("system", world.system_roots(), public=True)
    if stated.kind is TrustKind.FILE:
        try:
            return Trust(f"file {stated.path}", world.file_roots(stated.path))
        except RotatorError as error:
            return Trust(f"file {stated.path}", (), problem=str(error))
    anchors, problem = issuer_roots(spec.issuers, world)
    return Trust(f"issuer {', '.join(spec.issuers)}", anchors, problem=problem)


def issuer_roots(issuers: Iterable[str], world: World) -> tuple[tuple[Certificate, ...], str]:
    """The roots that the issuers name, and why some could not be had."""
    roots: list[Certificate] = []
    problems: list[str] = []
    for name in issuers:
        issuer = world.issuers.get(name)
        if not isinstance(issuer, Anchors):
            continue
        try:
            roots += [root for root in issuer.roots() if root not in roots]
        except IssueError as error:
            problems.append(f"{name}: {error}")
    return tuple(roots), "; ".join(problems)


def _in_use(facts: Facts) -> tuple[Chain, ...]:
    served = [s.chain for sightings in facts.served.values() for s in sightings if s.chain]
    installed = [o.chain for o in facts.installed.values() if o.chain]
    unique = {chain.fingerprint: chain for chain in (*installed, *served)}
    return tuple(unique.values())


def verifies(chain: Chain, roots: Sequence[Certificate], now: datetime) -> bool:
    """Whether a path leads to a root, whatever the names and the end: those are other reasons."""
    return path_root(chain, roots, _inside(chain, now)) is not None


def _inside(chain: Chain, now: datetime) -> datetime:
    """`now`, or the last moment of a chain that has ended: which clients trusted it does not change by that."""
    return max(chain.not_before, min(now, chain.not_after - timedelta(seconds=1)))
