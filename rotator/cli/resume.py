"""`rotator resume`: end a pause."""

from __future__ import annotations

from typing import Annotated

import typer

from rotator.cli.ending import Ending
from rotator.cli.options import DEFAULT_CONFIG, ConfigOption, Output, OutputOption


def resume(
    match: Annotated[
        str, typer.Option(metavar="GLOB", help="The pause that was given like this, or all of which this is a glob.")
    ] = "*",
    reason: Annotated[str, typer.Option(help="Why, for the history.")] = "",
    config: ConfigOption = DEFAULT_CONFIG,
    output: OutputOption = Output.TABLE,
) -> Ending:
    """End pauses.

    What became due meanwhile is carried out from the next look on."""
    from rotator.cli.asking import ask, tell
    from rotator.cli.opening import log_to_stderr, read_config

    log_to_stderr("warning")
    return tell(output, ask(read_config(config), "resume", [{"match": match, "reason": reason}]))
