"""Tables for people, of 80 columns and more, soonest end first. A console without colours shows the same words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType

from rich.console import Group, RenderableType
from rich.text import Text

from rotator.core.budget.forecast import NO_OUTLOOK, Outlook
from rotator.core.holds import APPROVABLE
from rotator.core.lead import span
from rotator.core.model import (
    Action,
    AdoptionProblem,
    Decision,
    Outcome,
    Plan,
    Result,
    Sighting,
    SourceProblem,
    TlsaMode,
)
from rotator.core.noticetext import run
from rotator.core.pins import pin, tlsa_record
from rotator.core.reasons import Reason
from rotator.core.sightings import place
from rotator.report import budget
from rotator.report.grid import SEVERITY_STYLE, grid, headed, unseen
from rotator.report.words import day, kind_of, plan_line

__all__ = [
    "RESULT_STYLE",
    "SEVERITY_STYLE",
    "Asked",
    "grid",
    "headed",
    "history",
    "not_managed",
    "outcome_lines",
    "outcomes",
    "plan",
    "unseen",
]

RESULT_STYLE: Mapping[Result, str] = MappingProxyType(
    {
        Result.DONE: "green",
        Result.UNPROVED: "yellow",
        Result.PENDING: "yellow",
        Result.FAILED: "red",
        Result.ROLLED_BACK: "yellow",
        Result.STRANDED: "bold red",
    }
)
_MARKS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "renew": ("+ renew", "green"),
        "redeploy": ("~ reload", "cyan"),
        "wait": ("> wait", "yellow"),
        "observe": ("o observe", "yellow"),
        "delegate": ("@ leave", "yellow"),
        "hold": ("! hold", "bold red"),
        "refuse": ("x refuse", "bold red"),
        "keep": ("  keep", "dim"),
    }
)


_ALL = f"`{run('plan', '--all')}`"  # in full: `run --once` shows the plan, too
MOST_HELD = 10
"""Places without care that a plan lists unless asked for all."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a person asked for: the verb, the certificate or glob, and who it was and what came of it."""

    at: datetime
    verb: str
    subject: str
    detail: str


# ---------------------------------------------------------------- plan


def plan(
    one: Plan,
    problems: Sequence[SourceProblem] = (),
    outlook: Outlook = NO_OUTLOOK,
    held: Sequence[AdoptionProblem] = (),
    *,
    everything: bool = False,
) -> RenderableType:
    """What would be done, most urgent first, each with its why; what is fine is only counted, unless asked for.

    Args:
        held: places that a rule matches and that are in nobody's care.
    """
    shown = [decision for decision in one.decisions if everything or decision.action is not Action.KEEP]
    parts: list[RenderableType] = []
    if shown:
        table = grid("", "")
        for decision in shown:
            mark, style = _MARKS[kind_of(decision)]
            table.add_row(Text(mark, style), _decision(decision, one.at))
        parts += [table, ""]
    parts += not_managed(held, everything=everything)
    parts += unseen((problem.source, problem.message) for problem in problems)
    parts += budget.table(outlook)
    parts += _next_due(one, everything=everything)
    parts.append(Text(plan_line(one.decisions), "bold"))
    return Group(*parts)


def not_managed(held: Sequence[AdoptionProblem], *, everything: bool = False) -> Iterator[RenderableType]:
    """Places that a rule matches and nobody manages, each with its why; the first ones, unless asked for all."""
    shown = held if everything else held[:MOST_HELD]
    if shown:
        table = grid("", "")
        for each in shown:
            table.add_row(Text(each.location.address, "yellow"), Text(each.message))
        yield headed("Matched, but not managed", table)
    if len(held) > len(shown):
        yield Text(f"… and {len(held) - len(shown):,} more; {_ALL} lists them")


def _decision(decision: Decision, now: datetime) -> Text:
    said = Text.assemble((decision.spec.name, "bold"), f"  {decision.because or decision.reason}")
    if decision.because and decision.because is not decision.reason:
        said.append(f", {decision.reason}", "yellow")
    if decision.emergency:
        said.append("  past its emergency line", "bold red")
    said.append(f"\n{decision.message}")
    if decision.at > now and decision.reason is not Reason.OBSERVE:  # what is only watched does not happen then
        said.append(f"\nat {decision.at:%Y-%m-%d %H:%M} UTC, in {span(decision.at - now)}")
    for line in _pinned(decision):
        said.append(f"\n{line}", "dim")
    if decision.command:
        said.append(f"\n$ {decision.command}", "cyan")
    return said


