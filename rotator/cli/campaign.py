"""`rotator campaign`: what has become of campaigns, and holding them. `rotator rotate --all` begins one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from rotator.cli.ending import Ending, Mistake
from rotator.cli.options import DEFAULT_CONFIG, ConfigOption, Output, OutputOption
from rotator.cli.screen import show as show_result
from rotator.cli.verb import Deed, Verb

if TYPE_CHECKING:
    from pathlib import Path

    from rotator.core.model import Campaign

app = typer.Typer(help="Follow and hold campaigns.", no_args_is_help=True, rich_markup_mode=None)

Number: TypeAlias = Annotated[
    int, typer.Argument(metavar="NUMBER", min=1, help="The number of a campaign, as `rotator campaign list` shows it.")
]


@app.callback()
def campaign() -> None:
    """Follow and hold campaigns; `rotator rotate --all` begins one."""


@app.command(name="list", cls=Verb)
def list_(config: ConfigOption = DEFAULT_CONFIG, output: OutputOption = Output.TABLE) -> Ending:
    """List campaigns, the newest first."""
    from rotator.clock import system_clock
    from rotator.report import campaigns

    found = _campaigns(config)
    now = system_clock().now()
    show_result(output, table=lambda: campaigns.list_table(found, now), json=lambda: campaigns.list_json(found))
    return Ending.CLEAN


@app.command(cls=Verb)
def show(number: Number, config: ConfigOption = DEFAULT_CONFIG, output: OutputOption = Output.TABLE) -> Ending:
    """Show what has become of each certificate of a campaign.

    As the last look saw it. Exit code 1 where something failed or could not be revoked.
    """
    from rotator.clock import system_clock
    from rotator.core.campaign.telling import worry_of
    from rotator.report import campaigns

    found = next((one for one in _campaigns(config) if one.id == number), None)
    if found is None:
        raise Mistake(f"there is no campaign {number}; `rotator campaign list` shows those there are")
    now = system_clock().now()
    show_result(output, table=lambda: campaigns.show_table(found, now), json=lambda: campaigns.show_json(found))
    return Ending.NOT_DONE if found.status.open and worry_of(found, None, now) else Ending.CLEAN


@app.command(cls=Deed)
def pause(number: Number, config: ConfigOption = DEFAULT_CONFIG, output: OutputOption = Output.TABLE) -> Ending:
    """Ask for nothing new and revoke nothing until it is resumed.

    What was asked for already goes on.
    """
    return _asked("campaign-pause", number, config, output)


@app.command(cls=Deed)
def resume(number: Number, config: ConfigOption = DEFAULT_CONFIG, output: OutputOption = Output.TABLE) -> Ending:
    """Go on with a campaign that was paused."""
    return _asked("campaign-resume", number, config, output)


@app.command(cls=Deed)
def cancel(number: Number, config: ConfigOption = DEFAULT_CONFIG, output: OutputOption = Output.TABLE) -> Ending:
    """End a campaign; what is done stays done.

    One that led away from an issuer lets it sign again, also where the campaign was done already.
    """
    return _asked("campaign-cancel", number, config, output)


def _campaigns(config: Path) -> tuple[Campaign, ...]:
    from rotator.cli.opening import log_to_stderr, read_config, reading
    from rotator.core.campaign.members import with_revoked

    log_to_stderr()
    with reading(read_config(config)) as store:
        if store is None:
            return ()
        revoked = {fingerprint: one.at for fingerprint, one in store.revoked().items()}
        return tuple(with_revoked(one, revoked) for one in store.campaigns())


def _asked(verb: str, number: int, config: Path, output: Output) -> Ending:
    from rotator.cli.asking import ask, tell
    from rotator.cli.opening import log_to_stderr, read_config

    log_to_stderr("warning")
    return tell(output, ask(read_config(config), verb, [{"campaign": str(number)}]))
