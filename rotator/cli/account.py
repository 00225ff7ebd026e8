"""`rotator account`: our account at an issuer's CA."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from rotator.cli.ending import Ending, Mistake
from rotator.cli.options import DEFAULT_CONFIG, ConfigOption, Output, OutputOption, agreed
from rotator.cli.verb import Deed, Verb

if TYPE_CHECKING:
    from rich.console import RenderableType

    from rotator.config.build import Config
    from rotator.core.model import IssuerAccount
    from rotator.report.json import Json

app = typer.Typer(help="See and change the account at an issuer's CA.", no_args_is_help=True, rich_markup_mode=None)

IssuerArgument: TypeAlias = Annotated[
    str, typer.Argument(metavar="ISSUER", help="The name of an issuer, as it stands in the config.")
]


@app.callback()
def account() -> None:
    """See and change the account at an issuer's CA."""


@app.command(cls=Verb)
def show(issuer: IssuerArgument, config: ConfigOption = DEFAULT_CONFIG, output: OutputOption = Output.TABLE) -> Ending:
    """Show how the CA has the account: status, addresses, terms.

    The CA is asked; no account is made where there is none, and nothing is changed.
    """
    from rotator.accounts import account_of
    from rotator.cli.opening import log_to_stderr, on_a_copy, read_config
    from rotator.cli.screen import progress
    from rotator.cli.screen import show as tell

    log_to_stderr()
    read = read_config(config)
    _named(issuer, read)
    with on_a_copy(read) as wiring, progress(f"asking the CA of {issuer}"):
        found = account_of(issuer, wiring.world).account()
    tell(output, table=lambda: _table(found), json=lambda: _json(issuer, found))
    return Ending.CLEAN


@app.command(cls=Deed)
def update(
    issuer: IssuerArgument,
    agree_terms: Annotated[
        bool,
        typer.Option(
            "--agree-terms",
            help="You have read the CA's terms as they are now, and agree; say it in the config as well.",
        ),
    ] = False,
    new: Annotated[bool, typer.Option("--new", help="Make another account in place of a deactivated one.")] = False,
    config: ConfigOption = DEFAULT_CONFIG,
    output: OutputOption = Output.TABLE,
) -> Ending:
    """Tell the CA the config's mail address, or make the account.

    A second CA's account is best made while the first still works. A running daemon does it; where none runs, this
    command takes the state and does it itself.
    """
    arguments = {"agree_terms": "yes" if agree_terms else "no", "new": "yes" if new else "no"}
    return _ask("account-update", issuer, config, output, arguments)


@app.command("roll-key", cls=Deed)
def roll_key(
    issuer: IssuerArgument, config: ConfigOption = DEFAULT_CONFIG, output: OutputOption = Output.TABLE
) -> Ending:
    """Give the account another key, and forget the old one.

    Safe to repeat: whatever is cut off, one of the two keys opens the account, and rotator finds out which.
    """
    return _ask("account-roll-key", issuer, config, output, {})


@app.command(cls=Deed)
def deactivate(
    issuer: IssuerArgument,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask whether it is meant.")] = False,
    config: ConfigOption = DEFAULT_CONFIG,
    output: OutputOption = Output.TABLE,
) -> Ending:
    """End the account for ever; what it has issued stays valid.

    Nothing is issued by this issuer afterwards, until `update --new` makes another account.
    """
    agreed(f"The account of {issuer} is ended for ever, which nothing takes back.", yes)
    return _ask("account-deactivate", issuer, config, output, {})


def _ask(verb: str, issuer: str, config: Path, output: Output, arguments: dict[str, str]) -> Ending:
    from rotator.cli.asking import ask, tell
    from rotator.cli.opening import log_to_stderr, read_config

    log_to_stderr("warning")
    read = read_config(config)
    _named(issuer, read)
    return tell(output, ask(read, verb, [{"issuer": issuer, **arguments}]))


def _named(issuer: str, read: Config) -> None:
    """The issuer must be in the config, and of a kind that has accounts."""
    from rotator.plugins import find

    entry = next((entry for entry in read.issuers if entry.name == issuer), None)
    if entry is None:
        names = ", ".join(entry.name for entry in read.issuers) or "none"
        raise Mistake(f"there is no issuer {issuer!r} in the config; there are {names}")
    if not hasattr(find("issuers", entry.kind), "update_account"):
        raise Mistake(f"{issuer} knows no accounts ({entry.kind})")


def _table(found: IssuerAccount) -> RenderableType:
    from rich.text import Text

    from rotator.report.table import grid

    rows = grid("", "")
    for word, text in (
        ("account", found.address or "none yet; the first order or `rotator account update` makes it"),
        ("status", found.status),
        ("contact", ", ".join(found.contact)),
        ("key", found.key),
        ("agreed to", found.agreed),
        ("terms now", found.terms),
    ):
        if text:
            rows.add_row(word, Text(text))
    return rows


def _json(issuer: str, found: IssuerAccount) -> Json:
    """`issuer`, `address`, `status`, `contact`, `key` (thumbprint), `agreed` and `terms` (addresses of terms)."""
    return {
        "issuer": issuer,
        "address": found.address or None,
        "status": found.status or None,
        "contact": list(found.contact),
        "key": found.key or None,
        "agreed": found.agreed or None,
        "terms": found.terms or None,
    }
