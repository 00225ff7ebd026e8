"""`rotator rotate`: renew now what a person names."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Annotated

import typer

from rotator.cli.beginning_campaign import Wish, begin
from rotator.cli.ending import Ending, Mistake
from rotator.cli.options import DEFAULT_CONFIG, ConfigOption, NamesArgument, Output, OutputOption

if TYPE_CHECKING:
    from rotator.config.build import Config
    from rotator.core.model import CertificateSpec
    from rotator.ports import Store


def rotate(
    names: NamesArgument = None,
    issuer: Annotated[str | None, typer.Option(metavar="ISSUER", help="All whose issuer this is.")] = None,
    match: Annotated[str | None, typer.Option(metavar="GLOB", help="All whose name matches, like 'shop-*'.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Renew also what is not due.")] = False,
    new_key: Annotated[
        bool, typer.Option("--new-key", help="Make a new key also where the config says to use the old one again.")
    ] = False,
    reason: Annotated[str, typer.Option(help="Why, for the history; with --all one of those of RFC 5280.")] = "",
    everything: Annotated[
        bool, typer.Option("--all", help="Replace all of them in a campaign, most exposed first.")
    ] = False,
    away: Annotated[
        bool | None, typer.Option("--away/--stay", help="Have another issuer of each list sign the new ones.")
    ] = None,
    deadline: Annotated[str, typer.Option(metavar="SPAN", help="When a campaign should be done: 24h, 5d.")] = "",
    revoke: Annotated[
        bool | None, typer.Option("--revoke/--no-revoke", help="Revoke the old ones once the new ones are proved.")
    ] = None,
    revoke_unproved: Annotated[
        bool, typer.Option("--revoke-unproved", help="Also those that no known endpoint can prove.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what a campaign would do, and do nothing.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Begin a campaign without asking.")] = False,
    config: ConfigOption = DEFAULT_CONFIG,
    output: OutputOption = Output.TABLE,
) -> Ending:
    """Renew now what you name, and show how it ended.

    What is due, and with --force also what is not. A running daemon does it, at once; where none runs, this command
    takes the state and does it itself. What holds a renewal back (pause, owner, quarantine, the CA's limits) does so
    here, too. Exit code 1 when something was not done.

    With --all it is a campaign: `rotator run` carries it out look by look, within the limits, and `rotator campaign`
    follows it. --reason key-compromise makes new keys and revokes the old certificates (--no-revoke does not), and
    ca-compromise has another issuer sign (--stay does not).
    """
    from rotator.cli.asking import ask, tell
    from rotator.cli.opening import log_to_stderr, read_config, reading

    if sum(map(bool, (names, issuer, match))) != 1 and not (everything and issuer and match):
        raise Mistake("say what to rotate: NAME…, or --issuer ISSUER, or --match GLOB")
    only_with_all = (away is not None, deadline, revoke is not None, revoke_unproved, dry_run, yes)
    if not everything and any(only_with_all):
        raise Mistake("--away, --deadline, --revoke, --dry-run and --yes are for a campaign; say --all")
    if everything and (names or force):
        raise Mistake("--all replaces all of --issuer or --match, due or not; it takes no NAME and no --force")
    log_to_stderr("warning")
    read = read_config(config)
    if everything:
        with reading(read) as store:
            _chosen(None, issuer, match, store, read)
        wish = Wish(issuer or "", match or "", reason, deadline, away, revoke, revoke_unproved, dry_run, yes)
        return begin(wish, read, output)
    with reading(read) as store:
        specs = _chosen(names, issuer, match, store, read)
    shared = {"force": "yes" if force else "no", "reason": reason, "new_key": "yes" if new_key else "no"}
    return tell(output, ask(read, "rotate", [{"certificate": spec.name, **shared} for spec in specs]))


def _chosen(
    names: list[str] | None, issuer: str | None, match: str | None, store: Store | None, config: Config
) -> tuple[CertificateSpec, ...]:
    from rotator.cli.opening import named

    known = named(names, store, config)
    if issuer:
        issuers = [entry.name for entry in config.issuers]
        if issuer not in issuers:
            raise Mistake(f"there is no issuer {issuer!r} in the config; there are {', '.join(issuers) or 'none'}")
        known = tuple(spec for spec in known if issuer in spec.issuers)
    if match:
        known = tuple(spec for spec in known if fnmatchcase(spec.name, match))
    if not known:
        raise Mistake(f"no certificate {f'of the issuer {issuer}' if issuer else f'matches {match!r}'}")
    return known
