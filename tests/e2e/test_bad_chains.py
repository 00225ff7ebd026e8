"""A CA that sends something else than what was ordered: no kind of target ever sees it."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from itertools import cycle
from pathlib import Path

import pytest

from rotator.core.model import Result, Stage
from rotator.core.pem import chain_pem, key_matches, read_chain
from tests.e2e.cas import acme_ca, minted
from tests.e2e.leaks import leaks
from tests.e2e.path import DAY, Later, config, look, wired
from tests.e2e.places import PLACES
from tests.issuers.acme.proxied import CERTIFICATE, Front, fronted
from tests.servers.loopback import Request, Response
from tests.servers.pebble import Pebble

pytestmark = pytest.mark.server

END = b"-----END CERTIFICATE-----\n"
Lie = Callable[[Pebble, str, bytes], bytes]
"""Gets the host name and what the CA sends; returns what arrives."""

GARBAGE: Mapping[str, Lie] = {
    "cut off": lambda _, __, sent: sent[:400],
    "a page": lambda _, __, ___: b"<html><body>Maintenance</body></html>",
    "nothing": lambda _, __, ___: b"",
}
WRONG: Mapping[str, Lie] = {
    "for another key": lambda pebble, name, _: chain_pem(minted(pebble, name, 80 * DAY).chain),
    "expired": lambda pebble, name, _: chain_pem(minted(pebble, name, -DAY).chain),
    "for another name": lambda pebble, _, __: chain_pem(minted(pebble, "a.example.com", 80 * DAY).chain),
    "without its intermediate": lambda _, __, sent: sent[: sent.index(END) + len(END)],
}
CELLS = list(zip(PLACES, cycle(GARBAGE), cycle(WRONG), strict=False))
GAP = 8 * DAY
"""A certificate that came and was dropped counts as issued: with 30 days of lead the next one waits 7.5 days."""


@pytest.fixture
def front(pebble_plain: Pebble, tmp_path: Path) -> Iterator[Front]:
    """A Pebble whose answers can be changed on their way."""
    with fronted(pebble_plain, tmp_path / "front") as opened:
        yield opened


@pytest.mark.parametrize(("kind", "garbage", "wrong"), CELLS)
def test_a_bad_chain_never_reaches_a_target(
    kind: str, garbage: str, wrong: str, request: pytest.FixtureRequest, front: Front, tmp_path: Path
) -> None:
    """First garbage comes, then a well-formed chain that is no good: both are refused with a sentence, and not one
    write happens; when the CA is honest again, the certificate is renewed and served."""
    later, name = Later(), f"shop-{uuid.uuid4().hex[:8]}.example.com"
    ca = acme_ca(front, tmp_path)
    old = ca.old(name, 29 * DAY)
    with PLACES[kind](request.getfixturevalue, tmp_path, {"shop": old}) as fleet:
        shop = fleet.places["shop"]
        untouched = shop.trace()
        with wired(config(tmp_path, issuers={"ca": ca.entry}, **fleet.config), later.clock) as wiring:
            for lie, stage, wait in ((GARBAGE[garbage], Stage.ISSUE, DAY), (WRONG[wrong], Stage.VALIDATE, GAP)):
                front.change = _lying(lie, front.pebble, name)
                _, outcomes = look(wiring)
                outcome = outcomes[shop.certificate]
                assert (outcome.result, outcome.stage) == (Result.FAILED, stage), outcome.error
                assert outcome.error
                assert shop.trace() == untouched
                later.skip(wait)
            front.change = None
            _, outcomes = look(wiring)
        assert outcomes[shop.certificate].result is Result.DONE, outcomes[shop.certificate].error
        chain, key = shop.held()
        assert key_matches(read_chain(chain), key)
        assert read_chain(chain).fingerprint != old.chain.fingerprint
        assert shop.shows(read_chain(chain).fingerprint, name, ca.roots)
        assert leaks([key, old.key], [tmp_path], beside=fleet.keys_in) == []


def _lying(lie: Lie, pebble: Pebble, name: str) -> Callable[[Request, Response], Response]:
    def change(request: Request, response: Response) -> Response:
        if CERTIFICATE in request.path and response.status < 400:
            return replace(response, body=lie(pebble, name, response.body))
        return response

    return change
