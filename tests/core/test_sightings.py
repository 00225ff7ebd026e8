"""What endpoints showed before and after, and what that means."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from rotator.core.model import Endpoint, Sighting, SightingState
from rotator.core.sightings import expired_before, judge, restored, untrusted
from tests.pki import Authority

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
WEB = Endpoint("shop.test", 443)
OLD, NEW, OTHER = "0" * 64, "1" * 64, "2" * 64


def shows(fingerprint: str, address: str = "192.0.2.1", endpoint: Endpoint = WEB) -> Sighting:
    return Sighting(endpoint, address, SightingState.SERVED, fingerprint)


def down(address: str = "192.0.2.1", endpoint: Endpoint = WEB) -> Sighting:
    return Sighting(endpoint, address, SightingState.REFUSED, detail="connection refused")


class TestJudge:
    def test_all_new(self) -> None:
        """An address that shows the new certificate is proved, and nothing is left to wait for."""
        judgement = judge([shows(OLD)], [shows(NEW)], NEW)

        assert [s.fingerprint for s in judgement.proved] == [NEW]
        assert judgement.settled

    def test_still_the_old_one(self) -> None:
        """An address that shows what it showed before is stale, which is no harm."""
        judgement = judge([shows(OLD)], [shows(OLD)], NEW)

        assert len(judgement.stale) == 1
        assert not judgement.harmed
        assert not judgement.settled

    def test_down_though_it_was_up(self) -> None:
        """An address that was up and is down is harmed, and the sentence names it and why."""
        judgement = judge([shows(OLD)], [down()], NEW)

        assert judgement.harmed == ("shop.test:443 at 192.0.2.1 is down: connection refused",)

    def test_down_before_and_after(self) -> None:
        """What was down before cannot be harmed."""
        judgement = judge([down()], [down()], NEW)

        assert not judgement.harmed
        assert len(judgement.unreached) == 1

    def test_down_before_and_new_now(self) -> None:
        """What was down before proves like any other once it shows the new certificate."""
        judgement = judge([down()], [shows(NEW)], NEW)

        assert judgement.settled

    def test_a_third_certificate(self) -> None:
        """A certificate that is neither the new one nor the one shown before is harm."""
        judgement = judge([shows(OLD)], [shows(OTHER)], NEW)

        assert len(judgement.harmed) == 1
        assert "another certificate" in judgement.harmed[0]

    def test_one_replica_of_two_is_behind(self) -> None:
        """Each address is judged against what this very address showed before."""
        before = [shows(OLD, "192.0.2.1"), shows(OTHER, "192.0.2.2")]
        judgement = judge(before, [shows(NEW, "192.0.2.1"), shows(OTHER, "192.0.2.2")], NEW)

        assert [s.address for s in judgement.proved] == ["192.0.2.1"]
        assert [s.address for s in judgement.stale] == ["192.0.2.2"]
        assert not judgement.settled

    def test_a_pod_ended_and_another_began(self) -> None:
        """One address of many may go: pods end, and their successors have other addresses."""
        judgement = judge([shows(OLD, "192.0.2.1")], [shows(NEW, "192.0.2.9")], NEW)

        assert not judgement.harmed
        assert judgement.settled

    def test_a_name_that_leads_nowhere_any_more(self) -> None:
        """An endpoint that no address answers for any more, though one did, is harmed."""
        lost = Sighting(WEB, "", SightingState.DNS, detail="the name does not resolve")
        judgement = judge([shows(OLD)], [lost], NEW)

        assert judgement.harmed == ("shop.test:443 at 192.0.2.1 is gone: its name no longer leads to it",)

    def test_nothing_to_look_at(self) -> None:
        """Without endpoints nothing is proved and nothing is harmed."""
        judgement = judge([], [], NEW)

        assert not judgement.settled
        assert not judgement.harmed


class TestRestored:
    def test_the_same_as_before(self) -> None:
        """A roll-back is proved when every address that was up shows the same as before."""
        assert restored([shows(OLD), down("192.0.2.2")], [shows(OLD), down("192.0.2.2")]) == ()

    def test_still_down(self) -> None:
        """An address that does not come back is named."""
        assert restored([shows(OLD)], [down()]) == ("shop.test:443 at 192.0.2.1 shows nothing",)

    def test_still_the_new_one(self) -> None:
        """An address that still shows the new certificate is not restored."""
        assert len(restored([shows(OLD)], [shows(NEW)])) == 1


class TestExpiredBefore:
    def test_only_a_chain_that_had_ended_counts(self) -> None:
        """Rolling back is ruled out exactly when all that was served had ended."""
        ca = Authority("Test Root", not_before=NOW - timedelta(days=400), not_after=NOW + timedelta(days=400))
        ended = ca.issue(["a.test"], not_before=NOW - timedelta(days=90), not_after=NOW - timedelta(seconds=1)).chain
        valid = ca.issue(["a.test"], not_before=NOW - timedelta(days=90), not_after=NOW + timedelta(days=1)).chain

        def served(chain: object) -> Sighting:
            return Sighting(WEB, "192.0.2.1", SightingState.SERVED, OLD, chain)  # type: ignore[arg-type]  # a chain

        assert expired_before([served(ended), down()], NOW)
        assert not expired_before([served(valid), served(ended)], NOW)
        assert not expired_before([served(valid), down()], NOW)


class TestUntrusted:
    def test_proof_and_harm(self) -> None:
        """Each proved address is verified as a client would; what fails there is harm."""
        lines, harm = untrusted(
            [shows(NEW, "192.0.2.1"), shows(NEW, "192.0.2.2")],
            lambda sighting: "its root is not trusted" if sighting.address.endswith("2") else None,
        )

        assert lines == (f"shop.test:443 at 192.0.2.1 serves {NEW[:16]}… and verifies",)
        assert harm == ("shop.test:443 at 192.0.2.2 is not trusted by its clients: its root is not trusted",)
