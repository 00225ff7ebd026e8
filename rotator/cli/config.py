"""`rotator config`: check it, its JSON Schema, and one to begin with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from rotator.cli.ending import Ending, Mistake
from rotator.cli.options import DEFAULT_CONFIG, ConfigOption, Output, OutputOption
from rotator.cli.screen import progress, show
from rotator.cli.verb import Deed, Verb

if TYPE_CHECKING:
    from rich.console import RenderableType

    from rotator.config.build import Config
    from rotator.core.adopt import AdoptionRule
    from rotator.report.json import Json

app = typer.Typer(help="Check the configuration, or begin one.", no_args_is_help=True, rich_markup_mode=None)

_MOST_NAMED = 3


@app.callback()
def config() -> None:
    """Check the configuration, or begin one."""


# ---------------------------------------------------------------- check


@dataclass(frozen=True, slots=True)
class Matched:
    """What an adoption rule finds now.

    Attributes:
        places: everything that it matches.
        adopted: names of the certificates that would be managed by it.
        held: why what it matches is not adopted, a line each.
    """

    rule: AdoptionRule
    places: int
    adopted: tuple[str, ...]
    held: tuple[str, ...]


@app.command(cls=Verb)
def check(
    config: ConfigOption = DEFAULT_CONFIG,
    offline: Annotated[
        bool, typer.Option("--offline", help="Look at no source; only at the files that it names.")
    ] = False,
    output: OutputOption = Output.TABLE,
) -> Ending:
    """Check the config, and say what each rule matches now.

    Every mistake with file, line and column, and whatever it names that cannot be used here and now: secrets, files,
    requests, terms that nobody has agreed to; exit code 2. With mistakes nothing starts; what cannot be used yet is
    logged at the start, and the rest goes on. What works and is perhaps not meant is told, too: an issuer that could
    never sign for a certificate, where another one of the list can.
    """
    from rotator.cli.opening import log_to_stderr, read_config

    log_to_stderr()
    read = read_config(config, ready=True)
    matched, problems = ((), ()) if offline else _look(read)
    show(
        output,
        table=lambda: _table(read, matched, problems, offline=offline),
        json=lambda: _json(read, matched, problems),
    )
    return Ending.UNSEEN if problems else Ending.CLEAN


def _look(config: Config) -> tuple[tuple[Matched, ...], tuple[tuple[str, str], ...]]:
    """What each rule matches now, and the sources that could not be looked at."""
    from rotator.cli.opening import on_a_copy, without_state
    from rotator.core.adopt import Look, adopt
    from rotator.core.model import Observation
    from rotator.errors import SourceError
    from rotator.inventory import places_of

    found: dict[str, list[Observation]] = {}
    problems: list[tuple[str, str]] = []
    with on_a_copy(without_state(config)) as wiring, progress("asking the sources"):
        world = wiring.world
        for name, source in world.sources.items():
            found[name] = []
            try:
                found[name].extend(source.observe())
            except SourceError as error:
                problems.append((name, str(error)))
        claimed = {place for spec in world.specs for place in places_of(spec, world)}
        adoption = adopt(Look(found, set(), claimed, {}), world.rules, (), world.adopt_target)
        places = {spec.name: places_of(spec, world) for spec in adoption.specs}
    held = {problem.location: problem.message for problem in adoption.held}
    matched: list[Matched] = []
    for rule in config.rules():
        here = {o.location for o in found.get(rule.source, ()) if o.endpoint is None and rule.matches(o)}
        adopted = tuple(sorted(name for name, many in places.items() if here.intersection(many)))
        matched.append(Matched(rule, len(here), adopted, tuple(f"{p}: {held[p]}" for p in sorted(here) if p in held)))
    return tuple(matched), tuple(problems)


def _counts(config: Config) -> Mapping[str, int]:
    return {
        "sources": len(config.sources),
        "issuers": len(config.issuers),
        "certificates": len(config.file.certificates),
        "adoption rules": len(config.file.adopt),
        "alerters": len(config.alerters),
    }


def _table(
    config: Config, matched: tuple[Matched, ...], problems: tuple[tuple[str, str], ...], *, offline: bool
) -> RenderableType:
    from rich.console import Group
    from rich.text import Text

    from rotator.report.table import grid, headed, unseen
    from rotator.report.words import count

    counts = ", ".join(count(number, what.removesuffix("s")) for what, number in _counts(config).items())
    parts: list[RenderableType] = [Text(f"{config.name} has no mistakes; mode {config.file.mode}; {counts}.", "bold")]
    if config.alerts_missing:
        parts.append(Text("Nobody would be told: `rotator run` asks for an alerter, or `alerts: none`.", "yellow"))
    parts += [Text(str(one), "yellow") for one in config.remarks()]
    if matched:
        rows = grid("RULE", "FROM", "MATCHES", "MANAGES", right=("MATCHES",))
        for one in matched:
            manages = _some(one.adopted) or ("-" if one.places else "nothing: does its `match` fit?")
            rows.add_row(one.rule.place, one.rule.source, str(one.places), Text(manages))
        parts += ["", rows]
    held = [line for one in matched for line in one.held]
    if held:
        parts.append(headed("Matched, but not managed", Text("\n".join(held))))
    parts += unseen(problems)
    if offline and config.file.adopt:
        parts.append(Text("Without --offline it also says what each adoption rule matches."))
    return Group(*parts)


def _some(names: tuple[str, ...]) -> str:
    more = len(names) - _MOST_NAMED
    return f"{', '.join(names[:_MOST_NAMED])}{f' and {more} more' if more > 0 else ''}"


def _json(config: Config, matched: tuple[Matched, ...], problems: tuple[tuple[str, str], ...]) -> Json:
    """`config`, `mode`, `alerts_missing`, `remarks`, `counts`, `rules` (`rule`, `from`, `matches`, `manages`, `held`),
    `unseen` (`where`, `message`)."""
    return {
        "config": config.name,
        "mode": config.file.mode.value,
        "alerts_missing": config.alerts_missing,
        "remarks": [str(one) for one in config.remarks()],
        "counts": dict(_counts(config)),
        "rules": [
            {
                "rule": one.rule.place,
                "from": one.rule.source,
                "matches": one.places,
                "manages": list(one.adopted),
                "held": list(one.held),
            }
            for one in matched
        ],
        "unseen": [{"where": where, "message": message} for where, message in problems],
    }


# ---------------------------------------------------------------- schema and init


@app.command(cls=Verb)
def schema() -> Ending:
    """Print the JSON Schema of the config, for your editor."""
    import sys

    from rotator.config.schema import config_schema
    from rotator.report.json import text

    sys.stdout.write(text(config_schema()))
    return Ending.CLEAN


@app.command(cls=Deed)
def init(config: ConfigOption = DEFAULT_CONFIG) -> Ending:
    """Write a config to begin with.

    Observe mode and Let's Encrypt's staging directory; an existing file is never overwritten.
    """
    from rotator.cli.beginning import BEGINNING

    try:
        config.parent.mkdir(parents=True, exist_ok=True)
        with config.open("x", encoding="utf-8") as file:
            file.write(BEGINNING)
    except FileExistsError as error:
        raise Mistake(f"{config} exists already and is not overwritten; name another file with --config") from error
    except OSError as error:
        raise Mistake(f"{config} cannot be written: {error.strerror}; name another file with --config") from error
    typer.echo(f"wrote {config}; next: `rotator config check --config {config}`, then `rotator plan`")
    return Ending.CLEAN
