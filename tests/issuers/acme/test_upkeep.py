"""Tests of the account's life on a real Pebble: contact, terms, another key, its end; and what a crash leaves."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from rotator.core.model import RevocationReason
from rotator.errors import IssueError
from rotator.issuers.acme import AcmeIssuer
from rotator.issuers.acme.account import Account
from tests.issuers.acme.conftest import MakeIssuer
from tests.issuers.acme.proxied import NEW_ACCOUNT, NEW_ORDER, Front, answer_instead, changed, cut, problem
from tests.issuers.acme.test_account import kept
from tests.issuers.acme.test_ari import leaf
from tests.issuers.acme.test_order import assert_good, fresh
from tests.issuers.asking import Asked, Drawer, ask, issue
from tests.servers.loopback import Drop, Request, Response

KEY_CHANGE = "/rollover-account-key"
MY_ACCOUNT = "/my-account/"


@pytest.fixture
def issuer(front: Front, make: MakeIssuer) -> AcmeIssuer:
    """An issuer with a registered account."""
    issuer = make(front, email="pki@example.com")
    issuer.update_account(agree_terms=False, anew=False)
    return issuer


def test_an_account_is_shown_without_making_one(front: Front, make: MakeIssuer, drawer: Drawer) -> None:
    """Before the first order there is none, and looking changes neither the CA nor the drawer."""
    shown = make(front).account()

    assert (shown.address, shown.status) == ("", "")
    assert shown.terms
    assert front.asked(NEW_ACCOUNT) == 0
    assert not drawer.kept


def test_an_account_can_be_made_before_it_is_needed(front: Front, make: MakeIssuer, drawer: Drawer) -> None:
    """A second CA's account is best made while the first still works; the first order then uses it."""
    shown = make(front, email="pki@example.com").update_account(agree_terms=False, anew=False)
    issue(make(front), ask(fresh()))

    assert (shown.address, shown.status) == (kept(drawer)["address"], "valid")
    assert shown.contact == ("mailto:pki@example.com",)
    assert shown.agreed == shown.terms != ""
    assert len(front.done(NEW_ACCOUNT)) == 1


def test_an_address_is_told_and_taken_back(front: Front, issuer: AcmeIssuer, make: MakeIssuer) -> None:
    """What the config says is what the CA has afterwards, also when the config says nothing any more."""
    other = make(front, email="other@example.com").update_account(agree_terms=False, anew=False)
    none = make(front).update_account(agree_terms=False, anew=False)

    assert other.contact == ("mailto:other@example.com",)
    assert none.contact == ()
    assert issuer.account().contact == ()


def test_agreeing_by_command_is_enough(front: Front, make: MakeIssuer, drawer: Drawer) -> None:
    """A person who says `--agree-terms` has agreed, also where the config does not; what was agreed to is kept."""
    issuer = make(front, agree_terms=False)
    with pytest.raises(IssueError, match="agree_terms: true"):
        issuer.update_account(agree_terms=False, anew=False)

    shown = issuer.update_account(agree_terms=True, anew=False)

    assert shown.status == "valid"
    assert kept(drawer)["terms"] == shown.terms
    assert "agree_terms: true in the config as well" in shown.unsaid
    assert make(front).account().unsaid == ""


def test_new_terms_are_agreed_to_by_a_person(front: Front, issuer: AcmeIssuer, make: MakeIssuer) -> None:
    """Terms that changed are shown beside those that were agreed to, until somebody agrees."""
    front.change = lambda request, response: (
        changed(response, meta={"termsOfService": "https://ca.example/terms-2"}) if request.path == "/dir" else response
    )
    later = make(front, email="pki@example.com")

    before = later.account()
    updated = later.update_account(agree_terms=False, anew=False)
    agreed = later.update_account(agree_terms=True, anew=False)

    assert before.terms == updated.terms == "https://ca.example/terms-2"
    assert before.agreed == updated.agreed != before.terms
    assert agreed.agreed == agreed.terms == "https://ca.example/terms-2"


# ---------------------------------------------------------------- another key


@dataclass
class Failing(Drawer):
    """A drawer that a crash keeps from being written to, once a new key was sent."""

    last: Drawer = field(default_factory=Drawer)

    def change(self, key: str, change: Callable[[bytes | None], bytes]) -> bytes:
        def crashing(kept: bytes | None) -> bytes:
            value = change(kept)
            if kept and json.loads(kept)["next_key"] and not json.loads(value)["next_key"]:
                raise _CrashError
            return value

        return super().change(key, crashing)


