"""Renewal suggestions (ACME ARI, RFC 9773), asked no sooner than the issuer wishes, across restarts."""

from __future__ import annotations

import json
from datetime import datetime

from rotator.core.model import Certificate, Suggestion
from rotator.ports import Keep, SuggestsRenewal


def suggestion_of(issuer: SuggestsRenewal, certificate: Certificate, keep: Keep, now: datetime) -> Suggestion | None:
    """The suggestion for a certificate: the kept one until `ask_again_at`, else a new answer, which is kept.

    Raises:
        IssueError: the issuer cannot be asked right now.
    """
    drawer = f"suggestion/{certificate.fingerprint}"
    kept = keep.get(drawer)
    if kept is not None:
        old = _read(kept)
        if now < old.ask_again_at:
            return old if old.end > old.start else None
    new = issuer.suggestion(certificate)
    if new is not None:
        keep.put(drawer, _written(new))
    return new if new is not None and new.end > new.start else None


def _read(kept: bytes) -> Suggestion:
    fields = json.loads(kept)
    moments = {key: datetime.fromisoformat(fields[key]) for key in ("start", "end", "ask_again_at")}
    return Suggestion(explanation=fields["explanation"], **moments)


def _written(suggestion: Suggestion) -> bytes:
    return json.dumps(
        {
            "start": suggestion.start.isoformat(),
            "end": suggestion.end.isoformat(),
            "explanation": suggestion.explanation,
            "ask_again_at": suggestion.ask_again_at.isoformat(),
        }
    ).encode()
