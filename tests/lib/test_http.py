"""The bounded session against servers on loopback that lie, stall and flood."""

from __future__ import annotations

import gzip
import socket
import ssl
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

import pytest
import requests
import urllib3

from rotator.lib import http
from rotator.lib.reach import Reach
from tests.servers.certificates import Pair, authority
from tests.servers.loopback import Response
from tests.servers.ports import LOOPBACK, free_port
from tests.servers.recorder import Recorder

HEAD = b"HTTP/1.1 200 OK\r\n"
Talk = Callable[[socket.socket, threading.Event], None]


@contextmanager
def liar(talk: Talk, *, tls: Pair | None = None, greet: bool = True) -> Iterator[str]:
    """A server that reads what arrives (with `greet`) and then does what `talk` says; gives its URL."""
    stop = threading.Event()
    listener = socket.create_server((LOOPBACK, 0))
    wrap = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    if tls:
        wrap.load_cert_chain(tls.certificate, tls.key)

    def serve(raw: socket.socket) -> None:
        with suppress(OSError), raw, wrap.wrap_socket(raw, server_side=True) if tls else raw as peer:
            if greet:
                peer.recv(65536)
            talk(peer, stop)

    def accept() -> None:
        with suppress(OSError):
            while True:
                raw, _ = listener.accept()
                raw.settimeout(20)
                threads.append(threading.Thread(target=serve, args=(raw,)))
                threads[-1].start()

    threads = [threading.Thread(target=accept)]
    threads[0].start()
    try:
        yield f"{'https' if tls else 'http'}://{LOOPBACK}:{listener.getsockname()[1]}"
    finally:
        stop.set()
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        for thread in list(threads):
            thread.join()


def drip(prefix: bytes) -> Talk:
    """Send a prefix, then one byte every 50 ms."""

    def talk(peer: socket.socket, stop: threading.Event) -> None:
        peer.sendall(prefix)
        while not stop.wait(0.05):
            peer.sendall(b"x")

    return talk


def silent(peer: socket.socket, stop: threading.Event) -> None:
    """Say nothing until the test is over."""
    stop.wait()


