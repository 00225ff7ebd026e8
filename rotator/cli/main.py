"""The command line: every verb by its name, and what all share."""

from __future__ import annotations

import signal
from types import FrameType
from typing import Annotated, NoReturn

import typer

from rotator.cli import (
    account,
    alerts,
    approve,
    campaign,
    config,
    demo,
    history,
    pause,
    plan,
    preflight,
    resume,
    revoke,
    rollback,
    rotate,
    scan,
    show,
    simulate,
    status,
    verify,
)
from rotator.cli import (
    run as run_verb,
)
from rotator.cli.ending import Terminated
from rotator.cli.screen import have_streams
from rotator.cli.verb import DEBUG, Deed, Verb

app = typer.Typer(
    name="rotator",
    help="Keeps every TLS certificate of an organisation alive without people.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,  # quick, and the same text in a pipe
    pretty_exceptions_enable=False,  # a traceback with local variables could show a key
    context_settings={"help_option_names": ["--help", "-h"]},
)


def _say_version(value: bool) -> None:
    if value:
        from rotator import __version__

        typer.echo(f"rotator {__version__}")
        raise typer.Exit


@app.callback()
def root(
    ctx: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_say_version, is_eager=True, help="Show the version.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", envvar="ROTATOR_DEBUG", help="Show an error's traceback.")] = False,
) -> None:
    """What stands before the verb."""
    ctx.meta[DEBUG] = debug


app.command(cls=Verb)(scan.scan)
app.command(cls=Verb)(plan.plan)
app.command(cls=Deed)(run_verb.run)
app.command(cls=Deed)(rotate.rotate)
app.command(cls=Verb)(status.status)
app.command(cls=Verb)(history.history)
app.command(cls=Verb)(show.show)
app.command(cls=Verb)(verify.verify)
app.command(cls=Verb)(preflight.preflight)
app.command(cls=Deed)(rollback.rollback)
app.command(cls=Deed)(revoke.revoke)
app.command(cls=Deed)(approve.approve)
app.command(cls=Deed)(pause.pause)
app.command(cls=Deed)(resume.resume)
app.add_typer(account.app, name="account")
app.add_typer(campaign.app, name="campaign")
app.add_typer(alerts.app, name="alerts")
app.add_typer(config.app, name="config")
app.command(cls=Verb)(simulate.simulate)
app.command(cls=Deed)(demo.demo)


def _leave(_number: int, _frame: FrameType | None) -> NoReturn:
    raise Terminated


def run() -> None:
    """The console script.

    SIGTERM unwinds, as Ctrl-C does, so that what was put somewhere for a moment is taken away again; the daemon and
    the demo have handlers of their own.
    """
    have_streams()
    signal.signal(signal.SIGTERM, _leave)
    app()
