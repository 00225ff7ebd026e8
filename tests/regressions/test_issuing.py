"""Issuing: an outage costs no second order, observing calls nobody far away, one bad connection is no harm."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import ClassVar

import pytest

from rotator.core.model import Certificate, Chain, IssueRequest, Mode, NoticeKind, Outcome, Result, Sighting
from rotator.errors import IssueError
from rotator.world import World
from tests.builders import DAY
from tests.flow.issuers import LyingIssuer
from tests.flow.services import Manner
from tests.flow.site import Site

HOUR = timedelta(hours=1)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with Site(tmp_path / "site") as opened:
        opened.policy = replace(opened.policy, first_look_acts=True)
        yield opened


class Ca(LyingIssuer):
    """Counts what it is asked for; the download of its first order meets an outage."""

    orders: int = 0
    asked_for_roots: int = 0
    roots_are_remote: ClassVar[bool] = True

    def issue(self, request: IssueRequest, *, resume: str | None, checkpoint: Callable[[str], None]) -> Chain:
        if resume is not None:
            return super().issue(request, resume=resume, checkpoint=checkpoint)
        self.orders += 1
        checkpoint(json.dumps({"order": self.orders}))
        raise IssueError("the CA answered 503 to the download", resumable=True)

    def roots(self) -> tuple[Certificate, ...]:
        self.asked_for_roots += 1
        return super().roots()


def test_an_outage_after_the_order_is_come_back_to(site: Site) -> None:
    """An order that outlives an outage is taken up again: one order, one certificate."""
    ca = Ca("ca", site.issuing, site.clock)
    site.issuers["ca"] = ca
    site.cared_for("shop", issuers=("ca",))
    outcomes: list[Outcome] = []
    for _ in range(5):
        outcomes += site.look()[1]
        site.time.goes_by(2 * HOUR)

    assert [outcome.result for outcome in outcomes] == [Result.FAILED, Result.DONE]
    assert ca.orders == 1
    (order,) = site.history("shop").orders
    assert order.result == "issued"


def test_observing_calls_no_issuer_over_the_network(site: Site) -> None:
    """While a certificate is only observed, an issuer elsewhere is not even asked for its roots."""
    ca = Ca("ca", site.issuing, site.clock)
    site.issuers["ca"] = ca
    site.declare("shop", site.service("shop"), issuers=("ca",), mode=Mode.OBSERVE)
    site.look()
    site.look()

    assert (ca.orders, ca.asked_for_roots) == (0, 0)


def test_each_issuer_is_asked_for_its_roots_once_a_look(site: Site) -> None:
    """Five certificates of one issuer cost one question a look, so that a dead issuer delays it by one time-out."""
    ca = Ca("ca", site.issuing, site.clock)
    site.issuers["ca"] = ca
    for name in ("one", "two", "three", "four", "five"):
        site.declare(name, site.service(name), issuers=("ca",))
    site.look()

    assert ca.asked_for_roots == 1


def test_one_failed_connection_is_no_harm(site: Site) -> None:
    """The verifying handshake is tried again before a good certificate is rolled back."""
    site.cared_for("shop")
    tries: list[Sighting] = []

    def shaky(world: World) -> World:
        def verify(sighting: Sighting, roots: Sequence[Certificate]) -> str | None:
            tries.append(sighting)
            return "no connection within 5 s" if len(tries) == 1 else world.verify(sighting, roots)

        return replace(world, verify=verify)

    site.change = shaky

    assert site.outcome().result is Result.DONE
    assert len(tries) > 1


def test_a_first_look_that_acts_tells_what_came_of_it(site: Site) -> None:
    """Beside the one digest of a first look, a rotation that it began and that went wrong is told."""
    site.issuers["ca"] = Ca("ca", site.issuing, site.clock)
    site.service("other")
    shop = site.service("shop", left=20 * DAY, manner=Manner.FALLS)
    site.declare("shop", shop)
    site.look()

    kinds = {notice.kind for notice in site.inbox.notices}
    assert NoticeKind.ROLLED_BACK in kinds


def test_a_ca_that_is_still_to_be_made_judges_nothing(site: Site) -> None:
    """Where no root is known, what is installed is neither trusted nor incomplete: it cannot be told."""

    class Unmade(Ca):
        def roots(self) -> tuple[Certificate, ...]:
            return ()

    site.issuers["ca"] = Unmade("ca", site.issuing, site.clock)
    site.declare("shop", site.service("shop", left=60 * DAY), issuers=("ca",))
    site.look()
    (facts,) = site.look()[0].inventory.facts

    assert facts.evidence.trusted is None
