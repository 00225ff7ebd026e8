"""What the clients of a certificate trust, as far as rotator can know it.

`trust` in the config says it. Without it: the system store, if that verifies what is served today; else the root among
the issuer's and the `ca.crt` beside it that does; where nothing verifies, the issuer's roots.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from rotator.core.model import Certificate, CertificateSpec, Chain, Facts, Mode, TrustKind, TrustSpec
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
        guessed: nothing that is in use verifies under them, and no better ones are known: they judge what is new, not
            what is there.
    """

    label: str
    roots: tuple[Certificate, ...]
    public: bool = False
    problem: str = ""
    guessed: bool = False

    def untold(self, chain: Chain, now: datetime) -> str:
        """Why nobody can tell whether clients trust a chain: roots are missing, and those at hand do not vouch for it.

        Empty where it can be told. While an issuer is down its roots are missing, and that alone makes nothing bad.
        """
        return "" if not self.problem or verifies(chain, self.roots, now) else self.problem

    def trusts(self, chain: Chain, now: datetime) -> bool | None:
        """Whether clients trust it; None where that cannot be told, as while an issuer does not give its roots."""
        if not self.roots or self.guessed or self.untold(chain, now):
            return None
        return verifies(chain, self.roots, now)


class IssuerRoots:
    """The roots of the issuers, each asked once: a dead one delays a look by one time-out, not by one a certificate."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._answers: dict[str, tuple[tuple[Certificate, ...], str]] = {}

    def of(self, spec: CertificateSpec) -> tuple[tuple[Certificate, ...], str]:
        """The roots that the issuers of a certificate name, and why some could not be had.

        While a certificate is only observed, no issuer is called that is not on this machine.
        """
        roots: list[Certificate] = []
        problems: list[str] = []
        for name in spec.issuers:
            issuer = self._world.issuers.get(name)
            if not isinstance(issuer, Anchors):
                continue
            if spec.mode is Mode.OBSERVE and getattr(issuer, "roots_are_remote", False):
                problems.append(f"{name} is not asked in observe mode")
                continue
            found, problem = self._ask(name, issuer)
            roots += [root for root in found if root not in roots]
            problems += [f"{name}: {problem}"] if problem else []
        return tuple(roots), "; ".join(problems)

    def _ask(self, name: str, issuer: Anchors) -> tuple[tuple[Certificate, ...], str]:
        if name not in self._answers:
            try:
                self._answers[name] = issuer.roots(), ""
            except IssueError as error:
                self._answers[name] = (), str(error)
        return self._answers[name]


def trust_of(facts: Facts, world: World, issuer_roots: IssuerRoots | None = None) -> Trust:
    """The trust of one certificate, from its spec or from what verifies today.

    Args:
        issuer_roots: shared by all certificates of one look.
    """
    spec, asked = facts.spec, issuer_roots or IssuerRoots(world)
    stated = stated_trust(spec, world)
    if stated is not None:
        return _stated(stated, spec, world, asked)
    chains = _in_use(facts)
    system = _system(world)
    if any(verifies(chain, system.roots, facts.now) for chain in chains):
        return system
    anchors, problem = asked.of(spec)
    beside = tuple(anchor for o in facts.installed.values() for anchor in o.anchors)
    for chain in chains:
        root = path_root(chain, (*anchors, *beside), _inside(chain, facts.now))
        if root is not None and root not in anchors:
            return Trust("the ca.crt beside it", (root,))
    if not anchors and not problem:
        # An issuer without roots of its own is a public one; or its CA is still to be made, and nothing can be told.
        return replace(system, guessed=bool(chains))
    return Trust(f"issuer {', '.join(spec.issuers)}", anchors, problem=problem)


def stated_trust(spec: CertificateSpec, world: World) -> TrustSpec | None:
    """What the config says that its clients trust: the certificate itself, else the first issuer that says it."""
    return spec.trust or next((world.issuer_trust[name] for name in spec.issuers if name in world.issuer_trust), None)


def _stated(stated: TrustSpec, spec: CertificateSpec, world: World, asked: IssuerRoots) -> Trust:
    if stated.kind is TrustKind.SYSTEM:
        return _system(world)
    if stated.kind is TrustKind.FILE:
        try:
            return Trust(f"file {stated.path}", world.file_roots(stated.path))
        except RotatorError as error:
            return Trust(f"file {stated.path}", (), problem=str(error))
    anchors, problem = asked.of(spec)
    return Trust(f"issuer {', '.join(spec.issuers)}", anchors, problem=problem)


def _system(world: World) -> Trust:
    try:
        return Trust("system", world.system_roots(), public=True)
    except RotatorError as error:
        return Trust("system", (), public=True, problem=str(error))


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
