"""Issuers in this process: one that lies when it is told to, and one whose orders survive a crash, as an ACME CA's do.

Both pass the conformance suite of issuers in their honest mode, so what they show of the flow holds for real ones.
"""

from __future__ import annotations

import json
import os
import threading
import uuid
from collections.abc import Callable
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any, ClassVar

from rotator.core.csr import csr_spki
from rotator.core.model import Certificate, Chain, IssueRequest, RevocationReason
from rotator.core.pem import chain_pem
from rotator.errors import IssueError, Pending
from rotator.lib.issued import read_issued
from rotator.ports import Anchors, Clock, Issuer
from rotator.settings import PluginSettings
from tests.pki import Authority, self_signed

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
NINETY_DAYS = 90 * DAY
PAGE = b"<html><body><h1>502 Bad Gateway</h1></body></html>\n"
FIFTY_MEGABYTES = 50 << 20
REFUSED = "example.org"
"""No name below this one is signed."""


class Lie(StrEnum):
    """How an answer is wrong."""

    NONE = "none"
    OTHER_KEY = "another key"
    EXPIRED = "expired"
    NOT_YET_VALID = "not yet valid"
    WRONG_NAME = "another name"
    NAME_LESS = "a name less"
    NO_INTERMEDIATE = "no intermediate"
    SELF_SIGNED = "self-signed"
    OTHER_ROOT = "another root"
    IS_CA = "a CA certificate"
    CODE_SIGNING = "no server certificate"
    WEAK_KEY = "a 1024-bit RSA key"
    ENDS_NO_LATER = "ends no later"
    SAME_AGAIN = "the old one again"
    PAGE = "HTML"
    NOTHING = "an empty answer"
    HALF_A_PEM = "half a PEM"
    FIFTY_MEGABYTES = "50 MB"
    NEVER = "never answers"
    NEVER_AND_NO_TOKEN = "never answers and gives no token"
    UPSIDE_DOWN = "a chain upside down with its root"
    REFUSES = "refuses"
    REFUSES_FOR_GOOD = "refuses for good"
    BREAKS = "breaks its contract"


