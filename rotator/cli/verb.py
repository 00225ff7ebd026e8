"""What all verbs have in common: the exit code, and errors as sentences instead of tracebacks."""

from __future__ import annotations

import sys
from typing import Any, ClassVar

import typer
from typer.core import TyperCommand

from rotator.cli.ending import BROKEN_PIPE, INTERRUPTED, TERMINATED, Ending, Mistake, Terminated, sentence
from rotator.cli.screen import close_stdout
from rotator.errors import ConfigError, RotatorError

DEBUG = "rotator.debug"
"""Where the root keeps `--debug` among what all verbs may know."""


class Verb(TyperCommand):
    """A verb returns its `Ending`; None is clean.

    Attributes:
        fault: how it ends when it could not do its work at all.
        interrupted: what is said when a signal cuts it short; nothing where nothing has changed.
    """

    fault: ClassVar[Ending] = Ending.UNSEEN
    interrupted: ClassVar[str] = ""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the words after the verb; what is wrong about one is said without the type of the exception."""
        try:
            return super().parse_args(ctx, args)
        except typer.BadParameter as wrong:
            wrong.message = wrong.message.removeprefix("Value error, ")
            raise

    def invoke(self, ctx: Any) -> Any:
        """Run the verb and leave with its exit code."""
        try:
            ending = super().invoke(ctx)
            sys.stdout.flush()
        except BrokenPipeError:
            close_stdout()
            raise typer.Exit(BROKEN_PIPE) from None
        except (KeyboardInterrupt, Terminated) as stop:
            if self.interrupted:
                typer.echo(f"rotator: {self.interrupted}", err=True)
            raise typer.Exit(TERMINATED if isinstance(stop, Terminated) else INTERRUPTED) from None
        except RotatorError as error:
            if ctx.meta.get(DEBUG):
                raise
            typer.echo(sentence(error), err=True)
            wrong = isinstance(error, ConfigError | Mistake)
            raise typer.Exit(int(Ending.MISTAKE if wrong else self.fault)) from error
        raise typer.Exit(int(ending or Ending.CLEAN))


class Deed(Verb):
    """A verb that changes something; not to have done it is a failure, not a gap in what was seen."""

    fault = Ending.NOT_DONE
    interrupted = (
        "interrupted; what had begun is kept, and the next look goes on from there: "
        "`rotator history` has what became of it"
    )
