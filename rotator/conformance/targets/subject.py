"""A place under test, and the bundles that are put there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from functools import cache

import pytest

from rotator.conformance.bundles import make_bundle
from rotator.core.model import Bundle, Observation, TargetSpec
from rotator.core.pem import PemError, key_matches, read_chain, read_key
from rotator.ports import Target

GARBAGE = b"<html><body>502 Bad Gateway</body></html>\n"


class Feature(StrEnum):
    """What some targets cannot do."""

    GARBAGE = "garbage"  # the place can hold what is no certificate
    KEY_FACTS = "key-facts"  # a snapshot tells whether the key belongs to the certificate
    RELOADS = "reloads"  # consumers are told, and that can be counted
    FAILING_RELOAD = "failing-reload"  # telling them can fail
    ATOMIC = "atomic"  # a reader sees one pair at every instant
    ADOPTS = "adopts"  # a source finds such places


Pair = tuple[bytes, bytes]
"""The texts of chain and key."""


@dataclass(frozen=True, slots=True)
class TargetSubject:
    """A place under test, and how to look behind the target's back.

    Attributes:
        build: the target, built anew as another process would; with a spec, the target of that.
        put: somebody else's hand: a bundle, something that is no certificate, or None for an empty place.
        read: the pair as consumers read it now; None for an empty place.
        reloads: how often consumers were told so far.
        break_reload: has telling them fail from now on, or work again.
        observed: what a source says of the place.
        swaps: how often a reader races a writer.
    """

    build: Callable[[TargetSpec | None], Target]
    put: Callable[[Bundle | bytes | None], None]
    read: Callable[[], Pair | None]
    reloads: Callable[[], int] = lambda: 0
    break_reload: Callable[[bool], None] = lambda broken: None
    observed: Callable[[], Observation] | None = None
    unsupported: frozenset[Feature] = frozenset()
    swaps: int = 1000

    def needs(self, feature: Feature) -> None:
        if feature in self.unsupported:
            pytest.skip(f"declared unsupported: {feature}")

    def holds(self, bundle: Bundle) -> bool:
        """Whether consumers read exactly this bundle."""
        pair = self.read()
        return pair is not None and read_chain(pair[0]) == bundle.chain and key_matches(bundle.chain, read_key(pair[1]))


@dataclass(frozen=True, slots=True)
class Bundles:
    """Three bundles: the one that was there, the new one, and somebody else's."""

    old: Bundle
    new: Bundle
    foreign: Bundle


@cache
def made_bundles() -> Bundles:
    return Bundles(*(make_bundle(f"{name}.conformance.example.com") for name in ("old", "new", "foreign")))


def shows_key(key: bytes, text: str) -> bool:
    """Whether a text has a line of the key in it, however it was written."""
    lines = [line for line in key.decode().splitlines() if line and not line.startswith("-")]
    return any(line in text for line in lines)


def described(pair: Pair | None) -> str:
    """The fingerprint of a pair that a reader saw, or what is wrong with it."""
    if pair is None:
        return "nothing"
    try:
        chain, key = read_chain(pair[0]), read_key(pair[1])
    except PemError as error:
        return f"unreadable: {error}"
    return chain.fingerprint if key_matches(chain, key) else "half of each"
