"""`rotator run`: the daemon, or one tick of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from rotator.cli.ending import Ending, Mistake
from rotator.cli.options import DEFAULT_CONFIG, ConfigOption, Output, OutputOption
from rotator.cli.screen import progress, remark, show

if TYPE_CHECKING:
    from rich.console import RenderableType

    from rotator.app import Tick
    from rotator.config.build import Config
    from rotator.core.model import Outcome
    from rotator.report.json import Json
    from rotator.wiring import Wiring


def run(
    config: ConfigOption = DEFAULT_CONFIG,
    once: Annotated[bool, typer.Option("--once", help="Look, act, tell, and end.")] = False,
    output: OutputOption = Output.TABLE,
) -> Ending:
    """Keep the certificates alive: the daemon, or one look of it.

    Look, decide, renew, prove, tell; again and again. SIGTERM finishes what is in flight and starts nothing new. With
    --once it looks once, waits for what it began, and ends with 1 when a rotation was not done.
    """
    from rotator.cli.opening import read_config
    from rotator.clock import system_clock
    from rotator.daemon import Daemon
    from rotator.log import configure, logger
    from rotator.wiring import build

    read = read_config(config)
    if read.alerts_missing:
        raise Mistake("nobody would be told: name an alerter under `alerts`, or write `alerts: none` if that is meant")
    if once:
        return _once(read, output)
    configure(read.file.log.level, read.file.log.format)
    for problem in read.not_ready():  # whoever needs it fails and says so; the rest goes on
        logger(__name__).error("not ready", problem=str(problem))
    for told in read.remarks():
        logger(__name__).warning("remark", remark=str(told))
    with build(read, system_clock(), writer=True) as wiring:
        logger(__name__).info(
            "started", config=read.name, mode=str(read.file.mode), state=read.file.state.url, web=read.file.web.listen
        )
        _tell_key_problem(wiring)
        Daemon(wiring).run(read.file.web.listen)
    return Ending.CLEAN


def _once(config: Config, output: Output) -> Ending:
    from rotator.app import once as look_once
    from rotator.cli.asking import is_done
    from rotator.cli.opening import log_to_stderr
    from rotator.clock import system_clock
    from rotator.wiring import build

    log_to_stderr("warning")
    for told in (*config.not_ready(), *config.remarks()):
        remark(f"rotator: {told}")
    with build(config, system_clock(), writer=True) as wiring, progress("looking and acting"):
        _tell_key_problem(wiring)
        ticked, outcomes = look_once(wiring)
    not_begun = _not_begun(ticked, outcomes)
    show(
        output,
        table=lambda: _table(ticked, outcomes, not_begun),
        json=lambda: _json(ticked, outcomes, not_begun),
    )
    if not_begun or not all(is_done(outcome) for outcome in outcomes):
        return Ending.NOT_DONE
    return Ending.UNSEEN if ticked.inventory.problems else Ending.CLEAN


def _tell_key_problem(wiring: Wiring) -> None:
    """Also where nothing is due today: without its key nothing can be renewed, and that is better known now."""
    from rotator.log import logger

    if problem := wiring.world.store.key_problem:
        logger(__name__).error("nothing can be renewed", problem=problem)


def _not_begun(ticked: Tick, outcomes: Sequence[Outcome]) -> tuple[str, ...]:
    """What was due and has no outcome: it could not begin, and the log says why."""
    ended = {outcome.decision.spec.name for outcome in outcomes}
    return tuple(decision.spec.name for decision in ticked.plan.due if decision.spec.name not in ended)


def _table(ticked: Tick, outcomes: Sequence[Outcome], not_begun: Sequence[str]) -> RenderableType:
    from rich.console import Group
    from rich.text import Text

    from rotator.core.reasons import Reason
    from rotator.report.table import outcome_lines, plan

    parts: list[RenderableType] = [plan(ticked.plan, ticked.inventory.problems, held=ticked.inventory.held)]
    if outcomes:
        parts += ["", *(outcome_lines(outcome) for outcome in outcomes)]
    if not_begun:
        parts.append(Text(f"Could not begin, see the log: {', '.join(not_begun)}", "red"))
    if any(decision.reason is Reason.FIRST_LOOK for decision in ticked.plan.decisions):
        parts.append(Text("This was the first look: what it found due is carried out from the next one on."))
    return Group(*parts)


def _json(ticked: Tick, outcomes: Sequence[Outcome], not_begun: Sequence[str]) -> Json:
    """`plan` (as of `rotator plan`), `outcomes`, `summary` (outcomes by result), `not_begun`."""
    from rotator.report import json

    return {
        "plan": json.plan(ticked.plan, ticked.inventory.problems, held=ticked.inventory.held),
        **json.outcomes(outcomes),
        "not_begun": list(not_begun),
    }
