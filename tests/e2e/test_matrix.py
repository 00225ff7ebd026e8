"""Every issuer with every kind of target, through the real path and on real servers: sixty days of doing nothing, then
one renewal that is proved by the handshakes of a client that shares no code with rotator.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from rotator.core.model import Action, Bundle, Result
from rotator.core.pem import key_matches, read_chain
from rotator.core.reasons import Reason
from tests.e2e.cas import CAS, Ca
from tests.e2e.leaks import leaks
from tests.e2e.path import DAY, config, decisions, look, ordered, wired
from tests.e2e.places import PLACES, Fleet
from tests.servers.service import wait_until

pytestmark = pytest.mark.server

LEFT = {"due": 29 * DAY, "fine": 31 * DAY}


@pytest.fixture(params=CAS)
def ca(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Ca]:
    """Each issuer in turn."""
    (tmp_path / "ca").mkdir()
    with CAS[request.param](request.getfixturevalue, tmp_path / "ca") as opened:
        yield opened


@pytest.fixture
def names() -> Mapping[str, str]:
    """Host names that no other test has asked the CA for."""
    return {each: f"{each}-{uuid.uuid4().hex[:8]}.example.com" for each in LEFT}


@pytest.fixture
def old(ca: Ca, names: Mapping[str, str]) -> Mapping[str, Bundle]:
    """One certificate with 29 days left and one with 31, as the very same CA issued them when they began."""
    return {each: ca.old(names[each], left) for each, left in LEFT.items()}


@pytest.fixture(params=PLACES)
def fleet(request: pytest.FixtureRequest, tmp_path: Path, old: Mapping[str, Bundle]) -> Iterator[Fleet]:
    """Each kind of place in turn, with both certificates in it and served."""
    (tmp_path / "fleet").mkdir()
    with PLACES[request.param](request.getfixturevalue, tmp_path / "fleet", old) as opened:
        yield opened


def test_29_days_left_is_renewed_and_served_31_days_left_is_left_alone(
    ca: Ca, fleet: Fleet, old: Mapping[str, Bundle], names: Mapping[str, str], logged: Path, tmp_path: Path
) -> None:
    """The due one is ordered once, written once, served and verified, with all that is not rotator's kept; the other
    one sees no order and no write, and a second look finds nothing left to do."""
    due, fine = fleet.places["due"], fleet.places["fine"]
    kept, untouched = due.foreign(), fine.trace()
    assert due.shows(old["due"].chain.fingerprint, names["due"], ca.roots)

    with wired(config(tmp_path, issuers={"ca": ca.entry}, **fleet.config)) as wiring:
        ticked, outcomes = look(wiring)
        fingerprint = read_chain(due.held()[0]).fingerprint
        # For a moment after a reload nginx's old worker may still take a connection.
        wait_until(
            lambda: all(due.shows(fingerprint, names["due"], ca.roots) for _ in range(10)), "only the new one is served"
        )
        again, nothing = look(wiring)
        orders = ordered(wiring)

    assert set(outcomes) == {due.certificate}
    outcome = outcomes[due.certificate]
    assert (outcome.result, outcome.error) == (Result.DONE, "")
    assert (outcome.decision.action, outcome.decision.reason) == (Action.RENEW, Reason.DUE)
    assert len(outcome.verification.verified) == 1

    chain, key = due.held()
    new = read_chain(chain)
    assert new.fingerprint != old["due"].chain.fingerprint
    assert new.names == (names["due"],)
    assert new.not_after - outcome.finished > 80 * DAY
    assert key_matches(new, key)
    assert due.shows(new.fingerprint, names["due"], ca.roots)
    assert due.foreign() == kept

    decided = decisions(ticked)[fine.certificate]
    assert decided.action is Action.KEEP, decided.message
    assert fine.trace() == untouched
    assert fine.shows(old["fine"].chain.fingerprint, names["fine"], ca.roots)

    assert nothing == {}
    assert [one.message for one in decisions(again).values() if one.action is not Action.KEEP] == []
    assert orders == [due.certificate]
    assert ca.asked is None or ca.asked() == [(names["due"],)]
    assert fleet.writes is None or len(fleet.writes("due")) == 1
    assert fleet.writes is None or fleet.writes("fine") == []

    assert not [line for line in map(json.loads, logged.read_text().splitlines()) if line["level"] == "error"]
    assert leaks([key], fleet.keys_in), "the search itself must find a key where it belongs"
    assert leaks([key, *(bundle.key for bundle in old.values())], [tmp_path], beside=fleet.keys_in) == []
