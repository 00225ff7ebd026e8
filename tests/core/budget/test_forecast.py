"""When a budget will run short, weeks before it does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from rotator.core.budget.failing import Failing, failing, of_failing
from rotator.core.budget.forecast import Outlook, forecast
from rotator.core.budget.limits import LETS_ENCRYPT, WEEK, Bucket, CaLimits, IssuerBudget
from rotator.core.budget.telling import of_budget
from rotator.core.lead import PolicySettings
from rotator.core.model import Facts, History, NoticeKind, Order, Severity
from rotator.core.notices import NoticeSettings, notices
from rotator.core.plan import make_plan
from rotator.report.budget import table
from tests import builders
from tests.builders import DAY, HOUR, MINUTE, NOW


def looked_at(
    name: str, due_in: timedelta, *, lives: timedelta = 90 * DAY, known: bool = False, domain: str = "example.com"
) -> Facts:
    """A certificate of another CA, or of this one, that falls due so much later."""
    spec = builders.spec(name, names=(f"{name}.{domain}",))
    lead = lives / 3 if lives >= 10 * DAY else lives / 2
    chain = builders.chain(*spec.names, lives=lives, left=lead + due_in)
    orders = (builders.order(chain.not_before, of=spec),) if known else ()
    return builders.facts(spec, chain=chain, history=History(orders=orders))


def outlook(
    facts: Sequence[Facts],
    *orders: Order,
    limits: CaLimits = LETS_ENCRYPT,
    issuer: str = "internal",
    avoided: frozenset[str] = frozenset(),
) -> Outlook:
    policy = replace(builders.settings(), budgets={issuer: IssuerBudget(limits, "ca", "one")})
    fleet = replace(builders.fleet(*orders), avoided=avoided)
    plan = make_plan(builders.inventory(*facts), fleet, None, policy)
    return forecast(facts, plan, fleet, policy)


def test_a_move_of_many_at_once_is_seen_weeks_ahead() -> None:
    """A hundred certificates of one domain come from another CA in four weeks: forty-five of them have room."""
    moving = [looked_at(f"c{n:03}", 28 * DAY) for n in range(100)]
    (short,) = outlook(moving).shortages
    assert (short.issuer, short.limit, short.what) == ("internal", "domain", "example.com")
    assert abs(short.at - NOW - 28 * DAY) < DAY
    assert short.until - short.at > 7.5 * DAY, "a quarter of a lead of thirty days"
    assert 0 < short.waiting < 55
    assert "issues 50 certificates for example.com in 7 d" in short.why


def test_renewals_run_short_of_nothing() -> None:
    """The same hundred, known to the CA: it counts none of them by domain."""
    known = [looked_at(f"c{n:03}", 28 * DAY, known=True) for n in range(100)]
    assert outlook(known).shortages == ()


def test_six_days_run_short_of_nothing_and_a_day_does() -> None:
    """Renewals every three days use less of the five a week than come back; every half day they do not."""
    assert outlook([looked_at("six", DAY, lives=6 * DAY, known=True)]).shortages == ()
    (short,) = outlook([looked_at("one", HOUR, lives=DAY, known=True)]).shortages
    assert (short.limit, short.waiting, short.certificate) == ("exact-set", 1, "one")
    assert short.at - NOW < 3 * DAY


def test_successors_that_live_shorter_are_foretold_by_their_own_lead() -> None:
    """A certificate of ninety days whose successors live one day: renewed twice a day from then on, too often."""
    look = looked_at("one", HOUR, known=True)
    shorter = replace(look, spec=replace(look.spec, lifetime=DAY))
    (short,) = outlook([shorter]).shortages
    assert (short.limit, short.certificate) == ("exact-set", "one")
    assert short.at - NOW < 5 * DAY
    answered = replace(shorter, history=replace(shorter.history, accepted_issuer="internal"))
    assert outlook([answered]).shortages == (), "this issuer was asked for a day, and gave ninety"


@pytest.mark.parametrize(("avoided", "short"), [("internal", "vault"), ("vault", "")])
def test_what_a_campaign_leads_away_from_is_not_reckoned_with(avoided: str, short: str) -> None:
    """What is ordered is ordered from the next one of each list: its budget runs short, not that of who has to go."""
    moving = [looked_at(f"c{n:03}", 28 * DAY) for n in range(100)]
    listed = [replace(one, spec=replace(one.spec, issuers=("internal", "vault"))) for one in moving]
    found = outlook(listed, issuer="vault", avoided=frozenset({avoided})).shortages
    assert [one.issuer for one in found] == ([short] if short else [])


def test_what_was_used_this_week_counts() -> None:
    """What is left is what the ledger says, the least of each limit first."""
    used = [builders.order(NOW - HOUR, of=builders.spec(f"u{n}", names=(f"u{n}.example.com",))) for n in range(30)]
    found = outlook([looked_at("a", 28 * DAY)], *used)
    assert {(one.limit, one.what): one.left for one in found.remaining} == {
        ("domain", "example.com"): 20,
        ("orders", ""): 300,
    }


def test_without_limits_nothing_is_foretold() -> None:
    """A CA that publishes nothing has no budget to run short of."""
    assert outlook([looked_at("a", DAY)], limits=CaLimits()) == Outlook()


@settings(max_examples=100, deadline=None, derandomize=True)
@given(
    st.lists(st.tuples(st.integers(0, 40), st.booleans()), min_size=1, max_size=25),
    st.builds(Bucket, st.integers(1, 8), st.sampled_from([DAY, WEEK])),
)
def test_a_foretold_shortage_is_one(coming: list[tuple[int, bool]], bucket: Bucket) -> None:
    """It lies ahead, its wait is longer than what was bearable, and who waits is one of those that draw on it."""
    facts = [looked_at(f"c{n:03}", days * DAY + HOUR, known=known) for n, (days, known) in enumerate(coming)]
    new = {one.spec.name for one, (_, known) in zip(facts, coming, strict=True) if not known}
    for short in outlook(facts, limits=CaLimits(domain=bucket)).shortages:
        assert NOW <= short.at <= NOW + 42 * DAY
        assert short.until - short.at > 7.5 * DAY
        assert short.certificate in new
        assert 1 <= short.waiting <= len(new)


def test_a_person_is_told_with_numbers_and_remedies() -> None:
    """One warning a limit, under the same key at every look, says what is left, who waits first, and what to do."""
    facts = [looked_at(f"c{n:03}", 28 * DAY) for n in range(100)]
    seen = outlook(facts)
    policy = builders.settings()
    plan = make_plan(builders.inventory(*facts), builders.fleet(), None, policy)
    cases = tuple(of_budget(seen.shortages, seen.remaining, NOW))
    (told,) = notices(builders.inventory(*facts), plan, (), {}, NoticeSettings(), more=cases)
    assert (told.kind, told.severity) == (NoticeKind.BUDGET_SHORT, Severity.WARNING)
    assert told.key == "rotator/budget-short/internal: certificates for example.com"
    assert told.title.startswith("internal: certificates for example.com will run short in 27 d")
    assert "Left now: 50 of 50 in 7 d, of which 5 are kept for emergencies." in told.detail
    assert "ask the CA for a higher limit" in told.detail


def test_one_profile_with_many_certificates_is_one_notice() -> None:
    """The limit for the same names has as many budgets as certificates; a person is told once, with all of them."""
    facts = [looked_at(f"c{n}", HOUR, lives=DAY, known=True) for n in range(3)]
    seen = outlook(facts, limits=CaLimits(exact_set=Bucket(1, WEEK)))
    plan = make_plan(builders.inventory(*facts), builders.fleet(), None, builders.settings())
    more = tuple(of_budget(seen.shortages, seen.remaining, NOW))
    (told,) = notices(builders.inventory(*facts), plan, (), {}, NoticeSettings(), more=more)
    assert told.title.startswith("3 budgets will run short: internal issues for the same names once in 7 d")
    assert len(told.subjects) == 3
    text = Console(width=200, color_system=None)
    with text.capture() as captured:
        text.print(*table(seen))
    assert captured.get().count("will run short") == 1
    assert "3 in all" in captured.get()


# ---------------------------------------------------------------- failures in a row


def failed(number: int, *, every: timedelta = 15 * MINUTE, until: datetime = NOW) -> list[Order]:
    """So many orders in which shop.example.com could not be verified, the last one at that moment."""
    one = builders.order(until, result="failed", failed_names=("shop.example.com",))
    return [replace(one, at=until - n * every) for n in reversed(range(number))]


def test_failures_in_a_row_are_told_a_quarter_on_the_way_to_a_pause() -> None:
    """Of the 1,152 that Let's Encrypt takes; what it has forgiven by then, one a day, does not count."""
    assert outlook([], *failed(288)).failing == ()
    assert outlook([], *failed(292)).failing == (Failing("internal", "shop.example.com", 288, 1152),)
    assert outlook([], *failed(292), limits=replace(LETS_ENCRYPT, in_a_row=None)).failing == ()


