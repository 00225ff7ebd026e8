"""Which chain is the current one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from rotator.core.current import current
from rotator.core.model import Chain, History, Location, Observation
from tests.pki import Authority

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
DAY = timedelta(days=1)
CA = Authority("Test Root", not_before=NOW - 400 * DAY, not_after=NOW + 400 * DAY)
PLACE = Location("host", "/etc/ssl/shop.pem")


def chain(left: int) -> Chain:
    return CA.issue(["shop.test"], not_before=NOW - 90 * DAY, not_after=NOW + left * DAY).chain


def holds(*chains: Chain | None) -> tuple[Observation, ...]:
    return tuple(Observation(Location("host", f"/{number}"), one) for number, one in enumerate(chains))


def look(installed: tuple[Observation, ...], accepted: Chain | None, *ours: Chain, good: bool = True, back: str = ""):  # type: ignore[no-untyped-def]  # a test's shorthand
    fingerprints = {one.fingerprint for one in (*ours, *([accepted] if accepted else []))}
    return current(installed, History(accepted=accepted), ours=fingerprints, rolled_back={back}, good=lambda _: good)


def test_without_a_store_the_latest_end_counts() -> None:
    """Where nothing was ever accepted, the chain found with the latest end is the current one."""
    early, late = chain(5), chain(50)

    assert look(holds(early, late, None), None).chain == late


def test_nothing_anywhere() -> None:
    """Empty places without a store have no current chain."""
    assert look(holds(None), None).chain is None


def test_the_accepted_one_counts_even_when_it_is_nowhere() -> None:
    """The newest accepted chain stays the current one while a target is empty or behind."""
    accepted, old = chain(80), chain(5)

    assert look(holds(old), accepted).chain == accepted


def test_a_hand_made_one_wins() -> None:
    """A chain that is good, not ours and not older becomes the current one."""
    accepted, by_hand = chain(20), chain(70)
    found = look(holds(by_hand), accepted)

    assert found.chain == by_hand
    assert found.by_hand


def test_a_hand_made_one_that_is_no_good_does_not_win() -> None:
    """A chain that clients do not trust, or for other names, never becomes the current one."""
    accepted, by_hand = chain(20), chain(70)

    assert look(holds(by_hand), accepted, good=False).chain == accepted


def test_an_older_foreign_one_does_not_win() -> None:
    """A foreign chain that ends earlier than ours is drift to repair, not a fix."""
    accepted, foreign = chain(70), chain(20)
    found = look(holds(foreign), accepted)

    assert found.chain == accepted
    assert found.put_back is None


def test_our_older_one_put_back_by_a_person() -> None:
    """Our own older, still valid chain in a place was put back by somebody and is not to be overwritten."""
    accepted, older = chain(70), chain(20)
    found = look(holds(older), accepted, older)

    assert found.put_back == older


def test_our_older_one_after_our_own_roll_back() -> None:
    """The older chain that rotator itself put back is no work of a person."""
    accepted, older = chain(70), chain(20)

    assert look(holds(older), accepted, older, back=older.fingerprint).put_back is None
