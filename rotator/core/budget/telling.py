"""What a person is told of a budget that will run short: weeks ahead, with numbers and what can be done. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime

from rotator.core.budget.forecast import Remaining, Shortage
from rotator.core.cases import Case
from rotator.core.lead import span
from rotator.core.model import NoticeKind, Severity
from rotator.core.noticetext import counted, moment, run

REMEDIES = {
    "orders": "ask the CA for a higher limit, or give some of them another issuer (`issuer: [first, second]`)",
    "domain": "order some of them sooner by hand, so that they spread over the weeks; ask the CA for a higher "
    "limit for the domain; or give some of them another issuer (`issuer: [first, second]`)",
    "exact-set": "choose a profile that lives longer, an issuer that takes renewals as successors (ARI), or a second "
    "issuer (`issuer: [first, second]`); CAs do not raise this limit",
    "failures": "mend why the name cannot be verified",
}
"""What can be done, by limit."""


def of_budget(shortages: Iterable[Shortage], remaining: Iterable[Remaining], now: datetime) -> Iterator[Case]:
    """One case a limit that will have no room when a renewal needs it."""
    left = {(one.issuer, one.limit, one.what): one for one in remaining}
    for one in shortages:
        yield Case(
            kind=NoticeKind.BUDGET_SHORT,
            severity=Severity.WARNING,
            subject=_subject(one),
            owner="",
            since=now,
            headline=f"will run short in {span(one.at - now)}: {one.why}",
            cause=f"{one.issuer} {one.limit}" if one.limit == "exact-set" else "",  # one profile, many certificates
            shared=f"will run short: {one.why}",
            detail="\n".join(_lines(one, left.get((one.issuer, one.limit, one.what)))),
            command=run("plan"),
            noun="budget",
        )


def _subject(one: Shortage) -> str:
    """What the notice is about, the same at every look."""
    return f"{one.issuer}: {limit_said(one.limit, one.what)}"


def limit_said(limit: str, what: str) -> str:
    """A limit as people read it.

    Args:
        what: whom it is counted for, as of `Remaining`.
    """
    return {
        "orders": "orders of the account",
        "domain": f"certificates for {what}",
        "exact-set": f"certificates for {what.partition(' ')[0]} and its names",
        "failures": f"failed validations of {what}",
    }[limit]


def _lines(one: Shortage, left: Remaining | None) -> Iterator[str]:
    if left is not None:
        reserve = left.bucket.reserve
        kept = f", of which {reserve} {'is' if reserve == 1 else 'are'} kept for emergencies" if reserve else ""
        yield f"Left now: {left.left} of {left.bucket.size} in {span(left.bucket.per)}{kept}."
    yield (
        f"First to wait: {one.certificate}, whose renewal on {moment(one.at)} would have no room until "
        f"{moment(one.until)}."
    )
    whose = "its lead" if one.waiting == 1 else "their leads"
    yield f"In the next six weeks {counted(one.waiting, 'certificate')} would wait longer than a quarter of {whose}."
    yield f"To do: {REMEDIES[one.limit]}."