class _CrashError(Exception):
    pass


def test_the_key_is_another_one_and_the_account_the_same(front: Front, issuer: AcmeIssuer, drawer: Drawer) -> None:
    """After a roll-over orders go on at the same address; the old key opens nothing any more."""
    before = kept(drawer)
    shown = issuer.roll_account_key()
    asked = ask(fresh())

    assert_good(issue(issuer, asked), asked, front.pebble)
    assert kept(drawer)["address"] == before["address"] == shown.address
    assert kept(drawer)["key"] != before["key"]
    assert kept(drawer)["next_key"] == ""
    assert len(front.done(KEY_CHANGE)) == 1


@pytest.mark.parametrize("heard", [False, True], ids=["never sent", "carried out"])
def test_a_roll_over_that_was_cut_off_is_settled_by_asking_with_both(
    front: Front, issuer: AcmeIssuer, make: MakeIssuer, drawer: Drawer, heard: bool
) -> None:
    """The answer is lost: the next order asks the CA which key it knows, and needs no second account."""
    before = kept(drawer)
    if heard:
        front.change = cut(KEY_CHANGE)
    else:
        front.instead = _drop_key_change
    with pytest.raises(IssueError) as lost:
        issuer.roll_account_key()
    cut_off = kept(drawer)
    front.change = front.instead = None
    asked = ask(fresh())

    chain = issue(make(front), asked)

    assert not lost.value.permanent
    assert cut_off["key"] == before["key"], "the old one is kept until the CA has said yes"
    assert cut_off["next_key"]
    assert_good(chain, asked, front.pebble)
    assert kept(drawer)["key"] == (cut_off["next_key"] if heard else before["key"])
    assert kept(drawer)["address"] == before["address"]
    assert [answer.status for answer in front.done(NEW_ACCOUNT)] == ([201, 200] if heard else [201])


def test_a_crash_between_the_answer_and_the_drawer_loses_nothing(front: Front, make: MakeIssuer) -> None:
    """Killed at the worst moment: the CA has the new key, the drawer has both; the next process finds out."""
    drawer = Failing()
    first = AcmeIssuer("ca", make(front)._settings, make(front)._clock, drawer)
    first.update_account(agree_terms=False, anew=False)
    with pytest.raises(_CrashError):
        first.roll_account_key()
    after = Drawer(dict(drawer.kept))
    asked = ask(fresh())

    chain = issue(AcmeIssuer("ca", make(front)._settings, make(front)._clock, after), asked)

    assert_good(chain, asked, front.pebble)
    assert kept(after)["key"] == kept(drawer)["next_key"]


def test_a_roll_over_that_was_cut_off_can_be_asked_for_again(front: Front, issuer: AcmeIssuer, drawer: Drawer) -> None:
    """Asked again after a lost request it uses the key that was kept for it."""
    front.instead = _drop_key_change
    with pytest.raises(IssueError):
        issuer.roll_account_key()
    waiting = kept(drawer)["next_key"]
    front.instead = None

    issuer.roll_account_key()

    assert kept(drawer)["key"] == waiting
    assert kept(drawer)["next_key"] == ""


def test_a_key_that_another_account_has_is_thrown_away(front: Front, issuer: AcmeIssuer, drawer: Drawer) -> None:
    """409 (RFC 8555, 7.3.5): it can never become ours, so the next try makes another."""
    front.instead = lambda request: (
        problem("malformed", "key is already in use", 409) if KEY_CHANGE in request.path else None
    )
    with pytest.raises(IssueError, match="already in use"):
        issuer.roll_account_key()

    assert kept(drawer)["next_key"] == ""


