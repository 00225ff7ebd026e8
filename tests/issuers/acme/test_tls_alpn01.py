"""Tests of TLS-ALPN-01: the certificate and the listener by a TLS client, the whole by a real Pebble."""

from __future__ import annotations

import contextlib
import hashlib
import socket
import ssl
import threading
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from rotator.core.model import Check
from rotator.core.pem import key_matches, read_certificates
from rotator.core.trust import verify_path
from rotator.errors import IssueError, Pending
from rotator.issuers.acme.proving import TlsAlpn01, split_listen
from rotator.issuers.acme.solver import Desk, Proof
from rotator.issuers.acme.tls_alpn01 import LISTENERS, TlsAlpn01Solver, asked_as
from rotator.issuers.acme.tls_entrance import ACME_IDENTIFIER
from rotator.issuers.acme.traces import Traces
from tests.issuers.acme.conftest import MakeIssuer
from tests.issuers.asking import Drawer, ask, issue, objections, real_clock
from tests.servers.certificates import authority
from tests.servers.netns import network_namespace
from tests.servers.pebble import Pebble
from tests.servers.ports import free_port

ACME = ["acme-tls/1"]


@pytest.fixture
def address() -> Iterator[str]:
    """An address of the test's own, and nothing open there afterwards."""
    yield f"127.0.0.1:{free_port()}"
    assert not LISTENERS._open


def solver_at(address: str, issuer: str = "ca") -> TlsAlpn01Solver:
    clock = real_clock()
    return TlsAlpn01Solver(TlsAlpn01(listen=address), Desk(issuer, clock, Traces(Drawer(), issuer, clock.now)))


def proof(name: str, text: str = "token.print") -> Proof:
    return Proof(name, "token", text)


def look(address: str, name: str | None, protocols: list[str] | None) -> tuple[x509.Certificate, str | None]:
    """What a client sees that asks for a name with these protocols."""
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname, client.verify_mode = False, ssl.CERT_NONE
    if protocols is not None:
        client.set_alpn_protocols(protocols)
    with (
        socket.create_connection(split_listen(address), timeout=10) as raw,
        client.wrap_socket(raw, server_hostname=name) as tls,
    ):
        der = tls.getpeercert(binary_form=True)
        assert der is not None
        return x509.load_der_x509_certificate(der), tls.selected_alpn_protocol()


def is_open(address: str) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(split_listen(address)) == 0


class TestListener:
    """What a CA sees, and what others do not."""

    def test_the_certificate_is_the_proof(self, address: str) -> None:
        """RFC 8737, 3: the name as the only one, the digest in a critical extension, the protocol agreed on."""
        with solver_at(address).showing([proof("Shop.example.com")]):
            certificate, protocol = look(address, "shop.example.com", ACME)

        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
        identifier: Any = certificate.extensions.get_extension_for_oid(ACME_IDENTIFIER)
        assert list(names.value) == [x509.DNSName("shop.example.com")]
        assert identifier.critical
        assert identifier.value.value == b"\x04\x20" + hashlib.sha256(b"token.print").digest()
        assert protocol == "acme-tls/1"
        assert not is_open(address)

    @pytest.mark.parametrize(("name", "asked"), [
        ("192.0.2.7", "7.2.0.192.in-addr.arpa"),
        ("2001:db8::1", "1." + "0." * 23 + "8.b.d.0.1.0.0.2.ip6.arpa"),
    ])  # fmt: skip
    def test_an_address_is_asked_for_by_its_reverse_name(self, address: str, name: str, asked: str) -> None:
        """RFC 8738, 6: SNI has no place for addresses."""
        assert asked_as(name) == asked
        with solver_at(address).showing([proof(name)]):
            certificate, _ = look(address, asked, ACME)

        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        assert [str(each) for each in names.get_values_for_type(x509.IPAddress)] == [name]

    @pytest.mark.parametrize(
        ("name", "protocols"),
        [("other.example.com", ACME), (None, ACME), ("shop.example.com", ["h2", "http/1.1"])],
        ids=["another name", "no name", "another protocol"],
    )
    def test_others_get_no_certificate(self, address: str, name: str | None, protocols: list[str]) -> None:
        """Their handshake fails, and the listener serves on."""
        with solver_at(address).showing([proof("shop.example.com")]):
            with pytest.raises((ssl.SSLError, ConnectionError)):
                look(address, name, protocols)

            assert look(address, "shop.example.com", ACME)[1] == "acme-tls/1"

    def test_orders_of_the_same_time_share_it(self, address: str) -> None:
        """Each sees its own proof, also two with the same one; it is closed with the last."""
        with ExitStack() as last:
            with solver_at(address).showing([proof("one.example.com"), proof("shared.example.com")]):
                last.enter_context(solver_at(address, "other").showing([proof("shared.example.com")]))
                look(address, "one.example.com", ACME)

            look(address, "shared.example.com", ACME)
            with pytest.raises((ssl.SSLError, ConnectionError)):
                look(address, "one.example.com", ACME)

        assert not is_open(address)

    def test_two_proofs_of_one_name_take_turns(self, address: str) -> None:
        """A CA that asks for a name can be shown one certificate: the second order waits, the first goes on."""
        with (
            solver_at(address).showing([proof("shop.example.com")]),
            pytest.raises(Pending, match=r"^other: another order is proving shop\.example\.com"),
            solver_at(address, "other").showing([proof("shop.example.com", "another.print")]),
        ):
            raise AssertionError("it must not be shown")

        assert not is_open(address)

    def test_many_orders_at_once_leave_nothing(self, address: str) -> None:
        """Opened and closed by many threads, each sees its own."""

        def order(number: int) -> str | None:
            with solver_at(address).showing([proof(f"n{number}.example.com")]):
                return look(address, f"n{number}.example.com", ACME)[1]

        with ThreadPoolExecutor(8) as pool:
            assert set(pool.map(order, range(40))) == {"acme-tls/1"}

    def test_silent_strangers_hold_nobody_up(self, address: str) -> None:
        """Connections that say nothing do not keep the CA from its answer, nor the listener from its end."""
        with ExitStack() as strangers:
            with solver_at(address).showing([proof("shop.example.com")]):
                for _ in range(20):
                    strangers.enter_context(socket.create_connection(split_listen(address)))
                began = time.monotonic()
                look(address, "shop.example.com", ACME)

            assert time.monotonic() - began < 4

    def test_an_address_that_is_taken_is_said(self, address: str) -> None:
        """Another server on the port: one sentence with the address and what to do."""
        with (
            socket.create_server(split_listen(address)),
            pytest.raises(IssueError, match=r"^ca: cannot listen on .* for TLS-ALPN-01 challenges: Address already"),
            solver_at(address).showing([proof("shop.example.com")]),
        ):
            raise AssertionError("it must not be shown")


