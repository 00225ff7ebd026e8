"""How the fleet stands, from what the last look left in the state: the data, and its table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType

from rich.console import Group, RenderableType
from rich.text import Text

from rotator.core.lead import span
from rotator.core.model import Decision, Notice, Outcome, Pause, Plan
from rotator.core.readiness import Kept
from rotator.core.summary import state_of
from rotator.report.since import since_look
from rotator.report.table import RESULT_STYLE, SEVERITY_STYLE, grid, headed, unseen
from rotator.report.words import count, day, left, plan_line

STATE_STYLE: Mapping[str, str] = MappingProxyType(
    {"ok": "green", "waiting": "yellow", "due": "cyan", "held": "bold red", "refused": "bold red"}
)


@dataclass(frozen=True, slots=True)
class Status:
    """The state at one moment.

    Attributes:
        plan: the last one; None when nothing was looked at yet.
        stale: the last look is longer ago than looks come; nobody may be running.
        summary: the JSON summary of the last look.
        notices: open ones, worst first.
        outcomes: of the last day, newest first.
        waiting: requests that nobody has carried out yet, in words.
        preflight: what is remembered of the preflights, by certificate.
    """

    now: datetime
    plan: Plan | None
    stale: bool
    summary: Mapping[str, object]
    notices: tuple[Notice, ...]
    pauses: Mapping[str, Pause]
    outcomes: tuple[Outcome, ...]
    waiting: tuple[str, ...]
    preflight: Mapping[str, Kept] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def decisions(self) -> tuple[Decision, ...]:
        """Those of the last look; what was finished since is fine."""
        return since_look(self.plan, self.outcomes) if self.plan else ()

    @property
    def problems(self) -> tuple[tuple[str, str], ...]:
        """Sources that the last look could not see: name and reason."""
        found = self.summary.get("problems", [])
        assert isinstance(found, list)
        return tuple((problem["source"], problem["message"]) for problem in found)


def table(one: Status, *, everything: bool = False) -> RenderableType:
    """What is not as it should be, who is told, what happened today; then the count."""
    if one.plan is None:
        return Text("Nothing has been looked at yet; `rotator run` takes the first look.", "bold")
    parts: list[RenderableType] = [_looked(one, one.plan)]
    parts += _certificates(one.decisions, one.now, everything=everything)
    parts += _notices(one)
    parts += _preflights(one)
    parts += _pauses(one)
    if one.waiting:
        parts.append(headed("Asked for, not carried out yet", Text("\n".join(one.waiting))))
    parts += unseen(one.problems)
    parts += _today(one.outcomes)
    parts += ["", Text(plan_line(one.decisions), "bold")]
    return Group(*parts)


def _looked(one: Status, plan: Plan) -> Text:
    said = Text(f"Last look {span(one.now - plan.at)} ago, at {plan.at:%Y-%m-%d %H:%M} UTC")
    if one.stale:
        said.append("; looks should come more often: is `rotator run` running?", "bold red")
    return said


def _certificates(decisions: Sequence[Decision], now: datetime, *, everything: bool) -> Iterator[RenderableType]:
    shown = [d for d in decisions if everything or state_of(d) != "ok"]
    if not shown:
        return
    rows = grid("CERTIFICATE", "STATE", "ENDS", "LEFT", "WHY", right=("LEFT",))
    for decision in shown:
        state = state_of(decision)
        rows.add_row(
            decision.spec.name,
            Text(state, STATE_STYLE.get(state, "")),
            day(decision.ends),
            left(decision.ends, now),
            _why(decision),
        )
    yield Group("", rows)


def _why(decision: Decision) -> Text:
    said = Text(f"{decision.reason}: {decision.message}" if state_of(decision) != "ok" else str(decision.reason))
    return said.append(f"\n$ {decision.command}", "cyan") if decision.command else said


def _notices(one: Status) -> Iterator[RenderableType]:
    if one.notices:
        rows = grid("", "", "")
        for notice in one.notices:
            said = Text(notice.title)
            if notice.command:
                said.append(f"\n$ {notice.command}", "cyan")
            style = SEVERITY_STYLE[notice.severity]
            rows.add_row(Text(notice.severity.value, style), f"for {span(one.now - notice.since)}", said)
        yield headed("Open notices", rows)


def _preflights(one: Status) -> Iterator[RenderableType]:
    if one.preflight:
        failing = sorted(name for name, kept in one.preflight.items() if kept.readiness.fails)
        last = max(kept.asked for kept in one.preflight.values())
        said = Text(
            f"Preflight, last {span(one.now - last)} ago: {count(len(one.preflight), 'certificate')} asked about"
        )
        if failing:
            more = f" and {len(failing) - _NAMED} more" if len(failing) > _NAMED else ""
            said.append(f"; could not be renewed: {', '.join(failing[:_NAMED])}{more}", "red")
        yield Group("", said.append("."))


_NAMED = 5


def _pauses(one: Status) -> Iterator[RenderableType]:
    if one.pauses:
        rows = grid("", "", "")
        for match, pause in one.pauses.items():
            until = f"until {pause.until:%Y-%m-%d %H:%M} UTC" if pause.until else "until somebody resumes it"
            rows.add_row(Text(match, "yellow"), until, pause.reason)
        yield headed("Paused", rows)


def _today(outcomes: Sequence[Outcome]) -> Iterator[RenderableType]:
    if outcomes:
        ended = Counter(outcome.result for outcome in outcomes)
        counts = [Text(f"{ended[result]} {result}", style) for result, style in RESULT_STYLE.items() if ended[result]]
        said = Text(f"{count(len(outcomes), 'rotation')} in the last day: ")
        yield Group("", said.append_text(Text(", ").join(counts)).append("."))
