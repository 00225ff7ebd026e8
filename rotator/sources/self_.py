"""The source `self`: the TLS servers that rotator itself depends on; there unless the config says `self: false`.

When the certificate of an issuer's API, of a cluster or of a pager's address ends, rotator stops with it, and nobody is
told by what has stopped. So they are looked at like everybody's, and a person is woken when one is *due*.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import ClassVar

from rotator.core.model import Endpoint, Location, Observation, Problem, ProblemKind
from rotator.core.places import NEEDED_BY, SELF
from rotator.core.served import SYSTEM, observations_of
from rotator.lib.peers import proxied
from rotator.log import logger
from rotator.ports import Clock, HasPeers, Prober
from rotator.settings import PluginSettings

log = logger(__name__)

Dependencies = Mapping[Endpoint, tuple[str, ...]]
"""Who needs each endpoint, in words: `the issuer letsencrypt`."""


def dependencies(parts: Iterable[tuple[str, object]]) -> Dependencies:
    """Whom the parts of rotator connect to.

    Args:
        parts: plugins with what they are called; one that has no peers, or cannot tell them, has none.
    """
    found: dict[Endpoint, dict[str, None]] = {}
    for called, part in parts:
        for endpoint in _peers(called, part):
            found.setdefault(endpoint, {})[called] = None
    return MappingProxyType({endpoint: tuple(names) for endpoint, names in found.items()})


def _peers(called: str, part: object) -> tuple[Endpoint, ...]:
    try:
        return part.peers if isinstance(part, HasPeers) else ()
    except Exception:  # a third party's plugin; what it needs is only not known then
        log.exception("peers unknown", of=called)
        return ()


class SelfSource:
    """What rotator depends on, looked at by handshakes of its own."""

    Settings: ClassVar[type[PluginSettings]] = PluginSettings

    def __init__(self, needed: Callable[[], Dependencies], probe: Prober, clock: Clock) -> None:
        self.name = SELF
        self._needed = needed
        self._probe = probe

    def observe(self) -> Iterator[Observation]:
        """One observation per address of each peer; one behind a proxy, or that is down, could not be seen.

        Raises nothing: that an issuer is down is told by whoever needs it.
        """
        needed = self._needed()
        direct = [endpoint for endpoint in needed if not proxied(endpoint)]
        for endpoint in needed:
            if endpoint not in direct:
                yield _labelled(_behind_a_proxy(endpoint), needed[endpoint])
        sightings = self._probe(direct)
        with contextlib.ExitStack() as stack:
            if hasattr(sightings, "close"):
                stack.enter_context(contextlib.closing(sightings))  # type: ignore[type-var]  # it has `close`
            for observation in observations_of(sightings):
                yield _labelled(observation, needed.get(observation.endpoint, ()) if observation.endpoint else ())


def _behind_a_proxy(endpoint: Endpoint) -> Observation:
    why = f"{endpoint}: it is reached through a proxy (HTTPS_PROXY), so its certificate cannot be seen from here"
    return Observation(Location(SYSTEM, str(endpoint)), problem=Problem(ProblemKind.UNSEEN, why), endpoint=endpoint)


def _labelled(observation: Observation, needed_by: tuple[str, ...]) -> Observation:
    labels = {**observation.labels, "source": SELF, NEEDED_BY: ", ".join(needed_by)}
    return replace(observation, labels=MappingProxyType(labels))
