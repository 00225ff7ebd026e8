"""`rotator demo`: the whole story on an embedded fleet."""

from __future__ import annotations

from typing import Annotated

import typer

from rotator.cli.options import Output, OutputOption


def demo(
    once: Annotated[bool, typer.Option("--once", help="End when the fleet has ended as its script says.")] = False,
    output: OutputOption = Output.TABLE,
) -> int:
    """Show the whole story in two minutes, on forty services.

    Found, renewed, proved, one rolled back. Everything runs in this process and in ./.rotator-demo, which is made anew.
    Keeps running without --once.
    """
    from rotator.cli.screen import remark
    from rotator.demo.run import INTERRUPTED, main

    code = main(once=once, output=output.value)
    if code == INTERRUPTED:
        remark("rotator: interrupted before the story was over; nothing is left running")
    return code
