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
    if output is Output.JSON:
        from rotator.report.json import text

        write(text(json(), plain=plain_stdout()))
    else:
        show_table(table())
    flush()


@contextmanager
def _printing() -> Iterator[None]:
    """Printing that fails is a sentence; that nobody reads on is not our fault."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        close_stdout()
        raise Unwritable(f"standard output cannot be written: {error.strerror}") from error


def plain_stdout() -> bool:
    """Whether standard output takes ASCII alone."""
    return (sys.stdout.encoding or "").lower() != "utf-8"


def write(text: str) -> None:
    """Print a piece of a result; raises as `show`."""
    with _printing():
        sys.stdout.write(text)


class Lines:
    """Prints lines as they come; those that come in one go go out together, which costs a busy scan less.

    A terminal gets each line at once. Elsewhere a line waits for at most the one after it, or for `flush`.
    """

    _TOGETHER_SECONDS = 0.05
    _MOST_SIGNS = 1 << 16

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._at_once = sys.stdout.isatty()
        self._waiting: list[str] = []
        self._signs = 0
        self._since = monotonic()

    def write(self, text: str) -> None:
        """Print one or more lines; raises as `show`."""
        self._waiting.append(text)
        self._signs += len(text)
        if self._at_once or self._signs > self._MOST_SIGNS or self._waited() > self._TOGETHER_SECONDS:
            self.flush()

    def _waited(self) -> float:
        return self._monotonic() - self._since

    def flush(self) -> None:
        """Print what waits; raises as `show`."""
        write("".join(self._waiting))
        self._waiting.clear()
        self._signs = 0
        flush()
        self._since = self._monotonic()


def flush() -> None:
    """Have everything that was printed taken; raises as `show`."""
    with _printing():
        sys.stdout.flush()


def show_table(body: RenderableType) -> None:
    """Print a table: with colours on a terminal, else 80 columns of plain text (or as wide as COLUMNS says).

    Raises as `show`.
    """
    from rich.console import Console

    console = Console(highlight=False, emoji=False, markup=False)
    with _printing():
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


@contextmanager
def counting(total: int | None, doing: str = "looking") -> Iterator[Callable[[], None]]:
    """Show how many places were looked at, how fast, and when the rest will be done; on a terminal only.

    Args:
        doing: what else it is than looking.
        total: how many there will be; None where that is not known.
    """
    if not sys.stderr.isatty():
        yield _uncounted
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn(doing), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[rate]}"),
        TimeElapsedColumn(), TextColumn("left:"), TimeRemainingColumn(),
    )  # fmt: skip
    with Progress(*columns, console=Console(stderr=True), transient=True) as shown:
        task = shown.add_task(doing, total=total or None, rate="")

        def count() -> None:
            shown.advance(task)
            speed = shown.tasks[0].speed
            if speed:
                shown.update(task, rate=f"{speed:.0f}/s")

        yield count


def _uncounted() -> None:
    """Nobody watches."""
