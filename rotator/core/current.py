"""Which chain is the *current* one of a certificate: what renew reasons look at. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from rotator.core.model import Chain, History, Observation


@dataclass(frozen=True, slots=True)
class Current:
    """The current chain.

    Attributes:
        by_hand: somebody else put it there, and it wins (`replaced-by-hand`).
        put_back: a person put this older one of ours back; the newer one must not overwrite it.
    """

    chain: Chain | None
    by_hand: bool = False
    put_back: Chain | None = None


def current(
    installed: Iterable[Observation],
    history: History,
    *,
    ours: AbstractSet[str],
    rolled_back: AbstractSet[str],
    good: Callable[[Chain], bool],
) -> Current:
    """The newest accepted, or a hand-made one that is good and not older, or, without a store, the latest found.

    Args:
        ours: fingerprints of every bundle of ours that the store still knows.
        rolled_back: fingerprints that rotator itself put back; finding them is no work of a person.
        good: whether a chain is valid for the names of the spec and trusted by its clients.
    """
    found = [o.chain for o in installed if o.chain]
    accepted = history.accepted
    if accepted is None:
        latest = max(found, key=lambda chain: chain.not_after, default=None)
        return Current(latest)
    by_hand = [
        chain
        for chain in found
        if chain.fingerprint not in ours and chain.not_after >= accepted.not_after and good(chain)
    ]
    if by_hand:
        return Current(max(by_hand, key=lambda chain: chain.not_after), by_hand=True)
    put_back = next(
        (
            chain
            for chain in found
            if chain.fingerprint in ours
            and chain.fingerprint != accepted.fingerprint
            and chain.fingerprint not in rolled_back
            and not history.unfinished
            and good(chain)
        ),
        None,
    )
    return Current(accepted, put_back=put_back)
