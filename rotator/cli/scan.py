"""`rotator scan`: audit what is stored and served, with a config or without."""

from __future__ import annotations

from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from rotator.cli.ending import Ending, Mistake
from rotator.cli.options import CONFIG_VARIABLE, DEFAULT_CONFIG
from rotator.report.grouping import GroupBy


class FailOn(StrEnum):
    """From which severity on findings make the exit code 1."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"
    CRITICAL = "critical"
    NONE = "none"


class ScanOutput(StrEnum):
    """The forms of an audit."""

    TABLE = "table"
    JSON = "json"
    JSONL = "jsonl"
    CSV = "csv"
    SARIF = "sarif"
    JUNIT = "junit"
    PROMETHEUS = "prometheus"
    HTML = "html"


def scan(
    ctx: typer.Context,
    targets: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="TARGET",
            help="host, host:port, name@address:port, smtp://host:25, a range like 192.0.2.0/24, a file, a folder, a "
            "glob, k8s://CONTEXT/NAMESPACE, vault://HOST/MOUNT, acm://REGION, @FILE with one target a line, - for "
            "standard input. Without targets: the sources of the config. `scan diff OLD.json [NEW.json]` compares.",
        ),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(
            "--config", "-c", metavar="FILE", help=f"Its sources, and how it judges [default: {DEFAULT_CONFIG}]."
        ),
    ] = None,
    output: Annotated[ScanOutput, typer.Option("--output", "-o", help="For people, or for programs.")] = (
        ScanOutput.TABLE
    ),
    group_by: Annotated[GroupBy | None, typer.Option(help="Group the table.")] = None,
    fail_on: Annotated[FailOn, typer.Option(help="Exit 1 for findings of this severity and above.")] = FailOn.ERROR,
    expiring_within: Annotated[
        str | None, typer.Option(metavar="TIME", help="What ends within this (45d) is an error.")
    ] = None,
    only: Annotated[
        list[str] | None, typer.Option(metavar="RULE", help="Ask these rules alone (RT002, expired …).")
    ] = (None),
    ignore: Annotated[list[str] | None, typer.Option(metavar="RULE", help="Do not ask these rules.")] = None,
    baseline: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Findings that are known and accepted, each until a day.")
    ] = None,
    write_baseline: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write what is found now as a baseline, and exit 0.")
    ] = None,
    until: Annotated[
        str | None, typer.Option(metavar="DATE", help="The last day of what --write-baseline accepts [default: 90 d].")
    ] = None,
    ca: Annotated[
        list[Path] | None, typer.Option(metavar="FILE", help="Roots that clients trust beside the system's.")
    ] = None,
    revocation: Annotated[bool, typer.Option("--revocation", help="Ask CAs whether they have revoked it.")] = False,
    allow_internal: Annotated[
        list[str] | None,
        typer.Option(metavar="HOST|NETWORK", help="Internal places that may be asked about revocation."),
    ] = None,
    caa: Annotated[bool, typer.Option("--caa", help="Ask DNS whether the issuer may issue.")] = False,
    server_name: Annotated[str, typer.Option(metavar="NAME", help="The name to ask every endpoint for (SNI).")] = "",
    client_certificate: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Shown to servers that want one (PEM).")
    ] = None,
    client_key: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Its key [default: in the same file].")
    ] = None,
    passwords_file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Passwords to try on keystores, one a line.")
    ] = None,
    connect_timeout: Annotated[str, typer.Option(metavar="TIME", help="For a connection.")] = "5s",
    handshake_timeout: Annotated[str, typer.Option(metavar="TIME", help="For a handshake.")] = "5s",
    timeout: Annotated[str, typer.Option(metavar="TIME", help="For one address in all.")] = "10s",
    concurrency: Annotated[int, typer.Option(min=1, max=10_000, help="Connections at once.")] = 256,
    per_address: Annotated[int, typer.Option(min=1, max=1000, help="Connections to one address at once.")] = 10,
    processes: Annotated[
        int | None, typer.Option(min=0, max=64, help="Processes that shake hands beside this one [default: as fit].")
    ] = None,
    both_keys: Annotated[
        bool, typer.Option("--both-keys", help="Look a second time for an RSA certificate beside an ECDSA one.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Look at ranges of more than 1,024 addresses.")] = False,
) -> Ending:
    """Audit certificates, stored and served; needs no config.

    For each place: its end, what is wrong, and whether rotator would renew it, by which rule and when. Changes
    nothing. Exit code 1 for findings at or above --fail-on, 3 when something could not be
    looked at, 0 when all is well.
    """
    from rotator.cli.scanning import Looking, scan_config, scan_targets
    from rotator.cli.scantelling import Telling
    from rotator.cli.scanwishes import Wishes, duration

    if targets and targets[0] == "diff":
        from rotator.cli.scandiff import diff

        return diff(targets[1:], output, fail_on)
    if client_key and not client_certificate:
        raise Mistake("--client-key is the key of --client-certificate, which is not given")
    if until and not write_baseline:
        raise Mistake("--until is the last day of what --write-baseline accepts, which is not given")
    if not targets and (said := _beside_targets(ctx)):
        raise Mistake(f"{', '.join(said)} go with targets; the sources of a config have settings of their own")
    wishes = Wishes(
        expiring_within=duration(expiring_within, "--expiring-within") if expiring_within else None,
        only=tuple(only or ()),
        ignore=tuple(ignore or ()),
        baseline=baseline,
        ca=tuple(ca or ()),
        revocation=revocation,
        allow_internal=tuple(allow_internal or ()),
        caa=caa,
    )
    telling = Telling(output, group_by, fail_on, write_baseline, _day(until))
    if not targets:
        path = config or _usual_config()
        return scan_config(path, wishes, telling, asked=config is not None)
    looking = Looking(
        server_name=server_name,
        client_certificate=client_certificate,
        client_key=client_key,
        passwords_file=passwords_file,
        connect_timeout=duration(connect_timeout, "--connect-timeout"),
        handshake_timeout=duration(handshake_timeout, "--handshake-timeout"),
        timeout=duration(timeout, "--timeout"),
        concurrency=concurrency,
        per_address=per_address,
        processes=processes,
        both_keys=both_keys,
        wide=yes,
    )
    return scan_targets(tuple(targets), looking, wishes, telling, config)


_OF_TARGETS = frozenset(
    {
        "server_name", "client_certificate", "client_key", "passwords_file", "connect_timeout", "handshake_timeout",
        "timeout", "concurrency", "per_address", "processes", "both_keys", "yes",
    }
)  # fmt: skip
"""Options that say how to look at what is named on the command line, and mean nothing without."""


def _beside_targets(ctx: typer.Context) -> list[str]:
    """Those of them that a person gave."""
    given = {name for name in _OF_TARGETS if getattr(ctx.get_parameter_source(name), "name", "") == "COMMANDLINE"}
    return sorted(f"--{name.replace('_', '-')}" for name in given)


def _usual_config() -> Path:
    import os

    return Path(os.environ.get(CONFIG_VARIABLE) or DEFAULT_CONFIG)


def _day(text: str | None) -> date | None:
    """The last day of a baseline."""
    from rotator.clock import system_clock

    try:
        day = date.fromisoformat(text) if text else None
    except ValueError as error:
        raise Mistake(f"--until {text!r} is no day; write it like 2027-01-31") from error
    if day is not None and day < system_clock().now().date():
        raise Mistake(f"--until {text} has passed; nothing would be accepted")
    return day