PAGE = Response(200, {"Content-Type": "text/html"}, b"<html><body>Please sign in</body></html>")
ANSWERS = {
    "409": problem("malformed", "key is already in use", 409),
    "refused": problem("unauthorized", "not yours", 403),
    "down": problem("serverInternal", "down", 500),
    "done, it says": Response(200, {"Replay-Nonce": "c29tZS1ub25jZQ"}),
    "a page": PAGE,
    "a moved page": Response(302, {"Location": "https://127.0.0.1:1/sign-in"}),
}


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
@pytest.mark.parametrize("heard", [False, True], ids=["never sent", "carried out"])
def test_whatever_a_roll_over_is_answered_the_account_stays_ours(
    front: Front, issuer: AcmeIssuer, make: MakeIssuer, drawer: Drawer, heard: bool, answer: Response
) -> None:
    """A proxy that answers in the CA's place, before or after it has acted: what the CA says of the two keys counts.
    Orders go on at the same account, and the key can be changed again."""
    before = kept(drawer)
    if heard:
        front.change = answer_instead(KEY_CHANGE, answer)
    else:
        front.instead = lambda request: answer if KEY_CHANGE in request.path else None
    with contextlib.suppress(IssueError):
        issuer.roll_account_key()
    front.change = front.instead = None
    rolled = kept(drawer)
    asked = ask(fresh())

    assert_good(issue(make(front), asked), asked, front.pebble)
    assert kept(drawer)["address"] == before["address"]
    assert (kept(drawer)["key"] != before["key"]) == heard
    assert rolled["key"] in {before["key"], kept(drawer)["key"]}
    assert make(front).roll_account_key().status == "valid"
    assert [each.status for each in front.done(NEW_ACCOUNT)].count(201) == 1


def test_an_order_goes_on_when_another_process_has_changed_the_key(
    front: Front, issuer: AcmeIssuer, make: MakeIssuer
) -> None:
    """Its requests are refused from then on: the kept key is read again, and the same order is finished with it."""
    other, asked, rolled = make(front), ask(fresh()), list[str]()

    def change(token: str) -> None:
        if not rolled:
            rolled.append(other.roll_account_key().status)

    assert_good(issue(issuer, asked, checkpoint=change), asked, front.pebble)
    assert rolled == ["valid"]
    assert front.orders == 1


def test_two_that_change_the_key_at_once_use_the_same(front: Front, issuer: AcmeIssuer, make: MakeIssuer) -> None:
    """Between the kept key and the CA's answer another process does the same: none loses what the CA has taken."""
    other, rolled = make(front), list[str]()

    def second(request: Request) -> Response | None:
        if KEY_CHANGE in request.path and not rolled:
            rolled.append("begun")
            rolled.append(other.roll_account_key().status)
        return None

    front.instead = second
    with contextlib.suppress(IssueError):
        issuer.roll_account_key()
    asked = ask(fresh())

    assert rolled == ["begun", "valid"]
    assert_good(issue(make(front), asked), asked, front.pebble)
    assert [each.status for each in front.done(NEW_ACCOUNT)].count(201) == 1


def test_neither_key_is_in_a_repr() -> None:
    """Whoever logs an account in the middle of a roll-over logs no key."""
    assert "KEY" not in repr(Account(b"KEY 1", "https://ca.example/1", b"KEY 2"))


def test_the_key_is_not_changed_under_an_order(front: Front, issuer: AcmeIssuer) -> None:
    """The proofs of an order are made with the account's key, so a change waits until it has ended."""
    asked, refused = ask(fresh()), list[str]()

    def change(token: str) -> None:
        if not refused:
            with pytest.raises(IssueError, match="in flight") as busy:
                issuer.roll_account_key()
            refused.append(str(busy.value))

    assert_good(issue(issuer, asked, checkpoint=change), asked, front.pebble)
    assert refused
    issuer.roll_account_key()


def test_a_ca_that_cannot_change_keys_is_said(front: Front, issuer: AcmeIssuer, make: MakeIssuer) -> None:
    """Some directories have no keyChange; nothing is kept or sent for it."""
    front.change = lambda request, response: changed(response, keyChange=None) if request.path == "/dir" else response
    with pytest.raises(IssueError, match="does not let an account change its key") as refused:
        make(front).roll_account_key()

    assert refused.value.permanent


def test_without_an_account_there_is_nothing_to_change(front: Front, make: MakeIssuer) -> None:
    """Each verb says so instead of making one; revoking needs one as well."""
    issuer = make(front)
    for verb in (issuer.roll_account_key, issuer.deactivate_account):
        with pytest.raises(IssueError, match="no account of ours"):
            verb()
    assert front.asked(NEW_ACCOUNT) == 0


# ---------------------------------------------------------------- its end


