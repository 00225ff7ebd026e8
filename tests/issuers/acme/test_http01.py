"""Tests of how HTTP-01 challenges are shown."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path

import pytest
import requests

from rotator.errors import IssueError
from rotator.issuers.acme.entrance import PATH
from rotator.issuers.acme.http01 import LISTENERS
from rotator.issuers.acme.http01 import showing as shown_by
from rotator.issuers.acme.proving import Http01, split_listen
from rotator.issuers.acme.solver import Desk
from rotator.issuers.acme.traces import Traces
from tests.issuers.asking import Drawer, real_clock
from tests.servers.ports import free_port


@pytest.fixture
def place() -> Iterator[Http01]:
    """An address of the test's own, and nothing open there afterwards."""
    yield Http01(listen=f"127.0.0.1:{free_port()}")
    assert not LISTENERS._open


def desk_of(issuer: str, drawer: Drawer | None = None) -> Desk:
    clock = real_clock()
    return Desk(issuer, clock, Traces(drawer or Drawer(), issuer, clock.now))


def showing(settings: Http01, responses: Mapping[str, str], issuer: str) -> AbstractContextManager[None]:
    return shown_by(settings, settings.listen, responses, desk_of(issuer))


def ask_at(place: Http01, path: str, method: str = "GET") -> requests.Response:
    return requests.request(method, f"http://{place.listen}{path}", timeout=10)


def is_open(place: Http01) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(split_listen(place.listen)) == 0


class TestListener:
    """Our own listener."""

    def test_it_shows_the_tokens_of_the_moment_and_nothing_else(self, place: Http01) -> None:
        """The key authorization as its body (RFC 8555, 8.3); 404 for all else, and closed afterwards."""
        with showing(place, {"token-1": "token-1.print"}, "ca"):
            shown = ask_at(place, f"{PATH}token-1")
            head = ask_at(place, f"{PATH}token-1", "HEAD")
            others = [ask_at(place, path).status_code for path in ("/", PATH, f"{PATH}token-2", f"{PATH}../token-1")]
            posted = ask_at(place, f"{PATH}token-1", "POST")

        assert (shown.status_code, shown.text) == (200, "token-1.print")
        assert shown.headers["Content-Type"] == "application/octet-stream"
        assert (head.status_code, head.text) == (200, "")
        assert others == [404, 404, 404, 404]
        assert posted.status_code == 501
        assert not is_open(place)

    def test_orders_of_the_same_time_share_it(self, place: Http01) -> None:
        """Two orders, also two that share a pending authorization: closed with the last, each token with its own."""
        with ExitStack() as last:
            with showing(place, {"one": "1", "shared": "s"}, "ca"):
                last.enter_context(showing(place, {"two": "2", "shared": "s"}, "other"))
                assert [ask_at(place, f"{PATH}{token}").text for token in ("one", "two", "shared")] == ["1", "2", "s"]

            assert [ask_at(place, f"{PATH}{token}").status_code for token in ("one", "two", "shared")] == [
                404,
                200,
                200,
            ]

        assert not is_open(place)

    def test_many_orders_at_once_leave_nothing(self, place: Http01) -> None:
        """Opened and closed by many threads, each sees its own token and none is left."""

        def order(number: int) -> str:
            with showing(place, {f"token-{number}": str(number)}, "ca"):
                return ask_at(place, f"{PATH}token-{number}").text

        with ThreadPoolExecutor(8) as pool:
            assert list(pool.map(order, range(40))) == [str(number) for number in range(40)]

    def test_an_error_closes_it_too(self, place: Http01) -> None:
        """However an order ends, the port is free again."""
        with pytest.raises(RuntimeError), showing(place, {"token": "x"}, "ca"):
            raise RuntimeError

        assert not is_open(place)

    def test_silent_strangers_hold_nobody_up(self, place: Http01) -> None:
        """Connections that say nothing do not keep the CA from its answer, nor the listener from its end."""
        host, port = split_listen(place.listen)
        with ExitStack() as strangers:
            with showing(place, {"token": "x"}, "ca"):
                for _ in range(20):
                    strangers.enter_context(socket.create_connection((host, port)))

                assert ask_at(place, f"{PATH}token").text == "x"

            assert not is_open(place)

    def test_a_flood_starts_no_flood_of_threads(self, place: Http01) -> None:
        """Beyond 64 at once, connections are closed at once."""
        host, port = split_listen(place.listen)
        before = threading.active_count()
        with ExitStack() as flood, showing(place, {"token": "x"}, "ca"):
            sockets = [flood.enter_context(socket.create_connection((host, port))) for _ in range(100)]
            for each in sockets[80:]:
                each.settimeout(10)
                assert each.recv(1) == b""

            assert threading.active_count() - before < 70

    def test_an_address_that_is_taken_is_said(self, place: Http01) -> None:
        """Another server on the port: one sentence with the address and what to do."""
        with socket.create_server(split_listen(place.listen)):
            with (
                pytest.raises(IssueError, match=r"^ca: cannot listen on 127\.0\.0\.1:\d+ .*Address already") as failed,
                showing(place, {"token": "x"}, "ca"),
            ):
                raise AssertionError("it must not be shown")

            assert not failed.value.permanent

    def test_ipv6_is_both_families(self) -> None:
        """`[::]` answers IPv4 as well, as CAs ask by both."""
        port = free_port()
        with showing(Http01(listen=f"[::]:{port}"), {"token": "x"}, "ca"):
            over_four = requests.get(f"http://127.0.0.1:{port}{PATH}token", timeout=10)
            over_six = requests.get(f"http://[::1]:{port}{PATH}token", timeout=10)

        assert (over_four.text, over_six.text) == ("x", "x")


