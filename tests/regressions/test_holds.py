"""Holds and pages that did not end when they should, or ended too early."""

from __future__ import annotations

from dataclasses import replace

from rotator.core.cases import case_of
from rotator.core.model import Action, NoticeKind, Result, Severity, Stage
from rotator.core.policy import decide
from rotator.core.reasons import Reason
from rotator.core.standing import NoticeSettings, Standing
from tests.builders import DAY, HOUR, NOW, attempt, chain, facts, holding, ours, settings, showing


def test_a_hold_by_hand_ends_with_what_it_was_for() -> None:
    """A certificate that was put back once, and has been replaced by the current one since, is renewed when due."""
    held = chain(left=20 * DAY)
    look = facts(chain=held, history=replace(ours(held), held_by_hand="an older one was put back by hand"))
    assert decide(look, settings()).action is Action.RENEW


def test_a_hold_by_hand_stays_while_the_older_one_is_there() -> None:
    """What a person put back is not overwritten."""
    older, held = chain(left=20 * DAY, label="older"), chain(left=80 * DAY)
    past = replace(
        ours(held),
        held_by_hand="an older one was put back by hand",
        seen_since={Reason.DIFFERS: NOW - HOUR},
    )
    decision = decide(facts(chain=held, installed=(holding(older),), history=past), settings())
    assert (decision.action, decision.reason) == (Action.HOLD, Reason.REPLACED_BY_HAND)


def after(*results: Result, up: bool) -> Standing:
    """A certificate in good order but for what its last rotations left behind."""
    held = chain(left=80 * DAY)
    past = tuple(
        attempt(NOW - (len(results) - number) * HOUR, result=result, stage=Stage.VERIFY)
        for number, result in enumerate(results)
    )
    look = facts(chain=held, served=(showing(held if up else None),), history=replace(ours(held), attempts=past))
    return Standing(decide(look, settings()), look, (), NOW, NoticeSettings())


def test_a_page_for_stranded_harm_lasts_while_the_service_is_down() -> None:
    """A deploy after it that nothing proves does not end the page: the address that we took down is still down."""
    case = case_of(after(Result.STRANDED, Result.UNPROVED, up=False))
    assert case is not None
    assert (case.kind, case.severity) == (NoticeKind.STRANDED, Severity.CRITICAL)


def test_a_page_for_stranded_harm_ends_when_the_service_is_back() -> None:
    """It ends with the proof, or where every address is up again."""
    assert case_of(after(Result.STRANDED, Result.UNPROVED, up=True)) is None
    assert case_of(after(Result.STRANDED, Result.DONE, Result.UNPROVED, up=False)) is None
