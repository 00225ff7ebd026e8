"""The prober against TLS as it is met outside: every version, key and cipher, and servers that are slow or odd.

The servers are OpenSSL's own `s_server` and nginx; what no real server can be made to do is a scripted peer.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from OpenSSL import SSL

from rotator.core.model import Bundle, Chain, Sighting, SightingState
from rotator.core.pem import chain_pem, load, read_chain
from rotator.lib.endpoint import parse_endpoint
from rotator.lib.tls import probe
from rotator.lib.tls.alerts import alert_of, encrypted_alert
from rotator.lib.tls.hello import reading_context
from tests.lib.tls_peers import Talk, peer, says
from tests.pki import Authority
from tests.servers.nginx import VirtualServer, start_nginx
from tests.servers.ports import free_port
from tests.servers.run import need
from tests.servers.s_server import s_server

NOW = datetime.now(UTC)
YEAR = timedelta(days=365)
NAME = "shop.example.com"
WEAK = ("-cipher", "ALL:@SECLEVEL=0")
VERSIONS = {"TLSv1": "-tls1", "TLSv1.1": "-tls1_1", "TLSv1.2": "-tls1_2", "TLSv1.3": "-tls1_3"}
KEYS = ("rsa-2048", "rsa-1024", "rsa-4096", "ecdsa-256", "ecdsa-384", "ecdsa-521", "ed25519")


@pytest.fixture(scope="module")
def root() -> Authority:
    return Authority("Root", not_before=NOW - YEAR, not_after=NOW + YEAR)


@pytest.fixture(scope="module")
def issuing(root: Authority) -> Authority:
    return Authority("Issuing", not_before=NOW - YEAR, not_after=NOW + YEAR, parent=root)


@pytest.fixture(scope="module")
def bundles(issuing: Authority) -> dict[str, Bundle]:
    return {key: issued(issuing, key=key) for key in KEYS}


def issued(by: Authority, name: str = NAME, key: str = "ecdsa-256") -> Bundle:
    return by.issue([name], not_before=NOW - timedelta(days=1), not_after=NOW + timedelta(days=30), key=key)


def look(port: int, *, name: str = NAME, **limits: float) -> Sighting:
    word = f"{name}@127.0.0.1:{port}" if name else f"127.0.0.1:{port}"
    (sighting,) = probe([parse_endpoint(word)], **limits)  # type: ignore[arg-type]  # all of them are numbers of seconds
    return sighting


@pytest.mark.server
class TestRealServers:
    @pytest.mark.parametrize(
        ("version", "key"),
        [
            pytest.param(version, key, id=f"{version}-{key}")
            for version in VERSIONS
            for key in KEYS
            if version >= "TLSv1.2" or key in {"rsa-2048", "ecdsa-256"}
        ],
    )
    def test_each_version_and_key(self, tmp_path: Path, bundles: dict[str, Bundle], version: str, key: str) -> None:
        """From TLS 1.0 to 1.3, from 1024 bits of RSA to Ed25519, the whole chain is read and the version told."""
        with s_server(tmp_path, bundles[key], VERSIONS[version], *WEAK) as port:
            sighting = look(port)

        assert (SightingState.SERVED, bundles[key].chain) == (sighting.state, sighting.chain), sighting.detail
        assert sighting.handshake is not None
        assert sighting.handshake.version == version

    @pytest.mark.parametrize(
        ("key", "options"),
        [
            pytest.param("rsa-2048", ("-tls1_2", "-cipher", "AES128-SHA:@SECLEVEL=0"), id="static-rsa"),
            pytest.param("rsa-2048", ("-tls1_2", "-cipher", "DHE-RSA-AES256-SHA:@SECLEVEL=0"), id="dhe"),
            pytest.param("rsa-2048", ("-tls1_2", "-cipher", "ECDHE-RSA-CHACHA20-POLY1305"), id="chacha"),
            pytest.param("ecdsa-256", ("-tls1_3", "-ciphersuites", "TLS_AES_128_CCM_SHA256"), id="tls13-ccm"),
            pytest.param("ecdsa-256", ("-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-CCM8:@SECLEVEL=0"), id="ccm8"),
            pytest.param("ecdsa-256", ("-tls1_3", "-curves", "X448"), id="x448"),
            pytest.param("ecdsa-256", ("-tls1_3", "-curves", "secp521r1"), id="secp521r1"),
            pytest.param("ecdsa-256", ("-tls1_3", "-curves", "ffdhe2048"), id="ffdhe2048"),
            pytest.param("rsa-2048", ("-tls1_2", "-curves", "secp384r1"), id="tls12-secp384r1"),
            pytest.param("ecdsa-256", ("-tls1_3", "-num_tickets", "0"), id="no-tickets"),
            pytest.param("ecdsa-256", ("-alpn", "h2"), id="alpn"),
            pytest.param("ecdsa-256", ("-max_send_frag", "512"), id="small-records"),
        ],
    )
    def test_each_way_of_shaking_hands(
        self, tmp_path: Path, bundles: dict[str, Bundle], key: str, options: tuple[str, ...]
    ) -> None:
        """A server that insists on one old cipher, one curve or small records shows its chain like any other."""
        with s_server(tmp_path, bundles[key], *options) as port:
            sighting = look(port)

        assert (SightingState.SERVED, bundles[key].chain) == (sighting.state, sighting.chain), sighting.detail

    @pytest.mark.parametrize("version", VERSIONS)
    def test_a_demand_for_a_client_certificate(
        self, tmp_path: Path, root: Authority, bundles: dict[str, Bundle], version: str
    ) -> None:
        """A server that ends the handshake for want of our certificate has shown its own; what it wanted is told."""
        ca = _file(tmp_path / "clients.crt", root)
        options = (VERSIONS[version], "-Verify", "3", "-verify_return_error", "-CAfile", ca, *WEAK)
        with s_server(tmp_path, bundles["rsa-2048"], *options) as port:
            sighting = look(port)

        assert (SightingState.SERVED, bundles["rsa-2048"].chain) == (sighting.state, sighting.chain), sighting.detail
        assert sighting.handshake is not None
        assert sighting.handshake.client_certificate_wanted
        assert sighting.handshake.version == version

    @pytest.mark.parametrize("version", ["TLSv1.2", "TLSv1.3"])
    def test_a_wish_for_a_client_certificate(
        self, tmp_path: Path, root: Authority, bundles: dict[str, Bundle], version: str
    ) -> None:
        """A server that asks for a certificate and does without one is served, and the wish is told."""
        ca = _file(tmp_path / "clients.crt", root)
        with s_server(tmp_path, bundles["ecdsa-256"], VERSIONS[version], "-verify", "3", "-CAfile", ca) as port:
            sighting = look(port)

        assert SightingState.SERVED is sighting.state
        assert sighting.handshake is not None
        assert sighting.handshake.client_certificate_wanted

    @pytest.mark.parametrize("version", VERSIONS)
    def test_a_server_without_a_certificate(self, tmp_path: Path, version: str) -> None:
        """A server that could only be anonymous has nothing to show: an alert with its name, not a crash."""
        with s_server(tmp_path, None, VERSIONS[version], "-cipher", "ALL:aNULL:@SECLEVEL=0") as port:
            sighting = look(port)

        assert SightingState.ALERT is sighting.state
        assert ("protocol_version" if version == "TLSv1.3" else "handshake_failure") in sighting.detail

    def test_a_long_chain(self, tmp_path: Path, root: Authority) -> None:
        """Ten intermediates are shown in their order."""
        above = root
        for number in range(10):
            above = Authority(f"Level {number}", not_before=NOW - YEAR, not_after=NOW + YEAR, parent=above)
        bundle = issued(above)
        with s_server(tmp_path, bundle) as port:
            sighting = look(port)

        assert bundle.chain == sighting.chain
        assert sighting.chain is not None
        assert len(sighting.chain.certificates) == 11

    @pytest.mark.parametrize(
        "kind",
        [
            pytest.param(("ed448",), id="ed448"),
            pytest.param(("rsa-pss", "-pkeyopt", "rsa_keygen_bits:2048"), id="rsa-pss"),
            pytest.param(("rsa:512", "-sha1"), id="rsa-512-sha1"),
        ],
    )
    def test_keys_that_are_rarely_met(self, tmp_path: Path, kind: tuple[str, ...]) -> None:
        """Keys that no browser takes, and one that could be broken in an afternoon, are read like any other."""
        certificate, key = tmp_path / "it.crt", tmp_path / "it.key"
        making = ["req", "-x509", "-nodes", "-days", "3", "-subj", f"/CN={NAME}", "-newkey", *kind]
        command: list[str | Path] = [need("openssl"), *making, "-keyout", key, "-out", certificate]
        subprocess.run(command, check=True, capture_output=True)
        bundle = Bundle(read_chain(certificate.read_bytes()), key.read_bytes())
        with s_server(tmp_path, bundle, "-tls1_2", *WEAK) as port:
            sighting = look(port)

        assert SightingState.SERVED is sighting.state, sighting.detail
        assert bundle.chain.fingerprint == sighting.fingerprint


@dataclass(frozen=True, slots=True)
class Special(VirtualServer):
    """A listener of nginx with directives of its own."""

    directives: str = ""

    def text(self) -> str:
        return VirtualServer.text(self).replace(" location /", f" {self.directives} location /")


@pytest.mark.server
class TestServerNames:
    @pytest.fixture
    def nginx(self, tmp_path: Path, issuing: Authority) -> Iterator[tuple[int, dict[str, Bundle]]]:
        """Two names on one port, and nothing for anybody else."""
        named = {name: issued(issuing, name) for name in ("one.example.com", "two.example.com")}
        port = free_port()
        pairs = {name: _pair(tmp_path / name, bundle) for name, bundle in named.items()}
        nobody = Special(port, *pairs["one.example.com"], directives="ssl_reject_handshake on;")
        servers = [nobody, *(VirtualServer(port, *pairs[name], name=name) for name in named)]
        with start_nginx(tmp_path, servers):
            yield port, named

    def test_each_name_has_its_certificate(self, nginx: tuple[int, dict[str, Bundle]]) -> None:
        """`name@address` asks one address for one name after the other."""
        port, named = nginx
        for name, bundle in named.items():
            assert bundle.chain == look(port, name=name).chain

    @pytest.mark.parametrize("name", ["", "three.example.com"])
    def test_a_server_that_wants_a_name_refuses_by_name(self, nginx: tuple[int, dict[str, Bundle]], name: str) -> None:
        """Without a name, or with one that is not served, the alert is told in words."""
        sighting = look(nginx[0], name=name)

        assert SightingState.ALERT is sighting.state
        assert "unrecognized_name" in sighting.detail
        assert sighting.chain is None

    def test_a_demand_for_a_client_certificate(self, tmp_path: Path, root: Authority, issuing: Authority) -> None:
        """nginx, which only complains in HTTP, shows its chain too."""
        bundle, ca = issued(issuing), _file(tmp_path / "clients.crt", root)
        wanting = f"ssl_verify_client on; ssl_client_certificate {ca};"
        with start_nginx(
            tmp_path, [Special(free_port(), *_pair(tmp_path / "it", bundle), directives=wanting)]
        ) as nginx:
            sighting = look(nginx.port)

        assert bundle.chain == sighting.chain
        assert sighting.handshake is not None
        assert sighting.handshake.client_certificate_wanted


RECORD, ALERT = 0x16, 0x15


def record(kind: int, content: bytes) -> bytes:
    return struct.pack("!BHH", kind, 0x0303, len(content)) + content


class TestOddPeers:
    @pytest.mark.parametrize("size", [1, 7, 1000])
    @pytest.mark.server
    def test_a_handshake_in_small_pieces(self, tmp_path: Path, bundles: dict[str, Bundle], size: int) -> None:
        """A network that hands over a few bytes at a time changes nothing but the time it takes."""
        with s_server(tmp_path, bundles["ecdsa-256"]) as behind, peer(_relay(behind, size)) as port:
            assert bundles["ecdsa-256"].chain == look(port).chain

    @pytest.mark.parametrize("length", [1, 5, 60, 200])
    @pytest.mark.server
    def test_a_handshake_that_stops_half_way(self, tmp_path: Path, bundles: dict[str, Bundle], length: int) -> None:
        """A server that begins the handshake and falls silent is `timeout`, at its limit."""
        with s_server(tmp_path, bundles["ecdsa-256"]) as behind, peer(_relay(behind, 4096, stop=length)) as port:
            began = time.monotonic()
            sighting = look(port, total_seconds=0.5)

        assert SightingState.TIMEOUT is sighting.state
        assert time.monotonic() - began < 5

    @pytest.mark.parametrize("length", [5, 60, 200])
    @pytest.mark.server
    def test_a_handshake_that_is_broken_off(self, tmp_path: Path, bundles: dict[str, Bundle], length: int) -> None:
        """A server that closes in the middle is an alert without one: it was up, and showed nothing."""
        with s_server(tmp_path, bundles["ecdsa-256"]) as behind:
            relay = _relay(behind, 4096, stop=length, then_close=True)
            with peer(relay) as port:
                sighting = look(port)

        assert SightingState.ALERT is sighting.state
        assert "closed the connection during the handshake" in sighting.detail

    @pytest.mark.parametrize(
        ("alert", "name"),
        [
            (40, "handshake_failure"),
            (70, "protocol_version"),
            (71, "insufficient_security"),
            (80, "internal_error"),
            (112, "unrecognized_name"),
            (255, "of an unknown kind"),
        ],
    )
    def test_an_alert_at_once_is_named(self, alert: int, name: str) -> None:
        """What a server says instead of a handshake is told with its number and name."""
        with peer(says(record(ALERT, bytes([2, alert])))) as port:
            sighting = look(port)

        assert SightingState.ALERT is sighting.state
        assert f"alert {alert} ({name})" in sighting.detail

    @pytest.mark.parametrize(
        ("reason", "number"),
        [
            ("tlsv13 alert certificate required", 116),
            ("tlsv13 alert missing extension", 109),
            ("sslv3 alert handshake failure", 40),
            ("ssl/tls alert handshake failure", 40),  # as OpenSSL says it from 3.2 on
            ("tlsv1 alert unknown ca", 48),
            ("tlsv1 unrecognized name", 112),
            ("tls alert user cancelled", 90),  # RFC 8446 spells it with one l
            ("tlsv1 alert unheard of", None),
            ("unexpected message", None),  # what we say of the peer
            ("bad extension", None),
        ],
    )
    def test_an_encrypted_alert_is_known_by_openssls_reason(self, reason: str, number: int | None) -> None:
        """What came encrypted is only in OpenSSL's words; they name the alert, whichever version says them."""
        assert encrypted_alert(reason) == number

    def test_an_encrypted_alert_is_told_like_any_other(self, root: Authority, bundles: dict[str, Bundle]) -> None:
        """OpenSSL's own error for a client certificate that was demanded in TLS 1.3 becomes number and name."""
        server = SSL.Context(SSL.TLS_SERVER_METHOD)
        leaf, *_ = bundles["ecdsa-256"].chain.certificates
        server.use_certificate(load(leaf))
        server.use_privatekey(load_pem_private_key(bundles["ecdsa-256"].key, None))  # type: ignore[arg-type]  # it is EC
        server.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT)
        ours, theirs = SSL.Connection(reading_context(), None), SSL.Connection(server, None)
        ours.set_connect_state()
        theirs.set_accept_state()
        for _ in range(2):
            for side, other in ((ours, theirs), (theirs, ours)):
                with contextlib.suppress(SSL.Error):
                    side.do_handshake()
                other.bio_write(side.bio_read(1 << 16))

        with pytest.raises(SSL.Error) as told:
            ours.recv(1)

        assert alert_of(told.value, b"") == "it ended the handshake with alert 116 (certificate_required)"

    @pytest.mark.parametrize(
        "text",
        [
            pytest.param(b"220 mail.example.com ESMTP\r\n", id="smtp"),
            pytest.param(b"* OK IMAP4rev1\r\n", id="imap"),
            pytest.param(b"HTTP/1.0 400 Bad Request\r\n\r\n", id="http"),
            pytest.param(b"\x00" * 3000, id="zeros"),
            pytest.param(b"\xff" * 3000, id="ones"),
            pytest.param(b"\x80\x2e\x04\x00\x01\x00\x02" + b"\x00" * 40, id="ssl2"),
            pytest.param(record(RECORD, b"\xee" * 100), id="no-handshake-message"),
            pytest.param(record(0x17, b"\x00" * 100), id="data-before-the-handshake"),
            pytest.param(struct.pack("!BHH", RECORD, 0x0303, 0xFFFF) + b"\x00" * 70000, id="record-too-long"),
        ],
    )
    def test_garbage_is_no_tls(self, text: bytes) -> None:
        """What only looks like TLS, or not even that, is named `not-tls`."""
        with peer(says(text)) as port:
            sighting = look(port, total_seconds=5)

        assert SightingState.NOT_TLS is sighting.state
        assert sighting.chain is None

    def test_a_server_that_dribbles_for_ever_costs_its_limit(self) -> None:
        """One byte of a long record now and then keeps nobody waiting beyond the limit."""

        def dribble(plain: socket.socket, over: threading.Event) -> None:
            plain.recv(4096)
            plain.sendall(struct.pack("!BHH", RECORD, 0x0303, 16000))
            while not over.wait(0.05):
                plain.sendall(b"\x02")

        with peer(dribble) as port:
            began = time.monotonic()
            sighting = look(port, total_seconds=0.6)

        assert SightingState.TIMEOUT is sighting.state
        assert time.monotonic() - began < 5


