"""What to do about one certificate: each reason firing and not firing, their order, and what the plan says."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType

import pytest

from rotator.core.lead import due_at, emergency_at
from rotator.core.model import (
    Action,
    Ask,
    Chain,
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
    HOLD_CHECKS,
    NEXT_RENEWAL_CHECKS,
    REDEPLOY_CHECKS,
    RENEW_CHECKS,
    decide,
    places_to_write,
    reasons_seen,
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
    certificate,
    chain,
    decision,
    facts,
    holding,
    order,
    ours,
    quarantine,
    seen,
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
WRONG_KEY = KeyFacts("another", matches=False)
NO_KEY = KeyFacts()

FIRING: list[tuple[str, Facts, Reason]] = [
    ("nothing exists yet", facts(), Reason.NOT_ISSUED),
    ("a declared place holds HTML", facts(installed=[unreadable()]), Reason.UNREADABLE),
    (
        "an adopted place holds HTML and a person approved",
        facts(
            spec(adopted_from="disk"),
            installed=[unreadable()],
            history=History(approvals=frozenset({Reason.UNREADABLE})),
        ),
        Reason.UNREADABLE,
    ),
    ("the pair does not match", facts(chain=GOOD, installed=[holding(GOOD, key=WRONG_KEY)]), Reason.KEY_LOST),
    ("there is no key beside it", facts(chain=GOOD, installed=[holding(GOOD, key=NO_KEY)]), Reason.KEY_LOST),
    (
        "the store held the key of another chain",
        facts(chain=GOOD, installed=[holding(GOOD, key=NO_KEY)], history=ours(OTHER)),
        Reason.KEY_LOST,
    ),
    ("no path to the trust", facts(chain=GOOD, evidence=Evidence(trusted=False, trust=TRUST)), Reason.INCOMPLETE),
    ("a name is not covered", facts(spec(names=("shop.example.com", "b.test")), chain=GOOD), Reason.NAMES_CHANGED),
    (
        "a wildcard covers one label only",
        facts(spec(names=("a.b.example.com",)), chain=chain("*.example.com")),
        Reason.NAMES_CHANGED,
    ),
    ("its issuer revoked it", facts(chain=GOOD, evidence=Evidence(revoked=True)), Reason.REVOKED),
    ("it ended a second ago", facts(chain=chain(left=-SECOND)), Reason.EXPIRED),
    ("its issuer suggests it", facts(chain=GOOD, suggestion=suggestion(NOW - HOUR, NOW - MINUTE)), Reason.SUGGESTED),
    ("29 of 90 days are left", facts(chain=chain(left=29 * DAY)), Reason.DUE),
    ("15 of 47 days are left", facts(chain=chain(lives=47 * DAY, left=15 * DAY)), Reason.DUE),
    ("less than half of six days is left", facts(chain=chain(lives=6 * DAY, left=71 * HOUR)), Reason.DUE),
    ("a bundle lies here unvalidated", facts(chain=GOOD, history=History(received=True)), Reason.UNFINISHED),
    ("a person insists", facts(chain=GOOD, history=History(ask=Ask(NOW, force=True))), Reason.ASKED),
    (
        "a person asks, and the issuer changed",
        facts(chain=GOOD, history=replace(ours(GOOD), accepted_issuer="old", ask=Ask(NOW))),
        Reason.ISSUER_CHANGED,
    ),
    (
        "a person asks, and the key is to be another",
        facts(spec(key=KeySpec("rsa", 3072)), chain=GOOD, history=History(ask=Ask(NOW))),
        Reason.KEY_POLICY_CHANGED,
    ),
    (
        "a person asks, and the key is weak",
        facts(
            spec(key=KeySpec("rsa", 1024)),
            chain=chain(left=60 * DAY, key=KeySpec("rsa", 1024)),
            history=History(ask=Ask(NOW)),
        ),
        Reason.WEAK,
    ),
    (
        "a person asks, and it is signed with SHA-1",
        facts(chain=chain(left=60 * DAY, signature_hash="sha1"), history=History(ask=Ask(NOW))),
        Reason.WEAK,
    ),
    (
        "a second place is empty and the key is not kept",
        facts(TWO, chain=GOOD, installed=[holding(GOOD), holding(None, ELSEWHERE)]),
        Reason.MISSING,
    ),
    (
        "a second place holds what is itself due and the key is not kept",
        facts(TWO, chain=GOOD, installed=[holding(GOOD), holding(chain(left=9 * DAY), ELSEWHERE)]),
        Reason.DIFFERS,
    ),
    (
        "another place holds the pair of the current chain with a wrong key, and the key is not kept",
        facts(TWO, chain=GOOD, installed=[holding(GOOD), holding(GOOD, ELSEWHERE, key=WRONG_KEY)]),
        Reason.DIFFERS,
    ),
]

REDEPLOYING: list[tuple[str, Facts, Reason]] = [
    ("its place is empty", facts(chain=GOOD, installed=[holding(None)], history=ours(GOOD)), Reason.MISSING),
    ("its place holds another one", facts(chain=GOOD, installed=[holding(OTHER)], history=ours(GOOD)), Reason.DIFFERS),
    ("its place holds HTML", facts(chain=GOOD, installed=[unreadable()], history=ours(GOOD)), Reason.DIFFERS),
    (
        "its place holds a wrong key and the store has the right one",
        facts(chain=GOOD, installed=[holding(GOOD, key=WRONG_KEY)], history=ours(GOOD)),
        Reason.DIFFERS,
    ),
    (
        "its place lost the intermediate that the store has",
        facts(
            chain=Chain((GOOD.leaf, certificate("Test Issuing", is_ca=True))),
            installed=[holding(GOOD)],
            history=ours(GOOD),
            evidence=Evidence(trusted=False, trust=TRUST),
        ),
        Reason.DIFFERS,
    ),
    ("an endpoint shows another one", facts(chain=GOOD, served=[showing(OTHER)]), Reason.NOT_SERVED),
    (
        "one of two addresses shows another one, which could not be parsed",
        facts(chain=GOOD, served=[showing(GOOD), replace(showing(OTHER, address="192.0.2.2"), chain=None)]),
        Reason.NOT_SERVED,
    ),
    (
        "an accepted bundle has not reached a place",
        facts(chain=GOOD, installed=[holding(OTHER)], history=replace(ours(GOOD), unfinished=True)),
        Reason.UNFINISHED,
    ),
    (
        "an accepted bundle is everywhere and not proved",
        facts(chain=GOOD, history=replace(ours(GOOD), unfinished=True)),
        Reason.UNFINISHED,
    ),
]

KEEPING: list[tuple[str, Facts]] = [
    ("31 of 90 days are left", facts(chain=chain(left=31 * DAY))),
    ("16 of 47 days are left", facts(chain=chain(lives=47 * DAY, left=16 * DAY))),
    ("more than half of six days is left", facts(chain=chain(lives=6 * DAY, left=76 * HOUR))),
    ("a wildcard covers the name", facts(chain=chain("*.example.com", left=60 * DAY))),
    ("it covers more names than it must", facts(chain=chain("shop.example.com", "b.test", left=60 * DAY))),
    ("its names could not be read", facts(spec(names=("b.test",)), chain=chain(left=60 * DAY, problems=("names: x",)))),
    ("trust could not be told", facts(chain=GOOD, evidence=Evidence())),
    ("its key is expected nowhere", facts(chain=GOOD, installed=[replace(holding(GOOD), key=None)])),
    ("its key could not be compared", facts(chain=GOOD, installed=[holding(GOOD, key=KeyFacts("k", matches=None))])),
    ("it has no place at all", facts(spec(targets=()), chain=GOOD, installed=[])),
    (
        "its issuer suggests a later day",
        facts(chain=chain(left=29 * DAY), suggestion=suggestion(NOW + DAY, NOW + 2 * DAY)),
    ),
    ("its issuer suggests nonsense", facts(chain=GOOD, suggestion=suggestion(NOW - HOUR, NOW - 2 * HOUR))),
    ("the issuer changed and nobody asks", facts(chain=GOOD, history=replace(ours(GOOD), accepted_issuer="old"))),
    ("a person asks and nothing is due", facts(chain=GOOD, history=History(ask=Ask(NOW)))),
    (
        "a person insisted and it was done",
        facts(
            chain=GOOD,
            history=History(ask=Ask(NOW - HOUR, force=True), attempts=(attempt(NOW - MINUTE, result=Result.DONE),)),
        ),
    ),
    (
        "a person insisted and one was ordered",
        facts(chain=GOOD, history=History(ask=Ask(NOW - HOUR, force=True), orders=(order(NOW - MINUTE),))),
    ),
    (
        "a person asked two days ago about a weak key",
        facts(chain=chain(left=60 * DAY, signature_hash="sha1"), history=History(ask=Ask(NOW - 2 * DAY))),
    ),
    (
        "an issuer further down the list signed it",
        facts(spec(issuers=("a", "internal")), chain=GOOD, history=replace(ours(GOOD), ask=Ask(NOW))),
    ),
    (
        "a found one of unknown origin is no changed issuer",
        facts(chain=GOOD, history=replace(ours(OTHER), accepted_issuer="old", ask=Ask(NOW))),
    ),
    (
        "an unreadable key is no changed key policy",
        facts(chain=chain(left=60 * DAY, key=KeySpec("", 0)), history=History(ask=Ask(NOW))),
    ),
    ("an endpoint shows it", facts(chain=GOOD, served=[showing(GOOD)])),
    ("an endpoint refuses connections", facts(chain=GOOD, served=[showing(None)])),
    (
        "a bundle that a hand-made chain has overtaken is unfinished",
        facts(chain=GOOD, history=replace(ours(OTHER), unfinished=True), replaced_by_hand=True),
    ),
    (
        "a hand-made chain is here, a sound older one there, and its endpoint shows that",
        facts(
            TWO,
            chain=GOOD,
            installed=[holding(GOOD), holding(OTHER, ELSEWHERE)],
            served=[showing(OTHER)],
            history=ours(chain(label="overtaken")),
        ),
    ),
]


def seen_before(look: Facts) -> Facts:
    """The same look, with everything that it sees seen by the look before it."""
    reasons = reasons_seen(look, settings())
    return replace(look, history=replace(look.history, seen_since=seen(*reasons)))


@pytest.mark.parametrize(("look", "reason"), [pytest.param(f, r, id=says) for says, f, r in FIRING])
def test_it_is_renewed_because(look: Facts, reason: Reason) -> None:
    """Each reason to renew leads to a renewal once it is certain."""
    found = decide(seen_before(look), settings())

    assert (found.action, found.reason, found.because) == (Action.RENEW, reason, reason)
    assert found.at == NOW
    assert found.message


@pytest.mark.parametrize(("look", "reason"), [pytest.param(f, r, id=says) for says, f, r in REDEPLOYING])
def test_it_is_put_back_because(look: Facts, reason: Reason) -> None:
    """What is good and merely not where it belongs is deployed again, without an order."""
    found = decide(seen_before(look), settings())

    assert (found.action, found.reason) == (Action.REDEPLOY, reason)


@pytest.mark.parametrize("look", [pytest.param(f, id=says) for says, f in KEEPING])
def test_it_is_left_alone_though(look: Facts) -> None:
    """Nothing is done, and the plan names the moment of the next renewal."""
    found = decide(seen_before(look), settings())

    assert (found.action, found.reason, found.wanted) == (Action.KEEP, Reason.HEALTHY, None)
    assert found.at > NOW


@pytest.mark.parametrize(("look", "reason"), [pytest.param(f, r, id=says) for says, f, r in (*FIRING, *REDEPLOYING)])
def test_one_look_is_enough_only_for_dates_and_our_own_records(look: Facts, reason: Reason) -> None:
    """What one look may have seen wrongly waits for a second one; a date, a person or our own record does not."""
    certain = {Reason.DUE, Reason.SUGGESTED, Reason.EXPIRED, Reason.ASKED, Reason.UNFINISHED}
    certain |= {Reason.ISSUER_CHANGED, Reason.KEY_POLICY_CHANGED, Reason.WEAK}

    found = decide(look, settings())

    assert found.because is reason
    if reason in certain:
        assert found.due
    else:
        assert (found.action, found.reason) == (Action.WAIT, Reason.SECOND_LOOK)
        assert NOW + settings().shortest_tick <= found.at <= NOW + HOUR


def test_every_reason_of_the_chains_is_shown_firing() -> None:
    """The tables above cover each check: a new check needs its sentence there."""
    named = {reason for _, _, reason in (*FIRING, *REDEPLOYING)}

    # `unfinished` stands for two checks: a received bundle, and an accepted one.
    assert len(RENEW_CHECKS) + len(NEXT_RENEWAL_CHECKS) + len(REDEPLOY_CHECKS) == len(named) + 1
    assert len({hold.__name__ for hold in HOLD_CHECKS}) == len(HOLD_CHECKS)


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


# ---------------------------------------------------------------- what could not be looked at


def test_a_place_that_could_not_be_looked_at_is_never_missing() -> None:
    """Nothing is concluded from a host that does not answer; the next renewal is still named."""
    found = decide(facts(chain=GOOD, installed=[unseen()], history=ours(GOOD)), settings())

    assert (found.action, found.reason, found.wanted) == (Action.WAIT, Reason.UNSEEN, None)
    assert found.at == due_at(GOOD, spec(), settings())
    assert "the host did not answer" in found.message


def test_a_certificate_of_which_nothing_could_be_seen_is_not_issued_anew() -> None:
    """With an empty store and a place that does not answer there may well be one."""
    found = decide(facts(installed=[unseen()]), settings())

    assert (found.action, found.reason, found.at) == (Action.WAIT, Reason.UNSEEN, NOW + HOUR)
    assert reasons_seen(facts(installed=[unseen()]), settings()) == frozenset()


def test_a_key_is_not_lost_while_one_place_could_not_be_looked_at() -> None:
    """The place that does not answer may have it."""
    look = facts(TWO, chain=GOOD, installed=[holding(GOOD, key=NO_KEY), unseen(ELSEWHERE)])

    assert Reason.KEY_LOST not in reasons_seen(look, settings())


def test_a_key_is_not_lost_while_another_place_has_it() -> None:
    """The same key may stand beside an older chain."""
    beside = replace(holding(OTHER, ELSEWHERE), key=KeyFacts(GOOD.spki, matches=False))
    look = facts(TWO, chain=GOOD, installed=[holding(GOOD, key=NO_KEY), beside])

    assert Reason.KEY_LOST not in reasons_seen(look, settings())


def test_an_adopted_place_that_became_unreadable_is_for_a_person() -> None:
    """Nobody declared what belongs there, so nothing is written over it unasked."""
    found = decide(facts(spec(adopted_from="disk"), installed=[unreadable()]), settings())

    assert (found.action, found.reason) == (Action.HOLD, Reason.UNREADABLE)
    assert found.command == "rotator approve shop"


def test_an_adopted_place_that_became_unreadable_is_mended_from_the_store() -> None:
    """What was put there by rotator itself is put there again."""
    look = facts(spec(adopted_from="disk"), chain=GOOD, installed=[unreadable()], history=ours(GOOD))

    assert decide(seen_before(look), settings()).action is Action.REDEPLOY


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
    manager = Owner("cert-manager", "Certificate shop/web", "cmctl renew -n shop web")

    found = decide(facts(chain=chain(left=DAY), installed=[holding(chain(left=DAY), owner=manager)]), settings())

    assert (found.action, found.reason, found.command) == (Action.DELEGATE, Reason.OWNED, "cmctl renew -n shop web")


def test_past_the_line_nothing_but_its_own_guards_waits() -> None:
    """At the emergency line a renewal in good order is due, whatever suggestion or window there is."""
    one = chain(left=20 * DAY)
    line = emergency_at(one, spec(), settings())
    look = facts(chain=one, now=line, suggestion=suggestion(one.not_after - HOUR, one.not_after))

    assert decide(look, settings()).due