class LyingIssuer:
    """Signs at once, or answers with a lie.

    Attributes:
        asked: every request so far.
        old: what `SAME_AGAIN` and `ENDS_NO_LATER` go by.
        retry_after: what it names with `REFUSES` and `NEVER`.
        revoked: what it was told to revoke, by fingerprint, with the first reason.
    """

    Settings: ClassVar[type[PluginSettings]] = PluginSettings

    def __init__(self, name: str, authority: Authority, clock: Clock, *, lifetime: timedelta = NINETY_DAYS) -> None:
        self.name = name
        self.lie = Lie.NONE
        self.asked: list[IssueRequest] = []
        self.old: Chain | None = None
        self.retry_after: timedelta | None = None
        self.revoked: dict[str, RevocationReason] = {}
        self._authority = authority
        self._authorities = [authority]
        self._clock = clock
        self._lifetime = lifetime
        self._roots: tuple[Certificate, ...] = (authority.root,)

    def issue(self, request: IssueRequest, *, resume: str | None, checkpoint: Callable[[str], None]) -> Chain:
        self.asked.append(request)
        if any(name.endswith(REFUSED) for name in request.names):
            raise IssueError(f"{self.name}: {REFUSED} is not ours", permanent=True)
        match self.lie:
            case Lie.NEVER | Lie.NEVER_AND_NO_TOKEN:
                if self.lie is Lie.NEVER:
                    checkpoint(resume or json.dumps({"order": str(uuid.uuid4())}))
                raise Pending(f"{self.name} is still thinking", retry_after=self.retry_after or HOUR)
            case Lie.REFUSES | Lie.REFUSES_FOR_GOOD:
                permanent = self.lie is Lie.REFUSES_FOR_GOOD
                raise IssueError("not today", permanent=permanent, retry_after=self.retry_after)
            case Lie.BREAKS:
                raise ValueError("an error that no port allows")
        return read_issued(self._answer(request), self.name)

    def revoke(self, certificate: Certificate, reason: RevocationReason) -> None:
        if self.lie in {Lie.REFUSES, Lie.REFUSES_FOR_GOOD}:
            raise IssueError(f"{self.name}: not today", permanent=self.lie is Lie.REFUSES_FOR_GOOD)
        if certificate.issuer not in {authority.certificate.subject for authority in self._authorities}:
            raise IssueError(f"{self.name}: it did not sign {certificate.fingerprint[:16]}…", permanent=True)
        self.revoked.setdefault(certificate.fingerprint, reason)

    def roots(self) -> tuple[Certificate, ...]:
        return self._roots

    def moves_to(self, authority: Authority) -> None:
        """Sign by another CA from now on; its root is one more that clients may trust."""
        self._authority = authority
        self._authorities.append(authority)
        self._roots = (*self._roots, authority.root)

    def _answer(self, request: IssueRequest) -> bytes:
        match self.lie:
            case Lie.PAGE:
                return PAGE
            case Lie.NOTHING:
                return b""
            case Lie.HALF_A_PEM:
                whole = chain_pem(self._signed(request))
                return whole[: whole.index(b"-----END") // 2]
            case Lie.FIFTY_MEGABYTES:
                return chain_pem(self._signed(request)) + b"\n" * FIFTY_MEGABYTES
            case Lie.SAME_AGAIN:
                assert self.old is not None
                return chain_pem(self.old)
        return chain_pem(self._signed(request))

    def _signed(self, request: IssueRequest) -> Chain:
        begin, end = self._dates(request)
        names = request.names
        match self.lie:
            case Lie.OTHER_KEY | Lie.WEAK_KEY:
                key = "rsa-1024" if self.lie is Lie.WEAK_KEY else "ecdsa-256"
                return self._authority.issue(names, not_before=begin, not_after=end, key=key).chain
            case Lie.SELF_SIGNED:
                return self_signed(names, not_before=begin, not_after=end).chain
            case Lie.OTHER_ROOT:
                other = Authority("Another Root", not_before=begin - NINETY_DAYS, not_after=end + NINETY_DAYS)
                return other.sign(request.csr, not_before=begin, not_after=end)
            case Lie.WRONG_NAME:
                names = ("somebody-else.example.com",)
            case Lie.NAME_LESS:
                names = names[:-1]
        eku = ("code",) if self.lie is Lie.CODE_SIGNING else ("server",)
        chain = self._authority.sign(
            request.csr, not_before=begin, not_after=end, names=names, eku=eku, ca=self.lie is Lie.IS_CA
        )
        return self._arranged(chain)

    def _dates(self, request: IssueRequest) -> tuple[datetime, datetime]:
        begin = self._clock.now().replace(microsecond=0) - timedelta(minutes=5)
        end = begin + (request.lifetime or self._lifetime) - timedelta(seconds=1)
        match self.lie:
            case Lie.EXPIRED:
                return begin - NINETY_DAYS, begin - DAY
            case Lie.NOT_YET_VALID:
                return begin + 2 * DAY, end + 2 * DAY
            case Lie.ENDS_NO_LATER:
                assert self.old is not None
                return self.old.not_before, self.old.not_after
        return begin, end

    def _arranged(self, chain: Chain) -> Chain:
        if self.lie is Lie.NO_INTERMEDIATE:
            return Chain((chain.leaf,))
        if self.lie is Lie.UPSIDE_DOWN:
            return Chain((chain.leaf, self._authority.root, *chain.certificates[:0:-1]))
        return chain


class LedgerIssuer:
    """An issuer with orders: they lie in a file, and a token resumes one, in this process or in the next.

    As Let's Encrypt does it, an order that is not finished yet is given again to whoever asks for the same names. One
    that is finished is not: whoever has lost its token has to order anew.
    """

    Settings: ClassVar[type[PluginSettings]] = PluginSettings

    def __init__(self, name: str, signer: Issuer, ledger: Path) -> None:
        self.name = name
        self._signer = signer
        self._ledger = ledger
        self._alone = threading.Lock()

    def issue(self, request: IssueRequest, *, resume: str | None, checkpoint: Callable[[str], None]) -> Chain:
        if any(name.endswith(REFUSED) for name in request.names):
            raise IssueError(f"{self.name}: {REFUSED} is not ours", permanent=True)
        with self._alone:
            token = self._known(request, resume) or self._open(request)
        checkpoint(token)
        with self._alone:
            if not orders_in(self._ledger)[token]["chain"]:
                self._write(token, {"chain": self._signed(request), "spki": csr_spki(request.csr)})
            return read_issued(orders_in(self._ledger)[token]["chain"].encode(), self.name)

    def roots(self) -> tuple[Certificate, ...]:
        assert isinstance(self._signer, Anchors)
        return self._signer.roots()

    def _known(self, request: IssueRequest, resume: str | None) -> str | None:
        """The order that a token names, unless it was finished for another key; else an open one for these names."""
        orders, names = orders_in(self._ledger), list(request.names)
        named = orders.get(resume or "")
        if named is not None and named["spki"] in {"", csr_spki(request.csr)}:
            return resume
        return next((token for token, order in orders.items() if order["names"] == names and not order["chain"]), None)

    def _open(self, request: IssueRequest) -> str:
        token = json.dumps({"order": str(uuid.uuid4())})
        self._write(token, {"names": list(request.names), "spki": "", "chain": ""})
        return token

    def _signed(self, request: IssueRequest) -> str:
        return chain_pem(self._signer.issue(request, resume=None, checkpoint=_forget)).decode()

    def _write(self, token: str, fields: dict[str, str | list[str]]) -> None:
        orders = orders_in(self._ledger)
        orders[token] = {**orders.get(token, {}), **fields}
        draft = self._ledger.with_suffix(f".{os.getpid()}-{uuid.uuid4()}")
        draft.write_text(json.dumps(orders))
        draft.replace(self._ledger)


def orders_in(ledger: Path) -> dict[str, dict[str, Any]]:
    """Every order by its token: the names, and once it is finished the key it is for and its chain."""
    found: dict[str, dict[str, Any]] = json.loads(ledger.read_text()) if ledger.exists() else {}
    return found


def _forget(token: str) -> None:
    """Whoever signs at once has nothing to come back to."""
