"""What an ACME CA refuses, and what it may do wrong: one sentence each, bounded, and nothing ordered twice."""

from __future__ import annotations

import http.server
import json
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import requests

from rotator.core.model import KeySpec
from rotator.core.pem import certificate_pem
from rotator.errors import IssueError, Pending
from rotator.issuers.acme.errors import (
    Refused,
)
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
    fronted,
    problem,
)
from tests.issuers.acme.test_order import assert_good, fresh
from tests.issuers.asking import ask, issue, objections
from tests.pki import self_signed
from tests.servers.loopback import Drop, Request, Response
from tests.servers.pebble import Pebble, PebbleSettings, start_pebble

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


class TestPolicy:
    """What the CA will not do, in its own words."""

    def test_a_forbidden_name_is_permanent(self, pebble: Pebble, make: MakeIssuer) -> None:
        """rejectedIdentifier: the names in question are in the sentence."""
        with pytest.raises(IssueError, match=r"^ca: the CA says: .*shop\.blocked\.example is a forbidden") as refused:
            issue(make(pebble), ask("shop.blocked.example", fresh()))

        assert refused.value.permanent
        assert "\n" not in str(refused.value)

    def test_a_key_that_the_ca_does_not_take_is_said(self, front: Front, make: MakeIssuer) -> None:
        """Pebble signs no Ed25519 key; the order stays, and nothing is ordered again."""
        with pytest.raises(IssueError, match="Ed25519 is not supported"):
            issue(make(front), ask(fresh(), key=KeySpec("ed25519", 0)))

        assert front.orders == 1

    def test_a_name_that_does_not_lead_here_may_be_repaired(self, pebble: Pebble, make: MakeIssuer) -> None:
        """Nobody answers where the name leads: the sentence names it, and trying again may help."""
        name = fresh()
        pebble.dns_command("add-a", host=f"{name}.", addresses=["127.0.0.3"])

        with pytest.raises(IssueError, match=rf"^ca: the CA could not verify that {name} is ours: .*refused") as failed:
            issue(make(pebble), ask(fresh(), name))

        assert not failed.value.permanent
        assert failed.value.failed_names == (name,)

    def test_a_caa_record_for_another_ca_is_permanent(self, front: Front, make: MakeIssuer) -> None:
        """Somebody has to change the record; the CA's words say which."""
        front.instead = lambda request: (
            problem("caa", "CAA record for example.com prevents issuance", 403) if NEW_ORDER in request.path else None
        )

        with pytest.raises(IssueError, match=r"CAA record for example\.com prevents issuance") as refused:
            issue(make(front), ask(fresh()))

        assert refused.value.permanent

    def test_a_wildcard_is_refused_before_anything_is_ordered(self, front: Front, make: MakeIssuer) -> None:
        """HTTP-01 cannot prove a wildcard, so no order is spent on it."""
        issuer = make(front)

        with pytest.raises(
            IssueError, match=r"^ca: \*\.example\.com cannot be proved: a wildcard cannot be proved over HTTP"
        ) as refused:
            issue(issuer, ask("example.com", "*.example.com"))

        assert refused.value.permanent
        assert front.asked("/") == 0
        assert objections(issuer, "*.example.com") == (str(refused.value),)

    def test_a_uri_is_refused_before_anything_is_ordered(self, front: Front, make: MakeIssuer) -> None:
        """ACME has identifiers for hosts and addresses only."""
        with pytest.raises(IssueError, match="no host name or address"):
            issue(make(front), ask("spiffe://example.com/shop"))

        assert front.asked("/") == 0

    def test_a_challenge_of_another_kind_is_said(self, front: Front, make: MakeIssuer) -> None:
        """A CA that offers only what we cannot do, known to the package or not, is one sentence."""

        def only_others(request: Request, response: Response) -> Response:
            if AUTHORIZATION not in request.path or response.status >= 400:
                return response
            return changed(response, challenges=[{"type": "dns-01"}, {"type": "dns-persist-01"}])

        front.change = only_others

        with pytest.raises(IssueError, match=r"takes dns-01, dns-persist-01, not http-01") as refused:
            issue(make(front), ask(fresh()))

        assert refused.value.permanent

    def test_a_profile_for_other_accounts_is_permanent(self, front: Front, make: MakeIssuer) -> None:
        """Let's Encrypt says `unauthorized` for a profile that only some accounts may order: asked once."""
        said = problem("unauthorized", "account ID 1 is not permitted to use certificate profile 'shortlived'", 403)
        front.instead = lambda request: said if NEW_ORDER in request.path else None

        with pytest.raises(IssueError, match="not permitted to use certificate profile") as refused:
            issue(make(front), ask(fresh(), profile="shortlived"))

        assert refused.value.permanent
        assert front.asked(NEW_ORDER) == 1

    def test_a_rate_limit_names_its_end(self, front: Front, make: MakeIssuer) -> None:
        """429 rateLimited: not permanent, asked once, and the wait goes into the backoff."""
        limit = problem("rateLimited", "too many certificates already issued", 429, Retry_After="7200")
        front.instead = lambda request: limit if NEW_ORDER in request.path else None

        with pytest.raises(IssueError, match="too many certificates already issued") as limited:
            issue(make(front), ask(fresh()))

        assert not limited.value.permanent
        assert limited.value.retry_after == timedelta(hours=2)
        assert limited.value.refused_by_limit
        assert front.asked(NEW_ORDER) == 1


