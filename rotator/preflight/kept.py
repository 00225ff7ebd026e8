"""What preflights found, in one drawer of the state: small, and written anew as a whole after each round."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from rotator.core.readiness import Kept
from rotator.log import logger
from rotator.ports import Store

log = logger(__name__)

DRAWER = "preflight"


def read_kept(store: Store) -> Mapping[str, Kept]:
    """By certificate; nothing where nobody was asked yet, or the key of the state is not at hand: looks go on without.

    Raises:
        StateError: the state cannot be used.
    """
    text = None if store.key_problem else store.get(DRAWER)
    if text is None:
        return {}
    try:
        return msgspec.json.decode(text, type=dict[str, Kept])
    except msgspec.MsgspecError as error:
        log.warning("what preflights found cannot be read; it is asked anew", error=str(error))
        return {}


def write_kept(store: Store, kept: Mapping[str, Kept]) -> None:
    """Replace all of it.

    Raises:
        StateError: the state cannot be used.
    """
    store.put(DRAWER, msgspec.json.encode(dict(kept)))
