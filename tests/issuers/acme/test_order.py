"""Tests of an ACME order on a real Pebble that refuses half of all good nonces."""

from __future__ import annotations

import functools
import http.server
import json
import threading
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from rotator.core.model import Chain
from rotator.core.pem import key_matches, read_certificates
from rotator.core.trust import verify_path
from rotator.errors import IssueError, Pending
from rotator.issuers.acme.http01 import LISTENERS
from rotator.issuers.acme.resources import Checkpoint
from rotator.ports import Clock
from tests.e2e.cas import minted
from tests.issuers.acme.conftest import MakeIssuer
from tests.issuers.acme.proxied import (
    AUTHORIZATION,
    CERTIFICATE,
    CHALLENGE,
    FINALIZE,
    NEW_ORDER,
    ORDER,
    Front,
    answer_instead,
    changed,
    cut,
    fronted,
    problem,
    with_headers,
)
from tests.issuers.asking import Asked, ask, hurried_clock, issue
from tests.pki import Authority
from tests.servers.loopback import Drop, Request, Response
from tests.servers.pebble import MINUTE, Pebble, PebbleSettings, start_pebble


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Another web server, which shows the files of a folder."""

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing on stderr."""


class Crash(BaseException):
    """The process ends here."""


def fresh() -> str:
    """A name that no authorization was given for yet."""
    return f"{uuid.uuid4().hex[:12]}.example.com"


def assert_good(chain: Chain, asked: Asked, pebble: Pebble) -> None:
    roots = read_certificates(pebble.roots().encode())
    assert key_matches(chain, asked.key)
    assert verify_path(chain, roots, datetime.now(UTC), asked.request.names) is None
    assert not any(certificate.self_signed for certificate in chain.certificates)


@pytest.fixture(autouse=True)
def _nothing_left_open() -> Iterator[None]:
    """After every test, however it ended, no challenge listener is left."""
    yield
    assert not LISTENERS._open


class TestIssuing:
    """All goes well."""

    def test_names_and_an_address_are_one_order(self, front: Front, make: MakeIssuer) -> None:
        """Leaf and intermediate come back, the root does not; two checkpoints on the way."""
        asked, tokens = ask(fresh(), fresh(), "127.0.0.1"), list[str]()

        chain = issue(make(front), asked, checkpoint=tokens.append)

        assert_good(chain, asked, front.pebble)
        assert front.orders == 1
        assert [json.loads(token)["finalized"] for token in tokens] == [False, True]

    @pytest.mark.parametrize("reuse", [0, 100])
    def test_authorizations_may_be_used_again_or_not(self, tmp_path: Path, make: MakeIssuer, reuse: int) -> None:
        """With all authorizations valid already, an order begins as ready, and no challenge is answered."""
        name = fresh()
        settings = PebbleSettings(authorization_reuse=reuse)
        with start_pebble(tmp_path / "pebble", settings) as pebble, fronted(pebble, tmp_path / "front") as front:
            issuer = make(front)
            issue(issuer, ask(name))
            first = len(front.done(CHALLENGE))
            for _ in range(3):  # Pebble's "never" is one in a hundred
                asked = ask(name)
                assert_good(issue(issuer, asked), asked, pebble)

            assert (len(front.done(CHALLENGE)) > first) is (reuse == 0)

    def test_authorizations_in_any_order_are_matched_by_what_they_are(self, front: Front, make: MakeIssuer) -> None:
        """The list of authorizations has no order (RFC 8555, 7.4): reversed, each name still gets its own proof."""

        def reverse(request: Request, response: Response) -> Response:
            if (NEW_ORDER not in request.path and ORDER not in request.path) or response.status >= 400:
                return response
            return changed(response, authorizations=json.loads(response.body)["authorizations"][::-1])

        front.change = reverse
        asked = ask(fresh(), fresh(), fresh())

        assert_good(issue(make(front), asked), asked, front.pebble)

    def test_a_profile_of_a_minute(self, pebble: Pebble, make: MakeIssuer) -> None:
        """The request's profile goes before the issuer's; what lives a minute lives a minute."""
        chain = issue(make(pebble), ask(fresh(), profile=MINUTE))

        assert chain.lifetime <= timedelta(seconds=61)

    def test_a_profile_that_is_not_offered_orders_nothing(self, front: Front, make: MakeIssuer) -> None:
        """The sentence lists what the CA does offer."""
        with pytest.raises(IssueError, match=r"^ca: the CA has no profile 'nix'; it offers default, minute") as refused:
            issue(make(front), ask(fresh(), profile="nix"))

        assert refused.value.permanent
        assert front.asked(NEW_ORDER) == 0

    def test_a_web_servers_root_serves_as_well(self, pebble: Pebble, tmp_path: Path, make: MakeIssuer) -> None:
        """With `webroot`, another server shows the proofs; none of them is left in it."""
        root = tmp_path / "www"
        root.mkdir()
        show = functools.partial(Quiet, directory=str(root))
        with http.server.ThreadingHTTPServer(("127.0.0.1", pebble.http_port), show) as server:
            threading.Thread(target=server.serve_forever, args=(0.05,)).start()
            try:
                asked = ask(fresh(), fresh())
                chain = issue(make(pebble, http01={"webroot": str(root)}), asked)
            finally:
                server.shutdown()

        assert_good(chain, asked, pebble)
        assert not list((root / ".well-known" / "acme-challenge").iterdir())


