"""Source `endpoints` against real TLS servers: what is seen of each address, and of one that is down."""

from __future__ import annotations

import socket
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import ValidationError

from rotator.core.model import Observation, ProblemKind
from rotator.sources.endpoints import EndpointsSettings, EndpointsSource
from tests.issuers.asking import real_clock
from tests.lib.tls_peers import dialogue, peer, server_context, silent, tls
from tests.pki import Authority

NOW = datetime.now(UTC)


@pytest.fixture(scope="module")
def issuing() -> Authority:
    return Authority("Services CA", not_before=NOW - timedelta(days=90), not_after=NOW + timedelta(days=90))


def look(*endpoints: str) -> list[Observation]:
    settings = EndpointsSettings.model_validate({"endpoints": endpoints, "timeout": "1s"})
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


def test_a_bare_list_is_enough() -> None:
    """`endpoints: ["shop.example.com:443"]` is all that one has to write."""
    assert EndpointsSettings.model_validate(["a.example.com"]) == EndpointsSettings(endpoints=("a.example.com",))


@pytest.mark.parametrize("given", [[], ["no port:443"], ["gopher://a.example.com"], {"endpoint": ["a"]}])
def test_mistakes_in_the_settings(given: object) -> None:
    """What is no endpoint is refused when the config is read, not when it is looked at."""
    with pytest.raises(ValidationError):
        EndpointsSettings.model_validate(given)
