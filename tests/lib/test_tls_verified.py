"""What `verified_handshake` has to object to a chain that is served."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from rotator.core.model import Bundle
from rotator.lib.tls import verified_handshake
from tests.lib.probing import NAME, NOW, YEAR, V, at, issued
from tests.lib.tls_peers import peer, server_context, tls
from tests.pki import Authority, self_signed


@pytest.fixture(scope="module")
def root() -> Authority:
    return Authority("Root", not_before=NOW - YEAR, not_after=NOW + YEAR)


@pytest.fixture(scope="module")
def issuing(root: Authority) -> Authority:
    return Authority("Issuing", not_before=NOW - YEAR, not_after=NOW + YEAR, parent=root)


class TestVerifiedHandshake:
    @pytest.fixture
    def good(self, tmp_path: Path, issuing: Authority) -> Iterator[int]:
        with peer(tls(server_context(tmp_path, issued(issuing)))) as port:
            yield port

    def test_a_good_chain_verifies(self, good: int, root: Authority) -> None:
        """Right name, right root, right time: nothing to object."""
        assert verified_handshake(at(good), "127.0.0.1", [root.certificate], at=NOW) is None

    def test_a_trusted_intermediate_is_enough(self, good: int, issuing: Authority) -> None:
        """Clients may trust an intermediate; OpenSSL alone would want the root."""
        assert verified_handshake(at(good), "127.0.0.1", [issuing.certificate], at=NOW) is None

    def test_another_root(self, good: int) -> None:
        """A chain that leads elsewhere is refused, with OpenSSL's reason."""
        other = Authority("Other", not_before=NOW - YEAR, not_after=NOW + YEAR)
        said = verified_handshake(at(good), "127.0.0.1", [other.certificate], at=NOW)

        assert said is not None
        assert "issuer certificate" in said

    def test_after_its_end(self, good: int, root: Authority) -> None:
        """The time is given, not read from a clock."""
        said = verified_handshake(at(good), "127.0.0.1", [root.certificate], at=NOW + timedelta(days=31))

        assert said is not None
        assert "expired" in said

    def test_another_name(self, good: int, root: Authority) -> None:
        """A certificate for another name is refused, although OpenSSL alone would not mind."""
        endpoint = at(good, server_name="other.example.com")

        assert verified_handshake(endpoint, "127.0.0.1", [root.certificate], at=NOW) is not None

    def test_a_missing_intermediate(self, tmp_path: Path, root: Authority, issuing: Authority) -> None:
        """What counts is what is served: a chain without its intermediate fails, though we know the intermediate."""
        whole = issued(issuing)
        leaf = Bundle(type(whole.chain)(whole.chain.certificates[:1]), whole.key)
        with peer(tls(server_context(tmp_path, leaf))) as port:
            assert verified_handshake(at(port), "127.0.0.1", [root.certificate], at=NOW) is not None

    def test_self_signed(self, tmp_path: Path, root: Authority) -> None:
        """A certificate that vouches for itself is refused."""
        alone = self_signed([NAME], not_before=NOW - YEAR, not_after=NOW + YEAR)
        with peer(tls(server_context(tmp_path, alone))) as port:
            said = verified_handshake(at(port), "127.0.0.1", [root.certificate], at=NOW)

        assert said is not None
        assert "self-signed" in said

    def test_a_client_certificate_is_not_needed_for_proof(
        self, tmp_path: Path, root: Authority, issuing: Authority
    ) -> None:
        """A server that wants a client certificate proves its own all the same."""
        for version in (V.TLSv1_2, V.TLSv1_3):
            context = server_context(
                tmp_path, issued(issuing), lowest=version, highest=version, clients=root.certificate
            )
            with peer(tls(context)) as port:
                assert verified_handshake(at(port), "127.0.0.1", [root.certificate], at=NOW) is None

    def test_nobody_there(self, root: Authority) -> None:
        """A refused connection is the reason."""
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]

        assert verified_handshake(at(port), "127.0.0.1", [root.certificate], at=NOW) == "it refused the connection"

    def test_no_roots(self, good: int) -> None:
        """Without a root nothing is proved."""
        assert verified_handshake(at(good), "127.0.0.1", [], at=NOW) is not None