class TestRenewing:
    """`replaces` (RFC 9773, 5)."""

    def test_a_renewal_names_its_predecessor(self, front: Front, make: MakeIssuer) -> None:
        """The CA takes the new one as the successor and says so in the order."""
        issuer, name = make(front), fresh()
        first = issue(issuer, ask(name))

        issue(issuer, ask(name, replaces=first.leaf))

        assert json.loads(front.done(NEW_ORDER)[-1].body)["replaces"]

    def test_a_predecessor_that_was_replaced_already_is_left_out(self, front: Front, make: MakeIssuer) -> None:
        """409 alreadyReplaced costs one more request, not the renewal."""
        issuer, name = make(front), fresh()
        first = issue(issuer, ask(name))
        issue(issuer, ask(name, replaces=first.leaf))
        asked = ask(name, replaces=first.leaf)

        assert_good(issue(issuer, asked), asked, front.pebble)
        assert "replaces" not in json.loads(front.done(NEW_ORDER)[-1].body)

    def test_a_predecessor_of_another_ca_is_left_out(self, front: Front, make: MakeIssuer) -> None:
        """An adopted certificate comes from wherever; the CA that has never seen it still signs the new one."""
        now = datetime.now(UTC)
        other = Authority("Other CA", not_before=now, not_after=now + timedelta(days=9))
        name = fresh()
        old = other.issue([name], not_before=now, not_after=now + timedelta(days=8)).chain.leaf
        asked = ask(name, replaces=old)

        assert_good(issue(make(front), asked), asked, front.pebble)
        assert front.orders == 1

    def test_a_predecessor_that_the_ca_has_forgotten_is_left_out(self, front: Front, make: MakeIssuer) -> None:
        """To a certificate of its own that is not in its books Pebble answers 500: with the field no order would ever
        pass, without it this very one does."""
        name = fresh()
        forgotten = minted(front.pebble, name, timedelta(days=29)).chain.leaf
        asked = ask(name, replaces=forgotten)

        assert_good(issue(make(front), asked), asked, front.pebble)
        assert front.orders == 1

    def test_without_renewal_information_nothing_is_named(self, front: Front, make: MakeIssuer) -> None:
        """A CA that does not advertise ARI may refuse a field that it does not know."""
        name = fresh()
        first = issue(make(front), ask(name))
        front.change = lambda request, response: (
            changed(response, renewalInfo=None) if request.path == "/dir" else response
        )

        issue(make(front), ask(name, replaces=first.leaf))

        assert "replaces" not in json.loads(front.done(NEW_ORDER)[-1].body)