def _pinned(decision: Decision) -> Iterator[str]:
    """What to publish, of certificates whose key somebody goes by; `show` and JSON have it of all."""
    spec, pins = decision.spec, decision.pins
    if spec.tlsa is TlsaMode.OFF and not (spec.key.reuse or spec.key.ahead or spec.csr):
        return
    for which, spki in (("present key", pins.current), ("next key", pins.next)):
        if spki and not (which == "next key" and spki == pins.current):
            yield f'{which}: pin-sha256="{pin(spki)}"'
            yield from (f"  {tlsa_record(name, spki)}" for name in pins.names)


def _next_due(one: Plan, *, everything: bool) -> Iterator[RenderableType]:
    kept = [d for d in one.decisions if d.action is Action.KEEP and d.at > one.at]
    if kept and not everything:
        first = min(kept, key=lambda decision: decision.at)
        when = f"{day(first.at)}, in {span(first.at - one.at)}"
        yield Text(f"Next due: {first.spec.name} on {when}; {_ALL} lists what is fine.")


# ---------------------------------------------------------------- outcomes


def outcomes(many: Sequence[Outcome]) -> RenderableType:
    """One row a rotation, with the error below where there was one."""
    table = grid("WHEN (UTC)", "RESULT", "CERTIFICATE", "WHAT", "TOOK", right=("TOOK",))
    for one in many:
        table.add_row(
            f"{one.finished:%Y-%m-%d %H:%M}",
            Text(one.result.value, RESULT_STYLE[one.result]),
            one.decision.spec.name,
            _what(one),
            f"{(one.finished - one.started).total_seconds():.1f} s",
        )
    return table


def _what(one: Outcome) -> Text:
    said = Text(f"{one.decision.action}: {one.decision.because or one.decision.reason}")
    if one.after and one.result in {Result.DONE, Result.UNPROVED}:
        said.append(f", until {day(one.after.not_after)}")
    for line in one.fell_back:
        said.append(f"\n{line}")
    if one.error:
        said.append(f"\n{f'{one.stage}: ' if one.stage else ''}{one.error}", "yellow")
    return said


def history(many: Sequence[Outcome], asked: Sequence[Asked]) -> RenderableType:
    """Rotations, then what people asked for; each newest first."""
    parts: list[RenderableType] = [outcomes(many) if many else Text("No rotation yet.")]
    if asked:
        rows = grid("WHEN (UTC)", "WHAT", "OF", "HOW IT WENT")
        for one in asked:
            rows.add_row(f"{one.at:%Y-%m-%d %H:%M}", one.verb, one.subject, Text(one.detail))
        parts.append(headed("Asked for", rows))
    return Group(*parts)


def _why_unproved(seen: Sequence[Sighting]) -> str:
    if not seen:
        return "no endpoint is known where it could be proved"
    more = f" and {len(seen) - 1} more" if len(seen) > 1 else ""
    return f"nobody has seen it served: {place(seen[0])}{more} did not show what it serves ({seen[0].state})"


def outcome_lines(one: Outcome) -> RenderableType:
    """One rotation in full: how it ended, the error, the proof, and what is left to a person."""
    what = f"{one.decision.action} because {one.decision.because or one.decision.reason}"
    seconds = (one.finished - one.started).total_seconds()
    said = Text.assemble(
        (f"{one.result.value:<12}", RESULT_STYLE[one.result]),
        (one.decision.spec.name, "bold"),
        f": {what}, {seconds:.1f} s",
    )
    if one.after and one.result in {Result.DONE, Result.UNPROVED}:
        said.append(f", ends {day(one.after.not_after)}")
    if one.result is Result.UNPROVED and not one.error:
        said.append(f"\n  deployed; {_why_unproved(one.verification.after)}", "yellow")
    details = [one.error, *one.verification.verified, *one.log.splitlines(), _for_a_person(one)]
    for detail in details:
        if detail:
            said.append(f"\n  {detail}", "yellow" if detail == one.error else "")
    return said


def _for_a_person(one: Outcome) -> str:
    """The command that lets through what only a person may judge."""
    held = {violation.reason for violation in one.violations}
    if one.result is Result.ROLLED_BACK:
        return f"find out why, then: {run('approve', one.decision.spec.name)}"
    return f"to let it through: {run('approve', one.decision.spec.name)}" if held and held <= APPROVABLE else ""
