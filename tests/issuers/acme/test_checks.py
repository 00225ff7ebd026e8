"""Tests of what is said of the account before an order needs it."""

from __future__ import annotations

import pytest

from rotator.core.model import Check, PreflightRequest
from rotator.issuers.acme import AcmeIssuer
from rotator.issuers.acme.account import Account
from rotator.issuers.acme.checks import eab_check, terms_check
from rotator.issuers.acme.directory import Directory
from rotator.issuers.acme.settings import AcmeSettings
from tests.issuers.acme.conftest import MakeIssuer
from tests.issuers.acme.proxied import NEW_ACCOUNT, NEW_ORDER, Front, changed, problem
from tests.issuers.acme.test_order import fresh
from tests.issuers.asking import Drawer, ask, hurried_clock, issue
from tests.servers.loopback import Drop, Request, Response

MY_ACCOUNT = "/my-account/"
TERMS = "https://ca.example/terms"
DIRECTORY = Directory("https://ca.example/dir", "", "", "", terms=TERMS, external_account_required=True)
MAC_KEY = "bWFjLWtleS1vZi10aGUtdGVzdC13aXRoLTMyLWJ5dGVz"


def checks(issuer: AcmeIssuer, profile: str = "") -> dict[str, Check]:
    return {check.name: check for check in issuer.preflight(PreflightRequest((fresh(),), profile=profile))}


def bound(monkeypatch: pytest.MonkeyPatch, key: str | None) -> AcmeSettings:
    monkeypatch.delenv("EAB", raising=False)
    if key is not None:
        monkeypatch.setenv("EAB", key)
    return AcmeSettings.model_validate(
        {"directory": "https://ca.example/dir", "eab": {"kid": "kid", "key": "${env:EAB}"}, "agree_terms": True}
    )


class TestAsked:
    """On a real Pebble."""

    def test_before_the_first_order_all_is_well_and_nothing_is_made(
        self, front: Front, make: MakeIssuer, drawer: Drawer
    ) -> None:
        """Each check says what was seen; no account is registered and no key made for it."""
        found = checks(make(front))

        assert not any(check.problem for check in found.values())
        assert set(found) >= {"names", "directory", "terms", "eab", "account", "profile"}
        assert "none yet" in found["account"].detail
        assert front.asked(NEW_ACCOUNT) == front.asked(NEW_ORDER) == 0
        assert not drawer.kept

    def test_an_account_is_asked_for_and_not_only_remembered(self, front: Front, make: MakeIssuer) -> None:
        """The CA itself is asked how the account stands; of many certificates only the first asks."""
        issue(make(front), ask(fresh()))
        later, before = make(front), front.asked(MY_ACCOUNT)

        first, second = checks(later), checks(later)

        assert first["account"].detail.endswith("is valid")
        assert first["account"] == second["account"]
        assert len(front.done(MY_ACCOUNT)) == 1
        assert front.asked(MY_ACCOUNT) > before

    def test_an_account_that_was_ended_elsewhere_is_a_problem(
        self, front: Front, make: MakeIssuer, drawer: Drawer
    ) -> None:
        """Deactivated at the CA behind our back: said weeks before a renewal would fail, with what to do."""
        issue(make(front), ask(fresh()))
        other = AcmeIssuer("other", make(front)._settings, hurried_clock(), Drawer(dict(drawer.kept)))
        other.deactivate_account()

        found = checks(make(front))["account"]

        assert "deactivated" in found.problem
        assert found.remedy

    @pytest.mark.parametrize("status", ["deactivated", "revoked", "", None])
    def test_a_status_that_is_not_valid_is_a_problem(self, front: Front, make: MakeIssuer, status: str | None) -> None:
        """Whatever the CA calls it."""
        issue(make(front), ask(fresh()))
        front.change = lambda request, response: (
            changed(response, status=status) if MY_ACCOUNT in request.path and response.status < 400 else response
        )

        found = checks(make(front))["account"]

        assert found.problem == f"ca: the CA calls our account {status or 'nothing'}, not valid"
        assert "rotator account update ca --new" in found.remedy

    def test_an_account_that_the_ca_forgot_is_registered_again(self, front: Front, make: MakeIssuer) -> None:
        """No problem, since the next order does it by itself."""
        issue(make(front), ask(fresh()))
        gone = problem("accountDoesNotExist", "who are you?")
        front.instead = lambda request: gone if MY_ACCOUNT in request.path else None

        found = checks(make(front))["account"]

        assert not found.problem
        assert "registers its key again" in found.detail

    def test_terms_that_changed_are_told_before_the_ca_insists(self, front: Front, make: MakeIssuer) -> None:
        """The directory names other terms than the account agreed to: link and command; agreeing ends it."""
        issue(make(front), ask(fresh()))
        front.change = lambda request, response: (
            changed(response, meta={"termsOfService": f"{TERMS}-2"}) if request.path == "/dir" else response
        )
        issuer = make(front)

        found = checks(issuer)["terms"]
        issuer.update_account(agree_terms=True, anew=False)

        assert f"read {TERMS}-2" in found.problem
        assert "rotator account update ca --agree-terms" in found.remedy
        assert not checks(issuer)["terms"].problem

    def test_terms_that_the_ca_insists_on_come_with_its_page(self, front: Front, make: MakeIssuer) -> None:
        """403 userActionRequired to the account itself: the page to open is in the sentence."""
        issue(make(front), ask(fresh()))
        front.instead = lambda request: (
            Response(
                403,
                {"Content-Type": "application/problem+json", "Link": f'<{TERMS}?t=1>;rel="terms-of-service"'},
                b'{"type": "urn:ietf:params:acme:error:userActionRequired", "detail": "Terms have changed"}',
            )
            if MY_ACCOUNT in request.path
            else None
        )

        found = [c for c in make(front).preflight(PreflightRequest((fresh(),))) if c.problem]

        assert [check.name for check in found] == ["terms"]
        assert f"open {TERMS}?t=1" in found[0].problem

    def test_a_profile_that_is_not_offered_is_a_problem(self, front: Front, make: MakeIssuer) -> None:
        """The ones that are offered are listed."""
        found = checks(make(front), profile="tlsserver")["profile"]

        assert "no profile 'tlsserver'; it offers default, minute, shortlived" in found.problem
        assert not checks(make(front), profile="shortlived")["profile"].problem

    def test_a_ca_that_does_not_answer_is_one_problem(self, front: Front, make: MakeIssuer) -> None:
        """Of the account nothing can be told then, so nothing is."""

        def drop(request: Request) -> Response:
            raise Drop

        front.instead = drop
        found = checks(make(front))

        assert found["directory"].problem
        assert "account" not in found


