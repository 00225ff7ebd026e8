"""What preflights have found that is worth telling: whose next renewal would fail, and why. Pure.

Told as soon as it has failed twice in a row (an hour apart), or once where the renewal is due already; a warning, and
an error from half of the lead on. It never pages: when the end is near enough for that, the renewal itself has been
tried, and its own failure pages.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from rotator.core.cases import Case
from rotator.core.cohorts import anonymous, zone_of
from rotator.core.model import CertificateSpec, Mode, NoticeKind, Result, Severity
from rotator.core.noticetext import REFUSAL, clause, left, listed, run
from rotator.core.readiness import Kept, Line
from rotator.core.standing import Standing

IN_A_ROW = 2
"""Failures before it is told: the network may have been down for a moment."""


def of_preflight(kept: Mapping[str, Kept], standings: Iterable[Standing]) -> Iterator[Case]:
    """One case a certificate whose next renewal would fail, or that only one of its issuers could renew any more."""
    for one in standings:
        known = kept.get(one.name)
        if known is None or one.decision.spec.mode is not Mode.ROTATE or _disproved(one, known):
            continue
        if not (known.readiness.fails or known.readiness.spoiled):
            continue
        if known.failures >= IN_A_ROW or _is_due(one):
            yield _case(one, known)


def _disproved(one: Standing, known: Kept) -> bool:
    """It was renewed since."""
    latest = one.latest
    return latest is not None and latest.result in {Result.DONE, Result.UNPROVED} and latest.at > known.asked


def _is_due(one: Standing) -> bool:
    return one.ends is not None and one.decision.lead is not None and one.ends - one.now <= one.decision.lead


def _severity(one: Standing, known: Kept) -> Severity:
    if known.readiness.spoiled or one.ends is None or one.decision.lead is None:
        return Severity.WARNING
    return Severity.ERROR if one.ends - one.now <= one.decision.lead / 2 else Severity.WARNING


def _case(one: Standing, known: Kept) -> Case:
    failed = list(known.readiness.failed)
    issuer, first = failed[0]
    said = clause(first.text)
    if known.readiness.spoiled:
        what, shared = f"{issuer} could not renew it, another issuer can: ", f"could not be renewed by {issuer}: "
    else:
        what, shared = "could not be renewed if it had to be: ", "could not be renewed if they had to be: "
    return Case(
        kind=NoticeKind.PREFLIGHT_FAILED,
        severity=_severity(one, known),
        subject=one.name,
        owner=one.decision.spec.owner,
        since=known.failing_since or known.asked,
        headline=f"{what}{said}" if not known.readiness.spoiled else f"has lost an issuer: {what}{said}",
        detail=f"{listed(_lines(failed))}\n{_when(one)}",
        command=run("preflight", one.name),
        cause=f"preflight {issuer} {first.check} {_plain(first.text, one.decision.spec)}",
        shared=f"{shared}{said}",
    )


def _lines(failed: Sequence[tuple[str, Line]]) -> Iterator[str]:
    for issuer, line in failed:
        todo = f" To do: {clause(line.remedy, 300)}." if line.remedy else ""
        yield f"{issuer + ': ' if issuer else ''}{line.check}: {clause(line.text, REFUSAL)}{todo}"


def _when(one: Standing) -> str:
    if one.ends is None:
        return "To do: mend it; there is no certificate yet."
    todo = "To do: mend it before the renewal is due; the command asks again."
    return f"What is there now {left(one.ends, one.now)}.\n{todo}"


def _plain(text: str, spec: CertificateSpec) -> str:
    """The same text for certificates that suffer from the same thing: names of their zones, and their own, are taken
    out."""
    plain = anonymous(text, map(zone_of, spec.names))
    return plain.replace(spec.name.lower(), "…")
