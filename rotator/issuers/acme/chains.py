"""Which of the chains that a CA offers for a certificate (RFC 8555, 7.4.2): the first, or the one to a wanted root."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import requests
from requests.utils import parse_header_links

from rotator.core.distinguished import organisation_and_name
from rotator.core.model import Certificate, Chain
from rotator.core.pem import PemError, read_chain
from rotator.core.trust import verify_path
from rotator.errors import IssueError
from rotator.issuers.acme.network import CHAIN_TYPE, Server
from rotator.log import logger

log = logger(__name__)

_MOST = 10
"""How many further chains are downloaded; Let's Encrypt has offered up to three."""

Roots = Callable[[], tuple[Certificate, ...]]
"""The roots among which a wanted fingerprint is looked for."""


def download(server: Server, url: str, wanted: str, roots: Roots) -> bytes:
    """The chain at an address as the CA sends it.

    Where no chain leads to the wanted root the first is as good as none wanted: its trust is judged before it is used.

    Args:
        wanted: the root's common name or the SHA-256 fingerprint of its certificate; empty for the CA's first chain.

    Raises:
        IssueError: the first chain cannot be had.
    """
    answer = server.post(url, None, accept=CHAIN_TYPE)
    first = _read(answer.content)
    if not wanted or first is None:
        return answer.content
    if leads_to(first, wanted, roots):
        return answer.content
    offered = [top_of(first)]
    for text, chain in _alternates(server, answer, first):
        if leads_to(chain, wanted, roots):
            return text
        offered.append(top_of(chain))
    log.warning(
        "the CA offers no chain to the preferred root; its first is taken",
        issuer=server.issuer,
        preferred_root=wanted,
        offered=", ".join(dict.fromkeys(offered)),
    )
    return answer.content


def leads_to(chain: Chain, wanted: str, roots: Roots) -> bool:
    """Whether a chain ends below this root, or in it."""
    top = chain.certificates[-1]
    fingerprint = wanted.replace(":", "").lower()
    if len(fingerprint) == 64 and all(sign in "0123456789abcdef" for sign in fingerprint):
        named = tuple(root for root in roots() if root.fingerprint == fingerprint)
        return top.fingerprint == fingerprint or (
            bool(named) and verify_path(chain, named, chain.leaf.not_before, ()) is None
        )
    return top_of(chain).casefold() == wanted.strip().casefold()


def top_of(chain: Chain) -> str:
    """The common name of the root that the topmost certificate names as its issuer."""
    issuer = chain.certificates[-1].issuer
    return organisation_and_name(issuer)[1] or issuer


def _alternates(server: Server, answer: requests.Response, first: Chain) -> Iterator[tuple[bytes, Chain]]:
    """The further chains, as they came and read; one that cannot be had is a line in the log."""
    for url in _links(answer)[:_MOST]:
        try:
            text = server.post(url, None, accept=CHAIN_TYPE).content
        except IssueError as error:
            log.warning("an alternate chain cannot be had", issuer=server.issuer, error=str(error))
            continue
        chain = _read(text)
        if chain is None or chain.leaf.fingerprint != first.leaf.fingerprint:
            log.warning("an alternate chain is not one of this certificate", issuer=server.issuer)
            continue
        yield text, chain


def _links(answer: requests.Response) -> list[str]:
    """Every alternate; `answer.links` would keep only the last of one relation."""
    links = parse_header_links(answer.headers.get("Link", ""))
    return [link["url"] for link in links if link.get("rel") == "alternate" and "url" in link]


def _read(text: bytes) -> Chain | None:
    try:
        return read_chain(text)
    except PemError:
        return None
