"""How the demo is told: Rich on a terminal, plain lines otherwise, nothing but the result for JSON."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from rich.console import Console
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from rotator.core.model import Action, Decision, Inventory, Outcome, Plan, Result
from rotator.demo.fleet import Service
from rotator.demo.score import Score

_MARKS = {
    Result.DONE: ("✓", "green"),
    Result.UNPROVED: ("?", "yellow"),
    Result.PENDING: ("…", "yellow"),
    Result.FAILED: ("✗", "red"),
    Result.ROLLED_BACK: ("↩", "yellow"),
    Result.STRANDED: ("✗", "bold red"),
}


class Story(Protocol):
    """The chapters of the demo, in their order."""

    def found(self, services: Sequence[Service], inventory: Inventory) -> None: ...

    def planned(self, plan: Plan) -> None: ...

    def rotated(self, outcome: Outcome) -> None: ...

    def alert(self, alert: Mapping[str, Any]) -> None: ...

    def page(self, address: str) -> None: ...

    def end(self, score: Score) -> None: ...


class Silent:
    """Prints the result as JSON and nothing else."""

    def found(self, services: Sequence[Service], inventory: Inventory) -> None:
        """Not told."""

    def planned(self, plan: Plan) -> None:
        """Not told."""

    def rotated(self, outcome: Outcome) -> None:
        """Not told."""

    def alert(self, alert: Mapping[str, Any]) -> None:
        """Not told."""

    def page(self, address: str) -> None:
        """Not told."""

    def end(self, score: Score) -> None:
        json.dump(score.as_json(), sys.stdout, indent=2)
        sys.stdout.write("\n")


class Told:
    """For people: tables and colours where there is a terminal, the same words without them elsewhere."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(highlight=False, soft_wrap=False)

    def found(self, services: Sequence[Service], inventory: Inventory) -> None:
        ends = {o.endpoint.port: o.chain for o in inventory.observations if o.endpoint and o.chain}
        self._title("What a scan finds", "forty services; what they serve, and what is wrong with it")
        table = Table(box=None, pad_edge=False, header_style="bold")
        for column in ("SERVICE", "PORT", "SERVED UNTIL", "FOUND"):
            table.add_column(column, justify="right" if column == "PORT" else "left", no_wrap=True)
        for service in services:
            chain = ends.get(service.port)
            left = (chain.not_after - inventory.at).total_seconds() / 86400 if chain else 0.0
            table.add_row(service.name, str(service.port), _ends(left), Text(service.case.story, _colour(left)))
        self._console.print(table)

    def planned(self, plan: Plan) -> None:
        self._title("The plan, with reasons", "most urgent first; what is healthy is not listed")
        table = Table(box=None, pad_edge=False, show_header=False)
        for decision in plan.decisions:
            if decision.action is not Action.KEEP:
                table.add_row(_verb(decision), decision.spec.name, Text(decision.message, overflow="fold"))
        self._console.print(table)
        kept = sum(decision.action is Action.KEEP for decision in plan.decisions)
        self._console.print(f"  … and {kept} certificates that need nothing.")
        self._title("The rotations, live", "issue, validate, deploy, prove by fresh handshakes, record")

    def rotated(self, outcome: Outcome) -> None:
        mark, colour = _MARKS[outcome.result]
        decision = outcome.decision
        seconds = (outcome.finished - outcome.started).total_seconds()
        line = Text.assemble(
            (f"{mark} ", colour),
            f"{decision.spec.name:<11} ",
            (f"{outcome.result:<12}", colour),
            f"{decision.action} because {decision.because or decision.reason}, {seconds:.1f} s",
        )
        self._console.print(line)
        if outcome.error:
            self._console.print(Text(f"  {outcome.error}", "yellow"), soft_wrap=True)

    def alert(self, alert: Mapping[str, Any]) -> None:
        title = f"{str(alert.get('severity', '')).upper()}: {alert.get('title', '')}"
        body = "\n".join(
            part
            for part in (str(alert.get("detail", "")), f"$ {alert['command']}" if alert.get("command") else "")
            if part
        )
        self._title("What on-call gets", "the very message that the webhook alerter delivered")
        self._console.print(Panel(Text(body), title=Text(title), title_align="left", border_style="yellow"))

    def page(self, address: str) -> None:
        self._console.print(f"\nStatus page: http://{address}/   metrics: http://{address}/metrics")

    def end(self, score: Score) -> None:
        self._console.print()
        self._console.print(Text(score.headline(), "bold"), soft_wrap=True)

    def _title(self, title: str, detail: str) -> None:
        self._console.print()
        self._console.print(Text.assemble((title, "bold cyan"), f" - {detail}"))


def _ends(left: float) -> str:
    if left < 0:
        return f"ended {-left:.0f} d ago"
    return f"{left:.0f} d" if left >= 2 else f"{left * 24:.0f} h"


def _colour(left: float) -> str:
    return "red" if left < 3 else "yellow" if left < 30 else ""


def _verb(decision: Decision) -> Text:
    colours = {Action.RENEW: "green", Action.REDEPLOY: "cyan", Action.WAIT: "yellow", Action.HOLD: "red"}
    return Text(str(decision.action), colours.get(decision.action, ""))
