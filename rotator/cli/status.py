"""`rotator status`: how the fleet stands, from the state alone."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from rotator.cli.ending import Ending
from rotator.cli.options import DEFAULT_CONFIG, ConfigOption, Output, OutputOption
from rotator.cli.screen import show

if TYPE_CHECKING:
    from datetime import datetime

    from rotator.config.build import Config
    from rotator.ports import Store
    from rotator.report.status import Status

_MISSED = 3
"""So many looks late means that nobody looks."""


def status(
    config: ConfigOption = DEFAULT_CONFIG,
    output: OutputOption = Output.TABLE,
    everything: Annotated[bool, typer.Option("--all", help="List what is well, too.")] = False,
) -> Ending:
    """Show how the fleet stands, as the last look saw it.

    What is due, held or late, open notices, pauses, what was done today. Looks at nothing anew."""
    from rotator.cli.opening import log_to_stderr, open_state, read_config
    from rotator.clock import system_clock
    from rotator.report import json
    from rotator.report.status import table

    log_to_stderr()
    read = read_config(config)
    with open_state(read) as store:
        one = status_of(store, read, system_clock().now())
    show(output, table=lambda: table(one, everything=everything), json=lambda: json.status(one))
    return Ending.UNSEEN if one.problems else Ending.CLEAN


def status_of(store: Store, config: Config, now: datetime) -> Status:
    """Gather what the last look left in the state."""
    from rotator.core.summary import read_summary
    from rotator.preflight.kept import read_kept
    from rotator.report.status import Status

    plan, look = store.plan(), store.look()
    late = _MISSED * config.file.check_every + timedelta(minutes=10)
    notices = [kept.notice for kept in store.notices().values() if not kept.notice.resolved]
    return Status(
        now=now,
        plan=plan,
        stale=plan is not None and now - plan.at > late,
        summary=read_summary(*look).fields if look else {},
        notices=tuple(sorted(notices, key=lambda notice: (-notice.severity.rank, notice.since))),
        pauses=store.pauses(),
        outcomes=store.outcomes(since=now - timedelta(days=1)),
        waiting=tuple(
            f"{request.verb} {' '.join(request.arguments.values())}, by {request.by}" for request in store.requests()
        ),
        preflight=read_kept(store),
    )