def flood(prefix: bytes, piece: bytes = b"x") -> Talk:
    """Send a prefix, then 50 MB of one piece."""

    def talk(peer: socket.socket, stop: threading.Event) -> None:
        peer.sendall(prefix)
        for _ in range(50):
            peer.sendall(piece * ((1 << 20) // len(piece)))

    return talk


def took(action: Callable[[], object], error: type[Exception]) -> tuple[float, str]:
    """Run what must fail; the seconds it took and what it said."""
    started = time.monotonic()
    with pytest.raises(error) as caught:
        action()
    return time.monotonic() - started, str(caught.value)


@pytest.mark.parametrize(
    "talk",
    [
        pytest.param(silent, id="never-answers"),
        pytest.param(drip(HEAD + b"X-Slow: "), id="a-byte-at-a-time-in-the-headers"),
        pytest.param(drip(HEAD + b"Content-Length: 1000000\r\n\r\n"), id="a-byte-at-a-time-in-the-body"),
        pytest.param(drip(HEAD + b"Transfer-Encoding: chunked\r\n\r\n"), id="a-byte-at-a-time-in-a-chunk-size"),
    ],
)
def test_a_slow_server_is_left_when_the_total_time_is_used_up(talk: Talk) -> None:
    """However a server stalls, and though each byte comes in time, the request ends when its total time is used up."""
    with liar(talk) as url, http.session(total_seconds=0.5) as session:
        seconds, message = took(lambda: session.get(f"{url}/secret-path"), http.TooSlow)
    assert 0.4 < seconds < 3
    assert message == "127.0.0.1 did not finish within 0.5 s"


def test_the_total_time_holds_over_tls(tmp_path: Path) -> None:
    """A dripping server behind TLS is left in time as well, though the first answer on the connection was quick."""
    ca = authority(tmp_path)
    pair = ca.issue("server", LOOPBACK)
    with liar(drip(HEAD + b"Content-Length: 1000000\r\n\r\n"), tls=pair) as url:
        session = http.session(total_seconds=0.5, verify=str(ca.ca_file))
        seconds, _ = took(lambda: session.get(url), http.TooSlow)
    assert seconds < 3


def test_a_handshake_that_never_ends_is_left(tmp_path: Path) -> None:
    """A server that accepts the connection and never shakes hands does not hold the caller."""
    with liar(silent, greet=False) as url:
        session = http.session(total_seconds=0.5)
        seconds, _ = took(lambda: session.get(url.replace("http:", "https:")), http.TooSlow)
    assert seconds < 3


def test_a_server_that_does_not_read_is_left() -> None:
    """Sending is bounded too: a server that never reads a large request does not hold the caller."""
    with liar(silent, greet=False) as url:
        session = http.session(total_seconds=0.5)
        seconds, _ = took(lambda: session.post(url, data=b"x" * (64 << 20)), http.TooSlow)
    assert seconds < 5


def test_the_total_time_holds_while_a_body_is_streamed() -> None:
    """A body that is read piece by piece stops when the time that began with the request is used up."""
    talk = drip(HEAD + b"Content-Length: 1000000\r\n\r\n")
    with liar(talk) as url, http.session(total_seconds=0.5).get(url, stream=True) as answer:
        seconds, _ = took(lambda: list(answer.iter_content(1)), http.TooSlow)
    assert seconds < 3


@pytest.mark.parametrize(
    "talk",
    [
        pytest.param(flood(HEAD + b"Content-Length: 52428800\r\n\r\n"), id="said-beforehand"),
        pytest.param(flood(HEAD + b"Connection: close\r\n\r\n"), id="until-closed"),
        pytest.param(flood(HEAD + b"Transfer-Encoding: chunked\r\n\r\n3200000\r\n"), id="one-chunk"),
        pytest.param(flood(b"", b"HTTP/1.1 100 Continue\r\n\r\n"), id="interim-answers"),
    ],
)
def test_a_flood_is_not_read_to_its_end(talk: Talk) -> None:
    """Of 50 MB no more than the limit is read, however the server frames them."""
    with liar(talk) as url, http.session(total_seconds=20, max_bytes=1 << 20) as session:
        _, message = took(lambda: session.get(url), http.TooLarge)
    assert message == "127.0.0.1 answered with more than 1048576 bytes; not read any further"


def test_a_compressed_flood_counts_unpacked() -> None:
    """A small body that unpacks to 50 MB is too large, and is not unpacked to its end."""
    packed = gzip.compress(bytes(50 << 20))
    with Recorder(default=Response(headers={"Content-Encoding": "gzip"}, body=packed)) as server:
        session = http.session(total_seconds=20, max_bytes=1 << 20)
        took(lambda: session.get(server.url), http.TooLarge)


def test_a_body_of_exactly_the_limit_is_read() -> None:
    """The limit itself is allowed, and each request on a kept connection has an allowance of its own."""
    with (
        Recorder(default=Response(body=b"x" * 100_000)) as server,
        http.session(total_seconds=5, max_bytes=100_000) as session,
    ):
        for _ in range(6):  # together far over the limit and the overhead of one request
            assert len(session.get(server.url).content) == 100_000
        with session.get(server.url, stream=True) as answer:
            assert len(b"".join(answer.iter_content(None))) == 100_000


def redirect(to: str) -> Response:
    return Response(302, {"Location": to})


def test_redirects_are_limited_and_share_one_allowance() -> None:
    """A fourth redirect is not followed, and slow redirects together get the time of one request."""
    with Recorder(default=redirect("/again")) as server:
        session = http.session(total_seconds=5)
        took(lambda: session.get(server.url), requests.TooManyRedirects)
        assert len(server.requests) == 4
    with Recorder(default=Response(302, {"Location": "/again"}, delay=0.3)) as server:
        seconds, _ = took(lambda: http.session(total_seconds=0.5).get(server.url), http.TooSlow)
        assert seconds < 3


def test_internal_addresses_are_refused_when_not_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    """With allow_internal=False neither a name nor an address that leads inside is connected to, proxy or not."""
    with Recorder() as server:
        monkeypatch.setenv("http_proxy", server.url)
        session = http.session(total_seconds=5, allow_internal=False)
        for host in (LOOPBACK, "localhost", "[::1]", "[::ffff:127.0.0.1]"):
            _, message = took(partial(session.get, f"http://{host}:{server.port}/x"), http.InternalAddress)
            assert "leads to an internal address" in message
            assert "/x" not in message
        assert server.requests == []


def test_a_redirect_inside_is_refused() -> None:
    """A redirect to an internal address is refused though the first host was public; the first is played by a proxy."""

    class Public(requests.adapters.BaseAdapter):
        """A host of the internet that redirects inside."""

        def send(self, request: requests.PreparedRequest, *args: object, **named: object) -> requests.Response:
            answer = requests.Response()
            answer.status_code, answer.url, answer.request = 302, str(request.url), request
            answer.headers["Location"] = target
            answer._content = b""
            answer.raw = urllib3.HTTPResponse()
            return answer

        def close(self) -> None:
            pass

    with Recorder() as server:
        target = f"{server.url}/latest/meta-data"
        session = http.session(total_seconds=5, allow_internal=False)
        session.mount("http://crl.example.com", Public())
        took(lambda: session.get("http://crl.example.com/root.crl"), http.InternalAddress)
        assert server.requests == []


@pytest.mark.parametrize("allowed", ["127.0.0.1", "127.0.0.0/8", "LOCALHOST."])
def test_an_internal_place_may_be_allowed_by_itself(allowed: str) -> None:
    """A host, an address or a network that the operator allows is connected to; others inside are still refused."""
    with Recorder() as server:
        session = http.session(total_seconds=5, allow_internal=[allowed])
        assert session.get(f"http://localhost:{server.port}/x").ok
        took(lambda: session.get(f"http://[::1]:{server.port}/x"), http.InternalAddress)
        assert len(server.requests) == 1


def test_a_redirect_from_an_allowed_place_is_judged_anew() -> None:
    """That one internal place is allowed does not let it send us to another."""
    with Recorder() as other:
        elsewhere = Response(302, {"Location": f"http://127.0.0.2:{other.port}/latest/meta-data"})
        with Recorder(default=elsewhere) as server:
            session = http.session(total_seconds=5, allow_internal=["127.0.0.1/32"])
            _, message = took(lambda: session.get(server.url), http.InternalAddress)
    assert message == "127.0.0.2 leads to an internal address, which is not allowed here"
    assert other.requests == []


@pytest.mark.parametrize("entry", ["10.0.0.0/33", "fd00::/129", "corp.example/8", "host:80"])
def test_what_allows_nothing_is_refused_by_name(entry: str) -> None:
    """An entry that is no host, address or network is an error, not an entry without effect."""
    with pytest.raises(ValueError, match=f"^{entry} is neither"):
        http.session(total_seconds=5, allow_internal=[entry])


@pytest.mark.parametrize(
    ("allowed", "address", "whether"),
    [
        ("10.0.0.0/8", "10.1.2.3", True),
        ("10.0.0.0/8", "::ffff:10.1.2.3", True),
        ("10.0.0.0/8", "64:ff9b::a01:203", True),
        ("10.0.0.0/8", "192.168.1.1", False),
        ("fd00::/8", "fd00:ec2::254", True),
        ("fe80::1", "fe80::1%eth0", True),
        ("10.0.0.0/8", "8.8.8.8", True),
        ("crl.corp.example", "10.1.2.3", True),
        ("corp.example", "10.1.2.3", False),
    ],
)
def test_what_a_reach_allows(allowed: str, address: str, whether: bool) -> None:
    """Networks hold wrapped forms of their addresses too; a host allows itself, not what is below it."""
    assert Reach.of([allowed]).allows("crl.corp.example", address) is whether


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1",
     "255.255.255.255", "::1", "::", "fe80::1%eth0", "fd00:ec2::254", "fec0::1", "ff02::1", "::ffff:10.0.0.1",
     "2002:7f00:1::", "64:ff9b::a9fe:a9fe", "::7f00:1"],
)  # fmt: skip
def test_addresses_that_are_not_public(address: str) -> None:
    """Loopback, private, link-local, shared, multicast and wrapped forms of them all count as internal."""
    assert not http.is_public(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700::1111", "64:ff9b::808:808", "::ffff:8.8.8.8"])
def test_addresses_that_are_public(address: str) -> None:
    """Public addresses stay public behind NAT64 and mapped into IPv6."""
    assert http.is_public(address)


def test_a_file_named_in_verify_wins_over_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """REQUESTS_CA_BUNDLE does not replace the trust that the session was made with."""
    ours, other = authority(tmp_path / "ours"), authority(tmp_path / "other")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(other.ca_file))
    with Recorder(tls=ours.issue("server", LOOPBACK)) as server:
        assert http.session(total_seconds=5, verify=str(ours.ca_file)).get(server.url).ok
        with pytest.raises(requests.exceptions.SSLError) as caught:
            http.session(total_seconds=5).get(f"{server.url}/hook/secret")
    assert "does not verify" in http.explain(caught.value)
    assert "secret" not in http.explain(caught.value)


