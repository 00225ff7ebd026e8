"""Options that several verbs share, so that they are called and explained the same everywhere."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, TypeAlias

import typer

DEFAULT_CONFIG = Path("/etc/rotator/config.yaml")
CONFIG_VARIABLE = "ROTATOR_CONFIG"


class Output(StrEnum):
    """How a verb says what it has to say."""

    TABLE = "table"
    JSON = "json"


ConfigOption: TypeAlias = Annotated[
    Path, typer.Option("--config", "-c", metavar="FILE", envvar=CONFIG_VARIABLE, help="The configuration.")
]
OutputOption: TypeAlias = Annotated[Output, typer.Option("--output", "-o", help="For people, or for programs.")]
NamesArgument: TypeAlias = Annotated[
    list[str] | None, typer.Argument(metavar="NAME", help="Names of certificates, as `rotator status` shows them.")
]
NameArgument: TypeAlias = Annotated[str, typer.Argument(metavar="NAME", help="The name of a certificate.")]


def agreed(question: str, yes: bool) -> None:
    """Go on only where the person means it: by `--yes`, or by an answer on a terminal.

    Raises:
        Mistake: it is not meant, or nobody is there to ask.
    """
    import sys

    from rotator.cli.ending import Mistake

    if yes:
        return
    typer.echo(question, err=True)
    if not sys.stdin.isatty():
        raise Mistake("nobody is at a terminal to be asked; say --yes if it is meant")
    if not typer.confirm("Go on?", err=True):
        raise Mistake("nothing was done")
