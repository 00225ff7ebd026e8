"""Doubles around real targets: places that somebody else writes, and places that refuse."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from rotator.core.model import Bundle, Deployed, Snapshot, TargetSpec
from rotator.errors import TargetError
from rotator.ports import Target
from rotator.world import World
from tests.flow.services import Service
from tests.flow.site import Site


@dataclass
class Meddled:
    """A target with somebody at it.

    Attributes:
        before_deploy, after_deploy: what happens at the last moment before a bundle is written there, and after that.
        refuses: the methods that fail from now on, as if the place had become read-only.
        reload_fails: what is written stays written, and then the reload fails.
    """

    inner: Target
    before_deploy: Callable[[], None] = lambda: None
    after_deploy: Callable[[], None] = lambda: None
    refuses: frozenset[str] = frozenset()
    reload_fails: bool = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def snapshot(self) -> Snapshot:
        self._unless("snapshot")
        return self.inner.snapshot()

    def deploy(self, bundle: Bundle, *, replacing: str | None) -> Deployed:
        self._unless("deploy")
        self.before_deploy()
        done = self.inner.deploy(bundle, replacing=replacing)
        self.after_deploy()
        return self._reloaded(done)

    def restore(self, to: Snapshot, *, replacing: str | None) -> Deployed:
        self._unless("restore")
        done = self.inner.restore(to, replacing=replacing)
        self.after_deploy()
        return self._reloaded(done)

    def _unless(self, method: str) -> None:
        if method in self.refuses:
            raise TargetError(f"{self.inner.location} is read-only ({method}); what was there before still is")

    def _reloaded(self, done: Deployed) -> Deployed:
        if self.reload_fails:
            raise TargetError("the files are written, but the reload failed: `nginx -s reload` ended with 1")
        return done


def meddled(world: World, at: dict[TargetSpec, Meddled]) -> World:
    """A world in which these targets are the doubles; a double without a target yet gets its own."""

    def target(certificate: str, spec: TargetSpec) -> Target:
        real = world.target(certificate, spec)
        double = at.get(spec)
        if double is None:
            return real
        double.inner = real
        found: Any = double
        return found  # type: ignore[no-any-return]  # it passes everything else through

    return replace(world, target=target)


def meddle(site: Site, service: Service, **how: Any) -> Meddled:
    """Put a double around the target of a service."""
    double = Meddled(site.wiring.world.target(service.name, service.target()), **how)
    before = site.change
    site.change = lambda world: meddled(before(world), {service.target(): double})
    return double