class TestResuming:
    """Wherever it was left, an order is taken up again: the CA sees exactly one."""

    @pytest.mark.parametrize("at", [1, 2], ids=["ordered", "finalized"])
    def test_a_crash_after_a_checkpoint(self, front: Front, make: MakeIssuer, at: int) -> None:
        """Killed right after the token was kept, the next process asks for no second order."""
        tokens = list[str]()
        asked = ask(fresh(), fresh())

        def keep(token: str) -> None:
            tokens.append(token)
            if len(tokens) == at:
                raise Crash

        with pytest.raises(Crash):
            issue(make(front), asked, checkpoint=keep)
        chain = issue(make(front), asked, resume=tokens[-1], checkpoint=tokens.append)

        assert_good(chain, asked, front.pebble)
        assert front.orders == 1

    @pytest.mark.parametrize("path", [AUTHORIZATION, FINALIZE, CERTIFICATE])
    def test_an_answer_that_is_lost(self, front: Front, make: MakeIssuer, path: str) -> None:
        """The CA has acted, the answer never came: the attempt fails, the next one ends the same order."""
        tokens = list[str]()
        asked = ask(fresh())
        front.change = cut(path)

        with pytest.raises(IssueError) as broken:
            issue(make(front), asked, checkpoint=tokens.append)
        front.change = None
        chain = issue(make(front), asked, resume=tokens[-1], checkpoint=tokens.append)

        assert not broken.value.permanent
        assert_good(chain, asked, front.pebble)
        assert front.orders == 1

    @pytest.mark.parametrize("path", [CHALLENGE, AUTHORIZATION])
    def test_an_outage_while_the_ca_looks_costs_no_order(self, front: Front, make: MakeIssuer, path: str) -> None:
        """The CA is looking at a proof, and cannot be reached for a while: the proof stays until it is seen."""
        asked, lost = ask(fresh()), list[str]()

        def after(request: Request, response: Response) -> Response:
            looking = bool(front.done(CHALLENGE))
            if looking and path in request.path and response.status < 400 and len(lost) < 3:
                lost.append(request.path)
                raise Drop
            return response

        front.change = after

        assert_good(issue(make(front), asked), asked, front.pebble)
        assert lost
        assert front.orders == 1

    def test_an_outage_that_lasts_is_the_reason(self, front: Front, make: MakeIssuer) -> None:
        """When patience ends, the sentence is about the CA's silence, and the order is left to be resumed."""
        tokens = list[str]()
        outage = problem("serverInternal", "in maintenance", 503)
        front.change = lambda request, response: (
            outage if front.done(CHALLENGE) and AUTHORIZATION in request.path else response
        )

        with pytest.raises(IssueError, match="in maintenance") as failed:
            issue(make(front, patience="20s"), ask(fresh()), checkpoint=tokens.append)

        assert not failed.value.permanent
        assert len(tokens) == 1

    @pytest.mark.parametrize(("code", "status"), [("serverInternal", 503), ("rateLimited", 429)])
    def test_a_ca_that_is_busy_is_asked_again_when_it_says(
        self, front: Front, make: MakeIssuer, code: str, status: int
    ) -> None:
        """It looks at a proof, and names a time: nobody asks before that, the proof stays, and the order lives on."""
        real, waits, asked = hurried_clock(), list[float](), ask(fresh())
        busy = [problem(code, "come back later", status, Retry_After="33")]

        def wait(seconds: float) -> None:
            waits.append(seconds)
            real.wait(seconds)

        def after(request: Request, response: Response) -> Response:
            return busy.pop() if busy and front.done(CHALLENGE) and AUTHORIZATION in request.path else response

        front.change = after
        chain = issue(make(front, Clock(now=real.now, monotonic=real.monotonic, wait=wait)), asked)

        assert_good(chain, asked, front.pebble)
        assert 33.0 in waits
        assert front.orders == 1

    def test_a_limit_of_requests_leaves_the_order_as_it_is(self, front: Front, make: MakeIssuer) -> None:
        """429 to anything but a new order is about the asking: the same order is finished later, none is made anew."""
        tokens, asked = list[str](), ask(fresh())
        front.instead = lambda request: (
            problem("rateLimited", "too many requests", 429, Retry_After="30") if FINALIZE in request.path else None
        )

        with pytest.raises(IssueError, match="too many requests") as limited:
            issue(make(front), asked, checkpoint=tokens.append)
        front.instead = None
        chain = issue(make(front), asked, resume=tokens[-1])

        assert limited.value.resumable
        assert limited.value.retry_after == timedelta(seconds=30)
        assert_good(chain, asked, front.pebble)
        assert front.orders == 1

    def test_an_error_after_the_certificate_was_made(self, front: Front, make: MakeIssuer) -> None:
        """500 to a finalize that succeeded: the order is valid, so it is downloaded and not made again."""
        tokens = list[str]()
        asked = ask(fresh())
        front.change = answer_instead(FINALIZE, problem("serverInternal", "try later", 500, Retry_After="30"))

        with pytest.raises(IssueError, match="try later") as broken:
            issue(make(front), asked, checkpoint=tokens.append)
        front.change = None
        issued = front.pebble.issued()
        chain = issue(make(front), asked, resume=tokens[-1])

        assert not broken.value.permanent
        assert broken.value.retry_after == timedelta(seconds=30)
        assert_good(chain, asked, front.pebble)
        assert (front.orders, len(front.done(FINALIZE))) == (1, 1)
        assert front.pebble.issued() == issued

    def test_a_finished_order_is_downloaded_again(self, front: Front, make: MakeIssuer) -> None:
        """A crash before the chain was kept: the very same certificate comes back."""
        tokens = list[str]()
        asked = ask(fresh())
        first = issue(make(front), asked, checkpoint=tokens.append)

        second = issue(make(front), asked, resume=tokens[-1])

        assert second == first
        assert front.orders == 1

    def test_an_order_that_failed_is_made_anew(self, front: Front, make: MakeIssuer) -> None:
        """A name that did not answer makes its order invalid: resumed it is said to have failed, anew it succeeds."""
        tokens = list[str]()
        asked = ask(fresh())
        with pytest.raises(IssueError, match=f"could not verify that {asked.request.names[0]} is ours"):
            issue(make(front, http01={"listen": "127.0.0.1:1"}), asked, checkpoint=tokens.append)

        with pytest.raises(IssueError, match=r"could not verify|order failed"):
            issue(make(front), asked, resume=tokens[-1])
        chain = issue(make(front), asked, checkpoint=tokens.append)

        assert_good(chain, asked, front.pebble)
        assert front.orders == 2

    @pytest.mark.parametrize(
        "lie",
        [
            {"status": "pending", "expires": "2020-01-01T00:00:00Z"},
            {"status": "processing", "expires": "2020-01-01T00:00:00Z"},
            None,
        ],
        ids=["expired", "never done", "gone"],
    )
    def test_an_order_that_cannot_end_well_is_a_failure_before_it_is_made_anew(
        self, front: Front, make: MakeIssuer, lie: dict[str, str] | None
    ) -> None:
        """Past its end or forgotten by the CA: nothing is ordered in its place where nobody counts it."""
        tokens = list[str]()
        asked = ask(fresh())
        issue(make(front), asked, checkpoint=tokens.append)
        lost = Checkpoint.read(tokens[-1])
        assert lost is not None

        def after(request: Request, response: Response) -> Response:
            if not lost.order.endswith(request.path) or response.status >= 400:
                return response
            return problem("malformed", "no such order", 404) if lie is None else changed(response, **lie)

        front.change = after
        with pytest.raises(IssueError, match=r"the order in flight .*; the next try orders anew") as refused:
            issue(make(front), asked, resume=tokens[-1])
        assert not refused.value.permanent
        assert front.orders == 1

        assert_good(issue(make(front), asked), asked, front.pebble)
        assert front.orders == 2

    @pytest.mark.parametrize("status", ["invalid", "expired", "deactivated", "revoked"])
    def test_an_order_with_a_dead_authorization_is_a_failure_before_it_is_made_anew(
        self, front: Front, make: MakeIssuer, status: str
    ) -> None:
        """The CA still calls the order pending, but one of its names cannot be proved any more."""
        tokens = list[str]()
        asked = ask(fresh(), fresh())

        def keep(token: str) -> None:
            tokens.append(token)
            raise Crash

        with pytest.raises(Crash):
            issue(make(front), asked, checkpoint=keep)
        dead = json.loads(tokens[-1])["authorizations"][0]
        front.change = lambda request, response: (
            changed(response, status=status) if dead.endswith(request.path) and response.status < 400 else response
        )

        with pytest.raises(IssueError, match="a name that cannot be proved any more; the next try orders anew"):
            issue(make(front), asked, resume=tokens[-1])
        assert front.orders == 1

        assert_good(issue(make(front), asked), asked, front.pebble)
        assert front.orders == 2

    @pytest.mark.parametrize("token", ["", "{}", "[]", "null", "not JSON", '{"order": "https://127.0.0.1:1/"}'])
    def test_a_token_that_cannot_be_read_is_as_good_as_none(self, front: Front, make: MakeIssuer, token: str) -> None:
        """What another version or another issuer wrote leads to a new order."""
        asked = ask(fresh())

        assert_good(issue(make(front), asked, resume=token), asked, front.pebble)

    def test_a_token_for_another_key_is_not_used(self, front: Front, make: MakeIssuer) -> None:
        """Resuming the order of an old key would give a certificate that nobody can use."""
        tokens = list[str]()
        name = fresh()
        issue(make(front), ask(name), checkpoint=tokens.append)
        asked = ask(name)

        assert_good(issue(make(front), asked, resume=tokens[-1]), asked, front.pebble)
        assert front.orders == 2


