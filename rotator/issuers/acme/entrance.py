"""Whether a proof can be fetched by port 80 of its name: asked as a CA asks, though only from where we are."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from urllib.parse import urlsplit

import requests

from rotator.core.csr import is_address
from rotator.errors import IssueError
from rotator.issuers.acme.patience import pause
from rotator.issuers.acme.proving import Http01
from rotator.issuers.acme.solver import Desk, Proof
from rotator.lib.dns import DnsError, Lookups
from rotator.lib.http import explain, session
from rotator.lib.reach import has_no_way
from rotator.settings import show_duration

PATH = "/.well-known/acme-challenge/"
_FETCH_SECONDS = 10.0
_MOST_BYTES = 4096
_SLOWEST = 10.0
_AT_ONCE = 8
_MOST_TOLD = 3


class Unseen(IssueError):  # noqa: N818 - reads as what happened
    """The proofs are shown, and port 80 of the names does not lead to them."""


class Entrance:
    """Looks from outside as far as we can: at every address of each name, following redirects as CAs do."""

    def __init__(self, settings: Http01, desk: Desk) -> None:
        self._settings = settings
        self._desk = desk
        self._lookups = Lookups(settings.resolvers)

    def wait_for(self, proofs: Sequence[Proof]) -> None:
        """Return when each proof is seen at each address of its name.

        Raises:
            Unseen: some are still not after `propagation`; the sentence says what was seen instead.
            Pending: asked to stop.
        """
        clock, limit = self._desk.clock, self._settings.propagation.total_seconds()
        began, looks = clock.monotonic(), 0
        while problems := self._problems(proofs):
            left = limit - (clock.monotonic() - began)
            if left <= 0:
                raise self._unseen(problems)
            wait = timedelta(seconds=min(2.0**looks, _SLOWEST, left))
            pause(clock, wait, f"{self._desk.issuer}: stopped before the challenges could be fetched")
            looks += 1

    def _unseen(self, problems: Sequence[str]) -> Unseen:
        more = f"; and {len(problems) - _MOST_TOLD} more" if len(problems) > _MOST_TOLD else ""
        return Unseen(
            f"{self._desk.issuer}: the challenges cannot be fetched as a CA would, after "
            f"{show_duration(self._settings.propagation)}: {'; '.join(problems[:_MOST_TOLD])}{more}; if there is no "
            "way from here to there, say check: false"
        )

    def _problems(self, proofs: Sequence[Proof]) -> list[str]:
        with ThreadPoolExecutor(min(_AT_ONCE, len(proofs)), thread_name_prefix="http-01-check") as pool:
            return [clause for clause in pool.map(self._problem, proofs) if clause]

    def _problem(self, proof: Proof) -> str:
        """What is wrong with the first address that does not show it; empty when all do."""
        try:
            addresses = (proof.name,) if is_address(proof.name) else self._lookups.addresses_of(proof.name)
        except DnsError as error:
            return str(error)
        if not addresses:
            return f"{proof.name} has no address"
        seen = [self._seen_at(each, proof) for each in addresses]
        if all(each is None for each in seen):
            return f"this machine has no way to {', '.join(addresses)} ({proof.name})"
        return next((clause for clause in seen if clause), "")

    def _seen_at(self, address: str, proof: Proof) -> str | None:
        """What is wrong there; empty where it is shown, None where this machine has no way to, as without IPv6."""
        host = f"[{address}]" if ":" in address else address
        where = proof.name if proof.name == address else f"{proof.name} at {address}"
        # A CA that is redirected to https does not verify what it finds there (RFC 8555, 8.3).
        with session(total_seconds=_FETCH_SECONDS, max_bytes=_MOST_BYTES, verify=False) as http:
            http.trust_env = False  # a CA goes through no proxy of ours
            try:
                answer = http.get(
                    f"http://{host}{PATH}{proof.token}",
                    headers={"Host": proof.name},
                    hooks={"response": _without_our_host},
                )
            except requests.RequestException as error:
                return None if has_no_way(error) else f"{where}: {explain(error)}"
        if not answer.ok:
            return f"{where} answers with status {answer.status_code}"
        return "" if answer.text.strip() == proof.authorization else f"{where} shows something else"


def _without_our_host(answer: requests.Response, **_: object) -> None:
    """A redirect to another host is asked for by that host's name; requests would keep the one that we have set."""
    if answer.is_redirect and urlsplit(answer.headers["Location"]).netloc:
        answer.request.headers.pop("Host", None)