def test_an_error_is_explained_without_the_path(tmp_path: Path) -> None:
    """A webhook's path is a secret: the clause for people names the host and the cause, and nothing after the host."""
    port = free_port()
    with pytest.raises(requests.ConnectionError) as refused:
        http.session(total_seconds=5).get(f"http://{LOOPBACK}:{port}/services/T0/secret")
    assert http.explain(refused.value) == "127.0.0.1 refuses the connection"
    with pytest.raises(requests.ConnectionError) as unknown:
        http.session(total_seconds=30).get("http://no-such-host.invalid/services/T0/secret")
    assert http.explain(unknown.value) == "the name no-such-host.invalid does not resolve"
    with liar(lambda peer, stop: None) as url, pytest.raises(requests.ConnectionError) as cut:
        http.session(total_seconds=5).get(f"{url}/services/T0/secret")
    assert "127.0.0.1" in http.explain(cut.value)
    assert "secret" not in http.explain(cut.value)


@pytest.mark.parametrize("token", ["hvs.x\nhvs.y", " hvs.hunter2", "\u201chvs.hunter2\u201d"])
def test_a_header_that_cannot_be_sent_is_said_without_it(token: str) -> None:
    """A token that was pasted with its quotes or in two lines: an error as any other, and neither shown nor logged."""
    with Recorder() as server, pytest.raises(requests.exceptions.InvalidHeader) as refused:
        http.session(total_seconds=5).get(server.url, headers={"Authorization": token})

    assert http.explain(refused.value) == (
        "the request cannot be sent: a header of it, as a token is, begins with a space, or holds a line break or a "
        "letter that HTTP does not carry"
    )
    assert "hvs" not in "".join(traceback.format_exception(refused.value))


def test_a_shorter_timeout_of_one_request_still_holds() -> None:
    """A `timeout` given with a request bounds one operation, within the total time, and stays an error of requests."""
    with liar(silent) as url:
        seconds, _ = took(lambda: http.session(total_seconds=20).get(url, timeout=0.3), requests.ReadTimeout)
    assert seconds < 3


def test_a_proxy_of_the_environment_is_used_and_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """The proxy of the environment is used where internal addresses are allowed, and stalls no longer than a server."""
    with Recorder(default=Response(body=b"by proxy")) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        monkeypatch.delenv("no_proxy", raising=False)
        assert http.session(total_seconds=5).get("http://shop.example.com/").content == b"by proxy"
    with liar(drip(HEAD + b"Content-Length: 100000\r\n\r\n")) as url:
        monkeypatch.setenv("http_proxy", url)
        seconds, _ = took(lambda: http.session(total_seconds=0.5).get("http://shop.example.com/"), http.TooSlow)
    assert seconds < 3
