"""What is printed where: results on stdout, progress and remarks on stderr, colours only on a terminal."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer

from rotator.cli.ending import Unwritable
from rotator.cli.options import Output

if TYPE_CHECKING:
    from rich.console import RenderableType

    from rotator.report.json import Json


def show(output: Output, *, table: Callable[[], RenderableType], json: Callable[[], Json]) -> None:
    """Print a result in the form that was asked for; the other one is not made.

    Raises:
        Unwritable: standard output takes no more.
        BrokenPipeError: whoever read it is gone.
    """
    try:
        if output is Output.JSON:
            from rotator.report.json import text

            sys.stdout.write(text(json(), plain=(sys.stdout.encoding or "").lower() != "utf-8"))
        else:
            show_table(table())
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        close_stdout()
        raise Unwritable(f"standard output cannot be written: {error.strerror}") from error


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


def have_streams() -> None:
    """Standard streams that can be used, whatever the process was started with.

    One that was closed (`<&-`) reads and writes nothing, so that no file of ours gets its number. A character that the
    locale does not have is shown as an escape: the name of a certificate must not end a report.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_RDWR), mode))
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def close_stdout() -> None:
    """Nobody takes what we print; what Python flushes at its end goes nowhere."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, sys.stdout.fileno())
    os.close(null)


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
