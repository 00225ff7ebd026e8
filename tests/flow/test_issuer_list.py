"""A list of issuers: the next one is asked when one is down, refuses, or is out of budget; and nobody flips back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest

from rotator.core.budget.limits import Bucket, CaLimits, IssuerBudget
from rotator.core.model import Action, Caa, Chain, IssueRequest, Outcome, Result, TrustKind, TrustSpec
from rotator.errors import IssueError, Pending
from rotator.world import World
from tests.builders import DAY, HOUR, MINUTE
from tests.flow.issuers import Lie, LyingIssuer
from tests.flow.services import Service
from tests.flow.site import Site
from tests.pki import Authority


@dataclass
class Failing:
    """The honest issuer of a site, which fails as a test says, and counts what it is asked."""

    inner: LyingIssuer
    error: Callable[[], Exception | None] = lambda: None
    token: bool = False
    caa_domains: tuple[str, ...] = ("first.example",)
    asked: list[IssueRequest] = field(default_factory=list)
    rootless: bool = False

    @property
    def name(self) -> str:
        return self.inner.name

    def roots(self) -> tuple[object, ...]:
        if self.rootless:
            raise IssueError(f"{self.name} cannot be reached")
        return self.inner.roots()

    def issue(self, request: IssueRequest, *, resume: str | None, checkpoint: Callable[[str], None]) -> Chain:
        self.asked.append(request)
        error = self.error()
        if error is None:
            return self.inner.issue(request, resume=resume, checkpoint=checkpoint)
        if self.token:
            checkpoint("the order")
        raise error


@dataclass
class Two:
    """A service with two issuers in its list."""

    site: Site
    first: Failing
    second: Failing
    service: Service

    def fails(self, **how: object) -> None:
        self.first.error = lambda: IssueError("the first is broken", **how)  # type: ignore[arg-type]  # of IssueError

    def outcome(self) -> Outcome:
        return self.site.outcome()

    def rows(self) -> list[tuple[str, str]]:
        return [(order.issuer, order.result) for order in self.site.history("shop").orders]


@pytest.fixture
def two(site: Site) -> Two:
    first, second = Failing(site.lying("first")), Failing(site.lying("second"), caa_domains=("second.example",))
    site.issuers |= {"first": first, "second": second}  # type: ignore[dict-item]  # without Settings: nobody builds it
    service = site.cared_for("shop", issuers=("first", "second"))
    return Two(site, first, second, service)


@pytest.mark.parametrize(
    "how",
    [{}, {"permanent": True}, {"retry_after": 3 * HOUR}, {"refused_by_limit": True, "retry_after": DAY}],
    ids=["down", "for good", "later", "limited"],
)
def test_the_next_issuer_is_asked_at_once(two: Two, how: dict[str, object]) -> None:
    """Whatever the first says: the same rotation asks the second with the same request, and the outcome says why."""
    two.fails(**how)
    outcome = two.outcome()
    assert (outcome.result, outcome.issuer) == (Result.DONE, "second"), outcome.error
    assert "fell back from first to second: first: the first is broken" in outcome.log
    assert two.rows() == [("first", "failed"), ("second", "issued")]
    assert two.first.asked[0].csr == two.second.asked[0].csr
    assert two.service.serves == outcome.after.fingerprint  # type: ignore[union-attr]


def test_nobody_flips_back(two: Two) -> None:
    """The first is well again: what the second has signed stays until its own renewal; then the first has its turn."""
    two.fails()
    assert two.outcome().issuer == "second"
    two.first.error = lambda: None
    assert two.site.looks(30 * DAY, every=2 * DAY) == ()
    two.site.time.goes_by(31 * DAY)
    assert two.outcome().issuer == "first"


def test_an_order_in_flight_is_not_abandoned(two: Two) -> None:
    """The first has taken the order and is not done, or cannot be reached: the second is not asked."""
    two.first.token = True
    two.first.error = lambda: Pending("the first is still thinking", retry_after=HOUR)
    assert two.outcome().result is Result.PENDING
    two.fails(resumable=True)
    two.site.time.goes_by(2 * HOUR)
    outcome = two.outcome()
    assert outcome.result is Result.FAILED
    assert two.rows() == [("first", "pending")]
    assert two.second.asked == []


def test_past_the_emergency_line_an_order_at_a_dead_issuer_is_given_up(two: Two) -> None:
    """Nothing is left to wait for: the second is asked, and what was in flight has ended."""
    two.first.token = True
    two.fails(resumable=True)
    assert two.outcome().result is Result.FAILED
    two.site.time.goes_by(26 * DAY)
    outcome = two.outcome()
    assert (outcome.result, outcome.issuer) == (Result.DONE, "second"), outcome.error
    assert two.rows() == [("second", "issued")]  # of the last week
    assert two.site.store.unfinished_order("shop", "first") is None


def test_what_is_our_own_fault_is_not_tried_elsewhere(two: Two) -> None:
    """The CA could not verify a name: the second would hardly find it otherwise."""
    two.fails(failed_names=("shop.example.com",))
    assert two.outcome().result is Result.FAILED
    assert two.second.asked == []
    (order,) = two.site.history("shop").orders
    assert order.failed_names == ("shop.example.com",)


def test_the_cap_counts_all_attempts(two: Two) -> None:
    """Both fail for a day: three orders in all, and the last sentence says who was not asked because of it."""
    two.fails()
    two.second.error = lambda: IssueError("the second is broken", permanent=True)
    first = two.outcome()
    assert first.error == "first: the first is broken; second: the second is broken"
    ended = two.site.looks(20 * HOUR, every=HOUR)
    assert len(two.rows()) == 3
    assert all(outcome.result is Result.FAILED for outcome in ended)
    assert any("second is not asked: a day's orders are used up" in outcome.error for outcome in ended)


def test_a_refusal_by_a_limit_is_remembered_for_all(two: Two) -> None:
    """One certificate was refused at the first: the next one of the domain goes to the second without asking it."""
    limits = CaLimits(domain=Bucket(50, timedelta(days=7)))
    budgets = {"first": IssuerBudget(limits, ca="a", account="a"), "second": IssuerBudget(ca="b", account="b")}
    two.site.policy = replace(two.site.policy, budgets=budgets)
    two.fails(refused_by_limit=True, retry_after=7 * DAY)
    assert two.outcome().issuer == "second"
    other = two.site.service("cart", left=16 * DAY)
    two.site.declare("cart", other, issuers=("first", "second"))
    two.site.time.goes_by(MINUTE)
    outcome = two.outcome()
    assert (outcome.decision.spec.name, outcome.issuer) == ("cart", "second"), outcome.error
    assert "has refused an order for example.com because of a limit of its own" in outcome.log
    assert len(two.first.asked) == 1


# ---------------------------------------------------------------- CAA and trust


def answered(*allowed: str, detail: str = "") -> Callable[[World], World]:
    """A resolver that answers so."""
    caa = Caa("example.com", allowed, detail=detail)
    return lambda world: replace(world, caa=lambda names: dict.fromkeys(names, caa))


def test_caa_is_looked_at_first(two: Two) -> None:
    """The records do not let the second issue: it is not asked, and the error says so."""
    two.site.change = answered("first.example")
    two.fails()
    outcome = two.outcome()
    assert outcome.result is Result.FAILED
    assert "second is not asked: the CAA records of example.com allow first.example to issue" in outcome.error
    assert two.second.asked == []
    assert two.rows() == [("first", "failed")]


@pytest.mark.parametrize(
    "change",
    [answered("second.example"), answered("first.example", detail="the resolver answered SERVFAIL")],
    ids=["allowed", "could not tell"],
)
def test_caa_that_allows_or_cannot_be_told_does_not_forbid(two: Two, change: Callable[[World], World]) -> None:
    """The CA looks by itself."""
    two.site.change = change
    two.fails()
    assert two.outcome().issuer == "second"


def test_a_root_outside_the_pinned_one_is_passed_over(two: Two) -> None:
    """Clients were seen to trust one root: an issuer below another is not asked, and nothing is ordered there."""
    assert two.outcome().issuer == "first"
    assert two.site.history("shop").pinned_root
    other = Authority("Other Root", not_before=two.site.time.now.replace(microsecond=0) - DAY,
                      not_after=two.site.time.now.replace(microsecond=0) + 3000 * DAY)  # fmt: skip
    two.second.inner = LyingIssuer("second", other, two.site.clock)
    two.fails()
    two.site.time.goes_by(61 * DAY)
    outcome = two.outcome()
    assert outcome.result is Result.FAILED
    assert "second is not asked: its roots are not the one that the clients were seen to trust" in outcome.error
    assert two.second.asked == []


def test_a_root_outside_a_declared_trust_is_passed_over(two: Two) -> None:
    """The operator has said what clients trust: an issuer outside it is not asked."""
    two.site.specs["shop"] = replace(two.site.specs["shop"], trust=TrustSpec(TrustKind.SYSTEM))
    two.site.change = lambda world: replace(world, system_roots=lambda: two.first.inner.roots())
    other = Authority("Other Root", not_before=two.site.time.now.replace(microsecond=0) - DAY,
                      not_after=two.site.time.now.replace(microsecond=0) + 3000 * DAY)  # fmt: skip
    two.second.inner = LyingIssuer("second", other, two.site.clock)
    two.fails()
    outcome = two.outcome()
    assert outcome.result is Result.FAILED
    assert "second is not asked: its roots are not among those that the clients trust (system)" in outcome.error


def test_a_trusted_intermediate_says_nothing_of_roots(two: Two) -> None:
    """Clients that trust an intermediate alone take what lies below it, whose root they need not know."""
    two.site.specs["shop"] = replace(two.site.specs["shop"], trust=TrustSpec(TrustKind.FILE, "issuing.pem"))
    two.site.change = lambda world: replace(world, file_roots=lambda path: (two.site.issuing.certificate,))
    assert two.site.issuing.certificate.issuer != two.site.issuing.certificate.subject
    two.fails()
    assert two.outcome().issuer == "second"


def test_a_dead_list_is_told_whole(two: Two) -> None:
    """Both have failed: the error has both reasons, and the decision waits as backoff says."""
    two.fails(permanent=True)
    two.second.inner.lie = Lie.REFUSES_FOR_GOOD
    outcome = two.outcome()
    assert outcome.permanent
    assert outcome.error == "first: the first is broken; second: not today"
    assert two.site.soon(HOUR).decision("shop").action is Action.WAIT


@pytest.fixture
def apart(two: Two) -> Two:
    """The second has a root of its own, the first has signed, and then the first is down, its roots with it."""
    now = two.site.time.now.replace(microsecond=0)
    other = Authority("Other Root", not_before=now - DAY, not_after=now + 3000 * DAY)
    two.second.inner = LyingIssuer("second", other, two.site.clock)
    assert two.outcome().issuer == "first"
    two.fails()
    two.first.rootless = True
    return two


def test_a_dead_issuer_makes_nothing_of_its_own_untrusted(apart: Two) -> None:
    """Without the first's roots nobody can tell whether clients trust what it signed: that is no reason to renew."""
    assert apart.site.looks(2 * DAY, every=HOUR) == ()
    assert apart.site.decision("shop").action is Action.KEEP


def test_what_a_dead_issuer_signed_is_put_back_and_stays(apart: Two) -> None:
    """Somebody deletes the files meanwhile: the kept bundle is deployed, and not rolled back for want of its roots."""
    apart.service.certificate.unlink()
    ended = apart.site.looks(2 * HOUR, every=HOUR)
    assert [(one.decision.action, one.result) for one in ended] == [(Action.REDEPLOY, Result.UNPROVED)], ended
    assert "cannot be told now: first: first cannot be reached" in ended[0].error
    assert apart.service.certificate.exists()
    assert apart.site.history("shop").quarantines == ()
