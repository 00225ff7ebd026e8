"""Tests of fetching a proof as a CA would: port 80 of every address of a name, over redirects, within a limit."""

from __future__ import annotations

import http.server
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from rotator.core.model import Check
from rotator.errors import IssueError, Pending
from rotator.issuers.acme.entrance import PATH, Entrance
from rotator.issuers.acme.http01 import Http01Solver
from rotator.issuers.acme.proving import Http01
from rotator.issuers.acme.solver import Desk, Proof
from rotator.issuers.acme.traces import Traces
from rotator.ports import Clock
from tests.issuers.asking import Drawer, hurried_clock
from tests.servers.bind import start_bind
from tests.servers.certificates import authority
from tests.servers.netns import network_namespace
from tests.servers.ports import free_port

NAME = "shop.entrance.test"
PROOF = Proof(NAME, "token", "token.print")
Answer = Callable[[http.server.BaseHTTPRequestHandler], None]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """An address whose port 80 is the test's own, and a DNS server that knows the names of this module."""
    with network_namespace(1) as network:
        near = network.addresses[0].rpartition(".")[0] + ".1"
        records = (
            f"shop A {near}\nboth A {near}\nboth AAAA 2001:db8::1\nhalf A {near}\nhalf A {network.addresses[0]}\n"
            "far AAAA 2001:db8::1\nempty TXT x\n"
        )
        with start_bind(tmp_path_factory.mktemp("dns"), {"entrance.test": records}, resolver=True) as bind:
            yield near, bind.server


