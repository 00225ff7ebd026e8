"""What tables are made of: columns without borders, titles, the colours of severities."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from rotator.core.model import Severity

SEVERITY_STYLE: Mapping[Severity, str] = MappingProxyType(
    {Severity.CRITICAL: "bold red", Severity.ERROR: "red", Severity.WARNING: "yellow", Severity.INFO: ""}
)


def grid(*columns: str, right: Iterable[str] = ()) -> Table:
    """A borderless table with a bold heading; long cells are folded, never cut."""
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0), show_header=any(columns))
    for column in columns:
        table.add_column(column, justify="right" if column in right else "left", overflow="fold")
    return table


def headed(title: str, body: RenderableType) -> Group:
    """A part of a report under its title, set off by an empty line."""
    return Group("", Text(title, "bold"), body)


def unseen(problems: Iterable[tuple[str, str]]) -> Iterator[RenderableType]:
    """What could not be looked at, with the reason; nothing where all was seen."""
    rows = list(problems)
    if rows:
        table = grid("", "")
        for where, message in rows:
            table.add_row(Text(where, "yellow"), Text(message.removeprefix(f"{where}: ")))
        yield headed("Could not be looked at", table)
