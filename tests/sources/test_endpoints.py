"""Source `endpoints` against real TLS servers: what is seen of each address, and of one that is down."""

from __future__ import annotations

import socket
import ssl
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest
from pydantic import ValidationError

from rotator.core.model import Chain, Observation, ProblemKind
from rotator.core.pem import chain_pem
from rotator.errors import SourceError
from rotator.sources.endpoints import EndpointsSettings, EndpointsSource
from tests.issuers.asking import real_clock
from tests.lib.tls_peers import asking, dialogue, only_for, peer, server_context, silent, tls
from tests.pki import Authority

NOW = datetime.now(UTC)
YEAR = timedelta(days=365)


@pytest.fixture(scope="module")
def issuing() -> Authority:
    return Authority("Services CA", not_before=NOW - timedelta(days=90), not_after=NOW + timedelta(days=90))


def look(*endpoints: str) -> list[Observation]:
    settings = EndpointsSettings.model_validate({"endpoints": endpoints, "timeout": "5s"})
    return list(EndpointsSource("public", settings, real_clock()).observe())


def test_what_is_served_is_seen(tmp_path: Path, issuing: Authority) -> None:
    """The chain, the handshake, and the address as the place; never a key."""
    bundle = issuing.issue(["shop.example.com"], not_before=NOW - timedelta(days=1), not_after=NOW + timedelta(days=9))
    with peer(tls(server_context(tmp_path, bundle))) as port:
        (seen,) = look(f"127.0.0.1:{port}")

    assert (seen.chain, seen.problem, seen.key) == (bundle.chain, None, None)
    assert (seen.location.system, seen.location.address) == ("tls", f"127.0.0.1:{port}@127.0.0.1")
    assert seen.endpoint is not None
    assert seen.endpoint.port == port
    assert seen.handshake is not None
    assert seen.handshake.version == "TLSv1.3"
    assert seen.labels["issuer"] == "Services CA"


def test_the_protocol_of_an_endpoint_is_spoken(tmp_path: Path, issuing: Authority) -> None:
    """`postgres://` asks for TLS first, and is part of the place."""
    bundle = issuing.issue(["db.example.com"], not_before=NOW - timedelta(days=1), not_after=NOW + timedelta(days=9))
    with peer(dialogue((b"\x00", b"S"), then=tls(server_context(tmp_path, bundle)))) as port:
        (seen,) = look(f"postgres://127.0.0.1:{port}")

    assert seen.chain == bundle.chain
    assert seen.location.address == f"postgres://127.0.0.1:{port}@127.0.0.1"


