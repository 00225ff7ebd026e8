"""The time that servers tell is heard on the way."""

from __future__ import annotations

import http.server
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest

from rotator.config.load import load_text
from rotator.core.pem import certificate_pem, chain_pem
from rotator.inventory import take_stock
from rotator.lib import http as ours
from rotator.lib.clock import Clock
from rotator.lib.clockwatch import ClockWatch
from rotator.lib.kube.cluster import Cluster, Pace
from rotator.lib.kube.errors import Call, KubeError
from rotator.lib.kube.objects import Bare
from rotator.lib.kube.resources import NAMESPACES
from rotator.lib.kube.transport import Access, Transport
from rotator.wiring import build
from tests.lib.kube_builders import kubeconfig_for
from tests.pki import Authority

NOW = datetime.now(UTC)
DAY, HOUR = timedelta(days=1), timedelta(hours=1)


class Standing:
    """A clock whose two hands a test sets."""

    def __init__(self) -> None:
        self.wall, self.steady = NOW, 0.0

    def goes_by(self, span: timedelta) -> None:
        self.wall += span
        self.steady += span.total_seconds()

    @property
    def clock(self) -> Clock:
        return Clock(now=lambda: self.wall, monotonic=lambda: self.steady, wait=lambda _: None)


@contextmanager
def server(folder: Path, headers: dict[str, str]) -> Iterator[tuple[str, str]]:
    """An HTTPS server on loopback that answers with these headers; its address, and the file of its root."""

    class Answer(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response_only(200)
            for name, value in {**headers, "Content-Length": "0"}.items():
                self.send_header(name, value)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    authority = Authority("Clock Root", not_before=NOW - DAY, not_after=NOW + DAY)
    bundle = authority.issue(("localhost",), not_before=NOW - DAY, not_after=NOW + DAY)
    (folder / "pair.pem").write_bytes(chain_pem(bundle.chain) + bundle.key)
    (folder / "root.pem").write_bytes(certificate_pem(authority.certificate))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "pair.pem")
    listener = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    listener.socket = context.wrap_socket(listener.socket, server_side=True)
    thread = threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"localhost:{listener.server_port}", str(folder / "root.pem")
    finally:
        listener.shutdown()
        thread.join()
        listener.server_close()


def asked(folder: Path, headers: dict[str, str], watch: ClockWatch, *, stranger: bool = False) -> str:
    """One request, listened to; the peer it went to."""
    with server(folder, headers) as (peer, root), ours.listening(watch.heard):
        allowed = ["localhost", "127.0.0.1", "::1"] if stranger else True
        with ours.session(total_seconds=10, verify=root, allow_internal=allowed) as session:
            assert session.get(f"https://{peer}/").status_code == 200
    return peer


@pytest.mark.parametrize("off", [timedelta(0), timedelta(hours=3), -40 * DAY, 3650 * DAY], ids=str)
def test_an_answer_tells_the_time(tmp_path: Path, off: timedelta) -> None:
    """Shows that the skew of our clock is measured on an ordinary request, however large it is."""
    hands = Standing()
    watch = ClockWatch(hands.clock)
    peer = asked(tmp_path, {"Date": format_datetime(NOW - off, usegmt=True)}, watch)
    (reading,) = watch.readings([peer])
    assert abs(reading.ahead - off) <= reading.within < timedelta(seconds=10)


@pytest.mark.parametrize(
    "headers",
    [{}, {"Date": "soon"}, {"Date": "Thu, 99 Foo 2026 25:61:61 GMT"}, {"Date": format_datetime(NOW), "Age": "7200"}],
    ids=["none", "no date", "nonsense", "cached"],
)
def test_what_tells_no_time_is_not_heard(tmp_path: Path, headers: dict[str, str]) -> None:
    """Shows that a missing, damaged or cached date is no reading, and breaks nothing."""
    watch = ClockWatch(Standing().clock)
    asked(tmp_path, headers, watch)
    assert watch.readings([]) == ()


def test_strangers_are_not_believed(tmp_path: Path) -> None:
    """Shows that whoever is asked because a certificate named them says nothing of our clock."""
    watch = ClockWatch(Standing().clock)
    asked(tmp_path, {"Date": format_datetime(NOW - 40 * DAY, usegmt=True)}, watch, stranger=True)
    assert watch.readings([]) == ()


def test_issuers_are_believed_before_others() -> None:
    """Shows that others count only where no issuer was heard, and that a jump of the clock ends what was measured."""
    hands = Standing()
    watch = ClockWatch(hands.clock)
    watch.heard("ca.example.com:443", format_datetime(NOW), 0.1)
    watch.heard("hooks.example.com:443", format_datetime(NOW - DAY), 0.1)
    assert [one.peer for one in watch.readings(["ca.example.com:443"])] == ["ca.example.com:443"]
    assert len(watch.readings([])) == 2
    hands.goes_by(timedelta(hours=2))
    assert len(watch.readings([])) == 2
    hands.wall += timedelta(hours=8)
    assert watch.readings([]) == ()


def test_a_certificate_that_has_begun_ends_what_an_earlier_one_said() -> None:
    """Shows that the evidence of a fresh certificate lasts until the issuer's next one."""
    watch = ClockWatch(Standing().clock)
    watch.issued("internal", NOW + timedelta(hours=1))
    (reading,) = watch.readings(["internal"])
    assert reading.at_least
    watch.issued("internal", NOW - timedelta(minutes=5))
    assert watch.readings(["internal"]) == ()


def test_what_is_remembered_is_bounded() -> None:
    """Shows that thousands of servers do not fill the memory; the newest stay."""
    watch = ClockWatch(Standing().clock)
    for number in range(1000):
        watch.heard(f"host{number}:443", format_datetime(NOW), 0.1)
    assert len(watch.readings([])) == 256
    assert "host999:443" in [one.peer for one in watch.readings([])]


def test_a_running_rotator_listens(tmp_path: Path) -> None:
    """Shows that everything that rotator asks tells it the time, and that nobody listens after its end."""
    hands = Standing()
    (tmp_path / "state").mkdir()
    config = load_text(f"state: {tmp_path}/state/state.db\n", "c.yaml")
    with server(tmp_path, {"Date": format_datetime(NOW, usegmt=True)}) as (peer, root):
        with build(config, hands.clock, writer=False) as wiring:
            watch = wiring.world.clocks
            assert watch is not None
            with ours.session(total_seconds=10, verify=root) as session:
                session.get(f"https://{peer}/")
            assert [one.peer for one in take_stock(wiring.world, hands.wall).clocks] == [peer]
        hands.steady += 2 * DAY.total_seconds()
        with ours.session(total_seconds=10, verify=root) as session:
            session.get(f"https://{peer}/")
    assert watch.readings([]) == ()


def test_a_cluster_tells_the_time(tmp_path: Path) -> None:
    """Shows that an API server's clock is heard like everybody's, whatever it answers."""
    watch = ClockWatch(Standing().clock)
    with server(tmp_path, {"Date": format_datetime(NOW - 3 * HOUR, usegmt=True)}) as (peer, root):
        access = Access(str(kubeconfig_for(f"https://{peer}", tmp_path, root=root)))
        with ours.listening(watch.heard), pytest.raises(KubeError):
            Cluster(Transport(access), Pace(lambda _: None, time.monotonic)).get(
                Call("get", NAMESPACES, name="a"), Bare
            )
    (reading,) = watch.readings([peer])
    assert abs(reading.ahead - 3 * HOUR) <= reading.within
