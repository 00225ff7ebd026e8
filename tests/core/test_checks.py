"""What calls for a change: each reason firing and not firing, once seen and twice, and what could not be seen."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rotator.core.lead import due_at
from rotator.core.model import (
    Action,
    Ask,
    Chain,
    Evidence,
    Facts,
    History,
    KeyFacts,
    KeySpec,
    Location,
    Result,
)
from rotator.core.policy import (
    HOLD_CHECKS,
    NEXT_RENEWAL_CHECKS,
    REDEPLOY_CHECKS,
    RENEW_CHECKS,
    decide,
    reasons_seen,
)
from rotator.core.reasons import Reason
from tests.builders import (
    DAY,
    HOUR,
    MINUTE,
    NOW,
    SECOND,
    attempt,
    certificate,
    chain,
    facts,
    holding,
    order,
    ours,
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

    # `unfinished` stands for three checks: a received bundle, an accepted one, and an owner that was asked.
    assert len(RENEW_CHECKS) + len(NEXT_RENEWAL_CHECKS) + len(REDEPLOY_CHECKS) == len(named) + 2
    assert len({hold.__name__ for hold in HOLD_CHECKS}) == len(HOLD_CHECKS)


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
