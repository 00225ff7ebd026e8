"""What the tests' own servers and processes promise: nothing is left behind, nothing is made up."""

from __future__ import annotations

import base64
import dataclasses
import os
import signal
import subprocess
import sys
import time
from http import HTTPStatus
from pathlib import Path

import pytest
import requests

from tests.servers.certificates import authority
from tests.servers.hostile import HostileProxy
from tests.servers.kube import MERGE_PATCH, KubeServer
from tests.servers.loopback import Drop, Request, Response
from tests.servers.netns import network_namespace
from tests.servers.nginx import VirtualServer, start_nginx, virtual_server
from tests.servers.ports import free_port
from tests.servers.recorder import Recorder, json_response
from tests.servers.service import ServerError, has_ended, running, service, wait_until
from tests.servers.syncer import Syncer

ROOT = Path(__file__).parents[2]
SLEEPER = (sys.executable, "-c", "import time; time.sleep(600)")


def test_recorder_keeps_requests_and_follows_its_script() -> None:
    """Requests are kept as they were sent, scripted answers come in order, then the default."""
    script = [Response(503, {"Retry-After": "7"}), json_response({"ok": True}, 202)]
    with Recorder(script, default=Response(404)) as recorder:
        first = requests.post(f"{recorder.url}/v2/enqueue?x=1", json={"a": 1}, timeout=5)
        assert (first.status_code, first.headers["Retry-After"]) == (503, "7")
        assert requests.put(recorder.url, data=b"", timeout=5).json() == {"ok": True}
        assert requests.get(recorder.url, timeout=5).status_code == HTTPStatus.NOT_FOUND
        kept = recorder.wait_for(3)
    assert [(each.method, each.path) for each in kept] == [("POST", "/v2/enqueue?x=1"), ("PUT", "/"), ("GET", "/")]
    assert (kept[0].headers["content-type"], kept[0].body) == ("application/json", b'{"a": 1}')


def test_recorder_can_be_slow_and_ends_all_the_same() -> None:
    """A slow answer runs into the client's time limit and does not hold up the end of the test."""
    began = time.monotonic()
    with Recorder(default=Response(delay=60)) as recorder, pytest.raises(requests.ReadTimeout):
        requests.get(recorder.url, timeout=0.2)
    assert time.monotonic() - began < 10


def test_recorder_speaks_tls(tmp_path: Path) -> None:
    """With a pair it listens with TLS that verifies against the pair's CA, and a plain client does not block it."""
    ca = authority(tmp_path)
    with Recorder(tls=ca.issue("recorder", "127.0.0.1")) as recorder:
        with pytest.raises(requests.exceptions.SSLError):
            requests.get(recorder.url, timeout=5)
        assert requests.get(recorder.url, verify=str(ca.ca_file), timeout=5).ok


def test_hostile_proxy_passes_on_counts_and_lies() -> None:
    """The proxy passes requests on, counts them, changes one answer, answers itself, and cuts connections."""
    with Recorder(default=json_response({"real": True})) as real, HostileProxy(real.url) as proxy:
        assert requests.get(f"{proxy.url}/a?b=c", timeout=5).json() == {"real": True}
        assert real.requests[0].path == "/a?b=c"
        assert real.requests[0].headers["host"] == f"127.0.0.1:{proxy.port}"

        proxy.after = lambda _, response: dataclasses.replace(response, body=b"other")
        assert requests.get(f"{proxy.url}/a", timeout=5).text == "other"

        proxy.before = lambda request: Response(429) if request.method == "POST" else None
        assert requests.post(f"{proxy.url}/a", timeout=5).status_code == HTTPStatus.TOO_MANY_REQUESTS
        assert len(real.requests) == 2

        def cut(request: Request, response: Response) -> Response:
            raise Drop

        proxy.after = cut
        with pytest.raises(requests.ConnectionError):
            requests.get(f"{proxy.url}/b", timeout=5)
        assert real.requests[-1].path == "/b", "the server acted although the client did not hear of it"
        assert proxy.counts() == {"GET /a": 2, "POST /a": 1, "GET /b": 1}
        assert proxy.count(method="GET", path="/a") == 2


def test_a_mistake_in_a_hook_is_the_tests_failure() -> None:
    """An exception in a hook is raised when the server closes, so that it cannot pass for a hostile answer."""

    def mistaken(request: Request) -> Response:
        raise ZeroDivisionError

    with (
        pytest.raises(ZeroDivisionError),
        Recorder() as real,
        HostileProxy(real.url, before=mistaken) as proxy,
    ):
        requests.get(proxy.url, timeout=5)


