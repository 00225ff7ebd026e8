"""Whether the next renewal of a certificate would work, as its issuers, its places and rotator itself say. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from rotator.core.model import Check


class Verdict(StrEnum):
    """What one check comes to."""

    WELL = "well"
    FAILS = "fails"  # the renewal would stop here
    UNKNOWN = "unknown"  # it could not be asked this time
    UNTOLD = "untold"  # nobody can tell beforehand; nothing is wrong with that


@dataclass(frozen=True, slots=True)
class Line:
    """One check and what it came to.

    Attributes:
        check: a word or two, the same in output, notices and docs.
        text: what was seen, in a sentence; may be empty where it is well.
        remedy: what a person does about it.
    """

    check: str
    verdict: Verdict
    text: str = ""
    remedy: str = ""


def line_of(check: Check) -> Line:
    """What a plugin said."""
    if check.problem:
        return Line(check.name, Verdict.FAILS, check.problem, check.remedy)
    return Line(check.name, Verdict.WELL if check.told else Verdict.UNTOLD, check.detail)


@dataclass(frozen=True, slots=True)
class Answer:
    """All checks that concern one issuer; or, without one, the certificate's own: its key and its places."""

    issuer: str
    lines: tuple[Line, ...] = ()

    @property
    def failed(self) -> tuple[Line, ...]:
        return tuple(line for line in self.lines if line.verdict is Verdict.FAILS)

    @property
    def fails(self) -> bool:
        return bool(self.failed)

    @property
    def unknown(self) -> bool:
        return any(line.verdict is Verdict.UNKNOWN for line in self.lines)


@dataclass(frozen=True, slots=True)
class Readiness:
    """What a preflight found out about one certificate.

    Attributes:
        at: when it was asked.
        answers: its own first, then one an issuer, in the order of its list.
        due: when the renewal is due; None where there is no certificate yet.
    """

    certificate: str
    at: datetime
    answers: tuple[Answer, ...] = ()
    due: datetime | None = None

    @property
    def issuers(self) -> tuple[Answer, ...]:
        return tuple(answer for answer in self.answers if answer.issuer)

    @property
    def fails(self) -> bool:
        """Whether the renewal would not come about: its own part fails, or every issuer of its list does."""
        own = any(answer.fails for answer in self.answers if not answer.issuer)
        return own or (bool(self.issuers) and all(answer.fails for answer in self.issuers))

    @property
    def spoiled(self) -> tuple[str, ...]:
        """Issuers that could not, where another one still can."""
        return () if self.fails else tuple(answer.issuer for answer in self.issuers if answer.fails)

    @property
    def unknown(self) -> bool:
        return any(answer.unknown for answer in self.answers)

    @property
    def failed(self) -> Iterator[tuple[str, Line]]:
        """Every failed check with its issuer: own ones first, then as the list of issuers goes."""
        return ((answer.issuer, line) for answer in self.answers for line in answer.failed)


@dataclass(frozen=True, slots=True)
class Kept:
    """What is remembered of the preflights of one certificate.

    Attributes:
        readiness: the last one; an issuer that could not be asked in it stands as it stood before.
        asked: when it was last asked, whatever came of it.
        failing_since: the first failure in an unbroken row; None where the last one found nothing.
        failures: how many in that row.
        succeeded: the last time that nothing was found.
        complete: everything could be asked.
    """

    readiness: Readiness
    asked: datetime
    failing_since: datetime | None = None
    failures: int = 0
    succeeded: datetime | None = None
    complete: bool = True


def kept_after(before: Kept | None, new: Readiness) -> Kept:
    """What is remembered after one more preflight."""
    whole = new if before is None else _filled(new, before.readiness)
    if not any(whole.failed):
        succeeded = new.at if not new.unknown else before.succeeded if before else None
        return Kept(whole, new.at, succeeded=succeeded, complete=not new.unknown)
    again = before is not None and before.failing_since is not None
    return Kept(
        whole,
        new.at,
        failing_since=before.failing_since if before is not None and again else new.at,
        failures=(before.failures if before is not None and again else 0) + 1,
        succeeded=before.succeeded if before else None,
        complete=not new.unknown,
    )


def _filled(new: Readiness, old: Readiness) -> Readiness:
    """Where something could not be asked and nothing is known to fail, what was known before stands."""
    earlier = {answer.issuer: answer for answer in old.answers}
    answers = tuple(
        earlier.get(answer.issuer, answer) if answer.unknown and not answer.fails else answer for answer in new.answers
    )
    return replace(new, answers=answers)