@contextmanager
def serving(address: str, answer: Answer, tls: ssl.SSLContext | None = None, port: int = 80) -> Iterator[None]:
    """A web server that answers every GET so."""

    class Handler(http.server.BaseHTTPRequestHandler):
        do_GET = answer  # noqa: N815 - the name that the library calls

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing on stderr."""

    with http.server.ThreadingHTTPServer((address, port), Handler) as server:
        if tls is not None:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()


def says(body: str, status: int = 200, **headers: str) -> Answer:
    def answer(request: http.server.BaseHTTPRequestHandler) -> None:
        request.send_response(status)
        for name, value in headers.items():
            request.send_header(name, value)
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body.encode())

    return answer


def shows_proof(request: http.server.BaseHTTPRequestHandler) -> None:
    """As a web server that knows the name and the path, and nothing else."""
    known = request.headers["Host"].endswith("entrance.test") and request.path == f"{PATH}token"
    says("token.print" if known else "no", 200 if known else 404)(request)


def entrance(place: tuple[str, str], clock: Clock | None = None, **settings: object) -> Entrance:
    clock = clock or hurried_clock()
    chosen = Http01.model_validate({"propagation": "2s", "resolvers": [place[1]], **settings})
    return Entrance(chosen, Desk("ca", clock, Traces(Drawer(), "ca", clock.now)))


class TestWaiting:
    """Until it is seen, or a sentence why not."""

    def test_what_a_ca_would_see(self, place: tuple[str, str]) -> None:
        """Host and path as a CA sends them; an address that this machine has no way to is passed over."""
        with serving(place[0], shows_proof):
            entrance(place).wait_for([PROOF, replace(PROOF, name="both.entrance.test")])

    def test_a_redirect_to_https_is_followed(self, place: tuple[str, str], tmp_path: Path) -> None:
        """Wherever it leads, and whatever certificate is there, as CAs do (RFC 8555, 8.3)."""
        port = free_port()
        issued = authority(tmp_path).issue("web", "localhost")
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(issued.certificate, issued.key)
        away = says("", 301, Location=f"https://127.0.0.1:{port}/other")
        with serving(place[0], away), serving("127.0.0.1", says("token.print\n"), tls, port):
            entrance(place).wait_for([PROOF])

    def test_a_redirect_asks_for_the_host_that_it_names(self, place: tuple[str, str]) -> None:
        """As from `example.com` to `www.example.com`: the other web server does not know the first name."""
        port = free_port()

        def knows_itself(request: http.server.BaseHTTPRequestHandler) -> None:
            says("token.print" if request.headers["Host"] == f"127.0.0.1:{port}" else "no such host")(request)

        away = says("", 301, Location=f"http://127.0.0.1:{port}/other")
        with serving(place[0], away), serving("127.0.0.1", knows_itself, port=port):
            entrance(place).wait_for([PROOF])

    @pytest.mark.parametrize(
        ("answer", "said"),
        [
            (says("no such page", 404), r"shop\.entrance\.test at 10\.203\.\d+\.1 answers with status 404"),
            (says("<html>parked</html>"), r"shop\.entrance\.test at 10\.203\.\d+\.1 shows something else"),
            (says("x" * 100_000), "answered with more than 4096 bytes"),
        ],
    )
    def test_what_is_seen_instead(self, place: tuple[str, str], answer: Answer, said: str) -> None:
        """The address, and what it answers; it may pass."""
        with serving(place[0], answer), pytest.raises(IssueError, match=said) as unseen:
            entrance(place).wait_for([PROOF])

        assert "after 2s" in str(unseen.value)
        assert not unseen.value.permanent

    @pytest.mark.parametrize(
        ("name", "said"),
        [
            ("half", r"half\.entrance\.test at 10\.203\.\d+\.2: 10\.203\.\d+\.2 refuses the connection"),
            ("far", r"this machine has no way to 2001:db8::1 \(far\.entrance\.test\)"),
            ("empty", r"empty\.entrance\.test has no address"),
            ("none", r"none\.entrance\.test has no address"),
        ],
    )
    def test_every_address_counts(self, place: tuple[str, str], name: str, said: str) -> None:
        """A CA may ask any of them; none at all is said as well."""
        with serving(place[0], shows_proof), pytest.raises(IssueError, match=said):
            entrance(place).wait_for([replace(PROOF, name=f"{name}.entrance.test")])

    def test_a_stop_is_no_failure(self, place: tuple[str, str]) -> None:
        """A wait that returns at once means that the process stops."""
        stopped = replace(hurried_clock(), wait=lambda seconds: None)

        with pytest.raises(Pending, match="stopped before the challenges could be fetched"):
            entrance(place, stopped).wait_for([PROOF])


class TestBeforehand:
    """The preflight of HTTP-01 with `check`."""

    def solver(self, place: tuple[str, str], **settings: object) -> Http01Solver:
        clock = hurried_clock()
        chosen = Http01.model_validate({"check": True, "propagation": "2s", "resolvers": [place[1]], **settings})
        return Http01Solver(chosen, Desk("ca", clock, Traces(Drawer(), "ca", clock.now)))

    def test_the_listener_at_port_80_itself(self, place: tuple[str, str]) -> None:
        """The probe is shown and fetched over the name."""
        listen = f"{place[0]}:80"

        assert self.solver(place, listen=listen).preflight([NAME]) == (
            Check("http-01", detail=f"a challenge shown by {listen}, and fetched through port 80 of each name"),
        )

    def test_another_server_at_port_80_is_found(self, place: tuple[str, str]) -> None:
        """The listener is fine, but the name does not lead to it."""
        with serving(place[0], says("nginx", 404)):
            (check,) = self.solver(place, listen=f"127.0.0.1:{free_port()}").preflight([NAME])

        assert "answers with status 404" in check.problem
        assert "check: false" in check.problem
        assert check.remedy.startswith("lead port 80 of the names to 127.0.0.1:")

    def test_what_is_mended_is_what_failed(self, place: tuple[str, str], tmp_path: Path) -> None:
        """A port that is taken and a folder that is not there are no matter of port 80 of the names."""
        with serving(place[0], says("nginx", 404)):
            (taken,) = self.solver(place, listen=f"{place[0]}:80").preflight([NAME])
        (missing,) = self.solver(place, webroot=str(tmp_path / "gone")).preflight([NAME])

        assert taken.remedy.startswith("free the port")
        assert missing.remedy.startswith("name the folder")

    def test_a_webroot_that_is_served(self, place: tuple[str, str], tmp_path: Path) -> None:
        """Files of a web server's root are looked at in the same way; none is left."""

        def file(request: http.server.BaseHTTPRequestHandler) -> None:
            path = tmp_path / request.path.lstrip("/")
            says(path.read_text() if path.is_file() else "no", 200 if path.is_file() else 404)(request)

        with ExitStack() as stack:
            web: AbstractContextManager[None] = serving(place[0], file)
            stack.enter_context(web)
            (check,) = self.solver(place, webroot=str(tmp_path)).preflight([NAME])

        assert check.detail.endswith("fetched through port 80 of each name")
        assert not list((tmp_path / PATH.strip("/")).iterdir())
