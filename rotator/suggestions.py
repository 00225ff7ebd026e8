"""Renewal suggestions (ACME ARI, RFC 9773), asked no sooner than the issuer wishes, across restarts."""

from __future__ import annotations

import json
from datetime import datetime, timedelta

from rotator.core.model import Certificate, CertificateSpec, Chain, History, Mode, Suggestion
from rotator.errors import IssueError
from rotator.log import logger
from rotator.ports import Keep, SuggestsRenewal
from rotator.world import World

log = logger(__name__)

LONGEST_WAIT = timedelta(days=7)
"""A wait that is longer than this was written by a clock that ran ahead."""


def suggestion_for(
    spec: CertificateSpec, chain: Chain | None, history: History, world: World, now: datetime
) -> Suggestion | None:
    """What the issuer of a current chain suggests; in observe mode no issuer is called.

    Whoever signed it is asked; where that is not known, everybody of the list until one has an answer.
    """
    if chain is None or spec.mode is Mode.OBSERVE or chain.not_after <= now:
        return None
    known = _is_accepted(chain, history) and history.accepted_issuer in spec.issuers
    for name in _signers(spec, chain, history):
        issuer = world.issuers.get(name)
        if not isinstance(issuer, SuggestsRenewal):
            continue
        try:
            drawer = f"suggestion/{name}/{spec.name}"
            found = suggestion_of(issuer, chain.leaf, world.store, drawer, now, issued_by=name if known else "")
        except IssueError as error:
            log.debug("no renewal suggestion", certificate=spec.name, issuer=name, error=str(error))
        else:
            if found is not None:
                return found
    return None


def suggestion_of(
    issuer: SuggestsRenewal, certificate: Certificate, keep: Keep, drawer: str, now: datetime, *, issued_by: str = ""
) -> Suggestion | None:
    """The suggestion for a certificate: the kept one until `ask_again_at`, else a new answer, which is kept.

    An issuer that cannot be asked again stands by what it said last.

    Args:
        drawer: where it is kept; what lies there for another certificate does not count, and is written over.
        issued_by: the issuer's name where it has issued the certificate: an answer that is none is worth a warning
            then, the first time.

    Raises:
        IssueError: the issuer cannot be asked right now, and has said nothing before.
    """
    kept = _read(keep.get(drawer), certificate)
    if kept is not None and now < kept.ask_again_at <= now + LONGEST_WAIT:
        return _usable(kept)
    try:
        new = issuer.suggestion(certificate)
    except IssueError as error:
        if kept is None:
            raise
        log.debug("the last renewal suggestion stands", subject=certificate.subject, error=str(error))
        return _usable(kept)
    if new is not None:
        if issued_by and _is_no_answer(new) and not (kept is not None and _is_no_answer(kept)):
            log.warning(
                "the issuer of a certificate gives no renewal suggestion of it; it is renewed by its own dates",
                subject=certificate.subject,
                issuer=issued_by,
                answer=new.explanation,
            )
        keep.put(drawer, _written(new, certificate))
    return _usable(new)


def _signers(spec: CertificateSpec, chain: Chain, history: History) -> tuple[str, ...]:
    signer = history.accepted_issuer
    return (signer,) if _is_accepted(chain, history) and signer in spec.issuers else spec.issuers


def _is_accepted(chain: Chain, history: History) -> bool:
    return history.accepted is not None and history.accepted.fingerprint == chain.fingerprint


def _is_no_answer(suggestion: Suggestion) -> bool:
    """Neither a window nor the plain word that nothing is suggested."""
    return _usable(suggestion) is None and bool(suggestion.explanation)


def _usable(suggestion: Suggestion | None) -> Suggestion | None:
    """A window without length is how an issuer says that it suggests nothing (RFC 9773, 4.2)."""
    return suggestion if suggestion is not None and suggestion.end > suggestion.start else None


def _read(kept: bytes | None, certificate: Certificate) -> Suggestion | None:
    if kept is None:
        return None
    try:
        fields = json.loads(kept)
        if fields["fingerprint"] != certificate.fingerprint:
            return None
        moments = {key: datetime.fromisoformat(fields[key]) for key in ("start", "end", "ask_again_at")}
        return Suggestion(explanation=str(fields["explanation"]), **moments)
    except (ValueError, TypeError, KeyError) as error:
        log.warning("a kept renewal suggestion cannot be read; it is asked for anew", error=repr(error))
        return None


def _written(suggestion: Suggestion, certificate: Certificate) -> bytes:
    return json.dumps(
        {
            "fingerprint": certificate.fingerprint,
            "start": suggestion.start.isoformat(),
            "end": suggestion.end.isoformat(),
            "explanation": suggestion.explanation,
            "ask_again_at": suggestion.ask_again_at.isoformat(),
        }
    ).encode()
