"""Tests of the account: kept, found again, never made twice, and only with the terms agreed to."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from rotator.errors import IssueError
from rotator.issuers.acme.account import Account
from tests.issuers.acme.conftest import MakeIssuer
from tests.issuers.acme.proxied import NEW_ACCOUNT, NEW_ORDER, Front, fronted, problem
from tests.issuers.acme.test_order import assert_good, fresh
from tests.issuers.asking import Drawer, ask, issue, objections
from tests.servers.loopback import Request, Response
from tests.servers.pebble import PebbleSettings, start_pebble

MAC_KEY = "bWFjLWtleS1vZi10aGUtdGVzdC13aXRoLTMyLWJ5dGVz"


def kept(drawer: Drawer) -> dict[str, str]:
    (text,) = drawer.kept.values()
    fields: dict[str, str] = json.loads(text)
    return fields


def test_an_account_is_made_once(front: Front, make: MakeIssuer, drawer: Drawer) -> None:
    """A restarted process takes the kept account and does not even ask for it."""
    issue(make(front), ask(fresh()))
    issue(make(front), ask(fresh()))

    assert len(front.done(NEW_ACCOUNT)) == 1
    assert kept(drawer)["address"].startswith(front.proxy.url)


def test_two_first_orders_at_once_make_one_account(front: Front, make: MakeIssuer) -> None:
    """Threads that start together share what the first of them registers, and one listener."""
    issuer, asked = make(front), [ask(fresh()) for _ in range(3)]

    with ThreadPoolExecutor(3) as pool:
        chains = list(pool.map(lambda each: issue(issuer, each), asked))

    for chain, each in zip(chains, asked, strict=True):
        assert_good(chain, each, front.pebble)
    assert len(front.done(NEW_ACCOUNT)) == 1


def test_a_lost_address_is_found_by_the_key(front: Front, make: MakeIssuer, drawer: Drawer) -> None:
    """A crash between registering and keeping the address: the CA says 200 and where the account is."""
    issue(make(front), ask(fresh()))
    before = kept(drawer)
    (name,) = drawer.kept
    drawer.put(name, json.dumps({**before, "address": ""}).encode())

    issue(make(front), ask(fresh()))

    assert kept(drawer) == before
    assert [answer.status for answer in front.done(NEW_ACCOUNT)] == [201, 200]


def test_the_key_is_kept_before_the_ca_sees_it(front: Front, make: MakeIssuer, drawer: Drawer) -> None:
    """A registration whose answer is lost is not lost: the same key asks again."""
    front.instead = lambda request: problem("serverInternal", "later", 500) if NEW_ACCOUNT in request.path else None
    with pytest.raises(IssueError, match="later"):
        issue(make(front), ask(fresh()))
    key = kept(drawer)["key"]
    front.instead = None

    issue(make(front), ask(fresh()))

    assert kept(drawer)["key"] == key


def test_a_ca_that_was_rebuilt_gets_the_same_key_again(tmp_path: Path, make: MakeIssuer, drawer: Drawer) -> None:
    """Account and order are gone in the middle of an order: that try says so, the next registers once and orders."""
    tokens: list[str] = []
    asked = ask(fresh())

    class CrashError(Exception):
        pass

    def crash(token: str) -> None:
        tokens.append(token)
        raise CrashError

    with start_pebble(tmp_path / "pebble") as pebble, fronted(pebble, tmp_path / "front") as front:
        with pytest.raises(CrashError):
            issue(make(front), asked, checkpoint=crash)
        key, old = kept(drawer)["key"], kept(drawer)["address"]
        pebble.restart()

        with pytest.raises(IssueError, match="does not know our account any more, nor the order in flight"):
            issue(make(front), asked, resume=tokens[-1])
        chain = issue(make(front), asked)

        assert_good(chain, asked, pebble)
        assert kept(drawer)["key"] == key
        assert kept(drawer)["address"] != old
        assert len(front.done(NEW_ACCOUNT)) == 2


def test_an_account_that_is_refused_for_ever_is_no_loop(front: Front, make: MakeIssuer) -> None:
    """A CA that never knows the account is asked twice, not again and again."""
    gone = problem("accountDoesNotExist", "who are you?")
    front.instead = lambda request: gone if NEW_ORDER in request.path else None

    with pytest.raises(IssueError, match="who are you"):
        issue(make(front), ask(fresh()))

    assert front.asked(NEW_ORDER) == 2
    assert len(front.done(NEW_ACCOUNT)) == 2


def test_without_agreed_terms_nothing_is_registered(front: Front, make: MakeIssuer) -> None:
    """The sentence shows the terms and the setting; no account is made, and the preflight says it as well."""
    issuer = make(front, agree_terms=False)

    with pytest.raises(IssueError, match=r"read data:text/plain.* and set agree_terms: true$") as refused:
        issue(issuer, ask(fresh()))

    assert refused.value.permanent
    assert front.asked(NEW_ACCOUNT) == 0
    assert objections(issuer, fresh()) == (str(refused.value),)


def test_terms_that_changed_are_a_persons_work(front: Front, make: MakeIssuer) -> None:
    """403 userActionRequired (RFC 8555, 7.3.3): permanent, with the address that a person has to open."""
    body = {"type": "urn:ietf:params:acme:error:userActionRequired", "detail": "Terms have changed"}
    answer = problem("userActionRequired", "Terms have changed", 403)
    for text, link in (
        ({**body, "instance": "https://ca.example/agreement/?token=1"}, ""),
        (body, '<https://ca.example/agreement/?token=1>;rel="terms-of-service"'),
    ):
        refusal = replace(
            answer, body=json.dumps(text).encode(), headers={**answer.headers, **({"Link": link} if link else {})}
        )
        front.instead = lambda request, answer=refusal: answer if NEW_ORDER in request.path else None

        with pytest.raises(IssueError, match=r"Terms have changed; open https://ca\.example/agreement/") as refused:
            issue(make(front), ask(fresh()))

        assert refused.value.permanent
        assert ("`rotator account update" in str(refused.value)) is bool(link)  # else it may be about something else


@pytest.fixture(scope="module")
def bound(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    """A Pebble that wants an external account."""
    folder = tmp_path_factory.mktemp("bound")
    settings = PebbleSettings(external_accounts={"kid-1": MAC_KEY})
    with start_pebble(folder / "pebble", settings) as pebble, fronted(pebble, folder / "front") as front:
        yield front


class TestExternalAccount:
    """External account binding (RFC 8555, 7.3.4)."""

    def test_the_binding_vouches_for_our_key(
        self, bound: Front, make: MakeIssuer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """With key id and MAC key of the CA, an account is made and a certificate issued."""
        monkeypatch.setenv("EAB", MAC_KEY)
        asked = ask(fresh())

        chain = issue(make(bound, eab={"kid": "kid-1", "key": "${env:EAB}"}), asked)

        assert_good(chain, asked, bound.pebble)

    def test_without_a_binding_nothing_is_sent(self, bound: Front, make: MakeIssuer) -> None:
        """The directory says that it is wanted, so the sentence comes before any request."""
        asked_before = bound.asked(NEW_ACCOUNT)

        with pytest.raises(IssueError, match=r"^ca: the CA wants an external account: .*set eab$") as refused:
            issue(make(bound), ask(fresh()))

        assert refused.value.permanent
        assert bound.asked(NEW_ACCOUNT) == asked_before

    @pytest.mark.parametrize(
        ("value", "sentence"),
        [
            ("d3JvbmctbWFjLWtleS1vZi10aGUtdGVzdC0zMi1ieXRl", "the CA says"),
            ("a", "the MAC key of eab is not base64url"),
            (None, "the environment variable EAB is not set"),
        ],
        ids=["wrong", "garbage", "missing"],
    )
    def test_a_bad_mac_key_is_said_and_not_shown(
        self, bound: Front, make: MakeIssuer, monkeypatch: pytest.MonkeyPatch, value: str | None, sentence: str
    ) -> None:
        """Refused by the CA, or not even a key: one sentence, without the key in it."""
        monkeypatch.delenv("EAB", raising=False)
        if value is not None:
            monkeypatch.setenv("EAB", value)

        with pytest.raises(IssueError, match=f"^ca: {sentence}") as refused:
            issue(make(bound, eab={"kid": "kid-1", "key": "${env:EAB}"}), ask(fresh()))

        assert refused.value.permanent
        assert value is None or len(value) < 9 or value not in str(refused.value)


def test_accounts_of_different_customers_are_apart(front: Front, make: MakeIssuer, drawer: Drawer) -> None:
    """The same CA with an external account is another account than without one."""
    issue(make(front), ask(fresh()))
    with pytest.raises(IssueError):
        issue(make(front, eab={"kid": "k", "key": "${env:NO_SUCH_VARIABLE}"}), ask(fresh()))

    assert len(drawer.kept) == 2


def test_the_key_is_in_no_repr(front: Front, make: MakeIssuer, drawer: Drawer) -> None:
    """Whoever logs an account does not log its key."""
    issue(make(front), ask(fresh()))
    fields = kept(drawer)

    assert "PRIVATE" not in repr(Account(fields["key"].encode(), fields["address"]))


def test_an_account_without_an_address_is_an_error(front: Front, make: MakeIssuer) -> None:
    """A CA that does not say where the account is cannot be worked with, and nothing wrong is kept."""

    def without_location(request: Request, response: Response) -> Response:
        if NEW_ACCOUNT not in request.path:
            return response
        return replace(
            response, headers={name: value for name, value in response.headers.items() if name != "Location"}
        )

    front.change = without_location

    with pytest.raises(IssueError, match="did not say where it is"):
        issue(make(front), ask(fresh()))
