"""`rotator plan`: what would be done, when, and why."""

from __future__ import annotations

from typing import Annotated

import typer

from rotator.cli.ending import Ending
from rotator.cli.options import DEFAULT_CONFIG, ConfigOption, Output, OutputOption
from rotator.cli.screen import progress, show


def plan(
    config: ConfigOption = DEFAULT_CONFIG,
    output: OutputOption = Output.TABLE,
    everything: Annotated[
        bool, typer.Option("--all", help="List what is fine, too, and every match that is not managed.")
    ] = False,
) -> Ending:
    """Show what would be done, when, and why; changes nothing.

    Takes a fresh look, and decides as the daemon would on what the state knows; works beside a running daemon.
    """
    from rotator.app import budget_outlook, look_and_plan
    from rotator.cli.opening import log_to_stderr, on_a_copy, read_config
    from rotator.report import json, table

    log_to_stderr()
    with on_a_copy(read_config(config)) as wiring, progress("looking"):
        inventory, made = look_and_plan(wiring.world, wiring.world.clock.now())
        outlook = budget_outlook(wiring.world, inventory, made)
    show(
        output,
        table=lambda: table.plan(made, inventory.problems, outlook, inventory.held, everything=everything),
        json=lambda: json.plan(made, inventory.problems, outlook, inventory.held),
    )
    return Ending.UNSEEN if inventory.problems else Ending.CLEAN
