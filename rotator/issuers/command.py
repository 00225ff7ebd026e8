"""Any CA with a command line: the signing request goes in, the chain comes out.

The contract with the command:

| what | how |
| --- | --- |
| signing request | PEM on standard input |
| `ROTATOR_NAMES` | the names, separated by commas; the same as in the request |
| `ROTATOR_LIFETIME` | whole seconds to ask for; empty leaves it to the CA |
| `ROTATOR_PROFILE` | the profile of the certificate's config; may be empty |
| `ROTATOR_RESUME` | what an earlier call printed with status 75; empty at the first call |
| status 0 | issued: the chain as PEM on standard output, leaf first |
| status 75 | accepted, not finished: the first line of standard output comes back as `ROTATOR_RESUME` |
| status 64–74, 76–78 | refused for good (`sysexits.h`): trying again unchanged will not help |
| any other status | failed; tried again later |

Where it fails, the first line that it prints is the sentence that people read. It sees PATH, LANG, HOME, the variables
above and those of `environment`; never a private key. When it takes too long it is ended with everything it started,
and what it prints beyond a megabyte is cut off.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import ClassVar

from pydantic import Field

from rotator.core.model import Chain, Check, IssueRequest, PreflightRequest
from rotator.errors import IssueError, Pending, SecretMissing
from rotator.lib import process
from rotator.lib.issued import read_issued
from rotator.lib.writable import command_problem
from rotator.ports import Clock, Keep
from rotator.settings import Duration, PluginSettings, SecretRef

PENDING = os.EX_TEMPFAIL
REFUSED = range(os.EX_USAGE, os.EX_CONFIG + 1)
_MOST_SHOWN = 300  # characters of what the command says
_MOST_TOKEN = 4096  # characters; it comes back through the environment


class CommandSettings(PluginSettings):
    """Which command signs, and how long it may take.

    Attributes:
        command: the program and its arguments; no shell is involved.
        timeout: it is stopped after that.
        retry_after: when to ask again after status 75.
        environment: further variables, each read from `${env:…}` or `${file:…}` for every call.
    """

    command: tuple[str, ...] = Field(min_length=1)
    timeout: Duration = Field(default=timedelta(minutes=2), gt=timedelta(0))
    retry_after: Duration = Field(default=timedelta(minutes=1), ge=timedelta(seconds=1))
    environment: Mapping[str, SecretRef] = Field(default_factory=dict)


class CommandIssuer:
    """Has a command sign."""

    Settings: ClassVar[type[PluginSettings]] = CommandSettings

    def __init__(self, name: str, settings: CommandSettings, clock: Clock, keep: Keep) -> None:
        self.name = name
        self._settings = settings

    def issue(self, request: IssueRequest, *, resume: str | None, checkpoint: Callable[[str], None]) -> Chain:
        """Run the command once."""
        program = self._settings.command[0]
        try:
            ran = process.run(
                self._settings.command,
                seconds=self._settings.timeout.total_seconds(),
                stdin=request.csr,
                env={**self._environment(), **_asked(request, resume)},
            )
        except process.ProcessError as error:
            raise IssueError(f"{self.name}: {error}") from error
        if ran.code == PENDING:
            self._keep_token(ran.stdout, checkpoint)
            raise Pending(f"{self.name}: {program} has not finished yet", retry_after=self._settings.retry_after)
        if ran.code != os.EX_OK:
            said = _first_line(ran.output) or "it printed nothing"
            raise IssueError(
                f"{self.name}: {program} ended with status {ran.code}: {said}", permanent=ran.code in REFUSED
            )
        return read_issued(ran.stdout, f"{self.name}: {program}")

    def preflight(self, request: PreflightRequest) -> tuple[Check, ...]:
        """What is at hand: the program, and the secrets of its environment. It is not run, so the CA is not asked."""
        program = Check("program", *command_problem(self._settings.command))
        untold = Check("signing", detail="whether the CA would sign only an order tells", told=False)
        try:
            self._environment()
        except IssueError as error:
            return (program, Check("environment", str(error), "set it where rotator runs"), untold)
        return (program, untold)

    def _environment(self) -> dict[str, str]:
        try:
            return {variable: secret.reveal() for variable, secret in self._settings.environment.items()}
        except SecretMissing as error:
            raise IssueError(f"{self.name}: {error}", permanent=True) from error

    def _keep_token(self, output: bytes, checkpoint: Callable[[str], None]) -> None:
        token = output.decode("utf-8", "replace").partition("\n")[0].strip()
        if len(token) > _MOST_TOKEN or "\0" in token:
            raise IssueError(
                f"{self.name}: {self._settings.command[0]} ended with status {PENDING}, but its first line is no "
                f"token: at most {_MOST_TOKEN} characters of text are kept",
                permanent=True,
            )
        if token:
            checkpoint(token)


def _asked(request: IssueRequest, resume: str | None) -> dict[str, str]:
    lifetime = str(int(request.lifetime.total_seconds())) if request.lifetime else ""
    return {
        "ROTATOR_NAMES": ",".join(request.names),
        "ROTATOR_LIFETIME": lifetime,
        "ROTATOR_PROFILE": request.profile,
        "ROTATOR_RESUME": resume or "",
    }


def _first_line(text: str) -> str:
    """The first line that says something, without what could confuse a terminal, and not too much of it."""
    line = next((line.strip() for line in text.splitlines() if line.strip()), "")
    return "".join(sign if sign.isprintable() else "?" for sign in line)[:_MOST_SHOWN]
