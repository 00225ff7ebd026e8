"""`rotator scan`: audit what is stored and served, with a config or without."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rotator.cli.ending import Ending, Mistake
from rotator.cli.options import CONFIG_VARIABLE, DEFAULT_CONFIG, Output, OutputOption
from rotator.cli.screen import progress, remark, show

if TYPE_CHECKING:
    from rotator.config.build import Config
    from rotator.ports import Source
    from rotator.report.audit import Audit


class FailOn(StrEnum):
    """From which severity on findings make the exit code 1."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"
    CRITICAL = "critical"
    NONE = "none"


def scan(
    targets: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="TARGET",
            help="host:port, smtp://host:25, a file, a folder, a glob, @FILE with one target a line, - for standard "
            "input. Without targets: the sources of the config.",
        ),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option("--config", "-c", metavar="FILE", help=f"Look at its sources [default: {DEFAULT_CONFIG}]."),
    ] = None,
    output: OutputOption = Output.TABLE,
    fail_on: Annotated[FailOn, typer.Option(help="Exit 1 for findings of this severity and above.")] = FailOn.ERROR,
) -> Ending:
    """Audit certificates, stored and served; needs no config.

    For each place: its end, what is wrong, and whether rotator would renew it, by which rule and when. Changes
    nothing. Exit code 1 for findings at or above --fail-on, 3 when something could not be
    looked at, 0 when all is well.
    """
    from rotator.report import json, table

    if targets and config:
        raise Mistake("give targets or --config, not both: targets are looked at without a config")
    audit = _of_targets(targets) if targets else _of_config(config or _usual_config(), asked=config is not None)
    show(output, table=lambda: table.audit(audit), json=lambda: json.audit(audit))
    return _ending(audit, fail_on)


def _ending(audit: Audit, fail_on: FailOn) -> Ending:
    from rotator.core.model import Severity

    if fail_on is not FailOn.NONE and audit.worst and audit.worst.rank >= Severity(fail_on.value).rank:
        return Ending.NOT_DONE
    return Ending.UNSEEN if audit.unseen else Ending.CLEAN


# ---------------------------------------------------------------- without a config


def _of_targets(words: list[str]) -> Audit:
    from dataclasses import replace

    from rotator.cli.opening import log_to_stderr
    from rotator.cli.scantargets import read_targets
    from rotator.clock import system_clock
    from rotator.core.model import Inventory, Observation, SourceProblem
    from rotator.errors import SourceError
    from rotator.report.audit import audit_of

    log_to_stderr()
    found = read_targets(words)
    if not (found.endpoints or found.files or found.unseen):
        raise Mistake("there is nothing to look at: no target, or a folder without certificates")
    observations: list[Observation] = []
    problems: list[SourceProblem] = []
    with progress(f"looking at {len(found.endpoints)} endpoints and {len(found.files)} files"):
        for source in _sources(found.endpoints, found.files):
            try:
                observations.extend(source.observe())
            except SourceError as error:
                problems.append(SourceProblem(source.name, str(error)))
    audit = audit_of(Inventory(system_clock().now(), observations=tuple(observations), problems=tuple(problems)))
    return replace(audit, unseen=(*audit.unseen, *found.unseen))


def _sources(endpoints: list[str], files: list[str]) -> Iterator[Source]:
    from rotator.clock import system_clock
    from rotator.plugins import find

    for kind, places in (("endpoints", endpoints), ("files", files)):
        if places:
            plugin = find("sources", kind)
            yield plugin(kind, plugin.Settings.model_validate(places), system_clock())  # type: ignore[attr-defined]  # `find` made sure of it


# ---------------------------------------------------------------- with a config


def _usual_config() -> Path:
    import os

    return Path(os.environ.get(CONFIG_VARIABLE) or DEFAULT_CONFIG)


def _of_config(path: Path, *, asked: bool) -> Audit:
    from rotator.app import look_and_plan
    from rotator.cli.opening import is_missing, log_to_stderr, on_a_copy, read_config, without_state
    from rotator.errors import StateError
    from rotator.report.audit import audit_of

    if not asked and is_missing(path):
        raise Mistake("say what to look at: `rotator scan shop.example.com:443 /etc/ssl`, or --config FILE")
    log_to_stderr()
    config = read_config(path)

    def look(read: Config) -> Audit:
        with on_a_copy(read) as wiring, progress("looking at the sources of the config"):
            return audit_of(*look_and_plan(wiring.world, wiring.world.clock.now()))

    try:
        return look(config)
    except StateError as error:
        remark(f"rotator: {error}; looked at all the same, as if for the first time")
        return look(without_state(config))
