"""What there is to do for one authorization: which challenge of it, and who shows the proof."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any

from acme import challenges, messages
from josepy.errors import DeserializationError
from josepy.json_util import decode_b64jose
from josepy.jwk import JWK

from rotator.core.csr import is_address
from rotator.errors import IssueError
from rotator.issuers.acme.choosing import Solvers
from rotator.issuers.acme.resources import PENDING, Authorization
from rotator.issuers.acme.solver import Proof, Solver

TOKEN = re.compile(r"[A-Za-z0-9_-]{1,128}")


@dataclass(frozen=True, slots=True)
class Task:
    """One challenge that is to be met.

    Attributes:
        challenge: as the package knows it; proof and response are the same for every kind (RFC 8555, 8.1).
        url: where the CA is told to look.
        authorization: where it is.
        is_new: the CA still waits for our word.
    """

    name: str
    solver: Solver
    challenge: challenges.HTTP01
    url: str
    authorization: str
    is_new: bool

    def proof(self, key: JWK) -> Proof:
        return Proof(self.name, self.challenge.encode("token"), self.challenge.key_authorization(key))

    def is_asked_of(self, authorization: Authorization) -> bool:
        """Whether the CA still waits for our word, as the authorization stands now."""
        found = authorization.challenge(self.solver.kind)
        return authorization.status == PENDING and found is not None and _is_new(found)


def task_of(authorization: Authorization, solvers: Solvers, issuer: str) -> Task | str:
    """The task of an authorization, or a clause why none of its challenges can be met.

    Raises:
        IssueError: the CA's challenge is none.
    """
    name, offered = authorization.ordered_name, [str(each.get("type")) for each in authorization.challenges]
    solver = solvers.of(name, offered)
    found = authorization.challenge(solver.kind) if solver else None
    if solver is None or found is None:
        ours = " or ".join(solvers.kinds(name)) or "anything that is configured"
        return f"for {name} the CA takes {', '.join(offered) or 'nothing'}, not {ours}"
    token = found.get("token")
    # The package reads base64 leniently; what is shown must be the very token that the CA will look for.
    if not isinstance(token, str) or not TOKEN.fullmatch(token):
        raise IssueError(f"{issuer}: the CA sent a challenge whose token is no token")
    try:
        challenge = challenges.HTTP01(token=decode_b64jose(token, size=challenges.HTTP01.TOKEN_SIZE, minimum=True))
    except DeserializationError as error:
        raise IssueError(f"{issuer}: the CA sent a challenge whose token is no token") from error
    return Task(name, solver, challenge, str(found.get("url", "")), authorization.url, _is_new(found))


def _is_new(challenge: Mapping[str, Any]) -> bool:
    return bool(challenge.get("status", PENDING) == PENDING)


def identifier(name: str) -> messages.Identifier:
    """A name or an address, as it is ordered."""
    if is_address(name):
        return messages.Identifier(typ=messages.IDENTIFIER_IP, value=str(ip_address(name)))
    return messages.Identifier(typ=messages.IDENTIFIER_FQDN, value=name.lower())


def not_ordered(authorizations: Iterable[Authorization], names: Iterable[str]) -> str | None:
    """A name that the CA wants proved and nobody ordered; None where there is none.

    Nothing is ever shown for one: what is not configured is not touched. A parent of an ordered name is none: a CA may
    take it for all below (RFC 9444).
    """
    ordered = {_host(name) for name in names}
    hosts = {each.name: _host(each.name) for each in authorizations}
    return next((name for name, host in hosts.items() if not _is_within(host, ordered)), None)


def _host(name: str) -> str:
    return str(ip_address(name)) if is_address(name) else name.removeprefix("*.").lower()


def _is_within(host: str, ordered: Iterable[str]) -> bool:
    return any(name == host or (host and name.endswith(f".{host}")) for name in ordered)