class TestWebroot:
    """Files below another server's root."""

    def test_files_are_there_for_as_long_as_it_takes(self, tmp_path: Path) -> None:
        """Readable by the web server, and gone afterwards."""
        folder = tmp_path / PATH.strip("/")
        with showing(Http01(webroot=tmp_path), {"one": "1", "two": "2"}, "ca"):
            assert {path.name: path.read_text() for path in folder.iterdir()} == {"one": "1", "two": "2"}
            assert (folder / "one").stat().st_mode & 0o777 == 0o644

        assert not list(folder.iterdir())

    def test_two_orders_may_share_a_file(self, tmp_path: Path) -> None:
        """Those of one pending authorization, also by two issuers of one account: it goes with the last of them."""
        folder, drawer, settings = tmp_path / PATH.strip("/"), Drawer(), Http01(webroot=tmp_path)
        with shown_by(settings, "", {"shared": "s", "two": "2"}, desk_of("other", drawer)):
            with shown_by(settings, "", {"one": "1", "shared": "s"}, desk_of("ca", drawer)):
                assert {path.name for path in folder.iterdir()} == {"one", "shared", "two"}

            assert {path.name for path in folder.iterdir()} == {"shared", "two"}

        assert not list(folder.iterdir())

    def test_a_root_that_is_not_there_is_not_made(self, tmp_path: Path) -> None:
        """A typing error in `webroot` is a sentence, not a new folder that nobody serves."""
        with (
            pytest.raises(
                IssueError, match=r"/nowhere/.*: No such file .*; make the folder that is served, or mend `webroot`"
            ),
            showing(Http01(webroot=tmp_path / "nowhere"), {"token": "x"}, "ca"),
        ):
            raise AssertionError("it must not be shown")

        assert not (tmp_path / "nowhere").exists()

    def test_what_was_written_before_an_error_is_removed(self, tmp_path: Path) -> None:
        """The second file cannot be written: the first is not left behind."""
        (tmp_path / PATH.strip("/") / "two").mkdir(parents=True)

        with pytest.raises(IssueError), showing(Http01(webroot=tmp_path), {"one": "1", "two": "2"}, "ca"):
            raise AssertionError("it must not be shown")

        assert [path.name for path in (tmp_path / PATH.strip("/")).iterdir()] == ["two"]


@pytest.mark.parametrize("token", ["", "..", "a/b", "a b", "a\0b", "x" * 200, "ä"])
@pytest.mark.parametrize("kind", ["listen", "webroot"])
def test_what_is_no_token_is_neither_served_nor_written(place: Http01, tmp_path: Path, kind: str, token: str) -> None:
    """RFC 8555, 8.3: base64url only; anything else could be a path."""
    chosen = place if kind == "listen" else Http01(webroot=tmp_path)

    with pytest.raises(IssueError, match="is no token"), showing(chosen, {token: "x"}, "ca"):
        raise AssertionError("it must not be shown")

    assert not list(tmp_path.iterdir())
