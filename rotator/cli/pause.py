"""`rotator pause`: keep hands off for a while."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from rotator.cli.ending import Ending, Mistake
from rotator.cli.options import DEFAULT_CONFIG, ConfigOption, Output, OutputOption


def pause(
    reason: Annotated[str, typer.Option(help="Why; everybody who looks sees it.")],
    match: Annotated[str, typer.Option(metavar="GLOB", help="Only certificates whose name matches.")] = "*",
    until: Annotated[
        str, typer.Option(metavar="WHEN", help="2h, 3d, or a moment like 2027-01-31T08:00Z; else until `resume`.")
    ] = "",
    config: ConfigOption = DEFAULT_CONFIG,
    output: OutputOption = Output.TABLE,
) -> Ending:
    """Pause renewals and reloads; looks and alerts go on.

    A pause holds past the emergency line, too: whoever pauses is told, and paged before something expires.
    """
    from rotator.cli.asking import ask, tell
    from rotator.cli.opening import log_to_stderr, read_config
    from rotator.clock import system_clock

    if not reason.strip():
        raise Mistake("say why with --reason; everybody who looks sees it")
    log_to_stderr("warning")
    ends = moment_of(until, system_clock().now())
    arguments = {"match": match, "reason": reason, "until": ends.isoformat() if ends else ""}
    return tell(output, ask(read_config(config), "pause", [arguments]))


def moment_of(text: str, now: datetime) -> datetime | None:
    """A moment from `2h`, or from ISO 8601; without a zone it is UTC. None for an empty text.

    Raises:
        Mistake: it is neither.
    """
    from rotator.settings import parse_duration

    if not text:
        return None
    try:
        length = parse_duration(text)
    except ValueError:
        length = None
    if isinstance(length, timedelta):
        return now + length
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise Mistake(f"{text!r} is no moment; write it like 2h, 3d, 2027-01-31 or 2027-01-31T08:00Z") from error
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