class TestExternalAccount:
    """What can be told of an external account without using it."""

    @pytest.mark.parametrize(
        ("key", "said"),
        [
            (None, "the environment variable EAB is not set"),
            ("not base64!", "is not base64url"),
            ("a2V5", "too short to be one"),
        ],
    )
    def test_a_mac_key_that_is_none_is_said(self, monkeypatch: pytest.MonkeyPatch, key: str | None, said: str) -> None:
        """Missing, mistyped or cut off; never shown."""
        found = eab_check("ca", bound(monkeypatch, key), DIRECTORY, None)

        assert said in found.problem
        assert found.remedy
        assert key is None or key not in found.problem

    def test_whether_it_is_alive_cannot_be_told(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A MAC key may be good for one registration only, so it is not tried; the check says so."""
        found = eab_check("ca", bound(monkeypatch, MAC_KEY), DIRECTORY, None)

        assert not found.problem
        assert "only the first order can tell" in found.detail

    def test_a_missing_one_is_said_only_while_it_is_needed(self) -> None:
        """An account that is registered needs no external account any more."""
        settings = AcmeSettings(directory="https://ca.example/dir", agree_terms=True)

        assert "set eab" in eab_check("ca", settings, DIRECTORY, None).problem
        assert not eab_check("ca", settings, DIRECTORY, Account(b"", "https://ca.example/1")).problem


@pytest.mark.parametrize(
    ("agreed", "now", "is_problem"),
    [(TERMS, TERMS, False), (TERMS, f"{TERMS}-2", True), ("", TERMS, False), (TERMS, "", False), ("", "", False)],
)
def test_terms_are_compared_with_what_was_agreed_to(agreed: str, now: str, is_problem: bool) -> None:
    """Where one of them is not known, nothing is claimed."""
    directory = Directory("https://ca.example/dir", "", "", "", terms=now)
    account = Account(b"", "https://ca.example/1", terms=agreed)

    assert bool(terms_check("ca", AcmeSettings(directory="letsencrypt"), directory, account).problem) is is_problem
