"""A bad chain never reaches a target: it is refused before anything is touched, once, with its reason, and bounded."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest

from rotator.conformance.issuer import Feature, IssuerConformance, IssuerSubject
from rotator.core.lead import orders_a_day
from rotator.core.model import Action, Outcome, Result, Stage
from rotator.core.pem import read_chain
from rotator.core.reasons import Reason
from rotator.ports import Issuer
from tests.flow.issuers import REFUSED, LedgerIssuer, Lie, LyingIssuer
from tests.flow.services import Service
from tests.flow.site import DAY, HOUR, LIVES, MINUTE, Site
from tests.issuers.asking import real_clock
from tests.pki import Authority

CAP = orders_a_day(LIVES, 30 * DAY)


class TestDoubles(IssuerConformance):
    """The doubles of the flow tests behave as every issuer does, unless they are told to lie."""

    @pytest.fixture(params=["lying", "ledger"])
    def subject(self, request: pytest.FixtureRequest, tmp_path: Path) -> IssuerSubject:
        """A double in its honest mode."""
        now = datetime.now(UTC).replace(microsecond=0)
        root = Authority("Double Root", not_before=now - 100 * DAY, not_after=now + 1000 * DAY)
        issuing = Authority("Double", not_before=now - 99 * DAY, not_after=now + 999 * DAY, parent=root)
        issuer: Issuer = (
            LyingIssuer("lying", issuing, real_clock())
            if request.param == "lying"
            else LedgerIssuer("ledger", LyingIssuer("signer", issuing, real_clock()), tmp_path / "ledger.json")
        )
        return IssuerSubject(
            issuer,
            "conformance.example.com",
            unsupported=frozenset({Feature.LONG_NAME}),
            refused=f"refused.{REFUSED}",
            roots=(root.certificate,),
        )


# ---------------------------------------------------------------- what is refused


@dataclass
class Care:
    """A service whose certificate is due, and what a day of looks at its lying issuer came to."""

    site: Site
    issuer: LyingIssuer
    service: Service
    outcomes: list[Outcome] = field(default_factory=list)

    def a_day(self) -> None:
        """Look whenever a backoff is over, and then every hour until the day is."""
        self.outcomes += self.site.look()[1]
        for wait in (2 * MINUTE, 12 * MINUTE, 2 * HOUR):
            self.outcomes += self.site.soon(wait).look()[1]
        self.outcomes += self.site.looks(21 * HOUR, every=HOUR)


@pytest.fixture
def care(site: Site) -> Care:
    issuer = site.lying()
    service = site.service("shop", left=29 * DAY)
    site.declare("shop", service, issuers=("double",))
    issuer.old = read_chain(service.certificate.read_bytes())
    return Care(site, issuer, service)


REFUSALS = {
    Lie.OTHER_KEY: Reason.KEY_MISMATCH,
    Lie.EXPIRED: Reason.EXPIRED,
    Lie.WRONG_NAME: Reason.NAMES_MISSING,
    Lie.NO_INTERMEDIATE: Reason.UNTRUSTED,
    Lie.SELF_SIGNED: Reason.UNTRUSTED,
    Lie.OTHER_ROOT: Reason.UNTRUSTED,
    Lie.IS_CA: Reason.IS_CA,
    Lie.CODE_SIGNING: Reason.SERVER_AUTH_MISSING,
    Lie.WEAK_KEY: Reason.WEAK,
    Lie.ENDS_NO_LATER: Reason.NO_PROGRESS,
    Lie.SAME_AGAIN: Reason.NO_PROGRESS,
}


@pytest.mark.parametrize("lie", REFUSALS, ids=lambda lie: str(lie.value))
def test_a_bad_chain_is_refused_before_anything_is_touched(care: Care, lie: Lie) -> None:
    """One outcome says why; nothing is written, reloaded or kept, and the issuer is asked within the cap."""
    care.issuer.lie = lie
    before, written = care.service.serves, care.service.certificate.stat()
    care.a_day()
    (outcome,) = care.outcomes
    assert (outcome.result, outcome.stage) == (Result.FAILED, Stage.VALIDATE), outcome.error
    assert REFUSALS[lie] in {violation.reason for violation in outcome.violations}
    assert "nothing was touched" in outcome.error
    assert care.service.serves == care.service.held == before
    assert care.service.certificate.stat() == written
    assert care.service.loaded == [before], "it was told to reload, though nothing changed"
    assert len(care.issuer.asked) <= CAP
    assert [stored.status for stored in care.site.store.bundles("shop")] == ["dropped"]


UNREADABLE = {
    Lie.PAGE: "no certificate chain",
    Lie.NOTHING: "no certificate chain",
    Lie.HALF_A_PEM: "no certificate chain",
    Lie.FIFTY_MEGABYTES: "no certificate chain",
    Lie.REFUSES: "not today",
    Lie.REFUSES_FOR_GOOD: "not today",
    Lie.BREAKS: "a fault in rotator or in one of its plugins",
}


@pytest.mark.parametrize("lie", UNREADABLE, ids=lambda lie: str(lie.value))
def test_what_is_no_chain_is_an_error_of_the_issuer(care: Care, lie: Lie) -> None:
    """Whatever it answers, or when it breaks: each try is an outcome with its reason, within the cap; nothing moves."""
    care.issuer.lie = lie
    before = care.service.serves
    care.a_day()
    assert care.outcomes
    assert {(outcome.result, outcome.stage) for outcome in care.outcomes} == {(Result.FAILED, Stage.ISSUE)}
    assert all(UNREADABLE[lie] in outcome.error for outcome in care.outcomes)
    assert all(len(outcome.error) < 1000 for outcome in care.outcomes)
    assert care.service.serves == care.service.held == before
    assert len(care.issuer.asked) == len(care.outcomes) <= CAP
    assert care.site.store.bundles("shop") == ()


def test_an_answer_that_never_comes_is_waited_for_in_one_order(care: Care) -> None:
    """Pending for a whole day: one order, asked again no more often than the issuer wishes, and nothing moves."""
    care.issuer.lie = Lie.NEVER
    before = care.service.serves
    care.a_day()
    assert {outcome.result for outcome in care.outcomes} == {Result.PENDING}
    (order,) = care.site.history("shop").orders
    assert order.result == "pending"
    assert len(care.issuer.asked) <= 24, "it asked for an hour's patience each time"
    assert len({request.csr for request in care.issuer.asked}) == 1
    assert care.service.serves == care.service.held == before
    care.issuer.lie = Lie.NONE
    (outcome,) = care.site.soon(HOUR).look()[1]
    assert outcome.result is Result.DONE, outcome.error
    assert len(care.site.history("shop").orders) == 1


def test_patience_without_a_token_is_a_failure(care: Care) -> None:
    """An issuer that wants to be asked again but gives no token cannot be resumed: each call counts as an order."""
    care.issuer.lie = Lie.NEVER_AND_NO_TOKEN
    care.a_day()
    assert {outcome.result for outcome in care.outcomes} == {Result.FAILED}
    assert "no token" in care.outcomes[0].error
    assert len(care.issuer.asked) <= CAP


# ---------------------------------------------------------------- what may pass


def test_a_chain_of_tomorrow_is_deployed_tomorrow(care: Care) -> None:
    """Not valid yet is no refusal for good: the same bundle waits, and is deployed when its time has come."""
    care.issuer.lie = Lie.NOT_YET_VALID
    before = care.service.serves
    outcome = care.site.outcome()
    assert (outcome.result, outcome.stage) == (Result.FAILED, Stage.VALIDATE)
    assert {violation.reason for violation in outcome.violations} == {Reason.NOT_YET_VALID}
    assert care.service.serves == before
    ended = care.site.looks(3 * DAY, every=6 * HOUR)
    assert [one.result for one in ended if one.result is not Result.FAILED] == [Result.DONE]
    assert care.service.serves == care.service.held != before
    assert len(care.issuer.asked) == 1


def test_another_root_waits_for_a_person(site: Site) -> None:
    """A chain to a root that clients were not seen to trust is held, deployed after `approve`, and then trusted."""
    issuer = site.lying()
    shop = site.service("shop", left=29 * DAY)
    site.declare("shop", shop, issuers=("double",))
    assert site.outcome().result is Result.DONE
    before = shop.serves
    start, end = site.time.now.replace(microsecond=0) - 10 * DAY, site.time.now.replace(microsecond=0) + 3000 * DAY
    other = Authority("New Root", not_before=start, not_after=end)
    issuer.moves_to(other)
    site.soon(61 * DAY)
    outcome = site.outcome()
    assert outcome.result is Result.FAILED
    assert {violation.reason for violation in outcome.violations} == {Reason.ROOT_CHANGED}, outcome.error
    decision = site.soon(HOUR).decision("shop")
    assert (decision.action, decision.reason) == (Action.HOLD, Reason.ROOT_CHANGED)
    assert site.looks(2 * DAY, every=6 * HOUR) == ()
    assert shop.serves == before
    assert Reason.ROOT_CHANGED in site.store.approve("shop", site.time.now)
    outcome = site.outcome()
    assert outcome.result is Result.DONE, outcome.error
    assert shop.serves == shop.held != before
    assert len(issuer.asked) == 2


def test_a_name_less_than_asked_for_is_refused(site: Site) -> None:
    """Of two names that were asked for, one is not enough."""
    issuer = site.lying()
    issuer.lie = Lie.NAME_LESS
    bundle = site.bundle("one.example.com", "two.example.com", left=20 * DAY)
    one, two = (site.service(name, bundle=bundle) for name in ("one", "two"))
    site.declare("shared", one, two, issuers=("double",))
    outcome = site.outcome()
    assert outcome.result is Result.FAILED
    assert "two.example.com" in outcome.error
    assert one.serves == two.serves == bundle.chain.fingerprint


def test_order_and_a_superfluous_root_are_mended(site: Site) -> None:
    """A chain upside down with its root in it is put in order, not refused: what is served is leaf and intermediate."""
    issuer = site.lying()
    issuer.lie = Lie.UPSIDE_DOWN
    shop = site.service("shop", left=29 * DAY)
    site.declare("shop", shop, issuers=("double",))
    outcome = site.outcome()
    assert outcome.result is Result.DONE, outcome.error
    stored = read_chain(shop.certificate.read_bytes())
    assert [certificate.subject for certificate in stored.certificates] == ["CN=shop.example.com", "CN=Site Issuing"]
