"""Decorators on the ports: each call of a port is told to a hook, before it begins and after it has ended.

What a test does with that is its own: count calls, write them down, or kill the process at one of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, TypeVar, cast

from rotator.core.model import Endpoint, Sighting, TargetSpec
from rotator.ports import Store, Target
from rotator.world import World

Hook = Callable[[str, bool], None]
"""Hears `port.method` and whether the call has ended."""

Port = TypeVar("Port")


def traced(inner: Port, kind: str, hook: Hook) -> Port:
    """The same port, every call of which is told."""
    shared = {name: _shared(inner, name) for name in _public(inner) if not callable(getattr(inner, name))}
    methods = {name: _method(inner, kind, name, hook) for name in _public(inner) if callable(getattr(inner, name))}
    return cast("Port", type(f"Traced{type(inner).__name__}", (), {**shared, **methods})())


def _public(inner: object) -> list[str]:
    return [name for name in dir(inner) if not name.startswith("_") and name not in {"Settings", "adopt"}]


def _shared(inner: object, name: str) -> property:
    return property(lambda _: getattr(inner, name))


def _method(inner: object, kind: str, name: str, hook: Hook) -> Callable[..., Any]:
    def call(_: object, *args: Any, **kwargs: Any) -> Any:
        hook(f"{kind}.{name}", False)
        result = getattr(inner, name)(*args, **kwargs)
        hook(f"{kind}.{name}", True)
        return result

    return call


def traced_store(inner: Store, hook: Hook) -> Store:
    """A store whose `lock` is two calls: taking it, and letting go."""
    store = traced(inner, "store", hook)

    @contextmanager
    def lock(_: object, certificate: str) -> Iterator[None]:
        hook("store.lock", False)
        with inner.lock(certificate):
            hook("store.lock", True)
            yield
            hook("store.unlock", False)
        hook("store.unlock", True)

    type.__setattr__(type(store), "lock", lock)
    return store


def traced_world(world: World, hook: Hook) -> World:
    """A world every port of which tells its calls: store, issuers, targets, prober, verifier."""

    def target(certificate: str, spec: TargetSpec) -> Target:
        return traced(world.target(certificate, spec), "target", hook)

    def probe(endpoints: list[Endpoint], *, key_algorithm: str | None = None) -> Iterator[Sighting]:
        hook("prober.probe", False)
        seen = tuple(world.probe(endpoints, key_algorithm=key_algorithm))
        hook("prober.probe", True)
        return iter(seen)

    def verify(sighting: Sighting, roots: Any) -> str | None:
        hook("verifier.verify", False)
        problem = world.verify(sighting, roots)
        hook("verifier.verify", True)
        return problem

    return replace(
        world,
        store=traced_store(world.store, hook),
        issuers={name: traced(issuer, "issuer", hook) for name, issuer in world.issuers.items()},
        target=target,
        probe=cast("Any", probe),
        verify=verify,
    )