class TestIssuing:
    """By a real CA."""

    def settings(self, pebble: Pebble) -> dict[str, object]:
        return {"http01": None, "tls_alpn01": {"listen": f"127.0.0.1:{pebble.tls_port}"}}

    def test_names_and_an_address(self, pebble: Pebble, make: MakeIssuer) -> None:
        """Pebble finds both, over TLS alone."""
        asked = ask(f"{uuid.uuid4().hex[:12]}.example.com", f"{uuid.uuid4().hex[:12]}.example.com", "127.0.0.1")

        chain = issue(make(pebble, **self.settings(pebble)), asked)

        assert key_matches(chain, asked.key)
        roots = read_certificates(pebble.roots().encode())
        assert verify_path(chain, roots, datetime.now(UTC), asked.request.names) is None
        assert not LISTENERS._open

    def test_different_names_by_different_solvers(self, pebble: Pebble, make: MakeIssuer) -> None:
        """One order, two listeners: the first entry of `solvers` whose globs fit counts."""
        web, rest = f"{uuid.uuid4().hex[:12]}.web.example.com", f"{uuid.uuid4().hex[:12]}.example.com"
        solvers = [
            {"names": ["*.web.example.com"], "http01": {"listen": f"127.0.0.1:{pebble.http_port}"}},
            {"tls_alpn01": {"listen": f"127.0.0.1:{pebble.tls_port}"}},
        ]
        asked = ask(web, rest)

        assert key_matches(issue(make(pebble, http01=None, solvers=solvers), asked), asked.key)

    def test_a_wildcard_is_refused_beforehand(self, pebble: Pebble, make: MakeIssuer) -> None:
        """All names that cannot be proved are in one sentence."""
        issuer = make(pebble, **self.settings(pebble))

        with pytest.raises(IssueError, match=r"^ca: \*\.a\.example, \*\.b\.example cannot be proved: ") as refused:
            issue(issuer, ask("*.a.example", "ok.example", "*.b.example"))

        assert refused.value.permanent

    def test_a_port_that_is_taken_is_found_beforehand(self, pebble: Pebble, make: MakeIssuer) -> None:
        """Preflight opens the very address."""
        issuer = make(pebble, **self.settings(pebble))

        assert objections(issuer, "a.example.com") == ()
        with socket.create_server(("127.0.0.1", pebble.tls_port)):
            (problem,) = objections(issuer, "a.example.com")

        assert "for TLS-ALPN-01 challenges" in problem


class TestBeforehand:
    """The preflight with `check`: what port 443 of the names leads to."""

    @pytest.fixture
    def near(self, pebble: Pebble) -> Iterator[str]:
        """An address whose port 443 is the test's own, and that all names lead to."""
        with network_namespace(1) as network:
            near = network.addresses[0].rpartition(".")[0] + ".1"
            pebble.dns_command("add-a", host="shop.alpn.example", addresses=[near])
            yield near

    def check(self, pebble: Pebble, listen: str, name: str = "shop.alpn.example") -> Check:
        clock = real_clock()
        settings = TlsAlpn01(listen=listen, check=True, resolvers=(pebble.dns,))
        (check,) = TlsAlpn01Solver(settings, Desk("ca", clock, Traces(Drawer(), "ca", clock.now))).preflight([name])
        return check

    def test_the_listener_at_port_443_itself(self, near: str, pebble: Pebble) -> None:
        """The probe is found as a CA would find it, for names and for the address."""
        for name in ("shop.alpn.example", near):
            check = self.check(pebble, f"{near}:443", name)

            assert (check.problem, check.detail) == (
                "",
                f"challenges can be shown at {near}:443, and port 443 leads there",
            )

    def test_another_server_at_port_443_is_found(self, near: str, pebble: Pebble, address: str, tmp_path: Path) -> None:
        """A web server that ends TLS itself, one that refuses the protocol, and nobody."""
        issued = authority(tmp_path).issue("web", "localhost")
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(issued.certificate, issued.key)

        def serve(listener: socket.socket) -> None:
            with contextlib.suppress(OSError):
                raw, _ = listener.accept()
                tls.wrap_socket(raw, server_side=True).close()

        with socket.create_server((near, 443)) as listener:
            thread = threading.Thread(target=serve, args=(listener,))
            thread.start()
            taken = self.check(pebble, address)
            thread.join()
        nobody = self.check(pebble, address)

        assert f"shop.alpn.example at {near} does not speak acme-tls/1 at port 443" in taken.problem
        assert "cannot be connected to at port 443: Connection refused" in nobody.problem
        assert nobody.remedy.startswith("lead connections that offer acme-tls/1")
