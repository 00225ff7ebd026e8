"""`rotator history`: what was done, and what people asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from rotator.cli.ending import Ending
from rotator.cli.options import DEFAULT_CONFIG, ConfigOption, Output, OutputOption
from rotator.cli.screen import show

if TYPE_CHECKING:
    from rotator.ports import Store
    from rotator.report.table import Asked


def history(
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="Only of this certificate.")] = None,
    config: ConfigOption = DEFAULT_CONFIG,
    output: OutputOption = Output.TABLE,
    limit: Annotated[int, typer.Option(min=1, help="So many of the newest.")] = 100,
) -> Ending:
    """Show past rotations, and what people asked for."""
    from rotator.cli.opening import log_to_stderr, named, open_state, read_config
    from rotator.report import json, table

    log_to_stderr()
    read = read_config(config)
    with open_state(read) as store:
        outcomes = store.outcomes(name, limit=limit)
        asked = _asked(store, name, limit)
        if name and not outcomes and not asked:
            named([name], store, read)
    show(output, table=lambda: table.history(outcomes, asked), json=lambda: json.history(outcomes, asked))
    return Ending.CLEAN


def _asked(store: Store, name: str | None, limit: int) -> tuple[Asked, ...]:
    from rotator.report.table import Asked

    return tuple(
        Asked(entry.at, entry.event.removeprefix("asked-"), entry.subject, entry.detail)
        for entry in store.audited(subject=name, limit=10 * limit)
        if entry.event.startswith("asked-")
    )[:limit]