class TestNonces:
    """A CA that refuses nonces."""

    def test_nine_of_ten_refused_ends_well_in_the_end(self, tmp_path: Path, make: MakeIssuer) -> None:
        """Each refusal brings a nonce that is used. Where twenty tries of a request are not enough, the error may pass
        and names the nonce, or the order is still open, and the same order is taken up again: it comes to its end."""
        asked, tokens, failed = ask(fresh()), list[str](), list[Refused | Pending]()
        settings = PebbleSettings(nonce_reject=90)
        with start_pebble(tmp_path / "pebble", settings) as pebble, fronted(pebble, tmp_path / "front") as front:
            issuer, chain = make(front), None
            while chain is None:
                calls = len(front.proxy.calls)
                try:
                    resume = tokens[-1] if tokens else None
                    chain = issuer.issue(asked.request, resume=resume, checkpoint=tokens.append)
                except Refused as error:
                    assert (error.code, error.permanent, error.resumable) == ("badNonce", False, bool(tokens))
                    failed.append(error)
                except Pending as error:  # the CA never heard that it may look
                    failed.append(error)
                assert len(front.proxy.calls) - calls < 300
                assert len(failed) < 50

            assert_good(chain, asked, pebble)
            assert front.orders == 1
            assert front.asked("/nonce-plz") <= 2 * (len(failed) + 1)

    def test_all_refused_is_bounded(self, front: Front, make: MakeIssuer) -> None:
        """Twenty tries for one request, then an error that may pass."""
        issue(make(front), ask(fresh()))
        refused_nonce = problem("badNonce", "no", Replay_Nonce="c29tZS1ub25jZQ")
        front.instead = lambda request: refused_nonce if NEW_ORDER in request.path else None

        with pytest.raises(Refused) as refused:
            issue(make(front), ask(fresh()))

        assert (refused.value.code, refused.value.permanent) == ("badNonce", False)
        assert front.asked(NEW_ORDER) <= 25 + front.orders


HTML = Response(200, {"Content-Type": "text/html"}, b"<html><body>Please sign in</body></html>")
NOTHING = Response(200, {}, b"")
LIST = Response(200, {"Content-Type": "application/json"}, b"[]")
HUGE = Response(200, {"Content-Type": "application/json"}, b" " * 50_000_000)
NESTED = Response(200, {"Content-Type": "application/json"}, b"[" * 500_000)
NONSENSE = Response(
    200,
    {"Content-Type": "application/json"},
    json.dumps({"status": 7, "authorizations": {"a": 1}, "finalize": None, "challenges": "none"}).encode(),
)


