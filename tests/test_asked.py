"""What people ask for is carried out, or declined with a sentence that says why and what to do."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from rotator.app import look_and_plan, remember
from rotator.asked import NOT_DONE, Declined, carry_out, known_specs, nearest, rotate_now, spec_named
from rotator.clock import system_clock
from rotator.config.load import load
from rotator.core.model import Action, Result
from rotator.core.reasons import Reason
from rotator.ports import Request
from rotator.wiring import Wiring, build
from tests.builders import spec
from tests.cli.fleet import DAY, Fleet, make_fleet
from tests.cli.serving import serving
from tests.cli.test_verify import declare


@pytest.fixture
def fleet(tmp_path: Path) -> Fleet:
    return make_fleet(tmp_path)


@pytest.fixture
def wiring(fleet: Fleet) -> Iterator[Wiring]:
    """Two certificates that have been looked at: `shop`, due, and `mail`, not due."""
    fleet.put("shop", left=20 * DAY)
    fleet.put("mail", left=60 * DAY)
    with build(load(fleet.config), system_clock(), writer=True) as built:
        look(built)
        yield built


def look(wiring: Wiring) -> None:
    remember(wiring, *look_and_plan(wiring.world, wiring.world.clock.now()))


def ask(wiring: Wiring, verb: str, **arguments: str) -> str:
    return carry_out(Request(1, verb, arguments, wiring.world.clock.now(), "ada@host"), wiring)


def state_of(wiring: Wiring, name: str) -> tuple[Action, Reason]:
    """The decision about a certificate as of now."""
    _, plan = look_and_plan(wiring.world, wiring.world.clock.now())
    (found,) = [decision for decision in plan.decisions if decision.spec.name == name]
    return found.action, found.reason


# ---------------------------------------------------------------- names


def test_unknown_name_gives_the_nearest(wiring: Wiring) -> None:
    """A mistyped name, or a DNS name of a certificate, leads to the certificate that was meant."""
    assert ask(wiring, "approve", certificate="shpo").startswith(
        f"{NOT_DONE}there is no certificate 'shpo'; did you mean shop?"
    )
    specs = {"checkout": spec("checkout", names=("pay.example.com",))}
    assert nearest("pay.example.com", specs) == "; did you mean checkout?"
    assert nearest("zzz", specs) == "; `rotator status --all` lists them"
    assert "nothing has been looked at yet" in nearest("shop", {})
    with pytest.raises(Declined):
        spec_named("zzz", specs)


def test_known_are_declared_planned_and_adopted(wiring: Wiring) -> None:
    """What is known comes from the config and from the last look; without a state from the config alone."""
    declared = spec("declared")
    assert set(known_specs(wiring.world.store, (declared,))) == {"shop", "mail", "declared"}
    assert set(known_specs(None, (declared,))) == {"declared"}


def test_unknown_verb(wiring: Wiring) -> None:
    """A request of a newer CLI is answered, not dropped."""
    assert (
        ask(wiring, "dance")
        == f"{NOT_DONE}this rotator does not know how to dance; it may be older than the CLI that asked"
    )


def test_everything_asked_for_is_in_the_audit(wiring: Wiring) -> None:
    """Who asked, why, and what came of it, also where nothing did."""
    ask(wiring, "pause", match="shop", reason="black friday")
    ask(wiring, "approve", certificate="shop")
    declined, paused = wiring.world.store.audited(limit=2)
    assert (paused.event, paused.subject) == ("asked-pause", "shop")
    assert paused.detail.startswith("by ada@host, because black friday: paused until somebody resumes it")
    assert declined.detail.startswith(f"by ada@host: {NOT_DONE}shop waits for no approval")


# ---------------------------------------------------------------- rotate


def test_rotate_what_is_due(fleet: Fleet, wiring: Wiring) -> None:
    """The answer says that it begins; the look that follows does only what was named."""
    shop, mail = fleet.stored("shop"), fleet.stored("mail")
    assert ask(wiring, "rotate", certificate="shop") == "shop: renew begins now, because due"
    (outcome,) = rotate_now(wiring, ["shop"])
    assert (outcome.decision.spec.name, outcome.result) == ("shop", Result.UNPROVED)
    assert fleet.stored("shop") != shop
    assert fleet.stored("mail") == mail


def test_rotate_what_is_not_due_needs_force(fleet: Fleet, wiring: Wiring) -> None:
    """Without --force nothing is ordered for a certificate that needs nothing."""
    before = fleet.stored("mail")
    answer = ask(wiring, "rotate", certificate="mail", force="no")
    assert answer.startswith(f"{NOT_DONE}mail needs nothing")
    assert answer.endswith("`rotator rotate mail --force` renews it all the same")
    assert rotate_now(wiring, ["mail"]) == ()
    assert ask(wiring, "rotate", certificate="mail", force="yes") == "mail: renew begins now, because asked"
    assert len(rotate_now(wiring, ["mail"])) == 1
    assert fleet.stored("mail") != before


def test_rotate_names_what_does_it_at_once(fleet: Fleet) -> None:
    """What was seen once waits for a second look, or was issued a moment ago: whoever asks is told of `--force`."""
    fresh = fleet.folder / "fresh" / "tls.crt"
    fresh.parent.mkdir()
    declare(fleet, fresh, 1)
    with build(load(fleet.config), system_clock(), writer=True) as built:
        told = ask(built, "rotate", certificate="shop", force="no")
        assert told.startswith(f"{NOT_DONE}shop is noted, but second-look holds it back")
        assert told.endswith("; `rotator rotate shop --force` renews it now")
        told = ask(built, "rotate", certificate="shop", new_key="yes", reason="laptop lost")
        assert told.endswith("; `rotator rotate shop --force --new-key --reason 'laptop lost'` renews it now")
        assert ask(built, "rotate", certificate="shop", force="yes").startswith("shop: renew begins now")


def test_rotate_now_leaves_others_alone(fleet: Fleet, wiring: Wiring) -> None:
    """A rotation by hand of one certificate does not carry out what else is due."""
    shop = fleet.stored("shop")
    ask(wiring, "rotate", certificate="mail", force="yes")
    rotate_now(wiring, ["mail"])
    assert fleet.stored("shop") == shop


# ---------------------------------------------------------------- pause and resume


def test_pause_holds_and_resume_lets_go(wiring: Wiring) -> None:
    """A pause by glob holds what matches; resuming the same glob ends it."""
    assert ask(wiring, "pause", match="s*", reason="audit") == "paused until somebody resumes it: shop"
    assert state_of(wiring, "shop") == (Action.HOLD, Reason.PAUSED)
    held = ask(wiring, "rotate", certificate="shop")
    assert held.startswith(f"{NOT_DONE}shop is noted, but paused holds it back")
    assert held.endswith("; to let it through: rotator resume --match 's*'")
    assert ask(wiring, "resume", match="s*") == "resumed: s*"
    assert state_of(wiring, "shop")[0] is Action.RENEW


def test_pause_of_everything(wiring: Wiring) -> None:
    """Without a glob everything is paused, until a moment if one is given."""
    until = wiring.world.clock.now() + timedelta(hours=2)
    answer = ask(wiring, "pause", reason="audit", until=until.isoformat())
    assert answer == f"paused until {until:%Y-%m-%d %H:%M} UTC: everything"


def test_pause_that_makes_no_sense(wiring: Wiring) -> None:
    """A glob that matches nothing and a moment in the past are declined."""
    assert ask(wiring, "pause", match="shpo", reason="x").startswith(
        f"{NOT_DONE}no certificate matches 'shpo'; did you"
    )
    past = (wiring.world.clock.now() - DAY).isoformat()
    assert "has passed already" in ask(wiring, "pause", reason="x", until=past)
    assert wiring.world.store.pauses() == {}


def test_resume_says_what_is_paused(wiring: Wiring) -> None:
    """Resuming what was never paused names the pauses in force."""
    assert ask(wiring, "resume") == f"{NOT_DONE}nothing is paused"
    ask(wiring, "pause", match="shop", reason="x")
    assert ask(wiring, "resume", match="mail") == f"{NOT_DONE}no pause was given as 'mail'; in force: shop"


def test_approve_the_surge(wiring: Wiring) -> None:
    """Unforeseen renewals in bulk are let through for a day."""
    ask(wiring, "approve", certificate="*")
    now = wiring.world.clock.now()
    until = wiring.world.store.fleet(now).approved_surge_until
    assert until is not None
    assert until > now


# ---------------------------------------------------------------- roll back


def rotated_twice(wiring: Wiring) -> None:
    rotate_now(wiring, ["shop"])
    ask(wiring, "rotate", certificate="shop", force="yes")
    rotate_now(wiring, ["shop"])


def test_rollback_needs_something_to_go_back_to(wiring: Wiring) -> None:
    """Before rotator has renewed it twice there is no certificate of ours to put back."""
    assert "has not renewed shop yet" in ask(wiring, "rollback", certificate="shop")
    rotate_now(wiring, ["shop"])
    assert "no earlier certificate of shop is kept" in ask(wiring, "rollback", certificate="shop")


def test_rollback_puts_the_previous_one_back_and_holds(fleet: Fleet, wiring: Wiring) -> None:
    """The previous one stands with its key, the newer one is quarantined there, and looks do not overwrite it."""
    rotate_now(wiring, ["shop"])
    previous = fleet.stored("shop")
    ask(wiring, "rotate", certificate="shop", force="yes")
    rotate_now(wiring, ["shop"])
    newer = fleet.stored("shop")
    answer = ask(wiring, "rollback", certificate="shop")
    assert answer.startswith("shop: the certificate that ends ")
    assert answer.endswith("the newer one is held until `rotator approve shop`")
    assert fleet.stored("shop") == previous
    world = wiring.world
    history = world.store.histories(["shop"], world.clock.now())["shop"]
    assert [(one.fingerprint, one.by_hand) for one in history.quarantines] == [(newer, True)]
    assert "ada@host" in history.held_by_hand
    look(wiring)
    assert state_of(wiring, "shop")[0] is Action.HOLD
    assert ask(wiring, "approve", certificate="shop").startswith("shop is approved (")


def test_rollback_can_be_repeated(fleet: Fleet, wiring: Wiring) -> None:
    """Asking twice, or again after a crash in the middle, ends the same."""
    rotated_twice(wiring)
    first = ask(wiring, "rollback", certificate="shop")
    stands = fleet.stored("shop")
    assert ask(wiring, "rollback", certificate="shop") == first
    assert fleet.stored("shop") == stands


def test_rollback_that_fails_is_held_all_the_same(fleet: Fleet, wiring: Wiring) -> None:
    """Where the place cannot be written the answer names it; the hold was stored before anything was touched."""
    rotated_twice(wiring)
    certificate = fleet.folder / "services" / "shop" / "tls.crt"
    certificate.with_name("tls.key").unlink()
    certificate.unlink()
    certificate.mkdir()
    answer = ask(wiring, "rollback", certificate="shop")
    assert answer.startswith(f"{NOT_DONE}shop could not be put back everywhere: ")
    assert str(certificate) in answer
    assert wiring.world.store.histories(["shop"], wiring.world.clock.now())["shop"].held_by_hand


def test_rollback_that_is_not_served_says_so(fleet: Fleet) -> None:
    """A server that does not load what was put back is named."""
    certificate = fleet.put("shop", left=20 * DAY)
    served = fleet.put("served", left=60 * DAY)
    with serving(served, served.with_name("tls.key")) as port:
        declare(fleet, certificate, port)
        fleet.config.write_text(fleet.config.read_text().replace("settle: 5s", "settle: 1s"))
        with build(load(fleet.config), system_clock(), writer=True) as wiring:
            rotated_twice(wiring)
            answer = ask(wiring, "rollback", certificate="shop")
    assert answer.startswith(f"{NOT_DONE}shop: the certificate that ends ")
    assert answer.endswith(f"was put back, but shop.example.com@127.0.0.1:{port} does not serve it")
