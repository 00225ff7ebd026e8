"""What a CA says when it refuses (RFC 8555, 6.7; RFC 7807), in one sentence, and whether trying again can help."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Any

import requests

from rotator.errors import IssueError
from rotator.lib.jsonobject import read_object
from rotator.lib.retryafter import parse_retry_after

PREFIX = "urn:ietf:params:acme:error:"
PERMANENT = frozenset(
    {
        "badCSR",
        "badPublicKey",
        "badRevocationReason",
        "badSignatureAlgorithm",
        "caa",
        "externalAccountRequired",
        "invalidContact",
        "invalidProfile",
        "rejectedIdentifier",
        "unauthorized",
        "unsupportedContact",
        "unsupportedIdentifier",
        "userActionRequired",
    }
)
"""The operator, a DNS record or the CA's policy has to change first."""

VALIDATION_PERMANENT = frozenset({"caa", "rejectedIdentifier", "unsupportedIdentifier"})
"""The same for a challenge: there, `unauthorized` says that the CA saw another answer, which a repair mends."""

LONGEST_WAIT = timedelta(days=7)
"""The longest window of any limit of Let's Encrypt; a longer `Retry-After` is a mistake or malice."""

_LIMITED = "rateLimited"
_MOST_SHOWN = 500  # characters of what a CA says
_MOST_PARTS = 5
_MOST_LINK = 2000  # a link that a person is to open is shown whole or not at all

_LINK = re.compile(r"https://[^\s<>\"'`\\^{}|]+")
_PAUSED = frozenset({_LIMITED, "unauthorized"})
_PAUSE = re.compile(r"paused?\b|temporarily prevented", re.IGNORECASE)


class Refused(IssueError):  # noqa: N818 - reads as what happened
    """The CA answered with an error.

    Attributes:
        code: the last part of the problem's type, as `rateLimited`; empty where the answer was no problem document.
        status: of the HTTP answer.
    """

    def __init__(
        self, message: str, *, code: str, status: int, permanent: bool = False, retry_after: timedelta | None = None
    ) -> None:
        limited = code == _LIMITED
        super().__init__(message, permanent=permanent, retry_after=retry_after, refused_by_limit=limited)
        self.code = code
        self.status = status

    @property
    def is_outage(self) -> bool:
        """The fault is the server's, and it says nothing about what was asked; so does one that refuses good nonces.

        A limit of requests (429) says nothing of an order that stands, either; of a new one it is the answer.
        """
        busy = self.status == HTTPStatus.TOO_MANY_REQUESTS and not self.permanent
        return busy or self.status >= HTTPStatus.INTERNAL_SERVER_ERROR or self.code == "badNonce"

    @property
    def is_gone(self) -> bool:
        """The CA no longer knows what was asked for."""
        return self.status in {HTTPStatus.NOT_FOUND, HTTPStatus.GONE}


class Unreachable(IssueError):  # noqa: N818 - as above
    """The CA did not answer: whether it heard us is unknown."""

    is_outage = True


def refusal(answer: requests.Response, issuer: str, now: datetime) -> Refused:
    """The error in an answer with a status of 400 or more."""
    problem = read_object(answer.content) or {}
    code = code_of(problem)
    wait = parse_retry_after(answer.headers.get("Retry-After"), now)
    permanent = code in PERMANENT and answer.status_code < HTTPStatus.INTERNAL_SERVER_ERROR
    if code in _PAUSED and (link := _unpause_link(problem)):
        said = sentence(problem, without=link)
        why = f"the CA has paused this account for some names; open {link} to lift that; the CA says: {said}"
        permanent = True  # no wait mends it, so a person is told at once
    else:
        said = sentence(problem) or "nothing that explains it"
        why = f"the CA says: {said}{_action(problem, answer, issuer) if code == 'userActionRequired' else ''}"
    return Refused(
        f"{issuer}: {why} (status {answer.status_code})",
        code=code,
        status=answer.status_code,
        permanent=permanent,
        retry_after=None if wait is None else min(wait, LONGEST_WAIT),
    )


