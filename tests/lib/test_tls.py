"""The prober against real TLS servers of every age and against peers that are none."""

from __future__ import annotations

import contextlib
import socket
import ssl
import time
from datetime import timedelta
from pathlib import Path

import pytest

from rotator.core.model import Bundle, Endpoint, SightingState
from rotator.core.pem import chain_pem
from rotator.lib.tls import probe
from tests.lib.probing import NOW, YEAR, V, at, issued, look
from tests.lib.tls_peers import endless, once, only_for, peer, says, server_context, silent, tls
from tests.pki import Authority


@pytest.fixture(scope="module")
def root() -> Authority:
    return Authority("Root", not_before=NOW - YEAR, not_after=NOW + YEAR)


@pytest.fixture(scope="module")
def issuing(root: Authority) -> Authority:
    return Authority("Issuing", not_before=NOW - YEAR, not_after=NOW + YEAR, parent=root)


class TestWhatIsServed:
    @pytest.mark.parametrize(
        ("version", "key"),
        [
            pytest.param(version, key, id=f"{version.name}-{key}")
            for version in (V.TLSv1, V.TLSv1_1, V.TLSv1_2, V.TLSv1_3)
            for key in ("rsa-2048", "ecdsa-256", "rsa-1024", "ed25519")
            if key != "ed25519" or version >= V.TLSv1_2  # RFC 8422
        ],
    )
    def test_every_version_and_key_shows_the_whole_chain(
        self, tmp_path: Path, issuing: Authority, version: ssl.TLSVersion, key: str
    ) -> None:
        """TLS 1.0 to 1.3, strong and weak keys: the leaf and its intermediate are read as they are served."""
        bundle = issued(issuing, key=key)
        with peer(tls(server_context(tmp_path, bundle, lowest=version, highest=version))) as port:
            sighting = look(at(port))

        assert (sighting.state, sighting.address) == (SightingState.SERVED, "127.0.0.1")
        assert bundle.chain == sighting.chain
        assert bundle.chain.fingerprint == sighting.fingerprint
        assert sighting.handshake is not None
        assert version.name.replace("_", ".") == sighting.handshake.version.replace("TLSv1.0", "TLSv1")
        assert not sighting.handshake.client_certificate_wanted

    @pytest.mark.parametrize("version", [V.TLSv1_2, V.TLSv1_3], ids=lambda v: v.name)
    def test_a_demanded_client_certificate_hides_nothing(
        self, tmp_path: Path, root: Authority, issuing: Authority, version: ssl.TLSVersion
    ) -> None:
        """A server that refuses us for want of a client certificate has shown its chain; we say what it wanted."""
        bundle = issued(issuing)
        context = server_context(tmp_path, bundle, lowest=version, highest=version, clients=root.certificate)
        with peer(tls(context)) as port:
            sighting = look(at(port))

        assert (SightingState.SERVED, bundle.chain) == (sighting.state, sighting.chain)
        assert sighting.handshake is not None
        assert sighting.handshake.client_certificate_wanted

    def test_expired_certificates_are_shown(self, tmp_path: Path, issuing: Authority) -> None:
        """Reading is not judging: an expired certificate is served, and said to be."""
        bundle = issued(issuing, ends_in=timedelta(days=-3))
        with peer(tls(server_context(tmp_path, bundle))) as port:
            assert bundle.chain == look(at(port)).chain

    def test_nothing_is_resumed(self, tmp_path: Path, issuing: Authority) -> None:
        """Each look is a full handshake: after an exchange without a restart the next look shows the new one."""
        old, new = issued(issuing), issued(issuing)
        context = server_context(tmp_path, old)
        with peer(tls(context)) as port:
            first = look(at(port))
            context.load_cert_chain(_pair(tmp_path, new))

            assert [old.chain.fingerprint, new.chain.fingerprint] == [first.fingerprint, look(at(port)).fingerprint]

    def test_the_server_name_chooses(self, tmp_path: Path, issuing: Authority) -> None:
        """The name that is sent is the endpoint's, never an address; a server that knows no other says so."""
        one, other = issued(issuing, "one.example.com"), issued(issuing, "other.example.com")
        names = {"one.example.com": server_context(tmp_path, one), "other.example.com": server_context(tmp_path, other)}
        with peer(tls(only_for(names, server_context(tmp_path, one)))) as port:
            endpoints = [at(port, server_name=name) for name in ("one.example.com", "other.example.com.", "")]
            seen = {sighting.endpoint.server_name: sighting for sighting in probe(endpoints)}

        assert one.chain == seen["one.example.com"].chain
        assert other.chain == seen["other.example.com."].chain
        assert SightingState.ALERT is seen[""].state
        assert "unrecognized_name" in seen[""].detail

    def test_two_certificates_of_one_server_can_be_asked_for(self, tmp_path: Path, issuing: Authority) -> None:
        """Where a server has an RSA and an ECDSA certificate, each is shown when its key is asked for."""
        rsa, ecdsa = issued(issuing, key="rsa-2048"), issued(issuing, key="ecdsa-256")
        with peer(tls(server_context(tmp_path, rsa, also=ecdsa))) as port:
            asked = {key: next(probe([at(port)], key_algorithm=key)) for key in ("rsa", "ecdsa")}

        assert (rsa.chain, ecdsa.chain) == (asked["rsa"].chain, asked["ecdsa"].chain)

    @pytest.mark.parametrize("processes", [0, 1])
    def test_both_certificates_of_one_server_are_shown(
        self, tmp_path: Path, issuing: Authority, processes: int
    ) -> None:
        """A good ECDSA certificate hides no expired RSA one: where every key is asked for, each is a sighting."""
        ecdsa = issued(issuing, key="ecdsa-256")
        rsa = issued(issuing, key="rsa-2048", ends_in=timedelta(days=-3))
        with peer(tls(server_context(tmp_path, rsa, also=ecdsa))) as port:
            once, both = (
                list(probe(iter([at(port)]), every_key=every, processes=processes)) for every in (False, True)
            )

        assert [(sighting.chain, sighting.key) for sighting in once] == [(ecdsa.chain, "")]
        assert [(sighting.chain, sighting.key) for sighting in both] == [(ecdsa.chain, ""), (rsa.chain, "rsa")]
        assert {sighting.address for sighting in both} == {"127.0.0.1"}

    @pytest.mark.parametrize("version", [V.TLSv1_2, V.TLSv1_3], ids=lambda v: v.name)
    @pytest.mark.parametrize("key", ["rsa-2048", "ecdsa-256", "ed25519"])
    def test_one_certificate_is_one_sighting(
        self, tmp_path: Path, issuing: Authority, version: ssl.TLSVersion, key: str
    ) -> None:
        """A server that refuses the second question has no other certificate, or speaks TLS 1.3 only."""
        bundle = issued(issuing, key=key)
        with peer(tls(server_context(tmp_path, bundle, lowest=version, highest=version))) as port:
            (sighting,) = probe([at(port)], every_key=True)

        assert (sighting.chain, sighting.key) == (bundle.chain, "")

    def test_a_second_question_without_an_answer_is_told(self, tmp_path: Path, issuing: Authority) -> None:
        """A server that falls silent when it is asked for RSA may have such a certificate: that is not passed over."""
        bundle = issued(issuing)
        with peer(once(tls(server_context(tmp_path, bundle)), then=silent)) as port:
            first, second = probe([at(port)], every_key=True, total_seconds=4)

        assert first.chain == bundle.chain
        assert (second.state, second.key) == (SightingState.TIMEOUT, "rsa")
        assert second.detail.startswith("asked for a certificate with a key of kind rsa: ")

    @pytest.mark.parametrize("version", [V.TLSv1_2, V.TLSv1_3], ids=lambda v: v.name)
    def test_asking_for_a_key_that_is_not_there_shows_what_is(
        self, tmp_path: Path, issuing: Authority, version: ssl.TLSVersion
    ) -> None:
        """A server without such a certificate, or with TLS 1.3 only, is asked again without: it is not down."""
        bundle = issued(issuing, key="ecdsa-256")
        with peer(tls(server_context(tmp_path, bundle, lowest=version, highest=version))) as port:
            (sighting,) = probe([at(port)], key_algorithm="rsa")

        assert bundle.chain == sighting.chain

    def test_a_huge_certificate_is_refused_in_words(self, tmp_path: Path, issuing: Authority) -> None:
        """Ten thousand names make a certificate of 250 kB: more than is read, and said in words, not a crash."""
        bundle = issued(issuing, *(f"host-{number}.example.com" for number in range(10_000)))
        with peer(tls(server_context(tmp_path, bundle))) as port:
            sighting = look(at(port))

        assert SightingState.ALERT is sighting.state
        assert "excessive message size" in sighting.detail


