"""`rotator preflight`: will the next renewals work? Asks now, orders nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from rotator.cli.ending import Ending, Mistake
from rotator.cli.options import DEFAULT_CONFIG, ConfigOption, NamesArgument, Output, OutputOption
from rotator.cli.screen import counting, progress, show

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rotator.config.build import Config
    from rotator.core.model import Facts, Inventory
    from rotator.core.readiness import Readiness
    from rotator.world import World


def preflight(
    names: NamesArgument = None,
    issuer: Annotated[str, typer.Option(metavar="NAME", help="Ask this issuer alone.")] = "",
    observed: Annotated[
        bool, typer.Option("--observed", help="Ask about certificates that are only observed, too.")
    ] = False,
    config: ConfigOption = DEFAULT_CONFIG,
    output: OutputOption = Output.TABLE,
) -> Ending:
    """Ask now whether the next renewals would work; orders nothing.

    Account, credentials, challenges, CAA, the end of the CA, and whether every place could be written. Issuers may
    put a test record in the DNS and take it away again. Exit code 1 when a renewal would fail, 3 when something could
    not be asked.
    """
    from rotator.cli.opening import log_to_stderr, on_a_copy, read_config
    from rotator.core.model import Mode
    from rotator.report import json
    from rotator.report.readiness import Preflights, table

    log_to_stderr()
    read = read_config(config)
    _known(issuer, read)
    with on_a_copy(read) as wiring:
        with progress("looking"):
            looked = _look(names, read, wiring.world)
        of_issuer = [one for one in looked.facts if issuer in {"", *one.spec.issuers}]
        if not of_issuer:
            raise Mistake(_nothing(issuer, names))
        asked = [one for one in of_issuer if names or observed or one.spec.mode is Mode.ROTATE]
        many = _asked(asked, wiring.world, issuer)
    left_out = tuple(one.spec.name for one in of_issuer if one not in asked)
    result = Preflights(many, left_out, looked.held, looked.problems)
    show(output, table=lambda: table(result), json=lambda: json.preflights(result))
    if any(one.fails for one in many):
        return Ending.NOT_DONE
    return Ending.UNSEEN if looked.problems or any(one.unknown for one in many) else Ending.CLEAN


def _known(issuer: str, config: Config) -> None:
    from difflib import get_close_matches

    names = [entry.name for entry in config.issuers]
    if issuer and issuer not in names:
        close = get_close_matches(issuer, names, n=1)
        hint = f"did you mean {close[0]}?" if close else f"there is {', '.join(names) or 'none'}"
        raise Mistake(f"there is no issuer {issuer!r} in the config; {hint}")


def _look(names: Sequence[str] | None, config: Config, world: World) -> Inventory:
    """Looked at now: everything, or what was named; what a rule would adopt is known by a whole look alone."""
    from dataclasses import replace

    from rotator.asked import known_specs
    from rotator.cli.opening import named
    from rotator.core.model import Inventory
    from rotator.inventory import look_again, take_stock

    now, names = world.clock.now(), list(dict.fromkeys(names or ()))
    if names and set(names) <= set(known_specs(world.store, config.specs())):
        return Inventory(now, tuple(look_again(spec, world, now) for spec in named(names, world.store, config)))
    inventory = take_stock(world, now)
    if not names:
        return inventory
    wanted = {spec.name for spec in named(names, world.store, config)}
    return replace(inventory, facts=tuple(one for one in inventory.facts if one.spec.name in wanted), held=())


def _nothing(issuer: str, names: Sequence[str] | None) -> str:
    if issuer:
        whose = ", ".join(names) if names else "any certificate"
        return f"{issuer} is no issuer of {whose}"
    return "there is no certificate to ask about; declare one, or adopt what is found"


def _asked(facts: Sequence[Facts], world: World, issuer: str) -> tuple[Readiness, ...]:
    from rotator.preflight import Asking
    from rotator.preflight import preflight as ask

    with counting(None, "asking") as answered:
        return ask(facts, world, Asking(issuer=issuer, answered=answered))
