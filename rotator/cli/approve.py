"""`rotator approve`: let through what waits for a person."""

from __future__ import annotations

from typing import Annotated

import typer

from rotator.cli.ending import Ending, Mistake
from rotator.cli.options import DEFAULT_CONFIG, ConfigOption, NamesArgument, Output, OutputOption


def approve(
    names: NamesArgument = None,
    surge: Annotated[bool, typer.Option("--surge", help="Let unforeseen renewals in bulk through, for a day.")] = False,
    reason: Annotated[str, typer.Option(help="Why, for the history.")] = "",
    config: ConfigOption = DEFAULT_CONFIG,
    output: OutputOption = Output.TABLE,
) -> Ending:
    """Let through what waits for a person.

    Also lifts a quarantine and ends the hold after a rollback. Approves what `rotator show NAME` says it is held for at
    this moment, nothing that is found later.
    """
    from rotator.asked import EVERYTHING
    from rotator.cli.asking import ask, tell
    from rotator.cli.opening import log_to_stderr, named, read_config, reading

    if bool(names) == surge:
        raise Mistake("say what to approve: NAME…, or --surge")
    log_to_stderr("warning")
    read = read_config(config)
    subjects = [EVERYTHING]
    if names:
        with reading(read) as store:
            subjects = [spec.name for spec in named(names, store, read)]
    return tell(output, ask(read, "approve", [{"certificate": subject, "reason": reason} for subject in subjects]))