def test_syncer_brings_a_secret_to_nginx(kube_server: KubeServer, kube_namespace: str, tmp_path: Path) -> None:
    """A Secret's pair is served; when the Secret changes, the new pair is served without anybody's doing."""
    ca = authority(tmp_path / "ca")
    pairs = [ca.issue(stem, "localhost") for stem in ("old", "new")]
    contents = [{"tls.crt": pair.certificate.read_bytes(), "tls.key": pair.key.read_bytes()} for pair in pairs]
    data = [{name: base64.b64encode(value).decode() for name, value in each.items()} for each in contents]
    path = f"/api/v1/namespaces/{kube_namespace}/secrets"
    body = {"metadata": {"name": "web-tls"}, "type": "kubernetes.io/tls", "data": data[0]}
    kube_server.expect("POST", path, body)

    syncer = Syncer(kube_server, kube_namespace, "web-tls", tmp_path / "tls")
    syncer.sync()
    with start_nginx(tmp_path, [virtual_server(syncer.certificate, syncer.key)]) as nginx:
        assert nginx.fingerprint() == pairs[0].fingerprint
        with Syncer(kube_server, kube_namespace, "web-tls", tmp_path / "tls", nginx.reload_and_wait) as live:
            changed = kube_server.expect("PATCH", f"{path}/web-tls", {"data": data[1]}, content_type=MERGE_PATCH)
            live.wait_for(changed["metadata"]["resourceVersion"])
            assert nginx.fingerprint() == pairs[1].fingerprint
            assert live.certificate.is_symlink()


def test_replicas_in_a_namespace_can_be_named_by_an_endpoint_slice(
    kube_server: KubeServer, kube_namespace: str, tmp_path: Path
) -> None:
    """Two servers on addresses of a network namespace show their own certificates, and the API takes the addresses."""
    ca = authority(tmp_path / "ca")
    port = free_port()
    with network_namespace(2) as network:
        pairs = [ca.issue(f"replica-{index}", "localhost") for index in range(2)]
        servers = [
            VirtualServer(port, pair.certificate, pair.key, address=address)
            for pair, address in zip(pairs, network.addresses, strict=True)
        ]
        with start_nginx(tmp_path, servers, inside=network.inside) as nginx:
            shown = [nginx.fingerprint(server=index) for index in range(2)]
        body = {
            "metadata": {"name": "web-1", "labels": {"kubernetes.io/service-name": "web"}},
            "addressType": "IPv4",
            "endpoints": [{"addresses": [address], "conditions": {"ready": True}} for address in network.addresses],
            "ports": [{"name": "https", "port": port, "protocol": "TCP"}],
        }
        slices = f"/apis/discovery.k8s.io/v1/namespaces/{kube_namespace}/endpointslices"
        kube_server.expect("POST", slices, body)
        listed = subprocess.run(["ip", "netns", "list"], capture_output=True, text=True, check=True).stdout
        assert network.name in listed
    assert shown == [pair.fingerprint for pair in pairs]
    listed = subprocess.run(["ip", "netns", "list"], capture_output=True, text=True, check=True).stdout
    assert network.name not in listed


def test_a_service_can_be_stopped_and_started_again(tmp_path: Path) -> None:
    """A service has a process id, ends when stopped, is another process when started again, and does not mind both."""
    sleeper = service("sleeper", tmp_path, SLEEPER)
    with running(sleeper):
        sleeper.start()
        first = sleeper.pid
        assert sleeper.is_running
        sleeper.stop()
        sleeper.stop()
        assert has_ended(first)
        assert not sleeper.is_running
        sleeper.start()
        second = sleeper.pid
        sleeper.send(signal.SIGSTOP)
    assert first != second
    assert has_ended(second), "a server that was stopped with SIGSTOP ends too"


def test_a_service_that_ends_while_starting_shows_its_log(tmp_path: Path) -> None:
    """The reason why a server did not start is in the error, at once and not after the time limit."""
    broken = service("broken", tmp_path, (sys.executable, "-c", "raise SystemExit('the port is taken')"))
    with running(broken), pytest.raises(ServerError, match="the port is taken"):
        broken.start()
        broken.wait_ready(lambda: False)


def test_a_service_ends_with_its_owner(tmp_path: Path) -> None:
    """When the process that wanted a server is killed, the server ends, though nobody could tell it."""
    with subprocess.Popen(SLEEPER) as owner:
        orphan = service("orphan", tmp_path, SLEEPER, owner=owner.pid)
        with running(orphan):
            orphan.start()
            server = orphan.pid
            assert orphan.is_running
            owner.kill()
            wait_until(lambda: has_ended(server), "the server has ended", seconds=10)


@pytest.mark.parametrize(("ci", "outcome"), [("", "1 skipped"), ("true", "1 error")])
def test_a_missing_server_skips_and_fails_in_ci(tmp_path: Path, ci: str, outcome: str) -> None:
    """Without its server a test skips and says what to run; in CI it fails, so that nothing silently never runs."""
    probe = tmp_path / "test_probe.py"
    probe.write_text("def test_it(pki_mount): ...\n")
    command = [sys.executable, "-m", "pytest", "-q", "-rs", "-p", "no:cacheprovider", "-p", "tests.servers.plugin"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    environment |= {"CI": ci, "ROTATOR_CACHE": str(tmp_path / "empty"), "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [*command, "--rootdir", str(tmp_path), str(probe)],
        cwd=tmp_path, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert outcome in done.stdout
    assert "bao is missing; run: make servers" in done.stdout