class TestWhatIsNot:
    def test_a_refused_connection(self) -> None:
        """A closed port is `refused`."""
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]

        assert SightingState.REFUSED is look(at(port)).state

    def test_a_name_that_does_not_resolve(self) -> None:
        """One sighting without an address, and the resolver's words."""
        sighting = look(Endpoint("no-such-host.invalid", 443))

        assert (sighting.state, sighting.address) == (SightingState.DNS, "")
        assert "not resolved" in sighting.detail

    def test_a_name_that_cannot_be(self) -> None:
        """A label of 70 letters is no name; said, not raised."""
        assert SightingState.DNS is look(Endpoint(f"{'a' * 70}.example.com", 443)).state

    @pytest.mark.parametrize(
        "text",
        [b"SSH-2.0-OpenSSH_9.2\r\n", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x00" * 64],
        ids=["ssh", "http", "zeros"],
    )
    def test_another_protocol(self, text: bytes) -> None:
        """What is no TLS is `not-tls`."""
        with peer(says(text)) as port:
            assert SightingState.NOT_TLS is look(at(port)).state

    def test_a_silent_peer_costs_its_limit(self) -> None:
        """A peer that accepts and says nothing is `timeout`, after the limit and not much later."""
        with peer(silent) as port:
            began = time.monotonic()
            sighting = look(at(port), total_seconds=0.4)

        assert SightingState.TIMEOUT is sighting.state
        assert time.monotonic() - began < 3

    def test_an_endless_peer_is_cut_off(self) -> None:
        """A peer that sends for ever costs a bounded number of bytes."""
        with peer(endless) as port:
            assert look(at(port), total_seconds=8).state in {SightingState.NOT_TLS, SightingState.ALERT}

    def test_a_peer_that_hangs_up(self) -> None:
        """Closing before the first byte is `unreachable`: nothing was said."""
        with peer(lambda plain, over: None) as port:
            assert SightingState.UNREACHABLE is look(at(port)).state

    def test_a_full_backlog_is_a_connect_timeout(self) -> None:
        """No answer to the connection itself is told apart from a silent server."""
        with contextlib.ExitStack() as stack:
            listener = stack.enter_context(socket.socket())
            listener.bind(("127.0.0.1", 0))
            listener.listen(0)
            port = listener.getsockname()[1]
            for _ in range(3):  # two fill the queue; the kernel drops what comes then
                waiting = stack.enter_context(socket.socket())
                waiting.setblocking(False)
                waiting.connect_ex(("127.0.0.1", port))
            sighting = look(at(port), connect_seconds=0.3)

        assert SightingState.TIMEOUT is sighting.state
        assert "no connection" in sighting.detail


def _pair(folder: Path, bundle: Bundle) -> Path:
    path = folder / f"{bundle.chain.fingerprint[:16]}.pem"
    path.write_bytes(chain_pem(bundle.chain) + bundle.key)
    return path
