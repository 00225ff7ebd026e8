"""What sightings come to as observations: places of their own, and one line for what has no route."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from rotator.core.model import Chain, Endpoint, Location, Problem, ProblemKind, Sighting, SightingState
from rotator.core.served import observation_of, observations_of
from tests.pki import self_signed

NOW = datetime(2026, 6, 1, tzinfo=UTC)
SHOP = Endpoint("shop.example.com", 443)


@pytest.fixture(scope="module")
def chain() -> Chain:
    return self_signed(["shop.example.com"], not_before=NOW, not_after=NOW + timedelta(days=9)).chain


def test_each_kind_of_key_is_a_place_of_its_own(chain: Chain) -> None:
    """What was asked for beside has another location, and the same plain address, of IPv4 and of IPv6."""
    for address in ("192.0.2.7", "2001:db8::7"):
        first, second = (
            observation_of(Sighting(SHOP, address, SightingState.SERVED, chain.fingerprint, chain, key=key))
            for key in ("", "rsa")
        )
        assert first.location == Location("tls", f"shop.example.com:443@{address}")
        assert second.location == Location("tls", f"shop.example.com:443@{address} (rsa)")
        assert first.address == second.address == address


def test_what_could_not_be_read_is_remarked_beside_what_could(chain: Chain) -> None:
    """With a chain the detail is a remark; without one it is the problem, once."""
    detail = "certificate 2 of the chain: it is no certificate"
    part = observation_of(Sighting(SHOP, "192.0.2.7", SightingState.SERVED, "f", chain, detail=detail))
    none = observation_of(Sighting(SHOP, "192.0.2.7", SightingState.SERVED, "f", detail=detail))
    assert (part.remarks, part.problem) == ((detail,), None)
    assert none.remarks == ()
    assert none.problem == Problem(ProblemKind.UNREADABLE, f"shop.example.com:443 at 192.0.2.7: {detail}")


def test_a_name_without_an_address_is_its_endpoint() -> None:
    """What did not resolve has no address to be at."""
    seen = observation_of(Sighting(SHOP, "", SightingState.DNS, detail="the name was not resolved"))
    assert (seen.location.address, seen.address) == ("shop.example.com:443", "")


def test_what_has_no_route_is_told_once_a_family(chain: Chain) -> None:
    """However many endpoints have addresses out of reach, each family of addresses is one line, after all others."""
    sightings = [
        *(Sighting(Endpoint("a", n), "2001:db8::7", SightingState.UNROUTED, detail="no route") for n in range(1, 18)),
        Sighting(SHOP, "192.0.2.7", SightingState.SERVED, chain.fingerprint, chain),
        Sighting(SHOP, "192.0.2.8", SightingState.UNROUTED, detail="no route"),
    ]
    served, *unrouted = observations_of(iter(sightings))
    assert served.chain == chain
    assert [seen.problem for seen in unrouted] == [
        Problem(
            ProblemKind.UNSEEN,
            "this machine has no route to IPv4; 1 endpoint has further addresses there that were not looked at",
        ),
        Problem(
            ProblemKind.UNSEEN,
            "this machine has no route to IPv6; 17 endpoints have further addresses there that were not looked at",
        ),
    ]
    assert len({seen.location for seen in unrouted}) == 2
