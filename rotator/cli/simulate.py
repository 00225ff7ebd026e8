"""`rotator simulate`: what a fleet will cost, from the policy on a virtual clock."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rotator.cli.ending import Ending
from rotator.cli.screen import flush, show, write

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rotator.core.simulate import Simulation


class SimulationOutput(StrEnum):
    """The forms of a simulation."""

    TABLE = "table"
    JSON = "json"
    SVG = "svg"


def simulate(
    certificates: Annotated[
        int | None, typer.Option("--certificates", "-n", metavar="N", help="How many [default: 1000].")
    ] = None,
    lifetime: Annotated[
        list[str] | None,
        typer.Option(
            "--lifetime",
            "-l",
            metavar="TIME[:SHARE]",
            help="How long they live (47d); several with their shares (47d:80%) [default: 47d].",
        ),
    ] = None,
    days: Annotated[int, typer.Option(metavar="N", help="How long to simulate.")] = 365,
    config: Annotated[
        Path | None,
        typer.Option(
            "--config", "-c", metavar="FILE", help="Take the fleet and the policy from what this config finds."
        ),
    ] = None,
    compare: Annotated[bool, typer.Option("--compare", help="Each lifetime by itself, side by side.")] = False,
    renew_before: Annotated[
        str | None, typer.Option(metavar="TIME", help="A lead for all, instead of the rule's.")
    ] = None,
    check_every: Annotated[
        str | None, typer.Option(metavar="TIME", help="The longest time between looks [default: 1h].")
    ] = None,
    an_hour: Annotated[
        int | None, typer.Option(metavar="N", help="Orders an hour [default: as many as the policy allows].")
    ] = None,
    limits: Annotated[
        str | None, typer.Option(metavar="CA", help="Published limits: letsencrypt, letsencrypt-staging.")
    ] = None,
    domains: Annotated[int, typer.Option(metavar="N", help="Registered domains that the names belong to.")] = 1,
    moving: Annotated[
        bool, typer.Option("--moving", help="They come from another CA: the first order of each is no renewal.")
    ] = False,
    failures: Annotated[str, typer.Option(metavar="SHARE", help="Orders that fail at the issuer (1%).")] = "0%",
    seed: Annotated[int, typer.Option(metavar="N", help="Which orders those are.")] = 1,
    outage: Annotated[
        list[str] | None,
        typer.Option(metavar="TIME@dayN", help="The issuer answers nobody for so long (12h@day30)."),
    ] = None,
    output: Annotated[
        SimulationOutput, typer.Option("--output", "-o", help="For people, for programs, or a chart.")
    ] = (SimulationOutput.TABLE),
) -> Ending:
    """Simulate a fleet: how many rotations, when, how late, by hand.

    The same policy as the daemon's on a virtual clock, a year in seconds; orders nothing. The ages of the certificates
    are spread evenly, or with --config those of what is found. Ends with 1 when a certificate ends unrenewed.
    """  # fmt: skip
    from rotator.cli.simulating import Fleets, Wishes, run

    wishes = Wishes(
        certificates=certificates,
        lifetimes=tuple(lifetime or ()),
        days=days,
        compare=compare,
        renew_before=renew_before,
        check_every=check_every,
        an_hour=an_hour,
        limits=limits,
        domains=domains,
        moving=moving,
        failures=failures,
        seed=seed,
        outages=tuple(outage or ()),
    )
    fleets = Fleets.found(config, wishes) if config is not None else Fleets.given(wishes)
    simulations = run(fleets, wishes)
    _tell(simulations, output, compare=compare)
    if any(one.late.ended for one in simulations):
        return Ending.NOT_DONE
    return Ending.UNSEEN if fleets.unseen else Ending.CLEAN


def _tell(simulations: Sequence[Simulation], output: SimulationOutput, *, compare: bool) -> None:
    from rotator.cli.options import Output
    from rotator.report import simulation

    if output is SimulationOutput.SVG:
        from rotator.report.simulation_chart import chart, comparison_chart

        write(comparison_chart(simulations) if compare else chart(simulations[0]))
        flush()
        return
    show(
        Output(output.value),
        table=lambda: simulation.comparison(simulations) if compare else simulation.table(simulations[0]),
        json=lambda: simulation.comparison_json(simulations) if compare else simulation.json(simulations[0]),
    )
