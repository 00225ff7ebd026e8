"""Asking the CA of a certificate whether it has taken it back."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from functools import partial

from rotator.core.model import Certificate, Chain, Revocation, RevocationState
from rotator.lib.memory import Kept, Memory
from rotator.lib.revocation import crl, ocsp
from rotator.lib.revocation.fetching import Fetching, NoAnswer
from rotator.lib.revocation.issuers import issuer_among, read_issuers
from rotator.lib.revocation.limits import Limits
from rotator.lib.revocation.pointers import Point, Pointers, read_pointers, shown
from rotator.lib.revocation.verdict import Unusable, unknown
from rotator.log import logger

NOBODY = "it names neither a CRL nor an OCSP responder"
SELF_SIGNED = "it signed itself, so nobody else can take it back"
ENDED = "it has ended, and CAs give no word on such any more"

_log = logger(__name__)


class Revocations:
    """Asks about certificates, from any number of threads; each answer is fetched once and kept while it is fresh.

    A short-lived certificate and one of a small internal CA may name nobody to ask: that is no fault of theirs, and
    `detail` is then `NOBODY`.
    """

    def __init__(
        self, now: Callable[[], datetime], *, allow_internal: Sequence[str] = (), limits: Limits | None = None
    ) -> None:
        """Prepare to ask.

        Args:
            allow_internal: hosts, addresses and networks that may be asked though they are not public.

        Raises:
            ValueError: `allow_internal` has an entry that is no host, address or network.
        """
        self._now = now
        self._limits = limits or Limits()
        self._fetching = Fetching(now, allow_internal, self._limits)
        bounds = self._limits.kept
        self._crls: Memory[str, crl.Crl | str] = Memory(now, entries=bounds, size=self._limits.kept_bytes)
        self._issuers: Memory[str, tuple[Certificate, ...] | str] = Memory(now, entries=bounds)
        self._answers: Memory[tuple[str, int, str], Revocation] = Memory(now, entries=bounds)

    def of(self, chain: Chain, issuers: Iterable[Certificate] = ()) -> Revocation:
        """What the CA of the leaf says of it: its CRLs in their order, then OCSP; the first that can tell is taken.

        Where none can, `by` is the first of them, and `detail` why not, for the first and then, by name, the others;
        together they read as a sentence. Where there is nobody to ask `by` is empty.

        Nothing is raised: what strangers send must not end a scan of all others. A fault of rotator's own is
        unknown, too, and logged in full.

        Args:
            issuers: more certificates among which its issuer may be: roots, the `ca.crt` beside it.
        """
        try:
            return self._of(chain, issuers)
        except BaseException as error:  # noqa: BLE001 - an interrupt is raised again
            return unknown(f"was not asked: {_fault(error, chain.leaf)}")

    def _of(self, chain: Chain, issuers: Iterable[Certificate]) -> Revocation:
        leaf = chain.leaf
        if leaf.self_signed:
            return unknown(SELF_SIGNED)
        if leaf.not_after < self._now():
            return unknown(ENDED)
        pointers = read_pointers(leaf)
        if not pointers.crls and not pointers.responders:
            return _nobody(pointers)
        issuer = issuer_among(leaf, (*chain.certificates[1:], *issuers)) or self._fetched_issuer(leaf, pointers)
        if isinstance(issuer, str):
            return unknown(f"is not asked: {issuer}", _first(pointers))
        failed: list[Revocation] = []
        for said in self._asked(leaf, issuer, pointers):
            if said.state is not RevocationState.UNKNOWN:
                return said
            failed.append(said)
        first, *others = failed
        return unknown("; ".join((first.detail, *(f"{other.by} {other.detail}" for other in others))), first.by)

    def issuer_of(self, certificate: Certificate) -> Certificate | None:
        """The certificate of its issuer from where it says that it is (AIA caIssuers); None where it is not had.

        Where it is had, a server that does not send it along has an incomplete chain rather than an unknown CA.
        """
        try:
            found = self._fetched_issuer(certificate, read_pointers(certificate))
        except BaseException as error:  # noqa: BLE001 - as in `of`
            found = _fault(error, certificate)
        return None if isinstance(found, str) else found

    def _asked(self, leaf: Certificate, issuer: Certificate, pointers: Pointers) -> Iterator[Revocation]:
        few = self._limits.addresses
        for point in pointers.crls[:few]:
            yield self._of_crl(leaf, issuer, point)
        for url in pointers.responders[:few]:
            yield self._of_responder(leaf, issuer, url)

    # ---------------------------------------------------------------- CRLs

    def _of_crl(self, leaf: Certificate, issuer: Certificate, point: Point) -> Revocation:
        got = self._crls.get(point.url, partial(self._get_crl, point.url))
        if isinstance(got, str):
            return unknown(f"cannot be had: {got}", f"CRL {point.url}")
        return got.says_of(leaf, issuer, point, self._now())

    def _get_crl(self, url: str) -> Kept[crl.Crl | str]:
        try:
            body = self._fetching.get(url, max_bytes=self._limits.crl_bytes)
            got = crl.Crl(crl.read_crl(body))
        except NoAnswer as error:
            return self._kept(str(error), None)
        except Unusable as error:
            return self._kept(f"what is there {error}", None)
        return self._kept(got, got.until, len(body))

    def _kept(self, value: crl.Crl | str, until: datetime | None, size: int = 0) -> Kept[crl.Crl | str]:
        return Kept(value, self._fresh_until(until), size)

    def _fresh_until(self, until: datetime | None) -> datetime:
        """An answer is asked for anew when it ends, but not before `forget`, and soon enough to hear of news."""
        now = self._now()
        if until is None or until < now + self._limits.forget:
            return now + self._limits.forget
        return min(until, now + self._limits.fresh)

    # ---------------------------------------------------------------- OCSP

    def _of_responder(self, leaf: Certificate, issuer: Certificate, url: str) -> Revocation:
        key = issuer.fingerprint, leaf.serial, url
        return self._answers.get(key, partial(self._ask_responder, leaf, issuer, url))

    def _ask_responder(self, leaf: Certificate, issuer: Certificate, url: str) -> Kept[Revocation]:
        by = f"OCSP {url}"
        try:
            request = ocsp.request_for(leaf, issuer)
            body = self._fetching.post(url, request, ocsp.REQUEST_TYPE, max_bytes=self._limits.answer_bytes)
        except NoAnswer as error:
            return Kept(unknown(f"gives no answer: {error}", by), self._fresh_until(None))
        except Unusable as error:
            return Kept(unknown(str(error), by), self._fresh_until(None))
        found = ocsp.says_of(body, leaf, issuer, by, self._now())
        return Kept(found.revocation, self._fresh_until(found.until))

    # ---------------------------------------------------------------- the issuer

    def _fetched_issuer(self, certificate: Certificate, pointers: Pointers) -> Certificate | str:
        """Its issuer from where it says, or a clause why that is not had."""
        clauses = []
        for url in pointers.issuers[: self._limits.addresses]:
            got = self._issuers.get(url, partial(self._get_issuers, url))
            if isinstance(got, str):
                clauses.append(f"{shown(url)} does not have it: {got}")
                continue
            found = issuer_among(certificate, got)
            if found is not None:
                return found
            clauses.append(f"what {shown(url)} has did not sign it")
        missing = f"the certificate of its issuer, {certificate.issuer}, is not at hand"
        return f"{missing}, and {', '.join(clauses)}" if clauses else missing

    def _get_issuers(self, url: str) -> Kept[tuple[Certificate, ...] | str]:
        try:
            body = self._fetching.get(url, max_bytes=self._limits.answer_bytes)
            return Kept(read_issuers(body), self._now() + self._limits.fresh)
        except NoAnswer as error:
            return Kept(str(error), self._fresh_until(None))
        except ValueError as error:
            return Kept(f"it cannot be read: {error}", self._fresh_until(None))


def _fault(error: BaseException, certificate: Certificate) -> str:
    """A clause for what nobody foresaw, which is logged; an interrupt is raised again.

    Rust code of the library that gives up raises a `PanicException`, which is no `Exception`.
    """
    kind = type(error).__name__
    if not isinstance(error, Exception) and kind != "PanicException":
        raise error
    _log.error("a certificate could not be asked about", fingerprint=certificate.fingerprint, exc_info=error)
    return f"a fault of rotator ({kind}); its log has the whole of it"


def _nobody(pointers: Pointers) -> Revocation:
    if pointers.problem:
        return unknown(f"its extensions cannot be read: {pointers.problem}")
    if pointers.silent:
        return unknown("its CA says that it gives no word on it (noRevAvail)")
    if pointers.unasked:
        return unknown("is not asked, as only HTTP is", ", ".join(pointers.unasked))
    return unknown(NOBODY)


def _first(pointers: Pointers) -> str:
    return f"CRL {pointers.crls[0].url}" if pointers.crls else f"OCSP {pointers.responders[0]}"
