"""Kill -9 between any two calls of a port: the next look converges, with one certificate, one order, and no remains."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from rotator.core.model import Action
from tests.flow.crashing import LEDGER, Ground, Kill, ground, kills
from tests.flow.services import Manner
from tests.flow.site import CA

SHARES = 8
"""Into so many parts the kills of one story are divided, so that workers share them."""


@dataclass(frozen=True, slots=True)
class Story:
    """A rotation, and how it must end wherever it was cut off."""

    issuer: str
    manners: tuple[Manner, ...]
    ends: Action
    holds: Callable[[Ground], None]

    def moments(self, events: list[str]) -> list[Kill]:
        """When it is cut off: anywhere in a look in the first story, from the lock on in the others."""
        found = kills(events)
        first = next(number for number, kill in enumerate(found) if kill.method == "store.lock")
        return found if self.ends is Action.KEEP and self.issuer == LEDGER else found[first:]


STORIES = {
    "orders": Story(LEDGER, (Manner.OBEYS,), Action.KEEP, Ground.is_renewed),
    "no orders": Story(CA, (Manner.OBEYS,), Action.KEEP, Ground.is_renewed),
    "harm": Story(LEDGER, (Manner.FALLS,), Action.HOLD, Ground.is_rolled_back),
    "harm at one of two": Story(LEDGER, (Manner.FALLS, Manner.OBEYS), Action.HOLD, Ground.is_rolled_back),
}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], list[Kill]]:
    """The moments at which a story can be cut off, from a look that was not; the story ends well without that, too."""

    @cache
    def of(name: str) -> list[Kill]:
        story = STORIES[name]
        with ground(tmp_path_factory.mktemp("undisturbed"), story.issuer, *story.manners) as here:
            assert not here.look()
            found = story.moments(here.events)
            here.converges(story.ends)
            story.holds(here)
        return found

    return of


@pytest.mark.parametrize("share", range(SHARES))
@pytest.mark.parametrize("name", STORIES)
def test_a_kill_at_any_call_converges(
    tmp_path: Path, undisturbed: Callable[[str], list[Kill]], name: str, share: int
) -> None:
    """Whatever was the last thing that it did, the looks after it finish what was begun, and do nothing twice."""
    story, moments = STORIES[name], undisturbed(name)
    assert len(moments) > 30
    for number, kill in list(enumerate(moments))[share::SHARES]:
        with ground(tmp_path / str(number), story.issuer, *story.manners) as here:
            try:
                # How often a service is probed depends on how fast it is; every other call is there each time.
                assert here.look(kill) or kill.method == "prober.probe", "it was to be killed and lived"
                here.converges(story.ends)
                story.holds(here)
            except AssertionError as wrong:
                raise AssertionError(f"killed {kill}: {wrong}") from wrong


@pytest.mark.parametrize("seed", range(10))
def test_a_kill_from_outside_converges(tmp_path: Path, seed: int) -> None:
    """Killed three times in a row at any moment, also in the middle of a call, it converges all the same."""
    chance = random.Random(seed)
    name = chance.choice(list(STORIES))
    story = STORIES[name]
    with ground(tmp_path / "site", story.issuer, *story.manners) as here:
        for _ in range(3):
            process = here.begin()
            process.join(chance.uniform(0, 1.5))
            process.kill()
            here.end(process)
        try:
            here.converges(story.ends)
            story.holds(here)
        except AssertionError as wrong:
            raise AssertionError(f"{name}: {wrong}") from wrong