class TestPatience:
    """A CA that takes its time."""

    @pytest.mark.parametrize(
        ("retry_after", "least", "most"),
        [("", 1, 16), ("0", 1, 1), ("20", 20, 20), ("31536000", 86400, 86400), ("nonsense", 1, 16)],
    )
    def test_processing_for_ever_is_left_pending(
        self, front: Front, make: MakeIssuer, retry_after: str, least: int, most: int
    ) -> None:
        """Within its patience it asks as often as the CA wishes, then leaves; later the same order is finished."""
        tokens = list[str]()
        asked = ask(fresh())

        def after(request: Request, response: Response) -> Response:
            if response.status >= 400 or not (FINALIZE in request.path or ORDER in request.path):
                return response
            if json.loads(response.body)["status"] not in {"processing", "valid"}:
                return response
            unfinished = changed(response, status="processing", certificate=None)
            headers = {name: value for name, value in unfinished.headers.items() if name != "Retry-After"}
            named = {"Retry-After": retry_after} if retry_after else {}
            return Response(unfinished.status, {**headers, **named}, unfinished.body)

        front.change = after
        with pytest.raises(Pending) as pending:
            issue(make(front, patience="45s"), asked, checkpoint=tokens.append)
        polls = len(front.done(ORDER))
        front.change = None
        chain = issue(make(front), asked, resume=tokens[-1])

        assert timedelta(seconds=least) <= pending.value.retry_after <= timedelta(seconds=most)
        assert polls <= 50
        assert_good(chain, asked, front.pebble)
        assert front.orders == 1

    def test_a_date_is_a_wait_too(self, front: Front, make: MakeIssuer) -> None:
        """`Retry-After` as an HTTP date is counted from now, not from the machine's zone."""
        tokens = list[str]()

        def after(request: Request, response: Response) -> Response:
            if AUTHORIZATION not in request.path or response.status >= 400:
                return response
            at = datetime.now(UTC) + timedelta(minutes=10)
            pending = changed(response, status="pending")
            return with_headers(pending, {"Retry-After": at.strftime("%a, %d %b %Y %H:%M:%S GMT")})

        front.change = after
        with pytest.raises(Pending) as pending:
            issue(make(front), ask(fresh()), checkpoint=tokens.append)

        assert timedelta(minutes=9) < pending.value.retry_after <= timedelta(minutes=10)
        assert len(tokens) == 1

    def test_a_process_that_is_asked_to_stop_does_not_hammer_the_ca(self, front: Front, make: MakeIssuer) -> None:
        """A wait that returns at once means stop: the order is left for the next process."""
        real = hurried_clock()
        clock = Clock(now=real.now, monotonic=real.monotonic, wait=lambda seconds: None)

        with pytest.raises(Pending, match="stopped before"):
            issue(make(front, clock), ask(fresh()))

        assert len(front.done(AUTHORIZATION)) == 1
