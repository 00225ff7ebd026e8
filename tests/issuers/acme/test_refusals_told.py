"""What people are told of a refusal by an ACME CA: the page that lifts a pause, and one bounded sentence for all."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from rotator.errors import IssueError
from rotator.issuers.acme.errors import (
    LONGEST_WAIT,
    PREFIX,
    order_failure,
    refusal,
    sentence,
    validation_failure,
)
from tests.issuers.acme.conftest import MakeIssuer
from tests.issuers.acme.proxied import (
    NEW_ORDER,
    Front,
    problem,
)
from tests.issuers.acme.test_order import fresh
from tests.issuers.asking import ask, issue

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
KEYS = ("type", "detail", "title", "subproblems", "identifier", "value", "instance", "status")


def _answer(body: object, status: int = 400, **headers: str) -> requests.Response:
    answer = requests.Response()
    answer.status_code = status
    answer._content = json.dumps(body).encode()
    answer.headers.update(headers)
    return answer


UNPAUSE = f"https://portal.letsencrypt.org/sfe/v1/unpause?jwt={'eyJhbGciOiJIUzI1NiJ9.' + 'a1B2-_' * 120}.c2ln"


class TestPaused:
    """An account that the CA has paused for a name: only a person can lift that, on a page that the CA names."""

    @pytest.mark.parametrize("code", ["rateLimited", "unauthorized"])
    @pytest.mark.parametrize(
        "detail",
        [
            f"Your account is temporarily prevented from requesting certificates for a.example.com. "
            f"Please visit: {UNPAUSE}",
            f"{'a.example.com, ' * 60}are paused. See <{UNPAUSE}>.",
            f"Paused ({UNPAUSE}), sorry.",
        ],
        ids=["as Let's Encrypt says it", "after many words", "in brackets"],
    )
    def test_the_link_is_whole_and_a_person_is_told_at_once(self, code: str, detail: str) -> None:
        """It stands near the beginning, unbroken, once, and is not repeated in the words that may be cut."""
        refused = refusal(_answer({"type": PREFIX + code, "detail": detail}, 429), "ca", NOW)

        assert f"; open {UNPAUSE} to lift that; " in str(refused)
        assert str(refused).count("https://") == 1
        assert refused.permanent
        assert refused.refused_by_limit is (code == "rateLimited")

    def test_a_link_in_a_subproblem_is_found(self) -> None:
        """Wherever the CA puts it."""
        body = {"type": f"{PREFIX}rateLimited", "detail": "paused", "subproblems": [{"detail": f"see {UNPAUSE}"}]}

        assert UNPAUSE in str(refusal(_answer(body, 429), "ca", NOW))

    @pytest.mark.parametrize(
        ("code", "detail"),
        [
            ("rateLimited", "too many certificates (5) already issued; see https://letsencrypt.org/docs/rate-limits/"),
            ("malformed", f"please do not visit {UNPAUSE}"),
            ("rateLimited", "your account is paused"),
            ("rateLimited", f"paused: https://ca.example/{'x' * 3000}"),
            ("rateLimited", "paused: http://ca.example/in-clear or javascript:alert(1)"),
        ],
        ids=["a limit", "another error", "no link", "a link of 3000 characters", "no https"],
    )
    def test_what_is_no_pause_passes(self, code: str, detail: str) -> None:
        """A limit has an end, so it is waited for; its documentation is not a page to act on."""
        refused = refusal(_answer({"type": PREFIX + code, "detail": detail}, 429), "ca", NOW)

        assert not refused.permanent
        assert "to lift that" not in str(refused)

    def test_a_link_is_never_cut_in_two(self) -> None:
        """Words are cut at 500 characters; a link that begins before and ends behind is left out."""
        said = sentence({"detail": f"{'x' * 480} https://ca.example/a-long-page-about-it"})

        assert said == "x" * 480

    def test_the_order_ends_with_the_link(self, front: Front, make: MakeIssuer) -> None:
        """From a real order to the error of the attempt."""
        detail = f"Your account is temporarily prevented from requesting certificates. Please visit: {UNPAUSE}"
        front.instead = lambda request: problem("rateLimited", detail, 429) if NEW_ORDER in request.path else None

        with pytest.raises(IssueError, match="paused this account") as paused:
            issue(make(front), ask(fresh()))

        assert UNPAUSE in str(paused.value)
        assert paused.value.permanent
        assert front.asked(NEW_ORDER) == 1


class TestSentences:
    """From a problem document (RFC 7807) to a sentence, without any server."""

    @pytest.mark.parametrize(
        ("code", "permanent"),
        [
            ("rejectedIdentifier", True), ("caa", True), ("badCSR", True), ("unauthorized", True),
            ("externalAccountRequired", True), ("userActionRequired", True), ("invalidProfile", True),
            ("rateLimited", False), ("serverInternal", False), ("badNonce", False), ("malformed", False),
            ("somethingNew", False),
        ],
    )  # fmt: skip
    def test_the_code_says_whether_trying_again_can_help(self, code: str, permanent: bool) -> None:
        """What the operator or the CA's policy has to change first is permanent, everything unknown is not."""
        assert refusal(_answer({"type": PREFIX + code, "detail": "no"}), "ca", NOW).permanent is permanent

    def test_a_server_error_is_never_permanent(self) -> None:
        """Whatever a broken server says, it is broken."""
        assert not refusal(_answer({"type": f"{PREFIX}unauthorized"}, 503), "ca", NOW).permanent

    def test_a_validation_that_found_another_answer_may_be_repaired(self) -> None:
        """`unauthorized` in a challenge is about what was served there, not about our account."""
        found = {"type": f"{PREFIX}unauthorized", "detail": "The key authorization file did not match"}

        assert not validation_failure([("a.example.com", found)], "ca").permanent
        assert validation_failure([("a.example.com", {"type": f"{PREFIX}caa"})], "ca").permanent
        assert validation_failure([("a.example.com", found)], "ca").failed_names == ("a.example.com",)
        assert not validation_failure([("a.example.com", found)], "ca").refused_by_limit

    def test_every_name_that_failed_is_named(self) -> None:
        """The CA counts each of them; the sentence has the first few, the error all."""
        failed = [(f"{number}.example.com", {"detail": "x" * 400}) for number in range(8)]

        error = validation_failure(failed, "ca")

        assert error.failed_names == tuple(name for name, _ in failed)
        assert "verify that 4.example.com" in str(error)
        assert str(error).endswith("; and 3 names more")
        assert len(str(error)) < 1000

    def test_an_order_that_failed_says_why(self) -> None:
        """Its own error, for good where the request itself was bad; without one, that there is none."""
        bad_request = {"type": f"{PREFIX}badCSR", "detail": "the key was seen before"}

        assert order_failure(bad_request, "ca").permanent
        assert str(order_failure(bad_request, "ca")) == "ca: the order failed: the key was seen before"
        assert not order_failure({"type": f"{PREFIX}connection"}, "ca").permanent
        assert str(order_failure({}, "ca")) == "ca: the order failed: the CA gives no reason"

    def test_a_wait_of_a_year_is_a_week(self) -> None:
        """No limit of any CA is longer; a mistake must not stop renewals until the certificate has ended."""
        assert refusal(_answer({}, 429, **{"Retry-After": "31536000"}), "ca", NOW).retry_after == LONGEST_WAIT

    def test_subproblems_name_their_identifiers(self) -> None:
        """With a hundred names, the operator wants to know which of them."""
        subproblems = [{"detail": "forbidden", "identifier": {"type": "dns", "value": "a.example.com"}}]

        assert sentence({"detail": "refused", "subproblems": subproblems}) == "refused; a.example.com: forbidden"

    @given(
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.text(),
            lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(KEYS) | st.text(), inner),
        )
    )
    def test_no_answer_breaks_the_sentence(self, body: object) -> None:
        """Any JSON gives one printable line of a sensible length."""
        said = str(refusal(_answer(body), "ca", NOW))

        assert said.isprintable()
        assert len(said) < 700
