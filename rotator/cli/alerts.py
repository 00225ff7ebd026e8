"""`rotator alerts test`: does every alerter work?"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import typer

from rotator.cli.ending import Ending, Mistake
from rotator.cli.options import DEFAULT_CONFIG, ConfigOption, Output, OutputOption
from rotator.cli.screen import progress, show
from rotator.cli.verb import Deed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import RenderableType

    from rotator.core.model import Notice
    from rotator.delivery import Route
    from rotator.report.json import Json

app = typer.Typer(help="Try out the alerters.", no_args_is_help=True, rich_markup_mode=None)


@dataclass(frozen=True, slots=True)
class Tried:
    """One alerter: how many notices arrived, and what went wrong with the first that did not."""

    alerter: str
    arrived: int
    error: str = ""


@app.callback()
def alerts() -> None:
    """Try out the alerters."""


@app.command(cls=Deed)
def test(config: ConfigOption = DEFAULT_CONFIG, output: OutputOption = Output.TABLE) -> Ending:
    """Send one notice of each kind to every alerter.

    Whatever its route takes; each says that it is a test, and is resolved again. Exit code 1 when one did not arrive.
    """
    from rotator.cli.opening import log_to_stderr, on_a_copy, read_config, without_state
    from rotator.notify import test_notices

    log_to_stderr()
    with on_a_copy(without_state(read_config(config))) as wiring:
        if not wiring.routes:
            raise Mistake("the config names no alerter; `alerts:` in config.example.yaml shows how")
        notices = test_notices(wiring.world.clock.now())
        with progress(f"sending {len(notices)} notices to {len(wiring.routes)} alerters"):
            tried = [_try(route, notices) for route in wiring.routes]
    show(output, table=lambda: _table(tried, len(notices)), json=lambda: _json(tried))
    return Ending.NOT_DONE if any(one.error for one in tried) else Ending.CLEAN


def _try(route: Route, notices: Sequence[Notice]) -> Tried:
    """Stops at the first that does not arrive: the others would fail alike, each after its own time limit."""
    from rotator.errors import RotatorError

    for number, notice in enumerate(notices):
        try:
            receipt = route.alerter.send(notice, receipt=None)
            route.alerter.send(replace(notice, resolved=True), receipt=receipt)
        except RotatorError as error:
            return Tried(route.name, number, str(error))
    return Tried(route.name, len(notices))


def _table(tried: Sequence[Tried], wanted: int) -> RenderableType:
    from rich.text import Text

    from rotator.report.table import grid

    rows = grid("ALERTER", "ARRIVED", "PROBLEM")
    for one in tried:
        style = "red" if one.error else "green"
        rows.add_row(one.alerter, Text(f"{one.arrived} of {wanted}", style), Text(one.error))
    return rows


def _json(tried: Sequence[Tried]) -> Json:
    """`alerters`: `name`, `arrived` (number of notices), `error`."""
    return {"alerters": [{"name": one.alerter, "arrived": one.arrived, "error": one.error or None} for one in tried]}