def test_a_deactivated_account_issues_nothing_until_a_person_wants_another(
    front: Front, issuer: AcmeIssuer, make: MakeIssuer, drawer: Drawer
) -> None:
    """No second account is made behind anybody's back: the error says how to begin anew, and that works."""
    first = kept(drawer)["address"]
    assert issuer.deactivate_account().status == "deactivated"
    assert issuer.deactivate_account().status == "deactivated", "asked twice it is done"
    assert issuer.account().status == "deactivated"

    orders = front.asked(NEW_ORDER)
    with pytest.raises(IssueError, match=r"deactivated; `rotator account update ca --new`") as refused:
        issue(make(front), ask(fresh()))
    assert refused.value.permanent
    assert front.asked(NEW_ORDER) == orders
    with pytest.raises(IssueError, match="--new"):
        issuer.update_account(agree_terms=False, anew=False)

    assert issuer.update_account(agree_terms=False, anew=True).status == "valid"
    asked = ask(fresh())
    assert_good(issue(make(front), asked), asked, front.pebble)
    assert kept(drawer)["address"] != first


def test_an_account_that_was_ended_elsewhere_can_be_made_anew(
    front: Front, issuer: AcmeIssuer, make: MakeIssuer, drawer: Drawer
) -> None:
    """The CA has ended it without us: `--new` asks the CA, so it works then, and for a valid account it does not."""
    with pytest.raises(IssueError, match="the account is valid"):
        issuer.update_account(agree_terms=False, anew=True)
    elsewhere = AcmeIssuer("ca", issuer._settings, issuer._clock, Drawer(dict(drawer.kept)))
    elsewhere.deactivate_account()

    assert make(front).update_account(agree_terms=False, anew=True).status == "valid"


def test_a_deactivation_whose_answer_was_lost_is_found_done(front: Front, issuer: AcmeIssuer, drawer: Drawer) -> None:
    """The CA has ended it and refuses all it says from then on: asked again, that is the answer."""
    front.change = cut(MY_ACCOUNT)
    with pytest.raises(IssueError):
        issuer.deactivate_account()
    front.change = None
    assert not kept(drawer)["deactivated"]

    assert issuer.deactivate_account().status == "deactivated"
    assert kept(drawer)["deactivated"]


# ---------------------------------------------------------------- revoking


class TestRevoking:
    """RFC 8555, 7.6."""

    @pytest.mark.parametrize("reason", [RevocationReason.UNSPECIFIED, RevocationReason.SUPERSEDED])
    def test_a_certificate_is_revoked_once(self, front: Front, make: MakeIssuer, reason: RevocationReason) -> None:
        """The CA's own books say so; asked again it is done already."""
        issuer = make(front)
        revoked = issue(issuer, ask(fresh())).leaf

        issuer.revoke(revoked, reason)
        issuer.revoke(revoked, reason)

        found = front.pebble.status(revoked.serial)
        assert found["Status"] == "Revoked"
        assert found.get("Reason", 0) in {reason.code, None}

    def test_the_certificate_of_another_ca_is_refused(self, front: Front, make: MakeIssuer) -> None:
        """The CA does not know it, and says so in one sentence."""
        issuer = make(front)
        issue(issuer, ask(fresh()))

        with pytest.raises(IssueError, match=r"^ca: the CA says"):
            issuer.revoke(leaf(), RevocationReason.SUPERSEDED)

    def test_without_an_account_or_a_place_it_is_said(self, front: Front, make: MakeIssuer) -> None:
        """Nothing is registered to revoke something, and a CA that does not revoke is named."""
        asked: Asked = ask(fresh())
        issuer = make(front)
        ours = issue(issuer, asked).leaf
        stranger = AcmeIssuer("ca", issuer._settings, issuer._clock, Drawer())
        with pytest.raises(IssueError, match="no account of ours"):
            stranger.revoke(ours, RevocationReason.SUPERSEDED)

        front.change = lambda request, response: (
            changed(response, revokeCert=None) if request.path == "/dir" else response
        )
        with pytest.raises(IssueError, match="names no place to revoke at"):
            make(front).revoke(ours, RevocationReason.SUPERSEDED)


def _drop_key_change(request: Request) -> Response | None:
    if KEY_CHANGE in request.path:
        raise Drop
    return None
