"""The prober's own certificate: shown to servers that ask, and what is said when it cannot be."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from rotator.core.model import Bundle, Endpoint, SightingState
from rotator.core.pem import chain_pem
from rotator.lib.tls import ClientCertificate, ClientCertificateUnfit, probe
from tests.lib.tls_peers import asking, peer, server_context, tls
from tests.pki import Authority

NOW = datetime.now(UTC)
NAME = "shop.example.com"
V = ssl.TLSVersion


@pytest.fixture(scope="module")
def root() -> Authority:
    return Authority("Root", not_before=NOW - timedelta(days=90), not_after=NOW + timedelta(days=90))


@pytest.fixture(scope="module")
def clients(root: Authority) -> Authority:
    return Authority("Clients", not_before=NOW - timedelta(days=90), not_after=NOW + timedelta(days=90), parent=root)


def issued(by: Authority, name: str = NAME, *, eku: str = "server", key: str = "ecdsa-256") -> Bundle:
    start, end = NOW - timedelta(days=1), NOW + timedelta(days=9)
    return by.issue([name], not_before=start, not_after=end, eku=(eku,), key=key)


def written(folder: Path, bundle: Bundle) -> ClientCertificate:
    client = ClientCertificate(folder / "client.pem", folder / "client.key")
    client.certificate.write_bytes(chain_pem(bundle.chain))
    client.key.write_bytes(bundle.key)
    return client


class TestShowing:
    @pytest.mark.parametrize("key", ["ecdsa-256", "rsa-2048", "ed25519"])
    @pytest.mark.parametrize("version", [V.TLSv1_2, V.TLSv1_3], ids=lambda v: v.name)
    def test_a_server_that_demands_one_gets_it(
        self, tmp_path: Path, root: Authority, clients: Authority, version: ssl.TLSVersion, key: str
    ) -> None:
        """The whole chain is sent, so that a server that only knows the root takes it; what it serves is seen."""
        bundle, ours = issued(clients), issued(clients, "rotator", eku="client", key=key)
        context = server_context(tmp_path, bundle, lowest=version, highest=version, clients=root.certificate)
        talk, shown = asking(context)
        with peer(talk) as port:
            (sighting,) = probe([Endpoint("127.0.0.1", port, NAME)], client=written(tmp_path, ours))

        assert (sighting.state, sighting.chain) == (SightingState.SERVED, bundle.chain)
        assert sighting.handshake is not None
        assert sighting.handshake.client_certificate_wanted
        assert shown() == [ours.chain.leaf.der]

    def test_one_file_may_hold_both(self, tmp_path: Path, root: Authority) -> None:
        """A PEM with the chain and the key in it is enough."""
        ours = issued(root, "rotator", eku="client")
        both = tmp_path / "both.pem"
        both.write_bytes(ours.key + chain_pem(ours.chain))
        talk, shown = asking(server_context(tmp_path, issued(root), clients=root.certificate))
        with peer(talk) as port:
            list(probe([Endpoint("127.0.0.1", port, NAME)], client=ClientCertificate(both, both)))

        assert shown() == [ours.chain.leaf.der]

    @pytest.mark.parametrize("version", [V.TLSv1_2, V.TLSv1_3], ids=lambda v: v.name)
    def test_a_refused_one_hides_nothing(
        self, tmp_path: Path, root: Authority, clients: Authority, version: ssl.TLSVersion
    ) -> None:
        """A server that does not like our certificate has shown its own all the same."""
        stranger = Authority("Stranger", not_before=NOW - timedelta(days=9), not_after=NOW + timedelta(days=9))
        bundle = issued(clients)
        context = server_context(tmp_path, bundle, lowest=version, highest=version, clients=root.certificate)
        with peer(tls(context)) as port:
            ours = written(tmp_path, issued(stranger, "rotator", eku="client"))
            (sighting,) = probe([Endpoint("127.0.0.1", port, NAME)], client=ours)

        assert (sighting.state, sighting.chain) == (SightingState.SERVED, bundle.chain)

    @pytest.mark.parametrize(
        ("version", "key"),
        [
            pytest.param(version, key, id=f"{version.name}-{key}")
            for version in (V.TLSv1, V.TLSv1_2, V.TLSv1_3)
            for key in ("rsa-2048", "ecdsa-256", "ed25519")
            if key != "ed25519" or version >= V.TLSv1_2  # RFC 8422
        ],
    )
    def test_a_server_that_only_asks_is_told_apart(
        self, tmp_path: Path, root: Authority, version: ssl.TLSVersion, key: str
    ) -> None:
        """Whether a server wants a client certificate is known, also where it goes on without one."""
        wanted = []
        for asks in (root.certificate, None):
            context = server_context(tmp_path, issued(root, key=key), lowest=version, highest=version, clients=asks)
            if asks is not None:
                context.verify_mode = ssl.CERT_OPTIONAL
            with peer(tls(context)) as port:
                (sighting,) = probe([Endpoint("127.0.0.1", port, NAME)])
            assert sighting.handshake is not None
            wanted.append(sighting.handshake.client_certificate_wanted)

        assert wanted == [True, False]


class TestUnfit:
    def test_mistakes_are_said_at_once_and_name_the_file(self, tmp_path: Path, root: Authority) -> None:
        """Missing, no PEM, the key of another, encrypted: one sentence each, before anything is looked at."""
        ours, other = issued(root, "rotator", eku="client"), issued(root, "other", eku="client")
        client = written(tmp_path, ours)
        nothing, lost, foreign, sealed = (
            tmp_path / name for name in ("no.pem", "lost.pem", "foreign.key", "sealed.key")
        )
        nothing.write_text("nothing in it")
        foreign.write_bytes(other.key)
        key = load_pem_private_key(ours.key, password=None)
        sealed.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret")))

        def told(certificate: Path, key: Path) -> str:
            with pytest.raises(ClientCertificateUnfit) as failure:
                probe([Endpoint("127.0.0.1", 1)], client=ClientCertificate(certificate, key))
            return str(failure.value)

        assert told(lost, client.key) == f"the client certificate {lost} cannot be read: No such file or directory"
        assert told(nothing, client.key).startswith(f"the client certificate {nothing} is unfit: no CERTIFICATE block")
        assert told(client.certificate, lost) == f"the client key {lost} cannot be read: No such file or directory"
        assert told(client.certificate, nothing) == f"the client key {nothing} is unfit: no private key in it"
        assert told(client.certificate, foreign).startswith(f"the client key {foreign} does not belong to")
        assert "encrypted" in told(client.certificate, sealed)
        assert told(tmp_path, client.key) == f"the client certificate {tmp_path} cannot be read: it is no regular file"

    def test_the_key_is_not_kept(self, tmp_path: Path, root: Authority) -> None:
        """What is handed about, also to other processes, is where the key lies, never the key."""
        ours = issued(root, "rotator", eku="client")

        assert "PRIVATE" not in repr(written(tmp_path, ours))
