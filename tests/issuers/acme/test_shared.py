"""Tests of two orders at once that share one pending authorization, as a CA may hand it out twice."""

from __future__ import annotations

import contextlib
import functools
import http.server
import json
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from rotator.core.model import Chain
from rotator.errors import IssueError, Pending
from rotator.issuers.acme import AcmeIssuer
from tests.issuers.acme.conftest import MakeIssuer
from tests.issuers.acme.proxied import CHALLENGE, NEW_ORDER, Front, changed, fronted, problem
from tests.issuers.acme.test_order import assert_good, fresh
from tests.issuers.asking import ask, hurried_clock, issue
from tests.servers.loopback import Request, Response
from tests.servers.pebble import Pebble, PebbleSettings, start_pebble

SECONDS = 30.0


@dataclass
class Sharing:
    """A front that hands out the first order's pending authorization to the second.

    Pebble gives only valid authorizations to another order. So an order in between makes one valid for the name, and
    the second is ready for the CA at once; the front says that it waits for the first one's until that is valid.

    Attributes:
        instead_of_first: what the first order hears when it says that the CA may look; else what the CA says.
        first_asks, second_asks: it has shown its proof and says that the CA may look.
        first_goes_on, second_goes_on: the CA hears of that.
    """

    front: Front
    instead_of_first: Response | None = None
    shared: str = ""
    second: str = ""
    is_valid: bool = False
    is_between: bool = False
    asked: int = 0
    first_asks: threading.Event = field(default_factory=threading.Event)
    first_goes_on: threading.Event = field(default_factory=threading.Event)
    second_asks: threading.Event = field(default_factory=threading.Event)
    second_goes_on: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.front.instead, self.front.change = self._hold, self._share

    def _hold(self, request: Request) -> Response | None:
        if self.is_between or CHALLENGE not in request.path:
            return None
        self.asked += 1
        is_first = self.asked == 1
        asks, goes_on = (self.first_asks, self.first_goes_on) if is_first else (self.second_asks, self.second_goes_on)
        asks.set()
        assert goes_on.wait(SECONDS)
        return self.instead_of_first if is_first else None

    def _share(self, request: Request, response: Response) -> Response:
        url = f"{self.front.proxy.url}{request.path}"
        if response.status >= 400 or self.is_between:
            return response
        if NEW_ORDER in request.path:
            url = response.headers["Location"]
            if self.shared:
                self.second = url
            else:
                (self.shared,) = json.loads(response.body)["authorizations"]
        if url == self.shared:
            self.is_valid = json.loads(response.body)["status"] == "valid"
        if url == self.second and not self.is_valid:
            return changed(response, status="pending", authorizations=[self.shared])
        return response


@dataclass(frozen=True, slots=True)
class World:
    """A CA that shares, and a folder that a web server shows where the CA looks."""

    pebble: Pebble
    sharing: Sharing
    webroot: Path
    make: MakeIssuer

    def issuer(self, way: str, clock_stops: bool = False) -> AcmeIssuer:
        clock = hurried_clock()
        if clock_stops:
            clock = replace(clock, wait=lambda _: None)
        http01 = (
            {"webroot": str(self.webroot)} if way == "webroot" else {"listen": f"127.0.0.1:{self.pebble.http_port}"}
        )
        return self.make(self.sharing.front, clock, http01=http01)


@contextlib.contextmanager
def serving(folder: Path, port: int) -> Iterator[None]:
    """A web server of a folder."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            """Say nothing on stderr."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", port), functools.partial(Quiet, directory=folder)) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture(params=["listen", "webroot"])
def way(request: pytest.FixtureRequest) -> str:
    """How the names are proved."""
    return str(request.param)


@pytest.fixture
def world(tmp_path: Path, way: str, make: MakeIssuer) -> Iterator[World]:
    """Servers of the test's own: what the CA shares is of one account and name."""
    settings = PebbleSettings(nonce_reject=0, authorization_reuse=100)
    webroot = tmp_path / "www"
    webroot.mkdir()
    with start_pebble(tmp_path / "pebble", settings) as pebble, fronted(pebble, tmp_path / "front") as front:
        served = serving(webroot, pebble.http_port) if way == "webroot" else contextlib.nullcontext()
        with served:
            yield World(pebble, Sharing(front), webroot, make)


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2) as pool:
        yield pool


def begun(world: World, first: Future[Chain], issuer: AcmeIssuer, name: str) -> None:
    """Have the first order come to where it asks the CA to look, and make the CA's answer to the second possible."""
    sharing = world.sharing
    assert sharing.first_asks.wait(SECONDS), first
    sharing.is_between = True
    issue(issuer, ask(name))
    sharing.is_between = False


class TestShared:
    """The proof is the same: whoever ends first must not spoil it for the other."""

    def test_the_second_asks_when_the_ca_has_looked(self, world: World, way: str, pool: ThreadPoolExecutor) -> None:
        """The CA refuses to look again at what it has found good (`malformed`): that is no failure."""
        issuer, name, sharing = world.issuer(way), fresh(), world.sharing
        one, two = ask(name), ask(name)
        first = pool.submit(issue, issuer, one)
        begun(world, first, issuer, name)
        second = pool.submit(issue, issuer, two)
        assert sharing.second_asks.wait(SECONDS), second

        sharing.first_goes_on.set()
        assert_good(first.result(SECONDS), one, world.pebble)
        sharing.second_goes_on.set()

        assert_good(second.result(SECONDS), two, world.pebble)
        assert sharing.asked == 2
        assert [path for path in world.webroot.rglob("*") if path.is_file()] == []

    def test_the_first_gives_up_before_the_ca_has_looked(
        self, world: World, way: str, pool: ThreadPoolExecutor
    ) -> None:
        """An outage, and then a stop: the first takes its proof away, and the second's stays."""
        issuer, name, sharing = world.issuer(way), fresh(), world.sharing
        sharing.instead_of_first = problem("serverInternal", "down", 503)
        two = ask(name)
        first = pool.submit(issue, world.issuer(way, clock_stops=True), ask(name))
        begun(world, first, issuer, name)
        second = pool.submit(issue, issuer, two)
        assert sharing.second_asks.wait(SECONDS), second

        sharing.first_goes_on.set()
        assert isinstance(first.exception(SECONDS), (Pending, IssueError))
        sharing.second_goes_on.set()

        assert_good(second.result(SECONDS), two, world.pebble)
        assert [path for path in world.webroot.rglob("*") if path.is_file()] == []