class TestLies:
    """Answers that no CA should give (F69): an error of one line, no traceback, no second order, no endless calls."""

    @pytest.mark.parametrize(
        "answer",
        [HTML, NOTHING, LIST, NESTED, HUGE, NONSENSE],
        ids=["html", "empty", "list", "nested", "huge", "odd"],
    )
    @pytest.mark.parametrize("path", ["/dir", NEW_ORDER, AUTHORIZATION, ORDER, FINALIZE, CERTIFICATE])
    def test_nonsense_anywhere_is_a_passing_error(
        self, front: Front, make: MakeIssuer, path: str, answer: Response
    ) -> None:
        """Whichever answer is replaced, the attempt ends soon: in a sentence, or well where another answer tells."""
        front.change = answer_instead(path, answer)
        asked = ask(fresh())

        try:
            chain = issue(make(front, patience="10s"), asked)
        except (IssueError, Pending) as failed:
            assert str(failed).startswith("ca: ")
            assert not getattr(failed, "permanent", False)
            assert len(str(failed)) < 400
        else:
            assert path == FINALIZE
            assert_good(chain, asked, front.pebble)
        assert front.orders <= 1
        assert len(front.proxy.calls) < 200

    @pytest.mark.parametrize(
        "body", [b"[]", b"7", b'"no"', b'{"type": 7, "detail": []}', b'{"subproblems": [7]}', b"\xff"]
    )
    def test_a_refusal_of_any_shape_is_one_sentence(self, front: Front, make: MakeIssuer, body: bytes) -> None:
        """A status of 400 says enough, whatever stands below it."""
        odd = Response(400, {"Content-Type": "application/problem+json"}, body)
        front.instead = lambda request: odd if NEW_ORDER in request.path else None

        with pytest.raises(IssueError, match=r"^ca: the CA says: .*\(status 400\)$") as failed:
            issue(make(front), ask(fresh()))

        assert not failed.value.permanent

    @pytest.mark.parametrize("status", [500, 502, 503])
    def test_a_gateway_error_passes(self, front: Front, make: MakeIssuer, status: int) -> None:
        """HTML from whatever stands before the CA: its wait is taken, its text is not shown."""
        front.instead = lambda request: (
            Response(status, {"Retry-After": "60"}, b"<html>bad</html>") if NEW_ORDER in request.path else None
        )

        with pytest.raises(IssueError, match=rf"nothing that explains it \(status {status}\)") as failed:
            issue(make(front), ask(fresh()))

        assert not failed.value.permanent
        assert failed.value.retry_after == timedelta(minutes=1)

    def test_a_ca_that_breaks_every_connection_passes(self, front: Front, make: MakeIssuer) -> None:
        """Cut at the first byte: one sentence with the host in it."""

        def drop(request: Request) -> Response:
            raise Drop

        front.instead = drop

        with pytest.raises(IssueError, match=r"^ca: the directory cannot be had: .*127\.0\.0\.1") as failed:
            issue(make(front), ask(fresh()))

        assert not failed.value.permanent

    def test_a_directory_that_is_not_there_is_permanent(self, front: Front, make: MakeIssuer) -> None:
        """404 is a typing error in the config, most likely."""
        with pytest.raises(IssueError, match=r"/no-such-dir answers with status 404") as failed:
            issue(make(front, directory=f"{front.proxy.url}/no-such-dir"), ask(fresh()))

        assert failed.value.permanent

    def test_a_directory_outside_tls_is_not_used(self, front: Front, make: MakeIssuer) -> None:
        """Whoever answers there could lead every request, and our account's registration, to a CA of its own."""
        directory = requests.get(front.directory_url, verify=str(front.ca_file), timeout=10).content

        class Plain(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.send_header("Content-Length", str(len(directory)))
                self.end_headers()
                self.wfile.write(directory)

            def log_message(self, format: str, *args: object) -> None:
                """Say nothing on stderr."""

        with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Plain) as server:
            thread = threading.Thread(target=server.serve_forever, args=(0.05,))
            thread.start()
            away = Response(302, {"Location": f"http://127.0.0.1:{server.server_port}/dir"})
            front.instead = lambda request: away if request.path == "/dir" else None
            try:
                with pytest.raises(IssueError, match="redirects to an address that is not https"):
                    issue(make(front), ask(fresh()))
            finally:
                server.shutdown()
                thread.join()

        assert front.orders == 0

    def test_a_half_chain_is_refused_and_downloaded_again_later(self, front: Front, make: MakeIssuer) -> None:
        """A truncated download costs an attempt; the certificate exists, so the next one only downloads."""
        tokens: list[str] = []
        asked = ask(fresh())
        front.change = lambda request, response: (
            replace(response, body=response.body[:-30])
            if CERTIFICATE in request.path and response.status < 400
            else response
        )
        with pytest.raises(IssueError, match="no certificate chain"):
            issue(make(front), asked, checkpoint=tokens.append)
        front.change = None

        chain = issue(make(front), asked, resume=tokens[-1])

        assert_good(chain, asked, front.pebble)
        assert (front.orders, len(front.done(FINALIZE))) == (1, 1)

    def test_a_root_that_is_sent_along_is_left_out(self, front: Front, make: MakeIssuer) -> None:
        """Some CAs send it; clients have their own."""
        root = self_signed(["root.example.com"], not_before=NOW, not_after=NOW + timedelta(days=1), ca=True).chain.leaf
        front.change = lambda request, response: (
            replace(response, body=response.body + certificate_pem(root))
            if CERTIFICATE in request.path and response.status < 400
            else response
        )

        chain = issue(make(front), ask(fresh()))

        assert not any(certificate.self_signed for certificate in chain.certificates)

    def test_addresses_outside_tls_are_not_asked(self, front: Front, make: MakeIssuer) -> None:
        """A signed request never goes out in clear, whatever the CA names."""

        def downgrade(request: Request, response: Response) -> Response:
            if NEW_ORDER not in request.path or response.status >= 400:
                return response
            return changed(response, authorizations=["http://127.0.0.1:1/authz"])

        front.change = downgrade

        with pytest.raises(IssueError, match="not https"):
            issue(make(front), ask(fresh()))

    @pytest.mark.parametrize("token", ["../../etc/passwd", "short", "", 7, None])
    def test_a_token_that_could_be_a_path_is_not_used(self, front: Front, make: MakeIssuer, token: object) -> None:
        """It becomes a file name or an address of our listener, so it has to be a token (RFC 8555, 8.3)."""

        def spoil(request: Request, response: Response) -> Response:
            if AUTHORIZATION not in request.path or response.status >= 400:
                return response
            return changed(response, challenges=[{"type": "http-01", "url": "https://127.0.0.1:1/c", "token": token}])

        front.change = spoil

        with pytest.raises(IssueError, match="challenge"):
            issue(make(front), ask(fresh()))

    @pytest.mark.parametrize("name", ["payments.example.com", "192.0.2.7", ""])
    def test_a_name_that_was_not_ordered_is_not_proved(self, front: Front, make: MakeIssuer, name: str) -> None:
        """Whatever the CA asks for: nothing is shown for names that nobody configured."""

        def another(request: Request, response: Response) -> Response:
            if AUTHORIZATION not in request.path or response.status >= 400:
                return response
            return changed(response, identifier={"type": "dns", "value": name})

        front.change = another

        with pytest.raises(IssueError, match="which was not ordered"):
            issue(make(front), ask(fresh()))
        assert not front.done(CHALLENGE)