def test_down_says_nothing_of_the_certificate() -> None:
    """A refused, a silent and an unknown endpoint could not be seen; the state is named."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        refused = listener.getsockname()[1]
    with peer(silent) as quiet:
        seen = look(f"127.0.0.1:{refused}", f"127.0.0.1:{quiet}", "no-such-host.invalid:443")
    problems = {observation.location.address: observation.problem for observation in seen}

    assert {problem.kind for problem in problems.values() if problem} == {ProblemKind.UNSEEN}
    told = {address: problem.message for address, problem in problems.items() if problem}
    assert "refused: it refused the connection" in told[f"127.0.0.1:{refused}@127.0.0.1"]
    assert "timeout: " in told[f"127.0.0.1:{quiet}@127.0.0.1"]
    assert "dns: " in told["no-such-host.invalid:443"]


def test_an_unreadable_intermediate_is_remarked(tmp_path: Path) -> None:
    """A server whose second certificate cannot be read shows its leaf, and what could not be read is told beside it."""
    root = Authority("Root", not_before=NOW - YEAR, not_after=NOW + YEAR)
    above = Authority("Issuing", not_before=NOW - YEAR, not_after=NOW + YEAR, parent=root)
    bundle = above.issue(["shop.example.com"], not_before=NOW - timedelta(days=1), not_after=NOW + timedelta(days=9))
    leaf, intermediate = bundle.chain.certificates
    version = bytes.fromhex("a003020102")  # [0] INTEGER 2 (RFC 5280, 4.1.2.1)
    odd = intermediate.der.replace(version, version[:-1] + b"\x06", 1)
    served = tmp_path / "served.pem"
    served.write_text("".join(map(ssl.DER_cert_to_PEM_cert, (leaf.der, odd))) + bundle.key.decode())
    context = server_context(tmp_path, bundle)
    context.load_cert_chain(served)
    with peer(tls(context)) as port:
        (seen,) = look(f"shop.example.com@127.0.0.1:{port}")

    assert seen.chain == Chain((leaf,))
    assert seen.problem is None
    assert len(seen.remarks) == 1
    assert seen.remarks[0].startswith("certificate 2 of the chain: ")


def test_what_can_be_read_is_without_remark(tmp_path: Path, issuing: Authority) -> None:
    """A good chain and an endpoint that is down have none: what is wrong there is the problem."""
    bundle = issuing.issue(["shop.example.com"], not_before=NOW - timedelta(days=1), not_after=NOW + timedelta(days=9))
    with peer(tls(server_context(tmp_path, bundle))) as port:
        seen = look(f"127.0.0.1:{port}", "no-such-host.invalid:443")

    assert {observation.remarks for observation in seen} == {()}


@pytest.mark.parametrize("both", [False, True])
def test_both_certificates_of_a_server_are_places(tmp_path: Path, issuing: Authority, both: bool) -> None:
    """`both_keys` shows an expired RSA certificate behind a good ECDSA one, at a place of its own."""
    issued = partial(issuing.issue, ["shop.example.com"], not_before=NOW - timedelta(days=9))
    good = issued(not_after=NOW + timedelta(days=9))
    expired = issued(not_after=NOW - timedelta(days=1), key="rsa-2048")
    with peer(tls(server_context(tmp_path, expired, also=good))) as port:
        settings = EndpointsSettings.model_validate({"endpoints": [f"127.0.0.1:{port}"], "both_keys": both})
        seen = list(EndpointsSource("public", settings, real_clock()).observe())

    where = f"127.0.0.1:{port}@127.0.0.1"
    places = {where: good.chain, f"{where} (rsa)": expired.chain} if both else {where: good.chain}
    assert {observation.location.address: observation.chain for observation in seen} == places
    assert {observation.address for observation in seen} == {"127.0.0.1"}
    assert [observation.labels.get("key", "") for observation in seen] == ["", "rsa"][: len(seen)]


def test_a_bare_list_is_enough() -> None:
    """`endpoints: ["shop.example.com:443"]` is all that one has to write."""
    assert EndpointsSettings.model_validate(["a.example.com"]) == EndpointsSettings(endpoints=("a.example.com",))


def test_every_setting_reaches_the_look(tmp_path: Path, issuing: Authority) -> None:
    """The name to ask for, the limits, the pace, several processes and the client certificate, all at once."""
    bundle = issuing.issue(["shop.example.com"], not_before=NOW - timedelta(days=1), not_after=NOW + timedelta(days=9))
    client = issuing.issue(
        ["rotator"], not_before=NOW - timedelta(days=1), not_after=NOW + timedelta(days=9), eku=("client",)
    )
    both = tmp_path / "client.pem"
    both.write_bytes(chain_pem(client.chain) + client.key)
    context = only_for(
        {"shop.example.com": server_context(tmp_path, bundle, clients=issuing.certificate)},
        server_context(tmp_path, bundle, clients=issuing.certificate),
    )
    talk, shown = asking(context)
    with peer(talk) as port:
        settings = EndpointsSettings.model_validate(
            {
                "endpoints": [f"127.0.0.1:{port}"],
                "server_name": "shop.example.com",
                "connect_timeout": "2s",
                "handshake_timeout": "4s",
                "timeout": "5s",
                "retries": 1,
                "concurrency": 4,
                "per_address": 2,
                "processes": 2,
                "client_certificate": str(both),
            }
        )
        (seen,) = EndpointsSource("public", settings, real_clock()).observe()

    assert seen.endpoint is not None
    assert seen.endpoint.server_name == "shop.example.com"
    assert seen.chain is not None
    assert seen.chain.leaf == bundle.chain.leaf
    assert shown() == [client.chain.leaf.der]


def test_the_handshake_limit_is_named() -> None:
    """A server that accepts and says nothing has used up the limit of the handshake."""
    with peer(silent) as port:
        settings = EndpointsSettings.model_validate({"endpoints": [f"127.0.0.1:{port}"], "handshake_timeout": "200ms"})
        (seen,) = EndpointsSource("public", settings, real_clock()).observe()

    assert seen.problem is not None
    assert "(handshake limit)" in seen.problem.message


def test_an_unfit_client_certificate_is_an_unread_source(tmp_path: Path) -> None:
    """A client certificate that is not there ends the look with the source's name and the file."""
    settings = EndpointsSettings.model_validate({"endpoints": ["a.example.com"], "client_certificate": tmp_path / "no"})

    with pytest.raises(SourceError, match=r"source public: the client certificate .*/no cannot be read"):
        list(EndpointsSource("public", settings, real_clock()).observe())


@pytest.mark.parametrize(
    "given",
    [
        [],
        ["no port:443"],
        ["gopher://a.example.com"],
        {"endpoint": ["a"]},
        {"endpoints": ["a"], "server_name": "no name"},
        {"endpoints": ["a"], "client_key": "/etc/rotator/client.key"},
        {"endpoints": ["a"], "per_address": 0},
    ],
)
def test_mistakes_in_the_settings(given: object) -> None:
    """What is no endpoint is refused when the config is read, not when it is looked at."""
    with pytest.raises(ValidationError):
        EndpointsSettings.model_validate(given)