def validation_failure(failed: Sequence[tuple[str, Mapping[str, Any]]], issuer: str) -> IssueError:
    """Why authorizations failed.

    Args:
        failed: each name that the CA looked at in vain, with the error of its challenge; at least one.
    """
    most = _MOST_SHOWN // min(len(failed), _MOST_PARTS)
    said = [
        f"the CA could not verify that {name} is ours: {_shortened(sentence(problem) or 'it gives no reason', most)}"
        for name, problem in failed[:_MOST_PARTS]
    ]
    more = len(failed) - _MOST_PARTS
    codes = {code_of(problem) for _, problem in failed}
    return IssueError(
        f"{issuer}: {'; '.join(said)}{f'; and {more} names more' if more > 0 else ''}",
        permanent=bool(codes & VALIDATION_PERMANENT),
        failed_names=tuple(name for name, _ in failed),
        refused_by_limit=_LIMITED in codes,
    )


def order_failure(problem: Mapping[str, Any], issuer: str) -> IssueError:
    """Why an order became invalid, from its own error."""
    said = sentence(problem) or "the CA gives no reason"
    code = code_of(problem)
    permanent = code in VALIDATION_PERMANENT | {"badCSR", "badPublicKey"}
    return IssueError(f"{issuer}: the order failed: {said}", permanent=permanent, refused_by_limit=code == _LIMITED)


def code_of(problem: Mapping[str, Any]) -> str:
    """`rateLimited` of `urn:ietf:params:acme:error:rateLimited`; empty for a type of another kind."""
    kind = problem.get("type")
    return kind.removeprefix(PREFIX) if isinstance(kind, str) and kind.startswith(PREFIX) else ""


def sentence(problem: Mapping[str, Any], *, without: str = "") -> str:
    """The CA's own words, its subproblems included, in one line of a sensible length.

    Args:
        without: a link that is shown elsewhere.
    """
    words = "; ".join(_parts(problem))
    if without:
        words = words.replace(without, "(that link)")
    printable = "".join(sign if sign.isprintable() else " " for sign in words)
    return _shortened(" ".join(printable.split()))


def _parts(problem: Mapping[str, Any]) -> Iterator[str]:
    subproblems = problem.get("subproblems")
    for part in [problem, *(subproblems if isinstance(subproblems, list) else [])][:_MOST_PARTS]:
        if isinstance(part, dict) and (said := _words(part)):
            yield said


def _words(problem: Mapping[str, Any]) -> str:
    said = problem.get("detail") or problem.get("title") or code_of(problem)
    identifier = problem.get("identifier")
    name = identifier.get("value") if isinstance(identifier, dict) else None
    return f"{name}: {said}" if name else str(said)


def _shortened(text: str, most: int = _MOST_SHOWN) -> str:
    """Cut where it is too long, but never within a link: half of one leads nowhere."""
    if len(text) <= most:
        return text
    cut = next((found.start() for found in _LINK.finditer(text) if found.start() < most < found.end()), most)
    return text[:cut].rstrip()


def _action(problem: Mapping[str, Any], answer: requests.Response, issuer: str) -> str:
    """What a person has to do (RFC 8555, 7.3.3); the link is shown, never asked for."""
    terms = answer.links.get("terms-of-service", {}).get("url")
    where = problem.get("instance") or terms
    opened = f"; open {where}" if isinstance(where, str) and _is_link(where) else ""
    return f"{opened}, then agree with `rotator account update {issuer} --agree-terms`" if opened and terms else opened


def _unpause_link(problem: Mapping[str, Any]) -> str:
    """The page on which a person lifts a pause; empty where this refusal is none.

    Let's Encrypt pauses an account for a name after 1,152 failures in a row, and words the refusal "Your account is
    temporarily prevented from requesting certificates for …. Please visit: https://…/unpause?jwt=…".
    """
    words = " ".join(_parts(problem))
    links = [found.group().rstrip(".,;:!?)]") for found in _LINK.finditer(words)]
    named = [link for link in links if _is_link(link) and "unpause" in link]
    if not named and _PAUSE.search(words):
        named = [link for link in links if _is_link(link)]
    return named[0] if named else ""


def _is_link(text: str) -> bool:
    return len(text) <= _MOST_LINK and text.isprintable() and _LINK.fullmatch(text) is not None
