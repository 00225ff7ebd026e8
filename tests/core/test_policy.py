"""What to do about one certificate: the order of its reasons, its emergency, and what the plan says of it."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType

import pytest

from rotator.core.lead import due_at, emergency_at
from rotator.core.model import (
    Action,
    Ask,
    Decision,
    Evidence,
    Facts,
    History,
    KeyFacts,
    KeySpec,
    Location,
    Mode,
    Owner,
    Result,
)
from rotator.core.policy import (
    decide,
    places_to_write,
    skips_gap,
)
from rotator.core.reasons import Reason
from tests.builders import (
    DAY,
    HOUR,
    MINUTE,
    NOW,
    PLACE,
    SECOND,
    attempt,
    chain,
    decision,
    facts,
    holding,
    order,
    ours,
    quarantine,
    seen_before,
    settings,
    showing,
    spec,
    suggestion,
    target,
    unreadable,
    unseen,
)

GOOD = chain(lives=90 * DAY, left=60 * DAY)
OTHER = chain(lives=90 * DAY, left=50 * DAY, label="other")
ELSEWHERE = Location("host", "/etc/ssl/second.pem")
TWO = spec(targets=(target(), target(ELSEWHERE.address)))
TRUST = "issuer internal"
NO_KEY = KeyFacts()

# ---------------------------------------------------------------- order and certainty


def test_the_first_violation_wins() -> None:
    """A certificate that is due and lacks a name is renewed for the name, which says more."""
    look = facts(spec(names=("b.test",)), chain=chain(left=DAY))

    assert decide(seen_before(look), settings()).reason is Reason.NAMES_CHANGED


def test_a_reason_that_was_seen_once_does_not_delay_a_certain_one() -> None:
    """A flickering observation must not starve a renewal that is due."""
    look = facts(chain=chain(left=29 * DAY), evidence=Evidence(trusted=False, trust=TRUST))

    found = decide(look, settings())

    assert (found.action, found.reason) == (Action.RENEW, Reason.DUE)


def test_an_expired_chain_is_not_called_incomplete() -> None:
    """Nothing verifies after its end, which says nothing of its path."""
    look = facts(chain=chain(left=-DAY), evidence=Evidence(trusted=False, trust=TRUST))

    assert decide(seen_before(look), settings()).reason is Reason.EXPIRED


@pytest.mark.parametrize(
    ("look", "expected"),
    [
        pytest.param(facts(chain=chain(left=29 * DAY)), False, id="due is no emergency"),
        pytest.param(facts(chain=chain(left=4 * DAY)), True, id="past the line"),
        pytest.param(facts(chain=chain(left=-DAY)), True, id="expired"),
        pytest.param(facts(chain=GOOD, evidence=Evidence(revoked=True)), True, id="revoked"),
        pytest.param(facts(chain=GOOD, installed=[holding(GOOD, key=NO_KEY)]), True, id="key lost"),
        pytest.param(
            facts(spec(names=("b.test",)), chain=GOOD, evidence=Evidence(revoked=True)),
            True,
            id="revoked, though another reason comes first",
        ),
        pytest.param(
            facts(chain=GOOD, installed=[holding(chain(left=DAY, label="old"))], history=ours(GOOD)),
            True,
            id="what the place still holds ends tomorrow",
        ),
        pytest.param(
            facts(chain=GOOD, served=[showing(chain(left=DAY, label="old"))]), True, id="what is served ends tomorrow"
        ),
        pytest.param(facts(chain=GOOD, installed=[holding(None)], history=ours(GOOD)), False, id="merely missing"),
    ],
)
def test_the_emergency_is_that_of_what_users_would_feel(look: Facts, expected: bool) -> None:
    """Past the line of what is at stake, or dead already; a first sight of revoked or lost is not believed yet."""
    assert decide(seen_before(look), settings()).emergency is expected


def test_an_unproved_revocation_is_no_emergency_yet() -> None:
    """Nobody is paged for what was seen once."""
    assert not decide(facts(chain=GOOD, evidence=Evidence(revoked=True)), settings()).emergency


def test_the_end_is_that_of_what_places_still_hold() -> None:
    """Lateness counts by the certificate that users get, not by the one in the store."""
    old = chain(left=DAY, label="old")

    found = decide(seen_before(facts(chain=GOOD, installed=[holding(old)], history=ours(GOOD))), settings())

    assert found.ends == old.not_after


# ---------------------------------------------------------------- a good certificate while its renewal waits


def test_a_good_certificate_is_put_back_while_its_renewal_waits() -> None:
    """The issuer fails for days and somebody deletes the file: the old one, still valid, goes back meanwhile."""
    late = chain(left=20 * DAY)
    history = replace(ours(late), attempts=(attempt(NOW - SECOND),))

    found = decide(seen_before(facts(chain=late, installed=[holding(None)], history=history)), settings())

    assert (found.action, found.reason) == (Action.REDEPLOY, Reason.MISSING)
    assert "its renewal waits" in found.message


@pytest.mark.parametrize(
    "look",
    [
        pytest.param(
            facts(
                chain=chain(left=-DAY),
                installed=[holding(None)],
                history=replace(ours(chain(left=-DAY)), attempts=(attempt(NOW),)),
            ),
            id="it has ended",
        ),
        pytest.param(
            facts(
                chain=chain(left=20 * DAY),
                installed=[holding(None)],
                history=replace(ours(chain(left=20 * DAY)), key_kept=False, attempts=(attempt(NOW),)),
            ),
            id="its key is not kept",
        ),
        pytest.param(
            facts(
                spec(mode=Mode.OBSERVE),
                chain=chain(left=20 * DAY),
                installed=[holding(None)],
                history=ours(chain(left=20 * DAY)),
            ),
            id="the mode is observe",
        ),
        pytest.param(facts(chain=chain(left=20 * DAY), history=History(attempts=(attempt(NOW),))), id="it is in place"),
    ],
)
def test_a_renewal_that_waits_is_not_replaced_by_a_redeploy_when(look: Facts) -> None:
    """Only a certificate that is still worth it is put back, and only where it may be."""
    found = decide(seen_before(look), settings())

    assert not found.due
    assert found.wanted is Action.RENEW


# ---------------------------------------------------------------- what the plan says


@pytest.mark.parametrize(
    ("look", "expected"),
    [
        (facts(chain=chain(lives=47 * DAY, left=29 * DAY)), "ends in 29 d, due in 13 d, because it lives 47 d"),
        (facts(chain=chain(left=29 * DAY)), "ends in 29 d, due since 24 h, because it lives 90 d"),
        (facts(chain=chain(left=-3 * DAY)), "it ended 3 d ago"),
        (
            facts(chain=chain(left=40 * DAY, key=KeySpec("rsa", 1024)), served=[showing(None)]),
            "ends in 40 d, due in 9 d, because it lives 90 d; at its next renewal: its key is rsa 1024, to be "
            "ecdsa 256; it has a 1024-bit RSA key; shop.example.com:443 did not show what it serves",
        ),
        (
            facts(spec(key=KeySpec("ed25519", 0)), chain=chain(left=40 * DAY)),
            "ends in 40 d, due in 9 d, because it lives 90 d; at its next renewal: its key is ecdsa 256, to be ed25519",
        ),
        (
            facts(chain=chain(left=40 * DAY), replaced_by_hand=True),
            "ends in 40 d, due in 9 d, because it lives 90 d; put there by hand",
        ),
        (
            facts(chain=chain(left=40 * DAY), suggestion=suggestion(NOW + 2 * DAY, NOW + 2 * DAY + SECOND)),
            "ends in 40 d, due in 2 d, as its issuer suggests",
        ),
        (
            facts(chain=chain(left=40 * DAY), suggestion=suggestion(NOW - DAY, NOW - DAY + SECOND, "mass revocation")),
            "ends in 40 d, its issuer suggests a renewal since 2026-03-01 12:00 UTC (mass revocation)",
        ),
        (
            facts(chain=GOOD, history=History(ask=Ask(NOW, force=True, reason="key compromise"))),
            "asked for by a person: key compromise",
        ),
        (
            facts(TWO, installed=[unreadable(), unreadable(ELSEWHERE)]),
            "host:/etc/ssl/shop.pem holds no certificate: it holds HTML",
        ),
    ],
)
def test_the_sentence_says_it_for_people(look: Facts, expected: str) -> None:
    """What, when and why, as in a Terraform plan."""
    assert decide(seen_before(look), settings()).message == expected


def test_a_healthy_certificate_names_its_next_renewal() -> None:
    """The moment of the next renewal, the end, the lead: what the daemon, the page and the guards need."""
    found = decide(facts(chain=GOOD), settings())

    assert (found.at, found.ends, found.lead) == (due_at(GOOD, spec(), settings()), GOOD.not_after, 30 * DAY)


def test_a_sound_other_place_is_renewed_when_it_is_due_itself() -> None:
    """Beside a longer-lived chain made by hand, the next renewal is that of the place that ends first."""
    look = facts(TWO, chain=GOOD, installed=[holding(GOOD), holding(OTHER, ELSEWHERE)])

    assert decide(look, settings()).at == due_at(OTHER, TWO, settings())


# ---------------------------------------------------------------- what decisions carry for the guards


@pytest.mark.parametrize(
    ("history", "expected"),
    [
        (History(), False),
        (History(foreseen_at=NOW - DAY), True),
        (History(foreseen_at=NOW + DAY), False),
        (History(ask=Ask(NOW)), True),
        (History(approvals=frozenset({Reason.SURGE})), True),
    ],
)
def test_a_renewal_is_foreseen_when(history: History, expected: bool) -> None:
    """A stored plan named it for a moment that has come, or a person asked for it or approved it."""
    assert decide(facts(chain=chain(left=DAY), history=history), settings()).foreseen is expected


@pytest.mark.parametrize(
    ("history", "expected"),
    [
        pytest.param(History(), False, id="nothing was begun"),
        pytest.param(History(attempts=(attempt(NOW - HOUR, result=Result.PENDING),)), True, id="an order is pending"),
        pytest.param(
            History(attempts=(attempt(NOW - HOUR, result=Result.PENDING, of=spec(names=("b.test",))),)),
            False,
            id="an order for another digest is pending",
        ),
        pytest.param(History(received=True), True, id="a bundle was received before the ledger remembers"),
        pytest.param(
            History(received=True, orders=(order(NOW - DAY),)), True, id="a bundle of this digest was received"
        ),
        pytest.param(
            History(received=True, orders=(order(NOW - DAY, of=spec(names=("b.test",))), order(NOW, result="failed"))),
            False,
            id="a bundle of another digest was received",
        ),
    ],
)
def test_what_was_begun_is_carried_on(history: History, expected: bool) -> None:
    """A received bundle or a pending order needs no new order, so no limit on orders holds it."""
    assert decide(facts(chain=chain(left=20 * DAY), history=history), settings()).resumes is expected


@pytest.mark.parametrize(
    ("found", "history", "expected"),
    [
        pytest.param(decision(reason=Reason.REVOKED), History(orders=(order(NOW - DAY),)), True, id="inside the gap"),
        pytest.param(decision(reason=Reason.DUE), History(), False, id="no issuance lately"),
        pytest.param(
            decision(reason=Reason.ASKED),
            History(orders=(order(NOW - DAY),), ask=Ask(NOW, force=True)),
            False,
            id="a person's force is no skip",
        ),
        pytest.param(
            decision(reason=Reason.REVOKED, resumes=True),
            History(orders=(order(NOW - DAY),)),
            False,
            id="no order is placed",
        ),
        pytest.param(
            decision(action=Action.REDEPLOY), History(orders=(order(NOW - DAY),)), False, id="a redeploy orders nothing"
        ),
        pytest.param(
            decision(reason=Reason.NOT_ISSUED, lead=None),
            History(orders=(order(NOW - MINUTE),)),
            True,
            id="nothing exists yet",
        ),
    ],
)
def test_an_order_that_skips_the_gap_is_marked(found: Decision, history: History, expected: bool) -> None:
    """The ledger remembers which orders skipped the gap, because only one in a row may."""
    current = None if found.lead is None else GOOD

    assert skips_gap(found, facts(chain=current, history=history)) is expected


# ---------------------------------------------------------------- where it is written


def test_a_renewal_is_written_everywhere() -> None:
    """Every place of the certificate, also one that could not be looked at."""
    look = facts(TWO, chain=GOOD, installed=[holding(GOOD), unseen(ELSEWHERE)])

    assert places_to_write(decision(), look, settings()) == (PLACE, ELSEWHERE)


def test_nothing_is_written_where_nothing_is_due() -> None:
    """A healthy certificate has no place to write."""
    kept = decision(action=Action.KEEP, reason=Reason.HEALTHY)

    assert places_to_write(kept, facts(chain=GOOD), settings()) == ()


@pytest.mark.parametrize(
    ("reason", "history", "expected"),
    [
        pytest.param(Reason.DIFFERS, ours(GOOD), (ELSEWHERE,), id="only where it differs"),
        pytest.param(Reason.NOT_SERVED, ours(GOOD), (PLACE, ELSEWHERE), id="everywhere, so that it is reloaded"),
        pytest.param(
            Reason.UNFINISHED,
            replace(ours(GOOD), redeploys=MappingProxyType({ELSEWHERE: (NOW,) * 9})),
            (ELSEWHERE,),
            id="finishing is not limited",
        ),
        pytest.param(
            Reason.NOT_SERVED,
            replace(ours(GOOD), redeploys=MappingProxyType({PLACE: (NOW - MINUTE,)})),
            (ELSEWHERE,),
            id="not where it was just written",
        ),
        pytest.param(
            Reason.NOT_SERVED,
            replace(ours(GOOD), quarantines=(quarantine(GOOD, at=TWO),)),
            (ELSEWHERE,),
            id="not where it did harm",
        ),
        pytest.param(
            Reason.UNFINISHED,
            replace(ours(GOOD), quarantines=(quarantine(GOOD, location=ELSEWHERE, at=TWO),)),
            (ELSEWHERE,),
            id="where it did harm when that is all that is left: the one try",
        ),
    ],
)
def test_a_redeploy_is_written_only_where_it_must(
    reason: Reason, history: History, expected: tuple[Location, ...]
) -> None:
    """Places that are right, limited or quarantined are passed over."""
    look = facts(TWO, chain=GOOD, installed=[holding(GOOD), holding(OTHER, ELSEWHERE)], history=history)

    assert places_to_write(decision(action=Action.REDEPLOY, reason=reason), look, settings()) == expected


# ---------------------------------------------------------------- hostile facts


@pytest.mark.parametrize(
    "look",
    [
        pytest.param(facts(chain=chain(lives=-DAY, begins=NOW)), id="it ends before it begins"),
        pytest.param(facts(chain=chain(begins=NOW + 365 * DAY)), id="it begins next year"),
        pytest.param(
            facts(chain=GOOD, history=History(attempts=(attempt(NOW + 900 * DAY),), orders=(order(NOW + 900 * DAY),))),
            id="the past lies in the future",
        ),
        pytest.param(
            facts(chain=GOOD, history=History(pause=None, quarantines=(quarantine(OTHER),))), id="a foreign quarantine"
        ),
    ],
)
def test_any_facts_give_a_decision(look: Facts) -> None:
    """Nothing that can be observed or stored makes the policy raise."""
    assert decide(look, settings()).message
    assert decide(seen_before(look), settings()).spec.name == "shop"


def test_attempts_of_a_clock_that_was_wrong_hold_nothing_back() -> None:
    """A failure that lies years ahead must not stop renewals until then."""
    history = History(attempts=(attempt(NOW + 900 * DAY),), orders=(order(NOW + 900 * DAY),))

    assert decide(facts(chain=chain(left=29 * DAY), history=history), settings()).due


def test_what_the_inventory_did_not_name_is_found_among_the_places() -> None:
    """Without a named current chain the one with the latest end stands in."""
    look = facts(TWO, installed=[holding(OTHER), holding(GOOD, ELSEWHERE)])

    assert decide(look, settings()).ends == GOOD.not_after


def test_an_owner_that_renews_is_left_to_it() -> None:
    """A healthy certificate of cert-manager is simply healthy; a due one is delegated."""
    theirs = Owner("cert-manager", "Certificate shop/web", "cmctl renew -n shop web")

    found = decide(facts(chain=chain(left=DAY), installed=[holding(chain(left=DAY), owner=theirs)]), settings())

    assert (found.action, found.reason, found.command) == (Action.DELEGATE, Reason.OWNED, "cmctl renew -n shop web")


def test_past_the_line_nothing_but_its_own_guards_waits() -> None:
    """At the emergency line a renewal in good order is due, whatever suggestion or window there is."""
    one = chain(left=20 * DAY)
    line = emergency_at(one, spec(), settings())
    look = facts(chain=one, now=line, suggestion=suggestion(one.not_after - HOUR, one.not_after))

    assert decide(look, settings()).due