def test_a_success_ends_the_row_and_days_shorten_it() -> None:
    """As the CA counts it: what came before a success is gone, and a month without a try forgives thirty."""
    success = builders.order(NOW - DAY, result="issued", of=builders.spec(names=("shop.example.com",)))
    before, after = failed(400, until=NOW - 2 * DAY), failed(10)
    assert outlook([], *before, *after).failing
    assert outlook([], *before, success, *after).failing == ()
    assert failing(failed(300), NOW, limited()) != ()
    assert failing(failed(300), NOW + 30 * DAY, limited()) == ()


def test_accounts_have_rows_of_their_own() -> None:
    """Two issuers with one account fail together, with two accounts each for itself."""
    halves = [replace(one, issuer="other" if n % 2 else "internal") for n, one in enumerate(failed(400))]
    assert failing(halves, NOW, limited("one")) != ()
    assert failing(halves, NOW, limited("another")) == ()


def limited(others_account: str = "one") -> PolicySettings:
    """Two issuers of Let's Encrypt."""
    own, other = IssuerBudget(LETS_ENCRYPT, "ca", "one"), IssuerBudget(LETS_ENCRYPT, "ca", others_account)
    return replace(builders.settings(), budgets={"internal": own, "other": other})


def test_a_row_of_failures_is_a_notice_of_its_name() -> None:
    """A warning that says how far it is, what the CA does then, and what to do."""
    (case,) = of_failing([Failing("le", "shop.example.com", 300, 1152)], NOW)
    assert (case.kind, case.severity) == (NoticeKind.BUDGET_SHORT, Severity.WARNING)
    assert f"{case.subject} {case.headline}" == (
        "shop.example.com at le could not be verified 300 times in a row; after 1,152 the CA issues nothing more for it"
    )
    assert "mend why the name cannot be verified" in case.detail


def test_a_public_ca_without_known_limits_is_named() -> None:
    """Whoever reads the plan sees that nothing is counted there; a CA of one's own limits nothing."""
    looked = [looked_at("shop", 28 * DAY)]
    for own, named in ((IssuerBudget(unsaid=True), ("internal",)), (IssuerBudget(), ())):
        policy = replace(builders.settings(), budgets={"internal": own})
        plan = make_plan(builders.inventory(*looked), builders.fleet(), None, policy)
        assert forecast(looked, plan, builders.fleet(), policy).uncounted == named