def _relay(behind: int, size: int, *, stop: int | None = None, then_close: bool = False) -> Talk:
    """Pass everything on to a server and its answer back in pieces; after so many bytes fall silent, or close."""

    def answer(server: socket.socket, plain: socket.socket) -> None:
        left = stop
        with contextlib.suppress(OSError):
            while heard := server.recv(4096):
                if left is not None:
                    heard = heard[:left]
                    left -= len(heard)
                for at in range(0, len(heard), size):
                    plain.sendall(heard[at : at + size])
                if left == 0 and then_close:
                    plain.shutdown(socket.SHUT_WR)

    def talk(plain: socket.socket, _: threading.Event) -> None:
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with socket.create_connection(("127.0.0.1", behind)) as server:
            back = threading.Thread(target=answer, args=(server, plain))
            back.start()
            with contextlib.suppress(OSError):
                while asked := plain.recv(4096):
                    server.sendall(asked)
            with contextlib.suppress(OSError):
                server.shutdown(socket.SHUT_RDWR)
            back.join()

    return talk


def _file(path: Path, authority: Authority) -> Path:
    path.write_bytes(chain_pem(Chain((authority.certificate,))))
    return path


def _pair(stem: Path, bundle: Bundle) -> tuple[Path, Path]:
    chain, key = stem.with_name(f"{stem.name}.crt"), stem.with_name(f"{stem.name}.key")
    chain.write_bytes(chain_pem(bundle.chain))
    key.write_bytes(bundle.key)
    return chain, key
