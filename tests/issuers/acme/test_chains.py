"""Tests of the choice among the chains of one certificate, on a Pebble with three roots and one with long chains."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from rotator.core.model import Chain
from rotator.core.pem import chain_pem, read_certificates
from rotator.core.trust import verify_path
from rotator.issuers.acme.chains import top_of
from tests.issuers.acme.conftest import MakeIssuer
from tests.issuers.acme.proxied import CERTIFICATE, Front, fronted, problem
from tests.issuers.acme.test_order import assert_good, fresh
from tests.issuers.asking import ask, issue
from tests.servers.loopback import Request, Response
from tests.servers.pebble import start_pebble

ALTERNATES = 2


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    """A Pebble whose certificates lead to three roots."""
    folder = tmp_path_factory.mktemp("many")
    with (
        start_pebble(folder / "pebble", PEBBLE_ALTERNATE_ROOTS=str(ALTERNATES)) as pebble,
        fronted(pebble, folder / "front") as front,
    ):
        yield front


@pytest.fixture(autouse=True)
def _honest(many: Front) -> Iterator[None]:
    yield
    many.change = None


def root_of(front: Front, number: int) -> bytes:
    return front.pebble.roots(number).encode()


def leads_to(chain: Chain, pem: bytes) -> bool:
    return verify_path(chain, read_certificates(pem), chain.not_before, ()) is None


@pytest.mark.parametrize("number", range(ALTERNATES + 1))
def test_a_root_is_chosen_by_its_name(many: Front, make: MakeIssuer, number: int) -> None:
    """The topmost certificate names its issuer; the first chain is not left for another without need."""
    (root,) = read_certificates(root_of(many, number))
    name = root.subject.removeprefix("CN=")
    before = len(many.done(CERTIFICATE))

    chain = issue(make(many, preferred_root=name), ask(fresh()))

    assert leads_to(chain, root_of(many, number))
    assert top_of(chain) == name
    assert len(many.done(CERTIFICATE)) - before == number + 1, "no more are downloaded than need be"


@pytest.mark.parametrize("number", range(ALTERNATES + 1))
def test_a_root_is_chosen_by_its_fingerprint(many: Front, make: MakeIssuer, tmp_path: Path, number: int) -> None:
    """In either way of writing it; names can be given to anything, fingerprints cannot."""
    (tmp_path / "roots.pem").write_bytes(b"".join(root_of(many, each) for each in range(ALTERNATES + 1)))
    (root,) = read_certificates(root_of(many, number))
    written = root.fingerprint if number else ":".join(root.fingerprint[i : i + 2] for i in range(0, 64, 2)).upper()

    chain = issue(make(many, preferred_root=written, roots=str(tmp_path / "roots.pem")), ask(fresh()))

    assert leads_to(chain, root_of(many, number))


@pytest.mark.parametrize("wanted", ["No Such Root", "ab" * 32])
def test_a_root_that_is_not_offered_is_a_remark(many: Front, make: MakeIssuer, wanted: str) -> None:
    """The first chain is taken, and the log says what there would have been."""
    with structlog.testing.capture_logs() as logs:
        chain = issue(make(many, preferred_root=wanted), ask(fresh()))

    assert leads_to(chain, root_of(many, 0))
    (remark,) = [line for line in logs if "preferred_root" in line]
    assert remark["log_level"] == "warning"
    assert str(remark["offered"]).count("Pebble Root CA") == ALTERNATES + 1


def test_without_a_wish_nothing_more_is_downloaded(many: Front, make: MakeIssuer) -> None:
    """One request for one certificate."""
    before = len(many.done(CERTIFICATE))
    issue(make(many), ask(fresh()))

    assert len(many.done(CERTIFICATE)) == before + 1


@pytest.mark.parametrize("lie", ["refused", "garbage", "another leaf"])
def test_an_alternate_that_is_none_is_passed_over(many: Front, make: MakeIssuer, lie: str) -> None:
    """Refused, unreadable or of another certificate: a line in the log, and the next one is looked at."""
    (root,) = read_certificates(root_of(many, ALTERNATES))
    other = issue(make(many), ask(fresh()))
    answers = {
        "refused": problem("serverInternal", "no", 500),
        "garbage": Response(200, {}, b"<html>"),
        "another leaf": Response(200, {}, chain_pem(other)),
    }

    def after(request: Request, response: Response) -> Response:
        nonce = {k: v for k, v in response.headers.items() if k == "Replay-Nonce"}
        spoilt = request.path.endswith("/alternate/1") and response.status < 400
        lied = answers[lie]
        return Response(lied.status, {**lied.headers, **nonce}, lied.body) if spoilt else response

    many.change = after
    asked = ask(fresh())
    chain = issue(make(many, preferred_root=root.subject.removeprefix("CN=")), asked)

    assert leads_to(chain, root_of(many, ALTERNATES))
    assert chain.leaf.names == asked.request.names


def test_links_without_end_are_bounded(many: Front, make: MakeIssuer) -> None:
    """A CA that names hundreds of alternates is not asked for them all."""
    links = ", ".join(f'<{many.proxy.url}{CERTIFICATE}none/alternate/{i}>;rel="alternate"' for i in range(300))

    def after(request: Request, response: Response) -> Response:
        if CERTIFICATE not in request.path or response.status >= 400:
            return response
        return Response(response.status, {**response.headers, "Link": links}, response.body)

    many.change = after
    before = many.asked(CERTIFICATE)
    asked = ask(fresh())

    assert_good(issue(make(many, preferred_root="No Such Root"), asked), asked, many.pebble)
    assert many.asked(CERTIFICATE) - before < 100


@pytest.mark.parametrize("length", [1, 3])
def test_chains_of_other_lengths_are_read_whole(tmp_path: Path, make: MakeIssuer, length: int) -> None:
    """One intermediate or three: all are kept in order, and the root is left out."""
    asked = ask(fresh())
    with start_pebble(tmp_path, PEBBLE_CHAIN_LENGTH=str(length)) as pebble:
        chain = issue(make(pebble), asked)

        assert_good(chain, asked, pebble)
    assert len(chain.certificates) == length + 1
