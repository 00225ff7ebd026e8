"""Whether somebody else uses a certificate that is to be revoked, or may."""

from __future__ import annotations

import pytest

from rotator.core.model import Endpoint, Facts, History, Sighting, SightingState
from rotator.revoke import used_by_others, used_elsewhere
from tests.builders import chain, facts, holding, inventory, showing, spec, unseen

NAMES = ("a.example.com", "b.example.com")
SHARED, OTHER = chain(*NAMES, label="shared"), chain(*NAMES, label="other")
DOWN = Sighting(Endpoint("b.example.com", 443), "192.0.2.7", SightingState.TIMEOUT)


def other(name: str = "b", *, names: tuple[str, ...] = NAMES, **options: object) -> Facts:
    """Somebody else's certificate, of which only this is known."""
    return facts(spec(name, names=names), **{"chain": OTHER, "installed": (holding(OTHER),), **options})  # type: ignore[arg-type]  # its own keywords


@pytest.mark.parametrize(
    ("look", "why"),
    [
        (other(), ""),
        (other(installed=(holding(SHARED),)), "holds it for b"),
        (other(served=(showing(SHARED),)), "serves it for b"),
        (other(history=History(accepted=SHARED), chain=SHARED), "it is the current one of b"),
        (other(installed=(unseen(),)), "could not be looked at and may hold it, of b"),
        (other(served=(DOWN,)), "did not show what it serves, of b"),
        (other(names=("else.example.net",), installed=(unseen(),), served=(DOWN,)), ""),
        (other("a", installed=(unseen(),)), ""),
    ],
    ids=["has another", "holds it", "serves it", "current", "unseen", "down", "down, of other names", "its own"],
)
def test_what_others_use_or_may_use(look: Facts, why: str) -> None:
    """What cannot be seen of a certificate that shares a name counts as in use; of one that shares none it does not."""
    used = used_elsewhere(SHARED.leaf, inventory(look), "a")
    assert [why in clause for clause in used] == ([True] if why else []), used
    assert used_by_others([SHARED.leaf, chain("else").leaf], inventory(look), "a")[SHARED.fingerprint] == used
