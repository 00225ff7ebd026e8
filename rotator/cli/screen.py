"""What is printed where: results on stdout, progress and remarks on stderr, colours only on a terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer

from rotator.cli.options import Output

if TYPE_CHECKING:
    from rich.console import RenderableType

    from rotator.report.json import Json


def show(output: Output, *, table: Callable[[], RenderableType], json: Callable[[], Json]) -> None:
    """Print a result in the form that was asked for; the other one is not made."""
    if output is Output.JSON:
        from rotator.report.json import text

        sys.stdout.write(text(json()))
    else:
        show_table(table())


def show_table(body: RenderableType) -> None:
    """Print a table: with colours on a terminal, else 80 columns of plain text (or as wide as COLUMNS says)."""
    from rich.console import Console

    console = Console(highlight=False, emoji=False, markup=False)
    if console.is_terminal:
        console.print(body)
        return
    with console.capture() as captured:
        console.print(body)
    sys.stdout.write("\n".join(line.rstrip() for line in captured.get().split("\n")))


def remark(text: str) -> None:
    """A line for the person at the terminal, beside the result."""
    typer.echo(text, err=True)


@contextmanager
def progress(what: str) -> Iterator[None]:
    """Show that something takes a while; on a terminal only."""
    if not sys.stderr.isatty():
        yield
        return
    from rich.console import Console

    with Console(stderr=True).status(what):
        yield
